//! Refresh tokens: what applications may renew (contract/management-api.md 5). On the wire a token is what we call a family.

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::ids::{ClientId, GrantId, UserId};
use serde_json::{Map, Value, json};

use super::query::{Fields, Page, Query, invalid};
use super::sessions::{METADATA, metadata};
use super::validate::{Kind, Schema, nullable, optional, refused};
use super::{Call, Outcome, load_user, user_id};
use crate::flows::revoke::revoked;
use crate::store::db::Conn;
use crate::store::grants::{self, Grant};

/// The body of a change.
pub const UPDATE: Schema = Schema::closed(&[nullable("refresh_token_metadata", METADATA)]);

const ID: Kind = Kind::Text(1, 64);

/// The body that says which are revoked.
pub const REVOKE: Schema = Schema::closed(&[
    optional("ids", Kind::List(&ID, 1, 100)),
    optional("user_id", Kind::Text(1, 1024)),
    optional("client_id", Kind::Text(1, 64)),
    optional("audience", Kind::Text(1, 600)),
]);

/// Lists a user's tokens, newest first.
pub async fn list_of_user(call: &mut Call, user: &UserId, query: &Query) -> Outcome {
    page(call, user, query, "tokens").await
}

/// The same, with the user in the query.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let user =
        query.text("user_id").ok_or_else(|| invalid("Missing required property: user_id", "user_id"))?;
    let user =
        user_id(user).map_err(|_| invalid("Object didn't pass validation for format user-id", "user_id"))?;
    page(call, &user, query, "refresh_tokens").await
}

async fn page(call: &mut Call, user: &UserId, query: &Query, key: &str) -> Outcome {
    let (paging, fields) = (query.checkpoints(call.env.now)?, query.fields()?);
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let mut all = Vec::new();
    for grant in grants::list_of_user(&mut conn, user, call.env.now).await? {
        if query.text("client_id").is_none_or(|client| grant.client.as_str() == client) {
            all.push(render(&mut conn, &grant).await?);
        }
    }
    let page = fields.keep_page(Page::cut(all, &paging));
    Ok(page.answer(key, &paging, call.env.now))
}

/// Returns a token.
pub async fn read(call: &mut Call, id: &str, fields: &Fields) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let grant = load(&mut conn, call, id).await?;
    Ok(fields.keep(render(&mut conn, &grant).await?))
}

/// Changes a token's metadata.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let grant = load(&mut tx, call, id).await?;
    if let Some(new) = body.get("refresh_token_metadata") {
        let text = metadata(new)?;
        grants::save_metadata(&mut tx, &grant.id, text.as_deref()).await?;
    }
    let answer = render(&mut tx, &grant).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Revokes a token. None there is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let Ok(id) = GrantId::parse(id) else { return Ok(()) };
    let mut tx = call.app.db().write().await?;
    revoke_one(call, &mut tx, &id).await?;
    tx.commit().await?;
    Ok(())
}

/// Revokes all tokens of a user.
pub async fn delete_of_user(call: &mut Call, user: &UserId) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    load_user(&mut tx, user).await?;
    revoke_all(call, &mut tx, user).await?;
    tx.commit().await?;
    Ok(())
}

/// Revokes a family, with its record if it was there and live.
async fn revoke_one(call: &Call, tx: &mut Conn, id: &GrantId) -> Outcome<()> {
    let grant = grants::find(tx, id).await?.filter(|grant| grant.is_live(call.env.now));
    if let (true, Some(grant)) = (grants::revoke(tx, id, call.env.now).await?, grant) {
        call.log(tx, revoked(&grant, &call.origin)).await?;
    }
    Ok(())
}

/// Revokes all families of a user, with a record of each that was live.
async fn revoke_all(call: &Call, tx: &mut Conn, user: &UserId) -> Outcome<()> {
    let live = grants::list_of_user(tx, user, call.env.now).await?;
    grants::revoke_of_user(tx, user, call.env.now).await?;
    for grant in &live {
        call.log(tx, revoked(grant, &call.origin)).await?;
    }
    Ok(())
}

/// Revokes tokens by their ids, or those of a user: all, of an application, or of an application for an API.
pub async fn revoke(call: &mut Call, body: Option<Value>) -> Outcome<()> {
    let body = REVOKE.check(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let now = call.env.now;
    let mut tx = call.app.db().write().await?;
    match (body.get("ids").and_then(Value::as_array), text("user_id"), text("client_id"), text("audience")) {
        (Some(ids), None, None, None) => {
            for id in ids.iter().filter_map(Value::as_str).filter_map(|id| GrantId::parse(id).ok()) {
                revoke_one(call, &mut tx, &id).await?;
            }
        }
        (None, Some(user), client, audience) if client.is_some() || audience.is_none() => {
            let user = UserId::parse(user).map_err(|e| refused(e.to_string()))?;
            match client {
                None => revoke_all(call, &mut tx, &user).await?,
                Some(client) => {
                    let client = ClientId::parse(client).map_err(|e| refused(e.to_string()))?;
                    for grant in grants::list_of_user(&mut tx, &user, now).await? {
                        if grant.client == client
                            && (audience.is_none() || grant.audience.as_deref() == audience)
                        {
                            revoke_one(call, &mut tx, &grant.id).await?;
                        }
                    }
                }
            }
        }
        _ => return Err(refused("Send ids, or user_id; client_id goes with user_id, audience with both.")),
    }
    tx.commit().await?;
    Ok(())
}

async fn load(conn: &mut Conn, call: &Call, id: &str) -> Outcome<Grant> {
    let missing = || ManagementError::from(ManagementCode::InexistentRefreshToken);
    let id = GrantId::parse(id).map_err(|_| missing())?;
    let grant = grants::find(conn, &id).await?;
    grant.filter(|grant| grant.is_live(call.env.now)).ok_or_else(missing)
}

async fn render(conn: &mut Conn, grant: &Grant) -> Outcome {
    let metadata: Option<Map<String, Value>> = grants::metadata(conn, &grant.id).await?;
    let iso = |at: Option<lockstep_core::time::Timestamp>| at.map(|at| at.to_iso());
    Ok(json!({
        "id": grant.id, "user_id": grant.user, "created_at": grant.created_at.to_iso(),
        "idle_expires_at": iso(grant.idle_expires_at), "expires_at": iso(grant.expires_at),
        "last_exchanged_at": iso(grant.last_exchanged_at), "device": grant.device, "client_id": grant.client,
        "session_id": grant.session, "rotating": grant.rotating, "refresh_token_metadata": metadata,
        "resource_servers": [{"audience": grant.audience, "scopes": grant.scope}]
    }))
}
