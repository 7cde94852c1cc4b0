//! Jobs: imports and exports of users (contract/management-api.md 17). They are made here and worked off by [`crate::worker::jobs`].

use lockstep_core::codes::ManagementCode;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::ids::{ConnectionId, JobId};
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::settings::Profile;
use lockstep_core::model::user::User;
use lockstep_core::time::Span;
use serde_json::{Map, Value, json};

use super::validate::{Kind, Schema, malformed_path, optional, refused, required};
use super::{Call, Outcome};
use crate::app::App;
use crate::store::connections;
use crate::store::db::{Conn, DbError};
use crate::store::jobs::{self, Job, Status};

const CONNECTION: Kind = Kind::Text(1, 64);

/// The parts of the form with an import; the body is checked as their object.
pub const IMPORT_PARTS: &[&str] =
    &["users", "connection_id", "upsert", "external_id", "send_completion_email"];

const IMPORT: Schema = Schema::closed(&[
    required("users", Kind::Any),
    required("connection_id", CONNECTION),
    optional("upsert", Kind::OneOf(&["true", "false"])),
    optional("external_id", Kind::Text(0, 255)),
    optional("send_completion_email", Kind::OneOf(&["true", "false"])),
]);

const FIELD: Schema =
    Schema::closed(&[required("name", Kind::Text(1, 255)), optional("export_as", Kind::Text(1, 255))]);

/// The body of an export.
pub const EXPORT: Schema = Schema::closed(&[
    optional("connection_id", CONNECTION),
    optional("format", Kind::OneOf(&["json", "csv"])),
    optional("limit", Kind::Int(1, 100_000_000)),
    optional("fields", Kind::List(&Kind::Shape(&FIELD), 1, 100)),
]);

/// Columns of a table that names none, and the most that it may have.
const MAX_COLUMNS: usize = 30;
/// The largest file of an import, as at Auth0, and where that does not matter.
const MAX_FAITHFUL: usize = 500 * 1024;
/// The same in the other profile.
pub const MAX_FILE: usize = 10 * 1024 * 1024;
/// So many imports are under way at most.
const MAX_IMPORTS: i64 = 2;
/// How long the address of a file works.
const LINK_LIFE: Span = Span::seconds(60);

/// Begins an import.
pub async fn import(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut body = IMPORT.check(body)?;
    let Some(Value::String(users)) = body.remove("users") else {
        return Err(refused("The users have to be a file."));
    };
    let most = if call.app.config().profile == Profile::Faithful { MAX_FAITHFUL } else { MAX_FILE };
    if users.len() > most {
        return Err(ManagementCode::PayloadTooLarge.into());
    }
    match serde_json::from_str(&users) {
        Ok(Value::Array(_)) => {}
        Ok(_) => return Err(refused("The users file has to be an array of users.")),
        Err(e) => return Err(refused(format!("The users file is not valid JSON: {e}."))),
    }
    let mut tx = call.app.db().write().await?;
    let connection = connection(&mut tx, text(&body, "connection_id")).await?;
    if jobs::count_open(&mut tx, jobs::Kind::Import).await? >= MAX_IMPORTS {
        return Err(ManagementCode::TooManyJobs.into());
    }
    let mut data = json!({"connection_id": connection.id, "upsert": text(&body, "upsert") == Some("true")});
    if let Some(id) = text(&body, "external_id") {
        data["external_id"] = json!(id);
    }
    data["client_id"] = json!(call.caller.client);
    let job = new(&mut call.env, jobs::Kind::Import, data);
    jobs::create(&mut tx, &job, Some(&users)).await?;
    tx.commit().await?;
    Ok(render(&job, None))
}

/// Begins an export.
pub async fn export(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut data = EXPORT.check(body.or_else(|| Some(json!({}))))?;
    let format = text(&data, "format").unwrap_or("json").to_owned();
    let columns = data.get("fields").and_then(Value::as_array).map_or(0, Vec::len);
    if format == "csv" && columns > MAX_COLUMNS {
        return Err(refused(format!("Exporting as csv is limited to {MAX_COLUMNS} fields.")));
    }
    data.insert("format".to_owned(), json!(format));
    let mut tx = call.app.db().write().await?;
    if let Some(id) = text(&data, "connection_id") {
        connection(&mut tx, Some(id)).await?;
    }
    let job = new(&mut call.env, jobs::Kind::Export, Value::Object(data));
    jobs::create(&mut tx, &job, None).await?;
    tx.commit().await?;
    Ok(render(&job, None))
}

