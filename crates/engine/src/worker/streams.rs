//! Carries the tenant's log to log streams of type `http`: in order, from where each stream was, by one server at a time.
//!
//! A batch that is not taken is tried again, later each time, and nothing overtakes it. Nothing is lost before the log's retention takes it;
//! if a server dies between handing over and noting it, a batch goes out twice, with the same log ids.

use std::time::Duration;

use lockstep_core::ids::LogStreamId;
use lockstep_core::model::log_event::LogEvent;
use lockstep_core::model::log_stream::{HTTP, LogStream};
use lockstep_core::time::Span;
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};

use crate::app::App;
use crate::logs::{SETTLED, first_id};
use crate::providers::log_sink;
use crate::store::db::{Conn, DbError};
use crate::store::log_streams::{self, Claimed};
use crate::store::logs;

/// How often the server looks.
const EVERY: Duration = Duration::from_secs(1);
/// How many records one request carries at most.
const BATCH: u32 = 100;
/// How many requests a turn has at most: the others wait no longer for their server.
const BATCHES: usize = 20;
/// How long a stream is nobody else's. Longer than a request takes; it is taken anew for each.
const LEASE: Span = Span::minutes(1);
/// How long the other side may refuse before the stream is suspended.
const PATIENCE: Span = Span::hours(24);

/// Gives every stream whose turn it is what is new; returns how many records went out.
pub async fn run(app: &App) -> Result<usize, DbError> {
    let now = app.env().now;
    app.logs().flush().await;
    let until = first_id(now - SETTLED);
    let due = log_streams::list_due(&mut app.db().read().await?, HTTP, now, &until).await?;
    let mut running = JoinSet::new();
    for id in due {
        let (app, until) = (app.clone(), until.clone());
        running.spawn(async move { serve(&app, &id, &until).await });
    }
    let mut sent = 0;
    while let Some(done) = running.join_next().await {
        // One stream's trouble is not another's.
        match done {
            Ok(Ok(records)) => sent += records,
            Ok(Err(error)) => {
                tracing::warn!(%error, "A log stream could not be read or noted; trying again");
            }
            Err(error) => tracing::error!(%error, "A log stream was given up; trying again"),
        }
    }
    Ok(sent)
}

/// Gives one stream what is new.
async fn serve(app: &App, id: &LogStreamId, until: &str) -> Result<usize, DbError> {
    let mut sent = 0;
    for _ in 0..BATCHES {
        let Done { records, more } = batch(app, id, until).await?;
        sent += records;
        if !more {
            break;
        }
    }
    Ok(sent)
}

/// What came of a batch.
struct Done {
    records: usize,
    /// Whether there may be another one at once.
    more: bool,
}

const NOTHING: Done = Done { records: 0, more: false };

/// Hands over one batch.
async fn batch(app: &App, id: &LogStreamId, until: &str) -> Result<Done, DbError> {
    let now = app.env().now;
    let mut tx = app.db().write().await?;
    let Some(claimed) = log_streams::claim(&mut tx, id, now, now + LEASE).await? else { return Ok(NOTHING) };
    tx.commit().await?;
    let mut conn = app.db().read().await?;
    let records = logs::list_between(&mut conn, &claimed.cursor, until, BATCH).await?;
    drop(conn);
    let last = records.last().and_then(|record| record.get("log_id")).and_then(Value::as_str);
    let (last, full) = (last.unwrap_or(&claimed.cursor).to_owned(), records.len() == BATCH as usize);
    let stream = &claimed.stream;
    let envelopes: Vec<Value> = records
        .into_iter()
        .filter(|record| carries(stream, record))
        .map(|record| stream.envelope(record))
        .collect();
    let taken = match envelopes.is_empty() {
        true => Ok(()),
        false => log_sink::send(&stream.sink, &envelopes, app.config().providers.private_networks).await,
    };
    let mut tx = app.db().write().await?;
    let done = match taken {
        Ok(()) => {
            let noted = log_streams::save_sent(&mut tx, &claimed, &last, now).await?;
            Done { records: envelopes.len(), more: noted && full }
        }
        Err(why) => {
            note_failure(app, &mut tx, &claimed, &why).await?;
            NOTHING
        }
    };
    tx.commit().await?;
    Ok(done)
}

fn carries(stream: &LogStream, record: &Value) -> bool {
    stream.carries(record.get("type").and_then(Value::as_str).unwrap_or_default())
}

/// Says when to try again, or suspends the stream.
async fn note_failure(app: &App, tx: &mut Conn, claimed: &Claimed, why: &str) -> Result<(), DbError> {
    let env = app.env();
    let (id, attempt) = (claimed.stream.id.as_str(), claimed.attempts + 1);
    let since = claimed.failing_since.unwrap_or(env.now);
    if env.now.since(since) < PATIENCE {
        tracing::warn!(stream.id = id, attempt, "A log stream did not take a batch, trying again: {why}");
        let again = env.now + pause(claimed.attempts);
        log_streams::save_failure(tx, claimed, since, Some(again)).await?;
        return Ok(());
    }
    tracing::error!(stream.id = id, attempt, "A log stream is suspended, it took nothing for a day: {why}");
    if log_streams::save_failure(tx, claimed, since, None).await? {
        let text = format!("Log stream {id} is suspended: {why}");
        app.logs().insert(tx, &env, &LogEvent::new("w", text)).await?;
    }
    Ok(())
}

/// How long to wait after so many attempts.
fn pause(attempts: i64) -> Span {
    match attempts {
        ..=0 => Span::seconds(10),
        1 => Span::minutes(1),
        2 => Span::minutes(5),
        3 => Span::minutes(20),
        _ => Span::hours(1),
    }
}

/// Runs it every second.
pub fn start(app: App) -> JoinHandle<()> {
    super::every(EVERY, move || {
        let app = app.clone();
        async move {
            if let Err(error) = run(&app).await {
                tracing::warn!(%error, "Log streams could not be read; trying again");
            }
        }
    })
}
