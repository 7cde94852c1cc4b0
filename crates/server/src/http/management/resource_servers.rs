//! `resource-servers`.

use lockstep_engine::flows::management::{Outcome, resource_servers};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    resource_servers::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    resource_servers::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    let body = resource_servers::read(&mut r.call, &id, &r.query).await?;
    let secrets: &[&str] = if body.get("signing_secret").is_some() { &["signing_secret"] } else { &[] };
    Ok(Answer::ok(body).giving(secrets))
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    resource_servers::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    resource_servers::delete(&mut r.call, &id).await.map(|()| Answer::none())
}
