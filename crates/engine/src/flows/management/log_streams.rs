//! Log streams (contract/management-api.md 15). Those of type `http` are delivered ([`crate::worker::streams`]); others are stored, and
//! are never active.

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::ids::LogStreamId;
use lockstep_core::model::document::Document;
use lockstep_core::model::log_stream::{CATEGORY_NAMES, HIDDEN, HTTP, LogStream, MIXPANEL_PASSWORD, Status};
use lockstep_core::time::Timestamp;
use serde_json::{Map, Value};

use super::validate::{Field, Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome, taken};
use crate::logs::first_id;
use crate::providers::{http_client, log_sink};
use crate::store::db::Conn;
use crate::store::log_streams;

const NAME: Kind = Kind::Text(1, 255);
const FILTER: Schema = Schema::open(&[
    required("type", Kind::OneOf(&["category"])),
    required("name", Kind::OneOf(CATEGORY_NAMES)),
]);
const PII: Schema = Schema::open(&[
    required(
        "log_fields",
        Kind::Set(&Kind::OneOf(&["first_name", "last_name", "username", "email", "phone", "address"]), 0, 6),
    ),
    optional("method", Kind::OneOf(&["mask", "hash"])),
    optional("algorithm", Kind::OneOf(&["xxhash"])),
]);
const HEADER: Schema = Schema::open(&[
    required("header", Kind::Format("http-header-name", log_sink::is_header_name)),
    required("value", Kind::Format("http-header-value", is_value)),
]);
const SECRET: Kind = Kind::Text(0, 2048);
const SINK: Schema = Schema::open(&[
    optional("httpEndpoint", Kind::Uri),
    nullable("httpAuthorization", Kind::Format("http-header-value", is_value)),
    optional("httpContentFormat", Kind::OneOf(&["JSONLINES", "JSONARRAY", "JSONOBJECT"])),
    optional("httpContentType", Kind::Format("http-header-value", is_value)),
    nullable("httpCustomHeaders", Kind::List(&Kind::Shape(&HEADER), 0, 50)),
    optional("awsAccountId", Kind::Text(1, 64)),
    optional("awsRegion", Kind::Text(1, 64)),
    optional("azureSubscriptionId", Kind::Text(1, 64)),
    optional("azureResourceGroup", Kind::Text(1, 128)),
    optional("azureRegion", Kind::Text(1, 64)),
    optional("datadogApiKey", SECRET),
    optional("datadogRegion", Kind::Text(1, 64)),
    optional("splunkDomain", Kind::Text(1, 255)),
    optional("splunkPort", Kind::Text(1, 5)),
    optional("splunkToken", SECRET),
    optional("splunkSecure", Kind::Bool),
    optional("sumoSourceAddress", Kind::Text(1, 2048)),
    optional("segmentWriteKey", SECRET),
    optional("mixpanelRegion", Kind::Text(1, 64)),
    optional("mixpanelProjectId", Kind::Text(1, 64)),
    optional("mixpanelServiceAccountUsername", Kind::Text(1, 255)),
    optional(MIXPANEL_PASSWORD, SECRET),
]);
const COMMON: &[Field] = &[
    nullable("filters", Kind::List(&Kind::Shape(&FILTER), 0, 50)),
    nullable("pii_config", Kind::Shape(&PII)),
    nullable("isPriority", Kind::Bool),
];
/// The body that makes a stream.
pub const CREATE: Schema = Schema::open(&[
    optional("name", NAME),
    required(
        "type",
        Kind::OneOf(&[HTTP, "eventbridge", "eventgrid", "datadog", "splunk", "sumo", "segment", "mixpanel"]),
    ),
    required("sink", Kind::Shape(&SINK)),
    optional("startFrom", Kind::Format("date-time", is_date)),
])
.and(COMMON);
/// The body that changes one. Its type stays.
pub const UPDATE: Schema = Schema::open(&[
    optional("name", NAME),
    optional("status", Kind::OneOf(&["active", "paused", "suspended"])),
    optional("sink", Kind::Shape(&SINK)),
])
.and(COMMON);

/// What the sink of each type has to have.
const NEEDED: &[(&str, &[&str])] = &[
    (HTTP, &["httpEndpoint"]),
    ("eventbridge", &["awsAccountId", "awsRegion"]),
    ("eventgrid", &["azureSubscriptionId", "azureResourceGroup", "azureRegion"]),
    ("datadog", &["datadogApiKey", "datadogRegion"]),
    ("splunk", &["splunkDomain", "splunkPort", "splunkToken", "splunkSecure"]),
    ("sumo", &["sumoSourceAddress"]),
    ("segment", &["segmentWriteKey"]),
    (
        "mixpanel",
        &["mixpanelRegion", "mixpanelProjectId", "mixpanelServiceAccountUsername", MIXPANEL_PASSWORD],
    ),
];

