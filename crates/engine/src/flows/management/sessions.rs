//! Sessions of a user (contract/management-api.md 5).

use lockstep_core::codes::ManagementCode;
use lockstep_core::ids::{SessionId, UserId};
use lockstep_core::model::session::Session;
use serde_json::{Value, json};

use super::query::{Page, Query};
use super::{Call, Outcome, load_user};
use crate::store::{sessions, settings};

/// Lists a user's sessions, newest first.
pub async fn list(call: &mut Call, user: &UserId, query: &Query) -> Outcome {
    let paging = query.checkpoints(call.env.now)?;
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let persistent = settings::tenant(&mut conn).await?.cookies_persist();
    let all = sessions::list_of_user(&mut conn, user, call.env.now).await?;
    let page = Page::cut(all.iter().map(|session| render(session, persistent)).collect(), &paging);
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
    session
        .map(|session| render(&session, persistent))
        .ok_or_else(|| ManagementCode::InexistentSession.into())
}

/// Ends a session. None there is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let Ok(id) = SessionId::parse(id) else { return Ok(()) };
    let mut tx = call.app.db().write().await?;
    sessions::delete(&mut tx, &id).await?;
    tx.commit().await?;
    Ok(())
}

fn render(session: &Session, persistent: bool) -> Value {
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
    json!({
        "id": session.id, "user_id": session.user,
        "created_at": session.created_at.to_iso(), "updated_at": session.last_used_at.to_iso(),
        "authenticated_at": session.auth_time.to_iso(), "last_interacted_at": session.last_used_at.to_iso(),
        "idle_expires_at": session.idle_expires_at.to_iso(), "expires_at": session.expires_at.to_iso(),
        "device": session.device, "clients": clients, "authentication": {"methods": methods},
        "cookie": {"mode": if persistent { "persistent" } else { "non-persistent" }}
    })
}
