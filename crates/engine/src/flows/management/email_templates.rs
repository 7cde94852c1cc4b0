//! What mails say (contract/management-api.md 14, `email-templates`). Those that were never written are 404: our own words stand for them.

use lockstep_core::codes::{ManagementCode, ManagementError};
use serde_json::{Map, Value};

use super::validate::{Field, Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome};
use crate::flows::messages::{EMAIL_TEMPLATES, template};
use crate::store::db::{Conn, DbError};
use crate::store::settings;

const NAMES: &[&str] = &[
    "verify_email",
    "verify_email_by_code",
    "auth_email_by_code",
    "reset_email",
    "reset_email_by_code",
    "welcome_email",
    "blocked_account",
    "stolen_credentials",
    "enrollment_email",
    "mfa_oob_code",
    "user_invitation",
    "change_password",
    "password_reset",
    "async_approval",
];
const NAME: Kind = Kind::OneOf(NAMES);
const FIELDS: &[Field] = &[
    nullable("body", Kind::Long(0, 500_000)),
    nullable("from", Kind::Text(0, 1024)),
    nullable("resultUrl", Kind::Text(0, 4096)),
    nullable("subject", Kind::Text(0, 1024)),
    nullable("syntax", Kind::OneOf(&["liquid"])),
    nullable("urlLifetimeInSeconds", Kind::Int(0, i64::MAX)),
    nullable("includeEmailInRedirect", Kind::Bool),
    optional("enabled", Kind::Bool),
];
/// A whole template.
pub const WHOLE: Schema = Schema::closed(&[required("template", NAME)]).and(FIELDS);
/// Parts of a template.
pub const PART: Schema = Schema::closed(&[optional("template", NAME)]).and(FIELDS);

/// Returns a template that the tenant wrote.
pub async fn read(call: &mut Call, name: &str) -> Outcome {
    let all = load(&mut call.app.db().read().await?).await?;
    all.get(name).cloned().ok_or_else(missing)
}

/// Makes a template.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = WHOLE.check(body)?;
    let name = body["template"].as_str().unwrap_or_default().to_owned();
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    if all.contains_key(&name) {
        let text = format!("Template {name} already exists.");
        return Err(ManagementError::new(ManagementCode::Conflict, text));
    }
    let written = complete(body)?;
    all.insert(name, written.clone());
    save(call, tx, &all).await?;
    Ok(written)
}

/// Writes a template anew, or, with `only_given`, changes what is given of it.
pub async fn update(call: &mut Call, name: &str, body: Option<Value>, only_given: bool) -> Outcome {
    let body = if only_given { PART.check(body)? } else { WHOLE.check(body)? };
    if body.get("template").is_some_and(|own| own != name) {
        return Err(refused("The name of a template cannot be changed."));
    }
    let mut tx = call.app.db().write().await?;
    let mut all = load(&mut tx).await?;
    let mut changed = match all.get(name).ok_or_else(missing)? {
        Value::Object(old) if only_given => old.clone(),
        _ => Map::new(),
    };
    changed.extend(body);
    let written = complete(changed)?;
    all.insert(name.to_owned(), written.clone());
    save(call, tx, &all).await?;
    Ok(written)
}

/// Checks that the templates can be read, and leaves out what is null.
fn complete(mut template: Map<String, Value>) -> Outcome {
    template.retain(|_, value| !value.is_null());
    for name in ["body", "subject", "from"] {
        let Some(text) = template.get(name).and_then(Value::as_str) else { continue };
        template::check(text).map_err(|error| {
            refused(format!(
                "Payload validation error: 'The template is not valid Liquid: {error}' on property {name}."
            ))
        })?;
    }
    template.entry("enabled").or_insert(Value::Bool(false));
    template.entry("syntax").or_insert_with(|| "liquid".into());
    Ok(Value::Object(template))
}

async fn load(conn: &mut Conn) -> Result<Map<String, Value>, DbError> {
    Ok(settings::find(conn, EMAIL_TEMPLATES).await?.unwrap_or_default())
}

async fn save(call: &Call, mut tx: Conn, all: &Map<String, Value>) -> Outcome<()> {
    settings::save(&mut tx, EMAIL_TEMPLATES, all, call.env.now).await?;
    Ok(tx.commit().await?)
}

fn missing() -> ManagementError {
    ManagementCode::InexistentEmailTemplate.into()
}
