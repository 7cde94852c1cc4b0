//! The tenant's own texts, insertions and renderings of the pages (contract/management-api.md 12).
//!
//! Each lies in one row: the texts of one language, all insertions, all renderings. A page needs the texts of its language and
//! reads one row for them.

use lockstep_core::model::document::Document;
use serde_json::{Map, Value, json};

use super::query::{Page, Query};
use super::validate::{Field, Kind, Schema, malformed_path, nullable, optional, refused, required};
use super::{Call, Outcome};
use crate::store::looks::TEXTS as TEXTS_SETTING;
use crate::store::settings;

/// The prompts that have texts.
pub const PROMPTS: &[&str] = &[
    "login",
    "login-id",
    "login-password",
    "login-passwordless",
    "login-email-verification",
    "signup",
    "signup-id",
    "signup-password",
    "phone-identifier-enrollment",
    "phone-identifier-challenge",
    "email-identifier-challenge",
    "reset-password",
    "custom-form",
    "consent",
    "customized-consent",
    "logout",
    "mfa-push",
    "mfa-otp",
    "mfa-voice",
    "mfa-phone",
    "mfa-webauthn",
    "mfa-sms",
    "mfa-email",
    "mfa-recovery-code",
    "mfa",
    "status",
    "device-flow",
    "email-verification",
    "email-otp-challenge",
    "organizations",
    "invitation",
    "common",
    "passkeys",
    "captcha",
    "brute-force-protection",
    "async-approval-flow",
    "confirmation",
];

/// The longest texts and insertions of one prompt, as JSON.
const MAX_BYTES: usize = 65_536;
const SCREENS: usize = 100;

/// The texts of one prompt: screens, each with its texts.
pub const TEXTS: Kind = Kind::Map(&Kind::Map(&Kind::Long(0, 8192), 300), SCREENS);
/// The insertions of one prompt: screens, each with pieces of HTML.
pub const PARTIALS: Kind = Kind::Map(&Kind::Map(&Kind::Long(0, 16_384), 20), SCREENS);

/// How one screen is rendered.
pub const RENDERING: Schema = Schema::open(RENDERING_FIELDS);
const CONFIG: Schema =
    Schema::open(&[required("prompt", Kind::Text(1, 64)), required("screen", Kind::Text(1, 64))])
        .and(RENDERING_FIELDS);
const RENDERING_FIELDS: &[Field] = &[
    nullable("rendering_mode", Kind::OneOf(&["advanced", "standard"])),
    nullable("context_configuration", Kind::List(&Kind::Text(1, 256), 0, 100)),
    nullable("default_head_tags_disabled", Kind::Bool),
    nullable("head_tags", Kind::List(&Kind::Object, 0, 50)),
    nullable("filters", Kind::Object),
    nullable("use_page_template", Kind::Bool),
];
/// How several screens are rendered.
pub const RENDERINGS: Schema =
    Schema::open(&[optional("configs", Kind::List(&Kind::Shape(&CONFIG), 1, 200))]);

/// Returns the setting that holds the texts of a language.
fn texts_setting(language: &str) -> String {
    format!("{TEXTS_SETTING}{language}")
}

const PARTIALS_SETTING: &str = "prompts.partials";
const RENDERING_SETTING: &str = "prompts.rendering";

/// Returns the tenant's texts of a prompt in a language.
pub async fn read_texts(call: &mut Call, prompt: &str, language: &str) -> Outcome {
    let prompt = known_prompt(prompt)?;
    read_part(call, &texts_setting(checked_language(language)?), prompt).await
}

/// Sets the tenant's texts of a prompt in a language, and returns them.
pub async fn replace_texts(call: &mut Call, prompt: &str, language: &str, body: Option<Value>) -> Outcome {
    let prompt = known_prompt(prompt)?;
    let setting = texts_setting(checked_language(language)?);
    replace_part(call, &setting, prompt, TEXTS.check(body)?).await
}

/// Returns the tenant's insertions into a prompt.
pub async fn read_partials(call: &mut Call, prompt: &str) -> Outcome {
    read_part(call, PARTIALS_SETTING, known_prompt(prompt)?).await
}

/// Sets the tenant's insertions into a prompt, and returns them.
pub async fn replace_partials(call: &mut Call, prompt: &str, body: Option<Value>) -> Outcome {
    let prompt = known_prompt(prompt)?;
    replace_part(call, PARTIALS_SETTING, prompt, PARTIALS.check(body)?).await
}

/// Lists the screens that are rendered in a way of their own.
pub async fn list_renderings(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.paging(true, call.env.now)?;
    let stored: Document =
        settings::find(&mut call.app.db().read().await?, RENDERING_SETTING).await?.unwrap_or_default();
    let matches = |config: &Value| {
        ["prompt", "screen", "rendering_mode"]
            .iter()
            .all(|name| query.text(name).is_none_or(|wanted| config[*name] == wanted))
    };
    let all = stored.0.keys().filter_map(|key| {
        let (prompt, screen) = key.split_once('/')?;
        Some(rendering(&stored, prompt, screen))
    });
    let all: Vec<Value> = all.filter(matches).collect();
    Ok(Page::cut(all, &paging).answer("configs", &paging, call.env.now))
}

