//! Writing tenant log records (contract/log-events.md).
//!
//! A record about a change is written in the change's own commit. Records that stand alone (a refused login, a machine token) go
//! through a queue that writes many in one commit, so that logging costs no disk sync a request; whoever reads logs has the
//! queue written first, so he sees all that was answered before.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use lockstep_core::env::Env;
use lockstep_core::ids::{ClientId, LogId, UserId};
use lockstep_core::model::log_event::LogEvent;
use lockstep_core::model::user_agent::UserAgent;
use lockstep_core::time::{Span, Timestamp};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use crate::store::db::{Conn, Db, DbError};
use crate::store::logs::{self, Record};

/// How many records may wait; beyond that the newest is dropped and counted rather than memory filled.
const QUEUE: usize = 65_536;
/// How many go into one commit.
const BATCH: usize = 512;
/// How long a record waits for others to share its commit: each commit is a disk sync, and a turn of the one writer.
const GATHER: Duration = Duration::from_millis(50);

/// Writes log records.
#[derive(Clone, Debug)]
pub struct LogWriter {
    queue: mpsc::Sender<Job>,
    ids: Arc<Mutex<LogIds>>,
}

#[derive(Debug)]
enum Job {
    Write(Box<Record>),
    Flush(oneshot::Sender<()>),
}

impl LogWriter {
    /// Starts the writer's task; it ends when the last writer is dropped.
    pub fn start(db: Db, node: u64) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, jobs));
        Self { queue, ids: Arc::new(Mutex::new(LogIds { node, last_ms: 0, counter: 0 })) }
    }

    /// Queues a record that stands alone. Never fails the request: a full queue drops the record and says so.
    pub fn queue(&self, env: &Env, event: &LogEvent) {
        let record = self.record(env, event);
        if self.queue.try_send(Job::Write(Box::new(record))).is_err() {
            warn!(event.code = event.code, "Dropped a tenant log record: the queue is full");
        }
    }

    /// Writes a record in the caller's transaction.
    pub async fn insert(&self, conn: &mut Conn, env: &Env, event: &LogEvent) -> Result<(), DbError> {
        logs::create(conn, &self.record(env, event)).await
    }

    /// Waits until all that was queued before is written.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Job::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }

    fn record(&self, env: &Env, event: &LogEvent) -> Record {
        let description = event.text();
        let header = event.origin.user_agent.as_deref().unwrap_or_default();
        let agent = UserAgent::read(header);
        // Records of second factors have the header as it came (contract/log-events.md 1).
        let user_agent = if event.code.starts_with("gd_") { header.to_owned() } else { agent.to_string() };
        let id = self.ids.lock().expect("no code panics while it holds this lock").next(env.now);
        Record {
            data: document(&id, env, event, &description, &user_agent, agent.mobile),
            id,
            connection_id: event.connection_id.clone(),
            client_name: event.client_name.clone(),
            user_name: event.user_name.clone(),
            description: description.into_owned(),
            hostname: event.origin.hostname.clone(),
            user_agent: Some(user_agent),
            code: event.code,
            date: env.now,
            client: event.client.as_ref().map(ToString::to_string),
            user: event.user.as_ref().map(ToString::to_string),
            connection: event.connection.clone(),
            ip: event.origin.ip.clone(),
        }
    }
}

/// Makes ids that grow with insertion even when the clock does not: `900`, the date, then a counter and the node's number.
#[derive(Debug)]
struct LogIds {
    node: u64,
    last_ms: i64,
    counter: u64,
}

impl LogIds {
    fn next(&mut self, now: Timestamp) -> LogId {
        self.last_ms = self.last_ms.max(now.as_millis());
        self.counter += 1;
        LogId::trusted(format!(
            "{}{:018}{:018}",
            first_id(Timestamp::from_millis(self.last_ms)),
            self.counter,
            self.node % 1_000_000_000_000_000_000
        ))
    }
}

/// How old a record is before readers who go on from an id may have it. Ids are drawn before records are written, on several servers at
/// once: until then a record could still get one before theirs.
pub const SETTLED: Span = Span::seconds(5);

/// Returns what is less than every id drawn at or after a moment, and greater than those before it: where a reader begins.
pub fn first_id(at: Timestamp) -> String {
    let date: String = at.to_iso().chars().filter(char::is_ascii_digit).take(17).collect();
    format!("900{date:0>17}")
}