/// Begins the mail with a link that proves an address, in the caller's transaction.
pub(super) async fn verification(
    call: &mut Call,
    tx: &mut Conn,
    user: &User,
    client: Option<&Client>,
) -> Outcome {
    let data = json!({"user_id": user.id, "client_id": client.map(|client| &client.id)});
    let job = new(&mut call.env, jobs::Kind::Verification, data);
    jobs::create(tx, &job, None).await?;
    Ok(render(&job, None))
}

/// Returns a job; a finished export with a fresh address of its file.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    let job = load(&mut call.app.db().read().await?, id).await?;
    let mut location = None;
    if job.kind == jobs::Kind::Export && job.status == Status::Completed {
        let token = call.env.rng().url_safe(43);
        let mut tx = call.app.db().write().await?;
        jobs::create_link(&mut tx, &sha256_b64url(&token), &job.id, call.env.now + LINK_LIFE).await?;
        tx.commit().await?;
        location = Some(call.env.issuer.url(&format!("exports/{token}")));
    }
    Ok(render(&job, location))
}

/// Returns what is wrong with the rows of an import; none if nothing is.
pub async fn errors(call: &mut Call, id: &str) -> Outcome<Option<Value>> {
    let mut conn = call.app.db().read().await?;
    let job = load(&mut conn, id).await?;
    let errors = jobs::list_errors(&mut conn, &job.id).await?;
    Ok((!errors.is_empty()).then_some(Value::Array(errors)))
}

/// A file that an address leads to.
pub struct File {
    job: JobId,
    /// Its name, `job_….csv.gz`.
    pub name: String,
}

/// Returns the file of an address, while it works.
pub async fn file(app: &App, env: &Env, token: &str) -> Result<Option<File>, DbError> {
    let mut conn = app.db().read().await?;
    let job = jobs::find_by_link(&mut conn, &sha256_b64url(token), env.now).await?;
    Ok(job.map(|job| {
        let format = job.data["format"].as_str().unwrap_or("json");
        File { name: format!("{}.{format}.gz", job.id), job: job.id }
    }))
}

impl File {
    /// Returns the first part from a number on, with the number of the next.
    pub async fn part(&self, app: &App, from: i64) -> Result<Option<(i64, Vec<u8>)>, DbError> {
        let part = jobs::find_part(&mut app.db().read().await?, &self.job, from).await?;
        Ok(part.map(|(number, content)| (number + 1, content)))
    }
}

fn new(env: &mut Env, kind: jobs::Kind, data: Value) -> Job {
    Job {
        id: JobId::new(env.rng()),
        kind,
        status: Status::Pending,
        data,
        position: 0,
        place: String::new(),
        created_at: env.now,
    }
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<Job> {
    let id = JobId::parse(id).map_err(|_| malformed_path("job-id", id, "id", "The id of the job."))?;
    jobs::find(conn, &id).await?.ok_or_else(|| ManagementCode::InexistentJob.into())
}

async fn connection(conn: &mut Conn, id: Option<&str>) -> Outcome<Connection> {
    let id = ConnectionId::parse(id.unwrap_or_default()).ok();
    let found = match id {
        Some(id) => connections::find(conn, &id).await?,
        None => None,
    };
    found.filter(Connection::is_database).ok_or_else(|| refused("The connection does not exist."))
}

/// Returns the object of the wire.
fn render(job: &Job, location: Option<String>) -> Value {
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(job.id));
    out.insert("type".to_owned(), json!(job.kind.name()));
    out.insert("status".to_owned(), json!(job.status.name()));
    out.insert("created_at".to_owned(), json!(job.created_at.to_iso()));
    for (name, value) in job.data.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "client_id" | "user_id" | "counts") {
            out.insert(name.clone(), value.clone());
        }
    }
    if job.status == Status::Completed {
        out.insert("percentage_done".to_owned(), json!(100));
    }
    if let Some(location) = location {
        out.insert("location".to_owned(), json!(location));
    }
    Value::Object(out)
}

fn text<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    map.get(name).and_then(Value::as_str)
}