/// Sets how several screens are rendered, and returns what was sent.
pub async fn update_renderings(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = RENDERINGS.check(body)?;
    let configs = body.get("configs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut changes = Vec::new();
    for config in configs {
        let text = |name: &str| config[name].as_str().unwrap_or_default();
        let key = screen_key(text("prompt"), text("screen"))?;
        let mut change = config.as_object().cloned().unwrap_or_default();
        for name in ["prompt", "screen", "tenant"] {
            change.remove(name);
        }
        changes.push((key, change));
    }
    save_renderings(call, &changes).await?;
    Ok(Value::Object(body))
}

/// Returns how a screen is rendered.
pub async fn read_rendering(call: &mut Call, prompt: &str, screen: &str) -> Outcome {
    screen_key(prompt, screen)?;
    let stored: Document =
        settings::find(&mut call.app.db().read().await?, RENDERING_SETTING).await?.unwrap_or_default();
    Ok(rendering(&stored, prompt, screen))
}

/// Sets how a screen is rendered, and returns what was sent.
pub async fn update_rendering(call: &mut Call, prompt: &str, screen: &str, body: Option<Value>) -> Outcome {
    let key = screen_key(prompt, screen)?;
    let mut body = RENDERING.check(body)?;
    save_renderings(call, &[(key, body.clone())]).await?;
    body.retain(|_, value| !value.is_null());
    Ok(Value::Object(body))
}

fn rendering(stored: &Document, prompt: &str, screen: &str) -> Value {
    let mut all = json!({
        "tenant": "lockstep", "prompt": prompt, "screen": screen, "rendering_mode": "standard",
        "context_configuration": [], "default_head_tags_disabled": false, "head_tags": [], "filters": null, "use_page_template": false
    });
    let set = stored.0.get(&format!("{prompt}/{screen}")).and_then(Value::as_object);
    for (name, value) in set.into_iter().flatten() {
        all[name] = value.clone();
    }
    all
}

async fn save_renderings(call: &mut Call, changes: &[(String, Map<String, Value>)]) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let mut stored: Document = settings::find(&mut tx, RENDERING_SETTING).await?.unwrap_or_default();
    for (key, change) in changes {
        let mut one = Document(stored.0.get(key).and_then(Value::as_object).cloned().unwrap_or_default());
        one.patch(change);
        fits(&Value::Object(one.0.clone()))?;
        if one.0.is_empty() {
            stored.0.remove(key);
        } else {
            stored.set(key, Value::Object(one.0));
        }
    }
    settings::save(&mut tx, RENDERING_SETTING, &stored, call.env.now).await?;
    tx.commit().await?;
    Ok(())
}

async fn read_part(call: &mut Call, setting: &str, prompt: &str) -> Outcome {
    let stored: Option<Document> = settings::find(&mut call.app.db().read().await?, setting).await?;
    Ok(stored.and_then(|mut all| all.0.remove(prompt)).unwrap_or_else(|| json!({})))
}

/// What is empty is as if it had never been set.
async fn replace_part(call: &mut Call, setting: &str, prompt: &str, mut part: Value) -> Outcome {
    fits(&part)?;
    if let Value::Object(screens) = &mut part {
        screens.retain(|_, screen| screen.as_object().is_some_and(|texts| !texts.is_empty()));
    }
    let mut tx = call.app.db().write().await?;
    let mut stored: Document = settings::find(&mut tx, setting).await?.unwrap_or_default();
    if part.as_object().is_some_and(Map::is_empty) {
        stored.0.remove(prompt);
    } else {
        stored.set(prompt, part.clone());
    }
    settings::save(&mut tx, setting, &stored, call.env.now).await?;
    tx.commit().await?;
    Ok(part)
}

fn fits(value: &Value) -> Outcome<()> {
    if value.to_string().len() <= MAX_BYTES {
        return Ok(());
    }
    Err(refused(format!("The body is too long: at most {MAX_BYTES} bytes of JSON are kept for a prompt.")))
}

fn known_prompt(name: &str) -> Outcome<&'static str> {
    PROMPTS
        .iter()
        .find(|known| **known == name)
        .copied()
        .ok_or_else(|| malformed_path("prompt", name, "prompt", "Name of the prompt."))
}

fn screen_key(prompt: &str, screen: &str) -> Outcome<String> {
    let prompt = known_prompt(prompt)?;
    if (1..=64).contains(&screen.len())
        && screen.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return Ok(format!("{prompt}/{screen}"));
    }
    Err(malformed_path("screen", screen, "screen", "Name of the screen."))
}

/// Such as `en`, `es-419`, `zh-TW`.
fn checked_language(text: &str) -> Outcome<&str> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let fits = (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && parts.clone().count() <= 1
        && parts.all(|p| (2..=4).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    if fits { Ok(text) } else { Err(malformed_path("language", text, "language", "Language of the texts.")) }
}
