//! `prompts`.

use lockstep_engine::flows::management::{Outcome, prompts};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    prompts::read(&mut r.call).await.map(Answer::ok)
}

pub(super) async fn update(r: &mut Request) -> Outcome<Answer> {
    let body = r.body();
    prompts::update(&mut r.call, body).await.map(Answer::ok)
}
