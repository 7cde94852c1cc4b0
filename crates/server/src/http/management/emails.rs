//! `emails/provider`.

use lockstep_engine::flows::management::{Outcome, emails};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let fields = r.query.fields()?;
    emails::read(&mut r.call, &fields).await.map(Answer::ok)
}

pub(super) async fn create(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    emails::create(&mut r.call, body).await.map(Answer::created)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    emails::update(&mut r.call, body).await.map(Answer::ok)
}

pub(super) async fn delete(r: &mut Request) -> Outcome<Answer> {
    emails::delete(&mut r.call).await.map(|()| Answer::none())
}
