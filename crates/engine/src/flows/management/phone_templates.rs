//! What text messages and calls say (contract/management-api.md 13, `branding/phone/templates`). One of each type; those of codes are really
//! used, before the older ones of `guardian/factors/phone/templates`.

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::factors::PhoneNumber;
use lockstep_core::model::message::{Channel, CodeToSend, MessageKind, Purpose};
use lockstep_core::time::Span;
use serde_json::{Map, Value, json};

use super::query::Query;
use super::validate::{Field, Kind, Schema, optional, refused, required};
use super::{Call, Outcome};
use crate::flows::messages::{self, About, CodeTemplates, PHONE_TEMPLATES, template};
use crate::flows::sending::{self, SendError};
use crate::store::db::{Conn, DbError};
use crate::store::settings;

const TYPES: &[&str] = &["otp_verify", "otp_enroll", "change_password", "blocked_account", "password_breach"];
const BODY: Schema = Schema::open(&[optional("text", TEXT), optional("voice", TEXT)]);
const TEXT: Kind = Kind::Long(1, 10_000);
const CONTENT: Schema = Schema::open(&[
    optional("syntax", Kind::OneOf(&["liquid"])),
    optional("from", Kind::Text(0, 64)),
    optional("body", Kind::Shape(&BODY)),
]);
const FIELDS: &[Field] = &[optional("content", Kind::Shape(&CONTENT)), optional("disabled", Kind::Bool)];
/// What a new one is made of.
pub const CREATE: Schema = Schema::closed(&[required("type", Kind::OneOf(TYPES))]).and(FIELDS);
/// What may be changed.
pub const UPDATE: Schema = Schema::closed(FIELDS);
/// A message to try it out with.
pub const TRY: Schema = Schema::closed(&[
    required("to", Kind::Text(1, 30)),
    optional("delivery_method", Kind::OneOf(&["text", "voice"])),
]);

/// Lists the templates: those that the tenant wrote, and the texts that stand for types without one.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let mut all = load(&mut call.app.db().read().await?).await?;
    add_unwritten(call, &mut all);
    // A list names the sender of each, also of those that have none of their own.
    for template in &mut all {
        if template["content"].get("from").is_none() {
            template["content"]["from"] = json!("");
        }
    }
    // Always in the same order, whoever was written first: tools compare lists.
    all.sort_by_key(|template| TYPES.iter().position(|kind| template["type"] == *kind));
    if let Some(disabled) = query.text("disabled") {
        all.retain(|template| template["disabled"].as_bool() == Some(disabled == "true"));
    }
    Ok(json!({"templates": all}))
}

/// Returns a template.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    let mut all = load(&mut call.app.db().read().await?).await?;
    add_unwritten(call, &mut all);
    find(&mut all, id).cloned()
}

/// Makes a template; there is one of each type.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let kind = body["type"].as_str().unwrap_or_default().to_owned();
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    if all.iter().any(|template| template["type"] == kind.as_str()) {
        let text = format!("A template of type {kind} already exists.");
        return Err(ManagementError::new(ManagementCode::Conflict, text));
    }
    let mut content = body.get("content").cloned().unwrap_or_else(|| default_content(&kind));
    check_content(&content)?;
    content["syntax"] = json!("liquid");
    let now = call.env.now.to_iso();
    let template = json!({
        "id": format!("tem_{}", call.env.rng().alphanumeric(22)),
        "tenant": "lockstep",
        "channel": "phone",
        "type": kind,
        "disabled": body.get("disabled").and_then(Value::as_bool).unwrap_or(false),
        "created_at": now,
        "updated_at": now,
        "content": content,
    });
    all.push(template.clone());
    save(call, &mut tx, &all).await?;
    tx.commit().await?;
    Ok(template)
}

/// Changes a template: of its content, what is given.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    if let Some(content) = body.get("content") {
        check_content(content)?;
    }
    change(call, id, |template| {
        if let Some(disabled) = body.get("disabled") {
            template["disabled"] = disabled.clone();
        }
        for (name, value) in body.get("content").and_then(Value::as_object).into_iter().flatten() {
            template["content"][name] = value.clone();
        }
    })
    .await
}

/// Gives a template its first words back.
pub async fn reset(call: &mut Call, id: &str) -> Outcome {
    change(call, id, |template| {
        let first = default_content(template["type"].as_str().unwrap_or_default());
        template["content"]["body"] = first["body"].clone();
    })
    .await
}

/// Removes a template. None is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    all.retain(|template| template["id"] != id);
    save(call, &mut tx, &all).await?;
    Ok(tx.commit().await?)
}

/// Sends a message by a template, with a code that opens nothing. It costs what a real one costs, so the same limits count.
pub async fn try_out(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = TRY.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    let template = find(&mut all, id)?.clone();
    if !matches!(template["type"].as_str(), Some("otp_verify" | "otp_enroll")) {
        let text = "Messages of this type are stored and not sent by this server.";
        return Err(ManagementError::new(ManagementCode::OperationNotSupported, text));
    }
    let words = &template["content"]["body"];
    let (to, voice) =
        (body["to"].as_str().unwrap_or_default(), body.get("delivery_method") == Some(&json!("voice")));
    send_trial(call, &mut tx, to, voice, words).await?;
    tx.commit().await?;
    Ok(json!({"code": 202, "message": "Test notification successfully sent for processing"}))
}

