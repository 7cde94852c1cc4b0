//! Settings that are one JSON document each: what a fresh tenant has, what a PATCH may say, and what it changes.
//!
//! Whoever adds such settings writes a [`Subject`] and two rows of the route table. A PATCH answers the whole document.

use lockstep_core::model::document::{Document, change_leaves};
use serde_json::{Map, Value};

use super::validate::Schema;
use super::{Call, Outcome, internal};
use crate::store::db::{Conn, DbError};
use crate::store::settings;

/// Settings of one subject.
pub struct Subject {
    /// The row of the settings that holds what was set.
    pub name: &'static str,
    /// What a fresh tenant answers, in JSON.
    pub defaults: &'static str,
    /// What a PATCH may say.
    pub patch: Schema,
    /// How far a PATCH goes.
    pub merge: Merge,
    /// Properties, at any depth, that never come back. What has some is sealed.
    pub secrets: &'static [&'static str],
}

/// How far a PATCH goes into objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// It replaces whole properties of the document.
    Properties,
    /// It changes single leaves, and keeps what stands beside them.
    Leaves,
}

/// Returns the settings; what is not set has its default.
pub async fn read(call: &mut Call, subject: &Subject) -> Outcome {
    let stored = load_stored(&mut call.app.db().read().await?, subject).await?;
    shown(subject, &stored)
}

/// Changes settings, and returns all of them. Null unsets.
pub async fn patch(call: &mut Call, subject: &Subject, body: Option<Value>) -> Outcome {
    let body = subject.patch.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut stored = load_stored(&mut tx, subject).await?;
    lay_over(&mut stored, &body, subject.merge);
    if subject.secrets.is_empty() {
        settings::save(&mut tx, subject.name, &stored, call.env.now).await?;
    } else {
        settings::save_sealed(&mut tx, subject.name, &stored, call.env.now).await?;
    }
    tx.commit().await?;
    shown(subject, &stored)
}

/// Returns the settings as they count, secrets included: for flows.
pub(crate) async fn load(conn: &mut Conn, subject: &Subject) -> Result<Document, DbError> {
    let stored = load_stored(conn, subject).await?;
    whole(subject, &stored).map_err(DbError::from)
}

async fn load_stored(conn: &mut Conn, subject: &Subject) -> Result<Document, DbError> {
    let stored = if subject.secrets.is_empty() {
        settings::find(conn, subject.name).await?
    } else {
        settings::find_sealed(conn, subject.name).await?
    };
    Ok(stored.unwrap_or_default())
}

fn whole(subject: &Subject, stored: &Document) -> Result<Document, serde_json::Error> {
    let mut all: Document = serde_json::from_str(subject.defaults)?;
    lay_over(&mut all, &stored.0, subject.merge);
    Ok(all)
}

fn shown(subject: &Subject, stored: &Document) -> Outcome {
    let mut all = Value::Object(whole(subject, stored).map_err(|e| internal(&e))?.0);
    hide(&mut all, subject.secrets);
    Ok(all)
}

/// Changes a document: null removes.
fn lay_over(document: &mut Document, change: &Map<String, Value>, merge: Merge) {
    match merge {
        Merge::Properties => document.patch(change),
        Merge::Leaves => change_leaves(&mut document.0, change),
    }
}

fn hide(value: &mut Value, secrets: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !secrets.contains(&name.as_str()));
            map.values_mut().for_each(|inner| hide(inner, secrets));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_at_any_depth() {
        let mut value = json!({"a": {"secret": "s", "key": 1}, "list": [{"secret": "s"}]});
        hide(&mut value, &["secret"]);
        assert_eq!(value, json!({"a": {"key": 1}, "list": [{}]}));
    }
}
