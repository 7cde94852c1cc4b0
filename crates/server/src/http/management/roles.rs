//! `roles`, `users/{id}/roles`, `users/{id}/permissions`.

use lockstep_engine::flows::management::{Outcome, effective, roles};
use serde_json::json;

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    roles::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    roles::create(&mut r.call, body).await.map(Answer::ok)
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    roles::read(&mut r.call, &id).await.map(Answer::ok)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    roles::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    roles::delete(&mut r.call, &id).await.map(|()| Answer::ok(json!({})))
}

/// There are no groups; the role has to exist.
pub(super) async fn list_groups(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    r.query.checkpoints(r.call.env.now)?;
    roles::read(&mut r.call, &id).await?;
    Ok(Answer::ok(json!({"groups": []})))
}

pub(super) async fn list_permissions(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    roles::permissions(&mut r.call, &id, &r.query).await.map(Answer::ok)
}

pub(super) async fn add_permissions(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    roles::add_permissions(&mut r.call, &id, body).await.map(|()| Answer::created(json!({})))
}

pub(super) async fn remove_permissions(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    roles::remove_permissions(&mut r.call, &id, body).await.map(|()| Answer::none())
}

pub(super) async fn list_users(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    roles::users(&mut r.call, &id, &r.query).await.map(Answer::ok)
}

pub(super) async fn add_users(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    roles::add_users(&mut r.call, &id, body).await.map(|()| Answer::ok(json!({})))
}

pub(super) async fn list_of_user(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    roles::of_user(&mut r.call, &user, &r.query).await.map(Answer::ok)
}

pub(super) async fn add_to_user(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    roles::add_to_user(&mut r.call, &user, body).await.map(|()| Answer::none())
}

pub(super) async fn remove_from_user(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    roles::remove_from_user(&mut r.call, &user, body).await.map(|()| Answer::none())
}

pub(super) async fn list_held(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    roles::held(&mut r.call, &user, &r.query).await.map(Answer::ok)
}

pub(super) async fn add_user_permissions(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    roles::add_user_permissions(&mut r.call, &user, body).await.map(|()| Answer::created(json!({})))
}

pub(super) async fn remove_user_permissions(r: &mut Request) -> Outcome<Answer> {
    let (user, body) = (r.user()?, r.body());
    roles::remove_user_permissions(&mut r.call, &user, body).await.map(|()| Answer::none())
}

pub(super) async fn list_effective(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    effective::roles(&mut r.call, &user, &r.query).await.map(Answer::ok)
}

pub(super) async fn list_effective_permissions(r: &mut Request) -> Outcome<Answer> {
    let user = r.user()?;
    effective::permissions(&mut r.call, &user, &r.query).await.map(Answer::ok)
}
