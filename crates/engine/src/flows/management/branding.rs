//! Branding: the colours, logo and favicon of the pages (contract/management-api.md 13).

use lockstep_core::model::document::Document;
use serde_json::Value;

use super::validate::{Kind, Schema, nullable, refused, required};
use super::{Call, Outcome};
use crate::store::settings;

/// The setting that holds the document.
pub(crate) const SETTING: &str = "branding";

const COLOUR: Kind = Kind::Format("html-color", is_colour);
/// What may be changed.
pub const UPDATE: Schema = Schema::open(&[
    nullable("colors", Kind::Shape(&COLOURS)),
    nullable("favicon_url", Kind::HttpsOrEmpty),
    nullable("logo_url", Kind::HttpsOrEmpty),
    nullable("font", Kind::Shape(&FONT)),
]);
// `page_background` is a colour or an object: told apart below.
const COLOURS: Schema = Schema::open(&[nullable("primary", COLOUR), nullable("page_background", Kind::Any)]);
const FONT: Schema = Schema::open(&[nullable("url", Kind::HttpsOrEmpty)]);
const GRADIENT: Schema = Schema::open(&[
    required("type", Kind::OneOf(&["linear-gradient"])),
    required("start", COLOUR),
    required("end", COLOUR),
    nullable("angle_deg", Kind::Int(0, 360)),
]);

/// Returns the branding; what is not set is absent.
pub async fn read(call: &mut Call) -> Outcome {
    let branding: Option<Document> = settings::find(&mut call.app.db().read().await?, SETTING).await?;
    Ok(Value::Object(branding.unwrap_or_default().0))
}

/// Changes the branding, and returns all of it. Null unsets.
pub async fn update(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    match body.get("colors").and_then(|c| c.get("page_background")) {
        None | Some(Value::Null) => {}
        Some(gradient @ Value::Object(_)) => drop(GRADIENT.check(Some(gradient.clone()))?),
        Some(Value::String(colour)) if is_colour(colour) => {}
        Some(_) => {
            return Err(refused(
                "Payload validation error: 'Invalid color or gradient' on property colors.page_background.",
            ));
        }
    }
    let mut tx = call.app.db().write().await?;
    let mut branding: Document = settings::find(&mut tx, SETTING).await?.unwrap_or_default();
    branding.patch(&body);
    settings::save(&mut tx, SETTING, &branding, call.env.now).await?;
    tx.commit().await?;
    Ok(Value::Object(branding.0))
}

/// Accepts `#` with 3, 4, 6 or 8 hexadecimal digits.
fn is_colour(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| {
        matches!(digits.len(), 3 | 4 | 6 | 8) && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}
