//! `/_dev/api/*`: the twin's controls as JSON, for tests.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use lockstep_core::factors::webauthn::device::Model;
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::time::Clock as _;
use lockstep_engine::flows::doctor::{self, Outbox};
use lockstep_engine::flows::twin;
use serde::Deserialize;
use serde_json::{Value, json};

use super::keys::{self, Ask};
use super::{ClockChange, Twin};

/// An answer of 4xx or 5xx with a sentence.
pub(super) struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

impl From<twin::TwinError> for Refusal {
    fn from(error: twin::TwinError) -> Self {
        let status = match error {
            twin::TwinError::UnknownSnapshot(_) => StatusCode::NOT_FOUND,
            twin::TwinError::SnapshotName(_) => StatusCode::BAD_REQUEST,
            twin::TwinError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

fn refuse(status: StatusCode, text: impl Into<String>) -> Refusal {
    Refusal(status, text.into())
}

/// Parses a JSON body whatever its content type; an empty one is `{}`.
fn body<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Refusal> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    serde_json::from_str(text)
        .map_err(|e| refuse(StatusCode::BAD_REQUEST, format!("the body is not understood: {e}")))
}

/// `GET /_dev/api/clock`
pub(super) async fn clock(State(twin): State<Twin>) -> Json<super::Reading> {
    Json(twin.clock.read())
}

/// `POST /_dev/api/clock`
pub(super) async fn set_clock(
    State(twin): State<Twin>,
    text: String,
) -> Result<Json<super::Reading>, Refusal> {
    let change: ClockChange = body(&text)?;
    twin.clock.change(&change).map_err(|e| refuse(StatusCode::BAD_REQUEST, e.to_string()))?;
    Ok(Json(twin.clock.read()))
}

/// What a virtual authenticator app is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scan {
    secret: Option<String>,
    otpauth_uri: Option<String>,
}

/// `POST /_dev/api/authenticators`
pub(super) async fn add_authenticator(State(twin): State<Twin>, text: String) -> Result<Response, Refusal> {
    let scan: Scan = body(&text)?;
    let Some(text) = scan.otpauth_uri.or(scan.secret) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "give \"otpauth_uri\" or \"secret\""));
    };
    let shown =
        twin.apps.add(&text, twin.clock.now()).map_err(|e| refuse(StatusCode::BAD_REQUEST, e.to_string()))?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// `GET /_dev/api/authenticators`
pub(super) async fn list_authenticators(State(twin): State<Twin>) -> Json<Vec<super::apps::Shown>> {
    Json(twin.apps.list(twin.clock.now()))
}

/// `GET /_dev/api/authenticators/{id}/code`
pub(super) async fn code(
    State(twin): State<Twin>,
    Path(id): Path<String>,
) -> Result<Json<super::apps::Shown>, Refusal> {
    let shown = twin.apps.find(&id, twin.clock.now());
    shown.map(Json).ok_or_else(|| refuse(StatusCode::NOT_FOUND, "no authenticator app has this id"))
}

/// Which virtual key is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    kind: String,
    /// The number of the only algorithm that it knows.
    algorithm: Option<i64>,
    /// Whether it attests its keys by themselves.
    #[serde(default)]
    self_attests: bool,
}

/// `POST /_dev/api/keys`
pub(super) async fn add_key(State(twin): State<Twin>, text: String) -> Result<Response, Refusal> {
    let wanted: NewKey = body(&text)?;
    let model = keys::model(&wanted.kind)
        .map_err(|names| refuse(StatusCode::BAD_REQUEST, format!("\"kind\" is one of {names}")))?;
    let model = Model { only: wanted.algorithm, self_attests: wanted.self_attests, ..model };
    Ok((StatusCode::CREATED, Json(twin.keys.add(model))).into_response())
}

/// `GET /_dev/api/keys`
pub(super) async fn list_keys(State(twin): State<Twin>) -> Json<Vec<keys::Shown>> {
    Json(twin.keys.list())
}

/// `GET /_dev/api/keys/metadata`: what FIDO's metadata service would say of keys of the kind `attested-key`.
pub(super) async fn key_metadata() -> Json<Value> {
    Json(virtual_maker::metadata())
}

/// `POST /_dev/api/keys/{id}/copy`: a second one with the same keys and counters.
pub(super) async fn copy_key(State(twin): State<Twin>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let copy = twin.keys.copy(&id).ok_or_else(no_such_key)?;
    Ok((StatusCode::CREATED, Json(copy)).into_response())
}

/// What a key is asked, and on which page: one of this server unless another is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ceremony {
    options: Value,
    origin: Option<String>,
}

/// `POST /_dev/api/keys/{id}/create`
pub(super) async fn create_credential(
    twin: State<Twin>,
    id: Path<String>,
    text: String,
) -> Result<Json<Value>, Refusal> {
    ask_key(&twin, &id, Ask::Create, &text)
}