fn is_value(text: &str) -> bool {
    text.len() <= 4096 && log_sink::is_header_value(text)
}

fn is_date(text: &str) -> bool {
    Timestamp::parse_iso(text).is_some()
}

/// Lists all streams.
pub async fn list(call: &mut Call) -> Outcome {
    let all = log_streams::list_all(&mut call.app.db().read().await?).await?;
    Ok(all.iter().map(LogStream::to_json).collect())
}

/// Makes a stream. It begins now, or with what happened since `startFrom`.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let id = LogStreamId::new(call.env.rng());
    let mut stream = LogStream {
        name: text("name").unwrap_or(id.as_str()).to_owned(),
        kind: text("type").unwrap_or_default().to_owned(),
        status: Status::Paused,
        data: Document::default(),
        sink: Document::default(),
        created_at: call.env.now,
        id,
    };
    if stream.is_delivered() {
        stream.status = Status::Active;
    }
    change(call, &mut stream, &body)?;
    let from = text("startFrom").and_then(Timestamp::parse_iso).unwrap_or(call.env.now);
    let mut tx = call.app.db().write().await?;
    log_streams::create(&mut tx, &stream, &first_id(from)).await.map_err(taken(ManagementCode::Conflict))?;
    tx.commit().await?;
    tell_stored_only(&stream);
    Ok(stream.to_json())
}

/// Returns a stream.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    Ok(load(&mut call.app.db().read().await?, id).await?.to_json())
}

/// Changes a stream. It goes on from where it was.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    if let Ok(id) = LogStreamId::parse(id) {
        log_streams::lock(&mut tx, &id).await?;
    }
    let mut stream = load(&mut tx, id).await?;
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        name.clone_into(&mut stream.name);
    }
    let status = body.get("status").and_then(Value::as_str).and_then(Status::parse);
    match status {
        Some(Status::Suspended) => return Err(refused("A stream is suspended by the server alone.")),
        Some(status) if stream.is_delivered() => stream.status = status,
        Some(_) | None => {}
    }
    change(call, &mut stream, &body)?;
    log_streams::save(&mut tx, &stream).await.map_err(taken(ManagementCode::Conflict))?;
    tx.commit().await?;
    tell_stored_only(&stream);
    Ok(stream.to_json())
}

/// Deletes a stream. None there is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let Ok(id) = LogStreamId::parse(id) else { return Ok(()) };
    let mut tx = call.app.db().write().await?;
    log_streams::delete(&mut tx, &id).await?;
    Ok(tx.commit().await?)
}

fn change(call: &Call, stream: &mut LogStream, body: &Map<String, Value>) -> Outcome<()> {
    for name in ["filters", "pii_config", "isPriority"] {
        match body.get(name) {
            Some(Value::Null) => drop(stream.data.0.remove(name)),
            Some(value) => stream.data.set(name, value.clone()),
            None => {}
        }
    }
    let Some(sink) = body.get("sink").and_then(Value::as_object) else { return Ok(()) };
    let mut sink = Document(sink.clone());
    // Tools send back what they read.
    if sink.text(MIXPANEL_PASSWORD) == Some(HIDDEN)
        && let Some(kept) = stream.sink.at(MIXPANEL_PASSWORD)
    {
        sink.set(MIXPANEL_PASSWORD, kept.clone());
    }
    let needed = NEEDED.iter().find(|(kind, _)| *kind == stream.kind).map_or(&[][..], |(_, names)| names);
    if let Some(missing) = needed.iter().find(|name| sink.at(name).is_none()) {
        let text =
            format!("Payload validation error: 'Missing required property: {missing}' on property sink.");
        return Err(refused(text));
    }
    if stream.is_delivered() {
        let url = sink.text("httpEndpoint").unwrap_or_default();
        http_client::client(url, call.app.config().providers.private_networks)
            .map_err(|cause| refused(format!("sink.httpEndpoint cannot be called: {cause}")))?;
    }
    if stream.kind == "eventbridge" {
        // Amazon names a source once it has accepted one, and nobody asks it here.
        sink.set("awsPartnerEventSource", "");
    }
    if stream.kind == "eventgrid" {
        sink.set("azurePartnerTopic", "");
    }
    stream.sink = sink;
    Ok(())
}

fn tell_stored_only(stream: &LogStream) {
    if !stream.is_delivered() {
        tracing::warn!(
            stream.id = stream.id.as_str(),
            "The log stream {} is stored and carries nothing: this version of Lockstep delivers streams of type \"http\" alone",
            stream.id
        );
    }
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<LogStream> {
    let none = || {
        ManagementError::new(ManagementCode::InexistentLogStream, ManagementCode::InexistentLogStream.text())
    };
    let id = LogStreamId::parse(id).map_err(|_| none())?;
    log_streams::find(conn, &id).await?.ok_or_else(none)
}
