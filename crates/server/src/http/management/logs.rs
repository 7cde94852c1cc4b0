//! `logs`.

use lockstep_engine::flows::management::{Outcome, logs};

use super::answer::Answer;
use super::dispatch::Request;

pub(super) async fn list(r: &mut Request) -> Outcome<Answer> {
    let logs::Listing { body, next } = logs::list(&mut r.call, &r.query).await?;
    Ok(Answer { next, ..Answer::ok(body) })
}

pub(super) async fn read(r: &mut Request) -> Outcome<Answer> {
    let id = r.param("id");
    logs::read(&mut r.call, &id).await.map(Answer::ok)
}
