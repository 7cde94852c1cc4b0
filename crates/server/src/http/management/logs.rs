//! `logs`, and `stats`, which are counted in them.

use lockstep_engine::flows::management::{Outcome, logs, stats};

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

pub(super) async fn active_users(r: &mut Request) -> Outcome<Answer> {
    stats::active_users(&mut r.call).await.map(Answer::ok)
}

pub(super) async fn daily_stats(r: &mut Request) -> Outcome<Answer> {
    stats::daily(&mut r.call, &r.query).await.map(Answer::ok)
}
