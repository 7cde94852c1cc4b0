//! `device-credentials`.

use lockstep_engine::flows::management::{Outcome, device_credentials};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    device_credentials::list(&mut r.call, &r.query).await.map(Answer::ok)
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    device_credentials::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    device_credentials::delete(&mut r.call, &id).await.map(|()| Answer::none())
}
