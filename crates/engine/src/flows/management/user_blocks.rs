//! Whom too many failed passwords keep out at the moment (contract/management-api.md 16).

use lockstep_core::ids::UserId;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::LogEvent;
use serde_json::{Value, json};

use super::query::{Query, invalid};
use super::{Call, Outcome, load_user};
use crate::flows::credentials;
use crate::store::connections;
use crate::store::db::{Conn, DbError};
use crate::store::search::{Filter, Slice};

/// Returns from where an identifier is kept out. One that nobody has can be kept out too.
pub async fn read_identifier(call: &mut Call, query: &Query) -> Outcome {
    let identifier = identifier(query)?;
    let mut conn = call.app.db().read().await?;
    let mut blocks = Vec::new();
    for connection in all_connections(&mut conn).await? {
        for ip in credentials::blocked_from(&mut conn, &connection, identifier, call.env.now).await? {
            blocks.push(block(identifier, ip, &connection.name));
        }
    }
    Ok(json!({"blocked_for": blocks}))
}

/// Lets an identifier in again.
pub async fn delete_identifier(call: &mut Call, query: &Query) -> Outcome<()> {
    let identifier = identifier(query)?;
    let mut tx = call.app.db().write().await?;
    for connection in all_connections(&mut tx).await? {
        credentials::forgive_identifier(&mut tx, &connection, identifier).await?;
    }
    let mut event = released(call, None, json!({"identifier": identifier}));
    event.user_name = Some(identifier.chars().take(320).collect());
    call.log(&mut tx, event).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns from where a user is kept out.
pub async fn read(call: &mut Call, user: &UserId) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let user = load_user(&mut conn, user).await?;
    let from = credentials::user_blocked_from(&mut conn, &user, call.env.now).await?;
    let blocks: Vec<Value> =
        from.into_iter().map(|ip| block(user.display_name(), ip, &user.connection)).collect();
    Ok(json!({"blocked_for": blocks}))
}

/// Lets a user in again. `blocked` of the user is another thing, and stays.
pub async fn delete(call: &mut Call, user: &UserId) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let user = load_user(&mut tx, user).await?;
    credentials::forgive(&mut tx, &user).await?;
    let event = released(call, user.email.as_deref(), json!({"user_id": user.id}));
    call.log(&mut tx, event.user(&user.id, user.display_name())).await?;
    tx.commit().await?;
    Ok(())
}

fn block(identifier: &str, from: credentials::Blocked, connection: &str) -> Value {
    let mut block = json!({"identifier": identifier, "connection": connection});
    if let Some(ip) = from {
        block["ip"] = ip.into();
    }
    block
}

fn released(call: &Call, email: Option<&str>, query: Value) -> LogEvent {
    let text = "User block setup by anomaly detection has been released";
    let origin = &call.origin;
    LogEvent::new("ublkdu", text).details(json!({
        "email": email, "title": text, "query": query,
        "request": {"method": origin.method, "path": origin.path, "ip": origin.ip, "userAgent": origin.user_agent},
        "response": {"statusCode": 204, "body": {}},
    }))
}

fn identifier(query: &Query) -> Outcome<&str> {
    query.text("identifier").ok_or_else(|| invalid("Missing required property: identifier", "identifier"))
}

async fn all_connections(conn: &mut Conn) -> Result<Vec<Connection>, DbError> {
    let all = Slice::Offset { start: 0, limit: 1000 };
    Ok(connections::list(conn, &Filter::all(), &all).await?.0)
}
