//! Jobs: what is worked off without a request, batch by batch. Each batch moves `position` in the commit of what it did, so that a batch
//! counts once, whoever does it and however often somebody dies.

use lockstep_core::ids::JobId;
use lockstep_core::time::Timestamp;
use serde_json::Value;

use super::db::{Conn, DbError, Row};
use crate::values;

/// What can be a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An import of users.
    Import,
    /// An export of users.
    Export,
    /// A mail with a link that proves an address.
    Verification,
}

impl Kind {
    /// Returns its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "users_import",
            Self::Export => "users_export",
            Self::Verification => "verification_email",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Import, Self::Export, Self::Verification].into_iter().find(|kind| kind.name() == name)
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody has begun.
    Pending,
    /// Under way.
    Processing,
    /// Done.
    Completed,
    /// Given up.
    Failed,
}

impl Status {
    /// Returns its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    fn named(name: &str) -> Self {
        [Self::Pending, Self::Processing, Self::Completed]
            .into_iter()
            .find(|status| status.name() == name)
            .unwrap_or(Self::Failed)
    }
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id, `job_…`.
    pub id: JobId,
    /// What it is.
    pub kind: Kind,
    /// How far it is.
    pub status: Status,
    /// What was asked, and what came of it.
    pub data: Value,
    /// How many rows are done.
    pub position: i64,
    /// Where to go on, for those who walk a table.
    pub place: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Adds a job. Its input is sealed: an import has hashes and seeds in it.
