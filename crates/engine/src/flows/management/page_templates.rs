//! The tenant's own frame around the pages (contract/management-api.md 13).

use lockstep_core::codes::ManagementCode;
use lockstep_core::model::document::Document;
use serde_json::{Value, json};

use super::validate::{Kind, Schema, refused, required};
use super::{Call, Outcome};
use crate::flows::page_frame;
use crate::store::looks::PAGE_TEMPLATE as SETTING;
use crate::store::settings;

const TEMPLATE: Kind = Kind::Long(1, 102_400);

/// The body that sets a template: the template alone as a JSON string, which the Go SDK sends, or an object that names it.
pub const REPLACE: Kind = Kind::Either(&[TEMPLATE, Kind::Shape(&NAMED)]);
const NAMED: Schema = Schema::open(&[required("template", TEMPLATE)]);

/// Returns the template.
pub async fn read(call: &mut Call) -> Outcome {
    let stored = settings::find::<Document>(&mut call.app.db().read().await?, SETTING).await?;
    let Some(stored) = stored else { return Err(ManagementCode::InexistentPageTemplate.into()) };
    Ok(Value::Object(stored.0))
}

/// Sets the template; returns whether there was none before.
pub async fn replace(call: &mut Call, body: Option<Value>) -> Outcome<bool> {
    let template = match REPLACE.check(body)? {
        Value::Object(mut named) => named.remove("template").unwrap_or_default(),
        text => text,
    };
    let text = template.as_str().unwrap_or_default();
    page_frame::check(text).map_err(|error| refused(format!("The template cannot be used: {error}.")))?;
    let mut tx = call.app.db().write().await?;
    let before = settings::find::<Document>(&mut tx, SETTING).await?;
    settings::save(&mut tx, SETTING, &json!({"body": template}), call.env.now).await?;
    tx.commit().await?;
    Ok(before.is_none())
}

/// Removes the template, if there is one.
pub async fn delete(call: &mut Call) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    settings::delete(&mut tx, SETTING).await?;
    tx.commit().await?;
    Ok(())
}
