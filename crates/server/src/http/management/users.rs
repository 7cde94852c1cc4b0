//! `users`, `users-by-email`, and what hangs on a user: sessions, logs, blocks.

use lockstep_engine::flows::management::query::invalid;
use lockstep_engine::flows::management::{
    Outcome, grants, identities, logs, refresh_tokens, sessions, user_blocks, user_search, users,
};
use serde_json::json;

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    user_search::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn by_email(r: &mut Request) -> Outcome<Answer> {
    let fields = r.query.fields()?;
    let email = r.query.text("email").ok_or_else(|| invalid("Missing required property: email", "email"))?;
    users::by_email(&mut r.call, email, &fields).await.map(Answer::ok)
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    users::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let (user, fields) = (r.user()?, r.query.fields()?);
    users::read(&mut r.call, &user, &fields).await.map(Answer::ok)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    users::update(&mut r.call, &user, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    users::delete(&mut r.call, &user).await.map(|()| Answer::none())
}

pub(super) async fn link(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    identities::link(&mut r.call, &user, body).await.map(Answer::created)
}

pub(super) async fn unlink(r: &mut Request) -> Outcome<Answer> {
    let (user, provider, identity) = (r.user()?, r.param("provider"), r.param("user_id"));
    identities::unlink(&mut r.call, &user, &provider, &identity).await.map(Answer::ok)
}

pub(super) async fn list_logs(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    logs::list_of_user(&mut r.call, &user, &r.query).await.map(Answer::ok)
}

pub(super) async fn list_sessions(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    sessions::list(&mut r.call, &user, &r.query).await.map(Answer::ok)
}

pub(super) async fn delete_sessions(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    sessions::delete_all(&mut r.call, &user).await.map(|()| Answer::accepted(json!({})))
}

pub(super) async fn read_session(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    sessions::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn delete_session(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    sessions::delete(&mut r.call, &id).await.map(|()| Answer::accepted(json!({})))
}

pub(super) async fn update_session(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    sessions::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn revoke_session(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    sessions::revoke(&mut r.call, &id).await.map(|()| Answer::accepted(json!({})))
}

pub(super) async fn revoke_access(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    sessions::revoke_access(&mut r.call, &user, body).await.map(|()| Answer::accepted(json!({})))
}

pub(super) async fn list_tokens_of_user(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    refresh_tokens::list_of_user(&mut r.call, &user, &r.query).await.map(Answer::ok)
}

pub(super) async fn delete_tokens_of_user(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    refresh_tokens::delete_of_user(&mut r.call, &user).await.map(|()| Answer::accepted(json!({})))
}

pub(super) async fn list_tokens(r: &mut Request) -> Outcome<Answer> {
    refresh_tokens::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn revoke_tokens(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    refresh_tokens::revoke(&mut r.call, body).await.map(|()| Answer::accepted(json!({})))
}

pub(super) async fn read_token(r: &mut Request) -> Outcome<Answer> {
    let (id, fields) = (r.param("id"), r.query.fields()?);
    refresh_tokens::read(&mut r.call, &id, &fields).await.map(Answer::ok)
}

pub(super) async fn update_token(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    refresh_tokens::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete_token(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    refresh_tokens::delete(&mut r.call, &id).await.map(|()| Answer::accepted(json!({})))
}

pub(super) async fn list_grants(r: &mut Request) -> Outcome<Answer> {
    grants::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn delete_grants(r: &mut Request) -> Outcome<Answer> {
    grants::delete_of_user(&mut r.call, &r.query).await.map(|()| Answer::none())
}

pub(super) async fn delete_grant(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    grants::delete(&mut r.call, &id).await.map(|()| Answer::none())
}

pub(super) async fn identifier_blocks(r: &mut Request) -> Outcome<Answer> {
    user_blocks::read_identifier(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn delete_identifier_blocks(r: &mut Request) -> Outcome<Answer> {
    user_blocks::delete_identifier(&mut r.call, &r.query).await.map(|()| Answer::none())
}

pub(super) async fn blocks(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    user_blocks::read(&mut r.call, &user).await.map(Answer::ok)
}

pub(super) async fn delete_blocks(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    user_blocks::delete(&mut r.call, &user).await.map(|()| Answer::none())
}
