//! Works off jobs, one batch a commit: a batch moves the job's position in the commit of what it did, so that it counts once, at whatever
//! server, and a job goes on where it was when a server dies.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use lockstep_core::env::Env;
use lockstep_core::ids::{ClientId, ConnectionId, UserId};
use lockstep_core::model::log_event::LogEvent;
use lockstep_core::time::Span;
use lockstep_core::user_import::{Source, shown};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::flows::email_verification;
use crate::flows::management::users::rendered;
use crate::flows::user_import::{self, Stored, Target};
use crate::store::db::DbError;
use crate::store::jobs::{self, Job, Kind, Status};
use crate::store::{clients, connections, users};

/// How often the server looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long a job is nobody else's. Longer than a batch takes.
const LEASE: Span = Span::minutes(2);
/// How long a job that fails is tried again.
const PATIENCE: Span = Span::hours(1);
/// Rows of an import in one commit: logins wait for it.
const ROWS: usize = 100;
/// Users of an export in one.
const USERS: i64 = 500;

/// What a table has when nobody says otherwise.
const COLUMNS: [&str; 10] = [
    "user_id",
    "email",
    "email_verified",
    "name",
    "given_name",
    "family_name",
    "nickname",
    "picture",
    "created_at",
    "updated_at",
];

/// Works off what is due; returns how many batches that were.
pub async fn run(app: &App) -> Result<usize, DbError> {
    let mut batches = 0;
    loop {
        let now = app.env().now;
        let mut tx = app.db().write().await?;
        let Some(mut job) = jobs::claim(&mut tx, now, now + LEASE).await? else { return Ok(batches) };
        tx.commit().await?;
        let result = work_off(app, &mut job, &mut batches).await;
        if result.is_err() && now.since(job.created_at) > PATIENCE {
            give_up(app, &job).await?;
        }
        result?;
    }
}

/// Works at a job until it is done, or somebody else has it.
async fn work_off(app: &App, job: &mut Job, batches: &mut usize) -> Result<(), DbError> {
    let rows: Vec<Value> = match job.kind {
        Kind::Import => {
            let input = jobs::input(&mut app.db().read().await?, &job.id).await?;
            serde_json::from_str(&input)?
        }
        _ => Vec::new(),
    };
    while !matches!(job.status, Status::Completed | Status::Failed) {
        let mut env = app.env();
        let went_on = match job.kind {
            Kind::Import => import(app, &mut env, job, &rows).await?,
            Kind::Export => export(app, &mut env, job).await?,
            Kind::Verification => verification(app, &mut env, job).await?,
        };
        if !went_on {
            break;
        }
        *batches += 1;
    }
    Ok(())
}

/// Ends a job that has failed again and again: it would be in the way of others.
async fn give_up(app: &App, job: &Job) -> Result<(), DbError> {
    let now = app.env().now;
    let mut tx = app.db().write().await?;
    if let Some(mut job) = jobs::find(&mut tx, &job.id).await? {
        job.status = Status::Failed;
        jobs::advance(&mut tx, &job, job.position, now, now).await?;
    }
    tx.commit().await
}

/// Runs it every second.
pub fn start(app: App) -> JoinHandle<()> {
    super::every(EVERY, move || {
        let app = app.clone();
        async move {
            if let Err(error) = run(&app).await {
                tracing::warn!(%error, "A job could not be worked off; trying again in two minutes: {error}");
            }
        }
    })
}

