//! Who sends the tenant's mail (contract/management-api.md 14).
//!
//! Lockstep sends by SMTP. The other providers are stored and answered all the same, so that a tool that reads back what it wrote
//! finds it; mail stays in the outbox with the reason.

use lockstep_core::codes::ManagementCode;
use lockstep_core::model::document::Document;
use serde_json::{Map, Value};

use super::query::Fields;
use super::validate::{Kind, Schema, nullable, optional, required};
use super::{Call, Outcome};
use crate::store::settings;

/// The setting that holds the provider, sealed: its credentials are secrets.
pub(crate) const SETTING: &str = "emails.provider";

const NAMES: &[&str] =
    &["mailgun", "mandrill", "sendgrid", "resend", "ses", "sparkpost", "smtp", "azure_cs", "ms365", "custom"];
/// What a new one is made of.
pub const CREATE: Schema = Schema::open(&[
    required("name", Kind::OneOf(NAMES)),
    required("credentials", Kind::Object),
    optional("enabled", Kind::Bool),
    nullable("default_from_address", SENDER),
    nullable("settings", Kind::Object),
]);
/// What may be changed.
pub const UPDATE: Schema = Schema::open(&[
    optional("name", Kind::OneOf(NAMES)),
    optional("credentials", Kind::Object),
    optional("enabled", Kind::Bool),
    nullable("default_from_address", SENDER),
    nullable("settings", Kind::Object),
]);
// An address, or a name with one: `Acme <no-reply@acme.test>`.
const SENDER: Kind = Kind::Text(0, 320);
const TEXT: Kind = Kind::Text(0, 2048);
const KEY: Schema = Schema::open(&[required("api_key", TEXT)]);

/// What a provider's credentials are, and which of them never come back.
fn credentials(name: &str) -> (Schema, &'static [&'static str]) {
    match name {
        "smtp" => (
            Schema::open(
                const {
                    &[
                        required("smtp_host", Kind::Text(1, 255)),
                        required("smtp_port", Kind::Int(1, 65_535)),
                        nullable("smtp_user", Kind::Text(0, 1024)),
                        nullable("smtp_pass", Kind::Text(0, 1024)),
                    ]
                },
            ),
            &["smtp_pass"],
        ),
        "ses" => (
            Schema::open(
                const {
                    &[
                        required("accessKeyId", TEXT),
                        required("secretAccessKey", TEXT),
                        required("region", TEXT),
                    ]
                },
            ),
            &["accessKeyId", "secretAccessKey"],
        ),
        "mailgun" => {
            (Schema::open(const { &[required("api_key", TEXT), required("domain", TEXT)] }), &["api_key"])
        }
        "azure_cs" => (Schema::open(const { &[required("connectionString", TEXT)] }), &["connectionString"]),
        "ms365" => (
            Schema::open(
                const { &[required("tenantId", TEXT), required("clientId", TEXT), required("clientSecret", TEXT)] },
            ),
            &["clientSecret"],
        ),
        "custom" => (Schema::open(&[]), &[]),
        _ => (KEY, &["api_key"]),
    }
}

/// Returns the provider without its secrets.
pub async fn read(call: &mut Call, fields: &Fields) -> Outcome {
    let provider: Option<Document> = settings::find_sealed(&mut call.app.db().read().await?, SETTING).await?;
    Ok(fields.keep(shown(provider.ok_or(ManagementCode::InexistentEmailProvider)?)))
}

/// Sets the provider; there is one.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut provider = Document(CREATE.check(body)?);
    check_credentials(&provider)?;
    if provider.flag("enabled").is_none() {
        provider.set("enabled", true);
    }
    let mut tx = call.app.db().write().await?;
    if settings::find_sealed::<Document>(&mut tx, SETTING).await?.is_some() {
        return Err(ManagementCode::EmailProviderConflict.into());
    }
    settings::save_sealed(&mut tx, SETTING, &provider, call.env.now).await?;
    tx.commit().await?;
    Ok(shown(provider))
}

/// Changes the provider. Another name makes another provider: nothing of the old one's credentials and settings is left. Within one
/// provider credentials that are not sent stay, since no reader can send back what was never shown.
pub async fn update(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let stored: Option<Document> = settings::find_sealed(&mut tx, SETTING).await?;
    let mut provider = stored.ok_or(ManagementCode::InexistentEmailProvider)?;
    let name = body.get("name").and_then(Value::as_str);
    if name.is_some_and(|name| provider.text("name") != Some(name)) {
        provider.0.remove("settings");
        provider.0.remove("credentials");
    }
    if let (Some(Value::Object(old)), Some(Value::Object(new))) =
        (provider.0.get("credentials"), body.get_mut("credentials"))
    {
        let kept: Map<String, Value> = old
            .iter()
            .filter(|(name, _)| !new.contains_key(*name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        new.extend(kept);
    }
    provider.patch(&body);
    check_credentials(&provider)?;
    settings::save_sealed(&mut tx, SETTING, &provider, call.env.now).await?;
    tx.commit().await?;
    Ok(shown(provider))
}

/// Removes the provider. None is no error.
pub async fn delete(call: &mut Call) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    settings::delete(&mut tx, SETTING).await?;
    Ok(tx.commit().await?)
}

fn check_credentials(provider: &Document) -> Outcome<()> {
    let (schema, _) = credentials(provider.text("name").unwrap_or_default());
    let given = provider.0.get("credentials").cloned().unwrap_or_else(|| Map::new().into());
    schema.check(Some(given)).map(drop)
}

fn shown(mut provider: Document) -> Value {
    let (_, secrets) = credentials(provider.text("name").unwrap_or_default());
    if let Some(Value::Object(credentials)) = provider.0.get_mut("credentials") {
        credentials.retain(|name, _| !secrets.contains(&name.as_str()));
    }
    Value::Object(provider.0)
}
