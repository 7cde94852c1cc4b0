//! `log-streams`.

use lockstep_engine::flows::management::{Outcome, log_streams};

use super::answer::Answer;
use super::dispatch::Request;

/// What an answer gives away.
const SECRETS: &[&str] = &["sink"];

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    log_streams::list(&mut r.call).await.map(|body| {
        let none = body.as_array().is_none_or(Vec::is_empty);
        if none { Answer::ok(body) } else { Answer::ok(body).giving(SECRETS) }
    })
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    log_streams::create(&mut r.call, body).await.map(Answer::ok)
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    log_streams::read(&mut r.call, &id).await.map(|body| Answer::ok(body).giving(SECRETS))
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let (id, body) = (r.param("id"), r.body());
    log_streams::update(&mut r.call, &id, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    log_streams::delete(&mut r.call, &id).await.map(|()| Answer::none())
}
