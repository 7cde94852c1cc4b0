//! What Lockstep has none of: lists that tools read on every run, answered truthfully with nothing in them, and the errors of
//! whoever looks for one of them or wants to make one.

use lockstep_core::codes::ManagementCode;
use lockstep_engine::flows::management::Outcome;
use lockstep_engine::flows::management::query::Page;
use lockstep_engine::flows::management::users;
use serde_json::json;

use super::answer::Answer;
use super::dispatch::Request;

/// A list with nothing in it, in the shape that was asked for.
pub(super) async fn empty(r: &mut Request, key: &'static str) -> Outcome<Answer> {
    let paging = r.query.paging(true, r.call.env.now)?;
    Ok(Answer::ok(Page::default().answer(key, &paging, r.call.env.now)))
}

/// A list that never has an envelope, with nothing in it.
pub(super) async fn bare(_: &mut Request) -> Outcome<Answer> {
    Ok(Answer::ok(json!([])))
}

/// One of them, or a new one: there is none, or there never will be.
pub(super) async fn refused(_: &mut Request, code: ManagementCode) -> Outcome<Answer> {
    Err(code.into())
}

/// An envelope with nothing in it, whatever the query.
pub(super) async fn always(_: &mut Request, key: &'static str) -> Outcome<Answer> {
    Ok(Answer::ok(json!({key: []})))
}

/// A list of a user with nothing in it; the user has to exist.
pub(super) async fn empty_of_user(r: &mut Request, key: &'static str) -> Outcome<Answer> {
    let user = r.user()?;
    users::read(&mut r.call, &user, &r.query.fields()?).await?;
    Ok(Answer::ok(json!({key: []})))
}
