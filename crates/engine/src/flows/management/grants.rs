//! What people allowed applications (contract/management-api.md 5).

use lockstep_core::ids::{ConsentId, UserId};
use serde_json::{Value, json};

use super::query::{Page, Paging, Query, invalid};
use super::{Call, Outcome};
use crate::store::search::Filter;
use crate::store::{consents, grants};
use crate::values;

/// Lists consents.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.paging(false, call.env.now)?;
    let mut filter = Filter::all();
    if let Some(user) = query.text("user_id") {
        filter = filter.and("user_id = ?", values![user]);
    }
    if let Some(client) = query.text("client_id") {
        filter = filter.and("client_id = ?", values![client]);
    }
    if let Some(audience) = query.text("audience") {
        filter = filter.and("audience = ?", values![audience]);
    }
    let mut conn = call.app.db().search().await?;
    let (found, total) = consents::list(&mut conn, &filter, &paging.slice()).await?;
    let items = found
        .iter()
        .map(|consent| {
            json!({"id": consent.id, "clientID": consent.client, "user_id": consent.user,
                "audience": consent.audience, "scope": consent.scope})
        })
        .collect();
    let page = Page { items, total, next: None };
    Ok(match &paging {
        Paging::Offset { totals: false, .. } => Value::Array(page.items),
        _ => page.answer("grants", &paging, call.env.now),
    })
}

/// Withdraws a consent. None there is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let Ok(id) = ConsentId::parse(id) else { return Ok(()) };
    let mut tx = call.app.db().write().await?;
    if let Some(consent) = consents::delete_by_id(&mut tx, &id).await? {
        // What was allowed goes with it: the application gets no new tokens.
        let audience = Some(consent.audience.as_str()).filter(|a| *a != consents::NO_AUDIENCE);
        grants::revoke_for(&mut tx, &consent.user, &consent.client, audience, call.env.now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Withdraws all consents of a user.
pub async fn delete_of_user(call: &mut Call, query: &Query) -> Outcome<()> {
    let user =
        query.text("user_id").ok_or_else(|| invalid("Missing required property: user_id", "user_id"))?;
    let Ok(user) = UserId::parse(user) else { return Ok(()) };
    let mut tx = call.app.db().write().await?;
    consents::delete_of_user(&mut tx, &user).await?;
    grants::revoke_of_user(&mut tx, &user, call.env.now).await?;
    tx.commit().await?;
    Ok(())
}