/// `POST /_dev/api/keys/{id}/get`
pub(super) async fn get_credential(
    twin: State<Twin>,
    id: Path<String>,
    text: String,
) -> Result<Json<Value>, Refusal> {
    ask_key(&twin, &id, Ask::Get, &text)
}

/// Answers with the credential as JSON, or with the name of the error that a browser would throw.
fn ask_key(twin: &Twin, id: &str, ask: Ask, text: &str) -> Result<Json<Value>, Refusal> {
    let Ceremony { options, origin } = body(text)?;
    let mut env = twin.web.app().env();
    let origin = origin.unwrap_or_else(|| env.issuer.origin().to_owned());
    // Both forms are in use: the options, and an object that has them as `publicKey`.
    let options = options.get("publicKey").unwrap_or(&options);
    let answer = twin.keys.ask(id, ask, options, &origin, env.rng()).ok_or_else(no_such_key)?;
    answer.map(Json).map_err(|error| refuse(StatusCode::BAD_REQUEST, error.to_string()))
}

fn no_such_key() -> Refusal {
    refuse(StatusCode::NOT_FOUND, "no virtual key has this id")
}

/// Which messages of the outbox are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboxQuery {
    to: Option<String>,
    kind: Option<String>,
    /// Only messages after the one with this id.
    after: Option<String>,
    /// Seconds to wait for one, at most.
    wait: Option<u64>,
}

/// The longest that a request may wait for a message, in seconds.
const LONGEST_WAIT: u64 = 60;
/// How often a waiting request looks. The wait is that of the machine's clock: the twin's may stand still.
const LOOK: std::time::Duration = std::time::Duration::from_millis(25);

/// `GET /_dev/api/outbox?to=&kind=&after=&wait=`: the newest first. With `wait` it answers as soon as there is one.
pub(super) async fn outbox(
    State(twin): State<Twin>,
    Query(query): Query<OutboxQuery>,
) -> Result<Json<Vec<Value>>, Refusal> {
    let wait = std::time::Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT));
    let until = tokio::time::Instant::now() + wait;
    loop {
        let mut messages = twin::outbox(twin.web.app(), query.to.as_deref()).await?;
        if let Some(kind) = &query.kind {
            messages.retain(|stored| stored.message.kind.as_str() == kind);
        }
        if let Some(at) =
            query.after.as_ref().and_then(|id| messages.iter().position(|m| m.id.as_str() == id))
        {
            messages.truncate(at);
        }
        if !messages.is_empty() || tokio::time::Instant::now() >= until {
            return Ok(Json(messages.iter().map(message).collect()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn message(stored: &twin::StoredMessage) -> Value {
    let message = &stored.message;
    json!({
        "id": stored.id.as_str(), "kind": message.kind.as_str(), "to": message.recipient, "user_id": message.user,
        "subject": message.subject, "text": message.text, "html": message.html, "code": message.code,
        "channel": message.kind.channel().as_str(), "language": message.language,
        "created_at": stored.created_at.to_iso(), "sent_at": stored.sent_at.map(|t| t.to_iso())
    })
}

/// Which snapshot is meant, and what else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotName {
    name: Option<String>,
    /// For `reset`: leave the clock as it is.
    #[serde(default)]
    keep_clock: bool,
}

/// `POST /_dev/api/snapshot`
pub(super) async fn snapshot(State(twin): State<Twin>, text: String) -> Result<Json<Value>, Refusal> {
    let wanted: SnapshotName = body(&text)?;
    let name = wanted.name.unwrap_or_else(|| "default".to_owned());
    twin::snapshot(twin.web.app(), &name).await?;
    Ok(Json(json!({"snapshot": name})))
}

/// `POST /_dev/api/reset`: back to a snapshot, or to the state of the start. The clock goes with the machine's again.
pub(super) async fn reset(State(twin): State<Twin>, text: String) -> Result<Json<Value>, Refusal> {
    let wanted: SnapshotName = body(&text)?;
    let name = wanted.name.unwrap_or_else(|| twin::SEED.to_owned());
    twin.reset(&name, wanted.keep_clock).await?;
    Ok(Json(json!({"reset": name})))
}

/// `GET /_dev/api/decisions/{transaction or user}`
pub(super) async fn decisions(
    State(twin): State<Twin>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Value>>, Refusal> {
    let records = twin::decisions(twin.web.app(), &id).await?;
    Ok(Json(records.iter().map(twin::describe).collect()))
}

/// `GET /_dev/api/doctor`: settings that cannot work together.
pub(super) async fn doctor(State(twin): State<Twin>) -> Result<Json<Value>, Refusal> {
    let examined = doctor::examine(twin.web.app(), Outbox::Shown).await;
    examined
        .map(|findings| Json(json!(findings)))
        .map_err(|e| refuse(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
}