pub async fn create(conn: &mut Conn, job: &Job, input: Option<&str>) -> Result<(), DbError> {
    let sealed = input.map(|text| conn.keys().seal(text.as_bytes(), &aad(&job.id)));
    let data = job.data.to_string();
    let values = values![job.id, job.kind.name(), job.status.name(), data, sealed, job.created_at];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Returns the job with this id.
pub async fn find(conn: &mut Conn, id: &JobId) -> Result<Option<Job>, DbError> {
    let row = conn.fetch_optional(FIND, values![id]).await?;
    row.as_ref().map(read).transpose()
}

/// Returns how many jobs of a kind are not done.
pub async fn count_open(conn: &mut Conn, kind: Kind) -> Result<i64, DbError> {
    let row = conn.fetch_optional(COUNT_OPEN, values![kind.name()]).await?;
    row.map_or(Ok(0), |row| row.get("n"))
}

/// Takes the oldest job that is not done and that nobody has; nobody else gets it before `until`.
pub async fn claim(conn: &mut Conn, now: Timestamp, until: Timestamp) -> Result<Option<Job>, DbError> {
    let row = conn.fetch_optional(CLAIM, values![now, until]).await?;
    row.as_ref().map(read).transpose()
}

/// Returns the input of a job.
pub async fn input(conn: &mut Conn, id: &JobId) -> Result<String, DbError> {
    let row = conn.fetch_optional("select input from jobs where id = $1", values![id]).await?;
    let sealed: Option<Vec<u8>> = row.map(|row| row.get("input")).transpose()?.flatten();
    let Some(sealed) = sealed else { return Ok(String::new()) };
    let plain = conn.keys().open(&sealed, &aad(id))?;
    String::from_utf8(plain.to_vec()).map_err(|e| DbError::Corrupt(e.to_string()))
}

/// Saves how far a job is now. Returns false, and changes nothing, if somebody else went on from `before`.
pub async fn advance(
    conn: &mut Conn,
    job: &Job,
    before: i64,
    until: Timestamp,
    now: Timestamp,
) -> Result<bool, DbError> {
    let ended = matches!(job.status, Status::Completed | Status::Failed);
    let (data, ended_at) = (job.data.to_string(), ended.then_some(now));
    let values = values![job.id, job.status.name(), data, job.position, job.place, until, ended_at, before];
    Ok(conn.execute(ADVANCE, values).await? == 1)
}

/// Adds what is wrong with a row of a job's input.
pub async fn create_error(conn: &mut Conn, id: &JobId, number: i64, data: &Value) -> Result<(), DbError> {
    let sql = "insert into job_errors (job_id, number, data) values ($1, $2, $3)";
    conn.execute_later(sql, values![id, number, data.to_string()]).await
}

/// Returns what is wrong with the rows of a job's input, in their order.
pub async fn list_errors(conn: &mut Conn, id: &JobId) -> Result<Vec<Value>, DbError> {
    let sql = "select data from job_errors where job_id = $1 order by number";
    conn.fetch_all(sql, values![id]).await?.iter().map(|row| row.json("data")).collect()
}

/// Adds a part of what a job writes.
pub async fn create_part(conn: &mut Conn, id: &JobId, number: i64, content: Vec<u8>) -> Result<(), DbError> {
    let sql = "insert into job_parts (job_id, number, content) values ($1, $2, $3)";
    conn.execute(sql, values![id, number, content]).await?;
    Ok(())
}

/// Returns the first part from a number on, with its number.
pub async fn find_part(conn: &mut Conn, id: &JobId, from: i64) -> Result<Option<(i64, Vec<u8>)>, DbError> {
    let row = conn.fetch_optional(FIND_PART, values![id, from]).await?;
    row.map(|row| Ok((row.get("number")?, row.get("content")?))).transpose()
}

/// Adds an address under which a job's file can be had.
pub async fn create_link(conn: &mut Conn, hash: &str, id: &JobId, end: Timestamp) -> Result<(), DbError> {
    let sql = "insert into job_links (token_hash, job_id, expires_at) values ($1, $2, $3)";
    conn.execute(sql, values![hash, id, end]).await?;
    Ok(())
}

/// Returns the job whose file can be had under an address now.
pub async fn find_by_link(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<Option<Job>, DbError> {
    let row = conn.fetch_optional(FIND_BY_LINK, values![hash, now]).await?;
    row.as_ref().map(read).transpose()
}

/// Removes jobs that ended a day ago, with all they hold, and addresses that are over.
pub async fn delete_expired(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    let links = conn.execute("delete from job_links where expires_at <= $1", values![now]).await?;
    Ok(links + conn.execute("delete from jobs where ended_at + 86400000 <= $1", values![now]).await?)
}

fn read(row: &Row) -> Result<Job, DbError> {
    let kind: String = row.get("kind")?;
    Ok(Job {
        id: JobId::trusted(row.get::<String>("id")?),
        kind: Kind::named(&kind).ok_or_else(|| DbError::Corrupt(format!("jobs.kind: {kind}")))?,
        status: Status::named(&row.get::<String>("status")?),
        data: row.json("data")?,
        position: row.get("position")?,
        place: row.get("place")?,
        created_at: row.get("created_at")?,
    })
}

fn aad(id: &JobId) -> String {
    format!("jobs:input:{id}")
}

const CREATE: &str =
    "insert into jobs (id, kind, status, data, input, position, place, claimed_until, created_at)
 values ($1, $2, $3, $4, $5, 0, '', 0, $6)";
const FIND: &str = "select id, kind, status, data, position, place, created_at from jobs where id = $1";
const COUNT_OPEN: &str =
    "select count(*) as n from jobs where kind = $1 and status in ('pending', 'processing')";
// The conditions stand twice: on PostgreSQL a second server that waited for the row looks at the outer ones again, not at the inner.
const CLAIM: &str = "update jobs set claimed_until = $2, status = 'processing'
 where claimed_until <= $1 and status in ('pending', 'processing') and id =
 (select id from jobs where claimed_until <= $1 and status in ('pending', 'processing') order by created_at, id limit 1)
 returning id, kind, status, data, position, place, created_at";
// What is done needs its input no more.
const ADVANCE: &str = "update jobs set status = $2, data = $3, position = $4, place = $5, claimed_until = $6, ended_at = $7,
 input = case when $7 is null then input else null end where id = $1 and position = $8 and status = 'processing'";
const FIND_PART: &str =
    "select number, content from job_parts where job_id = $1 and number >= $2 order by number limit 1";
const FIND_BY_LINK: &str = "select j.id, j.kind, j.status, j.data, j.position, j.place, j.created_at
 from job_links l join jobs j on j.id = l.job_id where l.token_hash = $1 and l.expires_at > $2";
