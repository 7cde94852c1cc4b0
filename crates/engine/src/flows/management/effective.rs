//! What counts for a user in the end: roles and permissions with where they come from (contract/management-api.md 3.1). Lists are cut by
//! checkpoints alone, and always have an envelope: the SDKs ask for nothing else.

use lockstep_core::ids::UserId;
use lockstep_core::model::role::Permission;
use serde_json::{Value, json};

use super::query::{Page, Query};
use super::roles::described;
use super::{Call, Outcome, load_user};
use crate::store::roles::{self, Held};

/// Lists the roles. There are no groups, so all are direct.
pub async fn roles(call: &mut Call, user: &UserId, query: &Query) -> Outcome {
    let paging = query.checkpoints(call.env.now)?;
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let shown = |role: &lockstep_core::model::role::Role| json!({"id": role.id, "name": role.name, "description": role.description, "sources": ["direct"]});
    let all = roles::list_of_user(&mut conn, user).await?.iter().map(shown).collect();
    Ok(Page::cut(all, &paging).answer("roles", &paging, call.env.now))
}

/// Lists the permissions; of one API where the query names it.
pub async fn permissions(call: &mut Call, user: &UserId, query: &Query) -> Outcome {
    let paging = query.checkpoints(call.env.now)?;
    let api = query.text("resource_server_identifier");
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let mut held: Vec<(Permission, Vec<&str>)> = Vec::new();
    for Held { permission, role } in roles::list_held(&mut conn, user).await? {
        let source = if role.is_some() { "roles" } else { "direct" };
        match held.iter_mut().find(|(known, _)| *known == permission) {
            Some((_, sources)) if sources.contains(&source) => {}
            Some((_, sources)) => sources.push(source),
            None => held.push((permission, vec![source])),
        }
    }
    let mut items: Vec<Value> = Vec::new();
    for (permission, sources) in held {
        let mut item = described(&mut conn, &permission).await?;
        item["sources"] = json!(sources);
        if api.is_none_or(|api| item["resource_server_identifier"] == api) {
            items.push(item);
        }
    }
    Ok(Page::cut(items, &paging).answer("permissions", &paging, call.env.now))
}