/// The document of the wire. Written as text at once: a map in between costs more than the whole rest of a record.
#[derive(Serialize)]
struct Document<'a> {
    _id: &'a LogId,
    log_id: &'a LogId,
    date: String,
    #[serde(rename = "type")]
    code: &'a str,
    description: &'a str,
    connection: Option<&'a str>,
    connection_id: Option<&'a str>,
    strategy: Option<&'a str>,
    strategy_type: Option<&'a str>,
    organization_id: (),
    organization_name: (),
    client_id: Option<&'a ClientId>,
    client_name: Option<&'a str>,
    user_id: Option<&'a UserId>,
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_user_id: Option<&'a str>,
    ip: Option<&'a str>,
    client_ip: (),
    hostname: Option<&'a str>,
    user_agent: &'a str,
    #[serde(rename = "isMobile")]
    is_mobile: bool,
    audience: Option<&'a str>,
    scope: Option<&'a str>,
    location_info: (),
    security_context: SecurityContext,
    details: Option<&'a Value>,
    tenant_name: &'a str,
    environment_name: &'a str,
    #[serde(rename = "$event_schema")]
    event_schema: EventSchema,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth0_client: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    references: Option<References<'a>>,
}

/// Fingerprints of the TLS handshake, which nobody takes here: empty texts, as in the contract.
#[derive(Serialize)]
struct SecurityContext {
    ja3: &'static str,
    ja4: &'static str,
}

#[derive(Serialize)]
struct EventSchema {
    version: &'static str,
}

#[derive(Serialize)]
struct References<'a> {
    correlation_id: &'a str,
}

fn document(
    id: &LogId,
    env: &Env,
    event: &LogEvent,
    description: &str,
    user_agent: &str,
    is_mobile: bool,
) -> String {
    let origin = &event.origin;
    let details = event.wire_details();
    let strategy = event.connection.as_ref().map(|_| "auth0");
    let document = Document {
        _id: id,
        log_id: id,
        date: env.now.to_iso(),
        code: event.code,
        description,
        connection: event.connection.as_deref(),
        connection_id: event.connection_id.as_deref(),
        strategy,
        strategy_type: strategy.map(|_| "database"),
        organization_id: (),
        organization_name: (),
        client_id: event.client.as_ref(),
        client_name: event.client_name.as_deref(),
        user_id: event.user.as_ref(),
        user_name: event.user_name.as_deref(),
        identity_user_id: event.user.as_ref().map(|user| user.parts().1),
        ip: origin.ip.as_deref(),
        client_ip: (),
        hostname: origin.hostname.as_deref(),
        user_agent,
        is_mobile,
        audience: event.audience.as_deref(),
        scope: event.scope.as_deref(),
        location_info: (),
        security_context: SecurityContext { ja3: "", ja4: "" },
        details: details.as_deref(),
        tenant_name: "lockstep",
        environment_name: "lockstep",
        event_schema: EventSchema { version: "1.0.0" },
        auth0_client: origin.auth0_client.as_ref(),
        references: origin.correlation_id.as_deref().map(|correlation_id| References { correlation_id }),
    };
    serde_json::to_string(&document)
        .expect("text, booleans and JSON values: nothing here can fail to be JSON")
}

async fn run(db: Db, mut jobs: mpsc::Receiver<Job>) {
    let (mut records, mut waiting) = (Vec::new(), Vec::new());
    while let Some(first) = jobs.recv().await {
        sort(first, &mut records, &mut waiting);
        // Until it is time, or full, or somebody waits for what is written, or nobody can add any more.
        let _ = tokio::time::timeout(GATHER, async {
            while waiting.is_empty() && records.len() < BATCH {
                let Some(next) = jobs.recv().await else { return };
                sort(next, &mut records, &mut waiting);
            }
        })
        .await;
        if let Err(cause) = write(&db, &records).await {
            error!(records = records.len(), %cause, "Lost tenant log records: {cause}");
        }
        records.clear();
        for done in waiting.drain(..) {
            let _ = done.send(());
        }
    }
}

fn sort(job: Job, records: &mut Vec<Record>, waiting: &mut Vec<oneshot::Sender<()>>) {
    match job {
        Job::Write(record) => records.push(*record),
        Job::Flush(done) => waiting.push(done),
    }
}

async fn write(db: &Db, records: &[Record]) -> Result<(), DbError> {
    if records.is_empty() {
        return Ok(());
    }
    let mut tx = db.write().await?;
    logs::create_all(&mut tx, records).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ids_grow_even_when_the_clock_jumps_back() {
        let mut ids = LogIds { node: 7, last_ms: 0, counter: 0 };
        let a = ids.next(Timestamp::from_secs(1_770_055_315));
        let b = ids.next(Timestamp::from_secs(1_770_055_315));
        let c = ids.next(Timestamp::from_secs(1_000_000_000));
        assert!(a.as_str() < b.as_str() && b.as_str() < c.as_str());
        assert!(a.as_str().starts_with("90020260202180155000"));
        assert!(*first_id(Timestamp::from_secs(1_770_055_315)) < *a.as_str());
        assert!(*first_id(Timestamp::from_millis(1_770_055_315_001)) > *c.as_str());
        assert!([a, b, c].iter().all(|id| id.as_str().len() == 56));
    }
}
