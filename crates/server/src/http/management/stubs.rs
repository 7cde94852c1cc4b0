//! What Lockstep has none of yet: lists that tools read on every run, answered truthfully with nothing in them.

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
