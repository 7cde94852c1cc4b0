//! Who carries text messages and calls (contract/management-api.md 13, `branding/phone/providers`). There is one; while it is enabled it counts
//! more than the settings of `guardian/factors/phone`.

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::model::document::Document;
use serde_json::{Value, json};

use super::validate::{Kind, Schema, optional, required};
use super::{Call, Outcome, phone_templates};
use crate::store::db::{Conn, DbError};
use crate::store::settings;
use crate::worker::delivery::PHONE_PROVIDERS;

const NAME: Kind = Kind::OneOf(&["twilio", "custom"]);
const CONFIGURATION: Schema = Schema::open(&[
    optional("sid", Kind::Text(1, 255)),
    optional("default_from", Kind::Text(1, 64)),
    optional("mssid", Kind::Text(1, 255)),
    required("delivery_methods", Kind::Set(&Kind::OneOf(&["text", "voice"]), 1, 2)),
]);
const CREDENTIALS: Schema = Schema::open(&[optional("auth_token", Kind::Text(1, 255))]);
/// What a new one is made of.
pub const CREATE: Schema = Schema::closed(&[
    required("name", NAME),
    optional("disabled", Kind::Bool),
    optional("configuration", Kind::Shape(&CONFIGURATION)),
    required("credentials", Kind::Shape(&CREDENTIALS)),
]);
/// What may be changed.
pub const UPDATE: Schema = Schema::closed(&[
    optional("name", NAME),
    optional("disabled", Kind::Bool),
    optional("configuration", Kind::Shape(&CONFIGURATION)),
    optional("credentials", Kind::Shape(&CREDENTIALS)),
]);
/// A message to try it out with.
pub const TRY: Schema = Schema::closed(&[
    required("to", Kind::Text(1, 30)),
    optional("delivery_method", Kind::OneOf(&["text", "voice"])),
]);

/// Lists the providers.
pub async fn list(call: &mut Call) -> Outcome {
    let all = load(&mut call.app.db().read().await?).await?;
    let shown = all.into_iter().map(|provider| {
        let mut shown = shown(provider);
        shown["credentials"] = Value::Null;
        shown
    });
    Ok(json!({"providers": shown.collect::<Vec<_>>()}))
}

/// Returns a provider without its secrets.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    let mut all = load(&mut call.app.db().read().await?).await?;
    Ok(shown(find(&mut all, id)?.clone()))
}

/// Makes the provider.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    if !all.is_empty() {
        return Err(ManagementError::new(ManagementCode::Conflict, "There is already a phone provider."));
    }
    let mut provider = Document(body);
    check_account(&provider)?;
    let now = call.env.now.to_iso();
    if provider.flag("disabled").is_none() {
        provider.set("disabled", false);
    }
    provider.set("id", format!("pro_{}", call.env.rng().alphanumeric(22)));
    provider.set("tenant", "lockstep");
    provider.set("channel", "phone");
    provider.set("created_at", now.clone());
    provider.set("updated_at", now);
    all.push(provider.clone());
    save(call, &mut tx, &all).await?;
    tx.commit().await?;
    Ok(shown(provider))
}

/// Changes a provider. Another name makes another provider: of the old one's configuration and credentials nothing is left.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    let provider = find(&mut all, id)?;
    let name = body.get("name").and_then(Value::as_str);
    if name.is_some_and(|name| provider.text("name") != Some(name)) {
        provider.0.remove("configuration");
        provider.0.remove("credentials");
    }
    provider.patch(&body);
    check_account(provider)?;
    provider.set("updated_at", call.env.now.to_iso());
    let answer = shown(provider.clone());
    save(call, &mut tx, &all).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Removes a provider. None is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    all.retain(|provider| provider.text("id") != Some(id));
    save(call, &mut tx, &all).await?;
    Ok(tx.commit().await?)
}

/// Sends a message with a code that opens nothing.
pub async fn try_out(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = TRY.check(body)?;
    let mut tx = call.app.db().write().await?;
    find(&mut load(&mut tx).await?, id)?;
    let (to, voice) =
        (body["to"].as_str().unwrap_or_default(), body.get("delivery_method") == Some(&json!("voice")));
    phone_templates::send_trial(call, &mut tx, to, voice, &Value::Null).await?;
    tx.commit().await?;
    Ok(json!({"code": 202, "message": "Test notification successfully sent for processing"}))
}

async fn load(conn: &mut Conn) -> Result<Vec<Document>, DbError> {
    Ok(settings::find_sealed(conn, PHONE_PROVIDERS).await?.unwrap_or_default())
}

async fn save(call: &Call, tx: &mut Conn, all: &[Document]) -> Result<(), DbError> {
    settings::save_sealed(tx, PHONE_PROVIDERS, &all, call.env.now).await
}

fn find<'p>(all: &'p mut [Document], id: &str) -> Outcome<&'p mut Document> {
    let found = all.iter_mut().find(|provider| provider.text("id") == Some(id));
    found.ok_or_else(|| ManagementError::new(ManagementCode::NotFound, "The phone provider does not exist."))
}

/// An account at Twilio needs something to send from, and its own credentials.
fn check_account(provider: &Document) -> Outcome<()> {
    let filled = |path: &str| provider.filled(path).is_some();
    let complete = filled("configuration.sid")
        && filled("credentials.auth_token")
        && (filled("configuration.default_from") || filled("configuration.mssid"));
    if provider.text("name") == Some("twilio") && !complete {
        let text = "Bad Operation on Notification Resource";
        return Err(ManagementError::new(ManagementCode::BadOperation, text));
    }
    Ok(())
}

fn shown(mut provider: Document) -> Value {
    provider.0.remove("credentials");
    Value::Object(provider.0)
}