/// Stores the next rows; returns false if somebody else has the job now.
async fn import(app: &App, env: &mut Env, job: &mut Job, rows: &[Value]) -> Result<bool, DbError> {
    let mut tx = app.db().write().await?;
    let connection = ConnectionId::parse(job.data["connection_id"].as_str().unwrap_or_default()).ok();
    let connection = match connection {
        Some(id) => connections::find(&mut tx, &id).await?,
        None => None,
    };
    let before = job.position;
    let count = |job: &Job, name: &str| job.data["counts"][name].as_i64().unwrap_or(0);
    let (mut inserted, mut updated, mut failed) =
        (count(job, "inserted"), count(job, "updated"), count(job, "failed"));
    job.status = Status::Processing;
    match &connection {
        None => job.status = Status::Failed,
        Some(connection) => {
            let upsert = job.data["upsert"].as_bool().unwrap_or(false);
            let target = Target { connection, upsert, source: Source::Job };
            for value in rows.iter().skip(usize::try_from(before).unwrap_or(0)).take(ROWS) {
                match user_import::store(&mut tx, env, &target, value).await? {
                    Stored::Inserted => inserted += 1,
                    Stored::Updated => updated += 1,
                    Stored::Failed(errors) => {
                        failed += 1;
                        let errors: Vec<Value> = errors.iter().map(|error| error.to_json()).collect();
                        let told = json!({"user": shown(value), "errors": errors});
                        jobs::create_error(&mut tx, &job.id, job.position, &told).await?;
                    }
                }
                job.position += 1;
            }
        }
    }
    let counts = json!({"inserted": inserted, "updated": updated, "failed": failed});
    if job.status != Status::Failed && job.position >= rows.len() as i64 {
        job.status = Status::Completed;
        job.data["summary"] = counts.clone();
        job.data["summary"]["total"] = json!(rows.len());
    }
    if let Some(data) = job.data.as_object_mut() {
        if job.status == Status::Processing {
            data.insert("counts".to_owned(), counts);
            data.insert("percentage_done".to_owned(), json!(job.position * 100 / rows.len() as i64));
        } else {
            data.remove("counts");
            data.remove("percentage_done");
        }
    }
    if job.status != Status::Processing {
        let (code, description) = match job.status {
            Status::Completed => ("sui", "Successfully imported users"),
            _ => ("fui", "The connection of the import does not exist any more"),
        };
        let mut event = LogEvent::new(code, description).details(json!({
            "tenant": "lockstep", "connection": connection.as_ref().map(|connection| &connection.name),
            "job_id": job.id, "summary": job.data.get("summary"),
        }));
        event.client = job.data["client_id"].as_str().map(|id| ClientId::trusted(id.to_owned()));
        event.connection = connection.map(|connection| connection.name);
        app.logs().insert(&mut tx, env, &event).await?;
    }
    if !jobs::advance(&mut tx, job, before, env.now + LEASE, env.now).await? {
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}

/// Writes the next users; returns false if somebody else has the job now.
async fn export(app: &App, env: &mut Env, job: &mut Job) -> Result<bool, DbError> {
    let mut tx = app.db().write().await?;
    let before = job.position;
    let connection = match job.data["connection_id"].as_str() {
        None => None,
        Some(id) => match connections::find(&mut tx, &ConnectionId::trusted(id.to_owned())).await? {
            Some(connection) => Some(connection.name),
            None => {
                job.status = Status::Failed;
                let went_on = jobs::advance(&mut tx, job, before, env.now, env.now).await?;
                tx.commit().await?;
                return Ok(went_on);
            }
        },
    };
    let limit = job.data["limit"].as_i64().unwrap_or(i64::MAX);
    let (number, wanted) = (before, (limit - before).min(USERS));
    let found = users::list_some_after(&mut tx, connection.as_deref(), &job.place, wanted).await?;
    let end = (found.len() as i64) < wanted || before + found.len() as i64 >= limit;
    if let Some(last) = found.last() {
        job.place = UserId::to_string(&last.id);
    }
    job.position += found.len() as i64;
    let csv = job.data["format"] == "csv";
    let fields = Fields::of(&job.data, csv);
    let mut text = if csv && before == 0 { fields.head() } else { String::new() };
    for user in rendered(&mut tx, found).await? {
        fields.write(&user, csv, &mut text);
    }
    if !text.is_empty() || (end && before == 0) {
        jobs::create_part(&mut tx, &job.id, number, zipped(&text)?).await?;
    }
    job.status = if end { Status::Completed } else { Status::Processing };
    if !jobs::advance(&mut tx, job, before, env.now + LEASE, env.now).await? {
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}

/// Writes the mail, in the commit that ends the job: it is written once.
async fn verification(app: &App, env: &mut Env, job: &mut Job) -> Result<bool, DbError> {
    let id = |name: &str| job.data[name].as_str().map(str::to_owned);
    let mut tx = app.db().write().await?;
    let user = match id("user_id") {
        Some(id) => users::find(&mut tx, &UserId::trusted(id)).await?,
        None => None,
    };
    let client = match id("client_id") {
        Some(id) => clients::find(&mut tx, &ClientId::trusted(id)).await?,
        None => None,
    };
    if let Some(user) = &user {
        email_verification::send(&mut tx, app, env, user, client.as_ref()).await?;
    }
    job.status = if user.is_some() { Status::Completed } else { Status::Failed };
    if !jobs::advance(&mut tx, job, job.position, env.now, env.now).await? {
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}

fn zipped(text: &str) -> Result<Vec<u8>, DbError> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let written = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish());
    written.map_err(|e| DbError::Corrupt(format!("a part of an export: {e}")))
}

/// Which fields an export has: paths into a user, and what they are called.
struct Fields(Option<Vec<(String, String)>>);

impl Fields {
    fn of(data: &Value, csv: bool) -> Self {
        let named = data["fields"].as_array().map(|fields| {
            let text = |field: &Value, name: &str| field[name].as_str().map(str::to_owned);
            fields
                .iter()
                .filter_map(|field| {
                    let name = text(field, "name")?;
                    Some((name.clone(), text(field, "export_as").unwrap_or(name)))
                })
                .collect()
        });
        Self(named.or_else(|| csv.then(|| COLUMNS.map(|name| (name.to_owned(), name.to_owned())).to_vec())))
    }

    fn head(&self) -> String {
        let names = self.0.iter().flatten().map(|(_, shown)| cell(shown)).collect::<Vec<_>>();
        names.join(",") + "\r\n"
    }

    fn write(&self, user: &Value, csv: bool, out: &mut String) {
        let Some(fields) = &self.0 else {
            out.push_str(&user.to_string());
            out.push('\n');
            return;
        };
        if csv {
            let cells: Vec<String> = fields
                .iter()
                .map(|(path, _)| match at(user, path) {
                    Value::Null => String::new(),
                    Value::String(text) => cell(text),
                    other => cell(&other.to_string()),
                })
                .collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        } else {
            let object: Map<String, Value> =
                fields.iter().map(|(path, shown)| (shown.clone(), at(user, path).clone())).collect();
            out.push_str(&Value::Object(object).to_string());
            out.push('\n');
        }
    }
}

/// Returns what is at a path such as `identities[0].connection`.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split(['.', '[', ']']).filter(|step| !step.is_empty()).fold(value, |value, step| match value {
        Value::Array(items) => step.parse::<usize>().ok().and_then(|n| items.get(n)).unwrap_or(&Value::Null),
        other => &other[step],
    })
}

/// Writes a cell (RFC 4180).
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_lists_and_objects() {
        let user = json!({"identities": [{"connection": "db"}], "user_metadata": {"a": {"b": 1}}});
        assert_eq!(at(&user, "identities[0].connection"), "db");
        assert_eq!(at(&user, "user_metadata.a.b"), 1);
        for nothing in ["identities[7].connection", "nope.x", "user_metadata[0]", ""] {
            assert!(at(&user, nothing).is_null() || nothing.is_empty(), "{nothing}");
        }
    }

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
    }
}
