//! Sessions of a user (contract/management-api.md 5).

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::ids::{SessionId, UserId};
use lockstep_core::model::session::Session;
use serde_json::{Value, json};

use super::query::{Page, Query};
use super::validate::{Kind, Schema, nullable, optional, refused};
use super::{Call, Outcome, load_user};
use crate::store::db::Conn;
use crate::store::{grants, sessions, settings};

/// What operators may write to sessions and refresh tokens.
pub(super) const METADATA: Kind = Kind::Object;

/// The body of a change.
pub const UPDATE: Schema = Schema::closed(&[nullable("session_metadata", METADATA)]);

/// The body that says whose access ends.
pub const REVOKE_ACCESS: Schema = Schema::closed(&[
    optional("session_id", Kind::Text(1, 64)),
    optional("preserve_refresh_tokens", Kind::Bool),
]);

/// Lists a user's sessions, newest first.
pub async fn list(call: &mut Call, user: &UserId, query: &Query) -> Outcome {
    let paging = query.checkpoints(call.env.now)?;
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let persistent = settings::tenant(&mut conn).await?.cookies_persist();
    let all = sessions::list_of_user(&mut conn, user, call.env.now).await?;
    let mut items = Vec::new();
    for session in &all {
        items.push(render(&mut conn, session, persistent).await?);
    }
    let page = Page::cut(items, &paging);
    Ok(page.answer("sessions", &paging, call.env.now))
}

/// Ends all sessions of a user.
pub async fn delete_all(call: &mut Call, user: &UserId) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    load_user(&mut tx, user).await?;
    sessions::delete_of_user(&mut tx, user, None).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns a session.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    let id = SessionId::parse(id).map_err(|_| ManagementCode::InexistentSession)?;
    let mut conn = call.app.db().read().await?;
    let persistent = settings::tenant(&mut conn).await?.cookies_persist();
    let session = sessions::find(&mut conn, &id).await?.filter(|s| s.is_live(call.env.now));
    let session = session.ok_or(ManagementCode::InexistentSession)?;
    render(&mut conn, &session, persistent).await
}

/// Changes a session's metadata.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let id = SessionId::parse(id).map_err(|_| ManagementCode::InexistentSession)?;
    let mut tx = call.app.db().write().await?;
    let session = sessions::find(&mut tx, &id).await?.filter(|s| s.is_live(call.env.now));
    let session = session.ok_or(ManagementCode::InexistentSession)?;
    if let Some(new) = body.get("session_metadata") {
        let text = metadata(new)?;
        sessions::save_metadata(&mut tx, &id, text.as_deref()).await?;
    }
    let persistent = settings::tenant(&mut tx).await?.cookies_persist();
    let answer = render(&mut tx, &session, persistent).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Ends a session and the refresh tokens that came of it.
pub async fn revoke(call: &mut Call, id: &str) -> Outcome<()> {
    let id = SessionId::parse(id).map_err(|_| ManagementCode::InexistentSession)?;
    let mut tx = call.app.db().write().await?;
    grants::revoke_of_session(&mut tx, &id, call.env.now).await?;
    if !sessions::delete(&mut tx, &id).await? {
        return Err(ManagementCode::InexistentSession.into());
    }
    tx.commit().await?;
    Ok(())
}

/// Ends a user's sessions, or one of them, and what came of them, unless the refresh tokens are to live on.
pub async fn revoke_access(call: &mut Call, user: &UserId, body: Option<Value>) -> Outcome<()> {
    let body = REVOKE_ACCESS.check(body.or_else(|| Some(json!({}))))?;
    let preserve = body.get("preserve_refresh_tokens").and_then(Value::as_bool).unwrap_or(false);
    if !preserve && !call.caller.has("delete:refresh_tokens") {
        let message = "Insufficient scope, expected any of: delete:refresh_tokens";
        return Err(ManagementError::new(ManagementCode::InsufficientScope, message));
    }
    let now = call.env.now;
    let mut tx = call.app.db().write().await?;
    load_user(&mut tx, user).await?;
    match body.get("session_id").and_then(Value::as_str) {
        Some(id) => {
            let id = SessionId::parse(id).map_err(|_| ManagementCode::InexistentSession)?;
            // Somebody else's is none.
            let session = sessions::find(&mut tx, &id).await?.filter(|session| session.user == *user);
            let session = session.ok_or(ManagementCode::InexistentSession)?;
            sessions::delete(&mut tx, &session.id).await?;
            if !preserve {
                grants::revoke_of_session(&mut tx, &session.id, now).await?;
            }
        }
        None => {
            sessions::delete_of_user(&mut tx, user, None).await?;
            if !preserve {
                grants::revoke_of_user(&mut tx, user, now).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Checks metadata and returns it as text; none clears it.
pub(super) fn metadata(new: &Value) -> Outcome<Option<String>> {
    let Some(map) = new.as_object().filter(|map| !map.is_empty()) else { return Ok(None) };
    let long = |text: &str| text.chars().count() > 255;
    let fits = |value: &Value| match value {
        Value::String(text) => !long(text),
        Value::Object(_) | Value::Array(_) => false,
        _ => true,
    };
    if map.len() > 25 || map.iter().any(|(name, value)| long(name) || !fits(value)) {
        return Err(refused("Metadata has at most 25 properties, with texts of at most 255 characters."));
    }
    Ok(Some(new.to_string()))
}

/// Ends a session. None there is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let Ok(id) = SessionId::parse(id) else { return Ok(()) };
    let mut tx = call.app.db().write().await?;
    sessions::delete(&mut tx, &id).await?;
    tx.commit().await?;
    Ok(())
}

async fn render(conn: &mut Conn, session: &Session, persistent: bool) -> Outcome {
    let metadata = sessions::metadata(conn, &session.id).await?;
    let methods: Vec<Value> = session
        .methods
        .iter()
        .map(|method| {
            let mut item = json!({"name": method.name, "timestamp": method.at.to_iso()});
            if let Some(kind) = &method.kind {
                item["type"] = json!(kind);
            }
            item
        })
        .collect();
    let clients: Vec<Value> = session.clients.iter().map(|client| json!({"client_id": client})).collect();
    let mut answer = json!({
        "id": session.id, "user_id": session.user,
        "created_at": session.created_at.to_iso(), "updated_at": session.last_used_at.to_iso(),
        "authenticated_at": session.auth_time.to_iso(), "last_interacted_at": session.last_used_at.to_iso(),
        "idle_expires_at": session.idle_expires_at.to_iso(), "expires_at": session.expires_at.to_iso(),
        "device": session.device, "clients": clients, "authentication": {"methods": methods},
        "cookie": {"mode": if persistent { "persistent" } else { "non-persistent" }}
    });
    if let Some(metadata) = metadata {
        answer["session_metadata"] = Value::Object(metadata);
    }
    Ok(answer)
}
