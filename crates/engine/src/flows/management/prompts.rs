//! How logins begin (contract/management-api.md 12).

use lockstep_core::model::document::Document;
use serde_json::{Value, json};

use super::validate::{Kind, Schema, nullable, optional};
use super::{Call, Outcome};
use crate::store::settings;

/// The setting that holds the document.
pub(crate) const SETTING: &str = "prompts";

/// What may be changed.
pub const UPDATE: Schema = Schema::closed(&[
    optional("universal_login_experience", Kind::OneOf(&["new", "classic"])),
    nullable("identifier_first", Kind::Bool),
    nullable("webauthn_platform_first_factor", Kind::Bool),
]);

/// Returns the settings.
pub async fn read(call: &mut Call) -> Outcome {
    let prompts = settings::find(&mut call.app.db().read().await?, SETTING).await?;
    Ok(shown(prompts.unwrap_or_default()))
}

/// Changes settings, and returns all of them. Null unsets.
pub async fn update(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut prompts: Document = settings::find(&mut tx, SETTING).await?.unwrap_or_default();
    prompts.patch(&body);
    settings::save(&mut tx, SETTING, &prompts, call.env.now).await?;
    tx.commit().await?;
    Ok(shown(prompts))
}

/// All three are always there.
fn shown(prompts: Document) -> Value {
    let mut all = json!({
        "universal_login_experience": "new", "identifier_first": false, "webauthn_platform_first_factor": false
    });
    for (name, value) in prompts.0 {
        all[name] = value;
    }
    all
}
