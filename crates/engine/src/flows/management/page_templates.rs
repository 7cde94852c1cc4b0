//! The tenant's own frame around the pages (contract/management-api.md 13).

use lockstep_core::codes::ManagementCode;
use lockstep_core::model::document::Document;
use serde_json::{Value, json};

use super::validate::{Kind, Schema, refused, required};
use super::{Call, Outcome};
use crate::store::settings;

/// The setting that holds the template, as its `body`.
pub(crate) const SETTING: &str = "branding.universal-login";

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
    for tag in ["head", "widget"] {
        if !has_tag(text, tag) {
            return Err(refused(format!("The template must contain the tag {{%- auth0:{tag} -%}}.")));
        }
    }
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

/// Returns whether a template has one of our tags, as Liquid writes tags: with dashes or without.
fn has_tag(template: &str, name: &str) -> bool {
    let name = format!("auth0:{name}");
    template.split("{%").skip(1).any(|rest| {
        let inner = rest.split("%}").next().unwrap_or_default();
        rest.contains("%}") && inner.trim_start_matches('-').trim_end_matches('-').trim() == name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_however_liquid_lets_it_be_written() {
        for text in ["{%- auth0:head -%}", "{%auth0:head%}", "a{% auth0:head -%}b"] {
            assert!(has_tag(text, "head"), "{text}");
        }
        for text in ["auth0:head", "{%- auth0:header -%}", "{%- auth0:head", "{{ auth0:head }}"] {
            assert!(!has_tag(text, "head"), "{text}");
        }
    }
}