/// Queues a message with a made-up code.
pub(super) async fn send_trial(
    call: &mut Call,
    tx: &mut Conn,
    to: &str,
    voice: bool,
    words: &Value,
) -> Outcome<()> {
    let written = if to.starts_with('+') { to.to_owned() } else { format!("+{to}") };
    let number = PhoneNumber::parse(&written).map_err(|_| {
        refused("Payload validation error: 'The number is not a telephone number' on property to.")
    })?;
    let code = CodeToSend {
        channel: if voice { Channel::Voice } else { Channel::Sms },
        to: number.as_str().to_owned(),
        code: "123456".to_owned(),
        purpose: Purpose::Challenge,
        expires_at: call.env.now + Span::minutes(5),
    };
    let tenant = settings::tenant(tx).await?;
    let locales = tenant.enabled_locales();
    let about = About {
        tenant: &tenant,
        client: None,
        user: None,
        language: locales.first().copied().unwrap_or("en"),
        host: call.app.issuer().host(),
    };
    sending::admit(tx, &call.app, &call.env, &about, &call.origin, &code).await.map_err(
        |error| match error {
            SendError::TooMany(_) => ManagementCode::TooManyRequests.into(),
            SendError::NotAllowed(_) => refused("Messages are not sent to this number."),
            SendError::Db(error) => error.into(),
        },
    )?;
    let text = |name: &str| words[name].as_str().map(str::to_owned);
    let message = messages::code(&about, &CodeTemplates::of(text("text"), text("voice")), &code);
    let kind = if voice { MessageKind::CodeVoice } else { MessageKind::CodeSms };
    messages::queue(tx, &mut call.env, &about, kind, code.to.clone(), message, code.expires_at).await?;
    Ok(())
}

async fn change(call: &mut Call, id: &str, how: impl FnOnce(&mut Value)) -> Outcome {
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    let written = all.len();
    add_unwritten(call, &mut all);
    let template = find(&mut all, id)?;
    how(template);
    template["updated_at"] = json!(call.env.now.to_iso());
    let answer = template.clone();
    // A template is the tenant's own from the first change on.
    let mut at = 0;
    all.retain(|template| {
        at += 1;
        at <= written || template["id"] == id
    });
    save(call, &mut tx, &all).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Adds what stands for types that the tenant wrote no template of. Each has an id, so that a tool can change what it was listed.
fn add_unwritten(call: &Call, all: &mut Vec<Value>) {
    for kind in ["otp_verify", "otp_enroll", "change_password"] {
        if !all.iter().any(|template| template["type"] == kind) {
            let mut content = default_content(kind);
            content["from"] = json!("");
            let now = call.env.now.to_iso();
            all.push(
                json!({"id": unwritten_id(kind), "tenant": "lockstep", "channel": "phone", "type": kind,
                "disabled": false, "created_at": now, "updated_at": now, "content": content}),
            );
        }
    }
}

fn unwritten_id(kind: &str) -> String {
    format!("tem_default-{}", kind.replace('_', "-"))
}

async fn load(conn: &mut Conn) -> Result<Vec<Value>, DbError> {
    Ok(settings::find(conn, PHONE_TEMPLATES).await?.unwrap_or_default())
}

async fn save(call: &Call, tx: &mut Conn, all: &[Value]) -> Result<(), DbError> {
    settings::save(tx, PHONE_TEMPLATES, &all, call.env.now).await
}

fn find<'t>(all: &'t mut [Value], id: &str) -> Outcome<&'t mut Value> {
    let found = all.iter_mut().find(|template| template["id"] == id);
    found.ok_or_else(|| ManagementError::new(ManagementCode::NotFound, "The phone template does not exist."))
}

fn check_content(content: &Value) -> Outcome<()> {
    for name in ["text", "voice"] {
        let Some(text) = content["body"][name].as_str() else { continue };
        template::check(text).map_err(|error| {
            refused(format!("Payload validation error: 'The template is not valid Liquid: {error}' on property content.body.{name}."))
        })?;
    }
    Ok(())
}

/// The words of a type that the tenant wrote none for.
fn default_content(kind: &str) -> Value {
    let (text, what) = match kind {
        "otp_enroll" => (
            "{{ code | escape }} is your verification code for {{ friendly_name | escape }}. Please enter this code to verify your enrollment.",
            "verification code",
        ),
        "change_password" => (
            "{{ code | escape }} is your password change code for {{ friendly_name | escape }}",
            "password change code",
        ),
        _ => (
            "{{ code | escape }} is your verification code for {{ friendly_name | escape }}",
            "verification code",
        ),
    };
    let voice = format!(
        "Hello. Your {what} for {{{{ friendly_name | escape }}}} is {{{{ pause }}}} {{{{ code | escape }}}}. I repeat, your {what} is {{{{ pause }}}} {{{{ code | escape }}}}"
    );
    let mut content = Map::new();
    content.insert("syntax".to_owned(), json!("liquid"));
    content.insert("body".to_owned(), json!({"text": text, "voice": voice}));
    Value::Object(content)
}
