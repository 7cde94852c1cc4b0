//! `branding`.

use lockstep_engine::flows::management::{Outcome, branding};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    branding::read(&mut r.call).await.map(Answer::ok)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    branding::update(&mut r.call, body).await.map(Answer::ok)
}
