//! Device credentials (contract/management-api.md 5): public keys that applications store for people, and refresh tokens, in one list. The
//! keys are kept and open nothing.

use lockstep_core::codes::ManagementCode;
use lockstep_core::ids::{ClientId, DeviceCredentialId, GrantId};
use serde_json::{Map, Value, json};

use super::query::{Page, Paging, Query, invalid};
use super::validate::{Kind, Schema, optional, refused, required};
use super::{Call, Outcome, taken};
use crate::store::device_credentials::{self, Listed, PublicKey};
use crate::store::search::Filter;
use crate::store::{clients, grants};
use crate::values;

/// The body of a new key.
pub const CREATE: Schema = Schema::closed(&[
    required("device_name", Kind::Text(1, 300)),
    required("type", Kind::OneOf(&["public_key"])),
    required("value", Kind::Long(1, 10_000)),
    required("device_id", Kind::Text(1, 300)),
    optional("client_id", Kind::Text(1, 64)),
]);

/// The types of the list.
const TYPES: [&str; 3] = ["public_key", "refresh_token", "rotating_refresh_token"];

/// Lists credentials, oldest first. Without a type these are keys and refresh tokens, without those that rotate.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let (paging, fields) = (query.paging(false, call.env.now)?, query.fields()?);
    let mut filter = match query.text("type") {
        None => Filter::all().and("kind <> ?", values![TYPES[2]]),
        Some(kind) if TYPES.contains(&kind) => Filter::all().and("kind = ?", values![kind]),
        Some(kind) => {
            let shown: String = kind.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(invalid(&format!("No enum match for: \"{shown}\""), "type"));
        }
    };
    if let Some(user) = query.text("user_id") {
        filter = filter.and("user_id = ?", values![user]);
    }
    if let Some(client) = query.text("client_id") {
        filter = filter.and("client_id = ?", values![client]);
    }
    let mut conn = call.app.db().search().await?;
    let (found, total) = device_credentials::list(&mut conn, filter, call.env.now, &paging.slice()).await?;
    let page = Page { items: found.iter().map(render).collect(), total, next: None };
    let page = fields.keep_page(page);
    Ok(match &paging {
        Paging::Offset { totals: false, .. } => Value::Array(page.items),
        _ => page.answer("device_credentials", &paging, call.env.now),
    })
}

/// Stores a key of the caller's device.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    // Only people's own tokens have the scope.
    let user = call.caller.user.clone().ok_or(ManagementCode::InexistentUser)?;
    let client = match body.get("client_id").and_then(Value::as_str) {
        Some(id) => ClientId::parse(id).map_err(|e| refused(e.to_string()))?,
        None => call.caller.client.clone(),
    };
    let mut tx = call.app.db().write().await?;
    if clients::find(&mut tx, &client).await?.is_none() {
        return Err(refused("The client does not exist."));
    }
    let key = PublicKey {
        id: DeviceCredentialId::new(call.env.rng()),
        user,
        client,
        device_name: text("device_name"),
        device_id: text("device_id"),
        value: text("value"),
        created_at: call.env.now,
    };
    device_credentials::create(&mut tx, &key)
        .await
        .map_err(taken(ManagementCode::DeviceCredentialConflict))?;
    tx.commit().await?;
    Ok(json!({"id": key.id}))
}

/// Removes a key, or revokes a refresh token. None there, or somebody else's, is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let own = call.caller.user.clone();
    let mut tx = call.app.db().write().await?;
    if let Ok(id) = DeviceCredentialId::parse(id) {
        device_credentials::delete(&mut tx, &id, own.as_ref()).await?;
    } else if let Ok(id) = GrantId::parse(id)
        && let Some(grant) = grants::find(&mut tx, &id).await?
        && own.is_none_or(|own| own == grant.user)
    {
        grants::revoke(&mut tx, &id, call.env.now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Returns the object of the wire. What is not there is left out.
fn render(credential: &Listed) -> Value {
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(credential.id));
    for (name, text) in [("device_name", &credential.device_name), ("device_id", &credential.device_id)] {
        if let Some(text) = text {
            out.insert(name.to_owned(), json!(text));
        }
    }
    out.insert("type".to_owned(), json!(credential.kind));
    out.insert("user_id".to_owned(), json!(credential.user));
    out.insert("client_id".to_owned(), json!(credential.client));
    Value::Object(out)
}
