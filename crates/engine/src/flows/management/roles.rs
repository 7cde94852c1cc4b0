//! Roles and permissions (contract/management-api.md 6).

use lockstep_core::codes::ManagementCode;
use lockstep_core::ids::{RoleId, UserId};
use lockstep_core::model::role::{Permission, Role};
use serde_json::{Value, json};

use super::query::{Page, Paging, Query};
use super::validate::{Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome, load_user, taken, user_id};
use crate::store::db::Conn;
use crate::store::roles::{self, Held};
use crate::store::{resource_servers, users};

const NAME: Kind = Kind::Text(1, 150);
const DESCRIPTION: Kind = Kind::Text(0, 500);
/// What a new one is made of.
pub const CREATE: Schema = Schema::closed(&[required("name", NAME), nullable("description", DESCRIPTION)]);
/// What may be changed.
pub const UPDATE: Schema = Schema::closed(&[optional("name", NAME), nullable("description", DESCRIPTION)]);

const PERMISSION: Schema = Schema::open(&[
    required("resource_server_identifier", Kind::Text(1, 600)),
    required("permission_name", Kind::Text(1, 280)),
]);
/// The permissions to give or take.
pub const PERMISSIONS: Schema =
    Schema::closed(&[required("permissions", Kind::List(&Kind::Shape(&PERMISSION), 1, 1000))]);
/// The roles to give or take.
pub const ROLES: Schema = Schema::closed(&[required("roles", Kind::List(&Kind::Text(1, 64), 1, 50))]);
/// The users to give a role to.
pub const USERS: Schema = Schema::closed(&[required("users", Kind::List(&Kind::Text(1, 1024), 1, 1000))]);

/// Lists roles.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.paging(false, call.env.now)?;
    let mut conn = call.app.db().read().await?;
    let (found, total) = roles::list(&mut conn, query.text("name_filter"), &paging.slice()).await?;
    let page = Page { items: found.iter().map(Role::to_json).collect(), total, next: None };
    Ok(page.answer("roles", &paging, call.env.now))
}

/// Creates a role.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let role = Role { id: RoleId::new(call.env.rng()), name: text("name"), description: text("description") };
    let mut tx = call.app.db().write().await?;
    roles::create(&mut tx, &role, call.env.now).await.map_err(taken(ManagementCode::RoleConflict))?;
    tx.commit().await?;
    Ok(role.to_json())
}

/// Returns a role.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    Ok(load(&mut call.app.db().read().await?, id).await?.to_json())
}

/// Changes a role.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut role = load(&mut tx, id).await?;
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        name.clone_into(&mut role.name);
    }
    if let Some(description) = body.get("description") {
        description.as_str().unwrap_or_default().clone_into(&mut role.description);
    }
    roles::save(&mut tx, &role).await.map_err(taken(ManagementCode::RoleConflict))?;
    tx.commit().await?;
    Ok(role.to_json())
}

/// Deletes a role; those who had it have it no more.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let role = load(&mut tx, id).await?;
    roles::delete(&mut tx, &role.id).await?;
    tx.commit().await?;
    Ok(())
}

/// Lists the permissions of a role.
pub async fn permissions(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let paging = query.paging(false, call.env.now)?;
    let mut conn = call.app.db().read().await?;
    let role = load(&mut conn, id).await?;
    let mut items = Vec::new();
    for permission in roles::list_permissions(&mut conn, &role.id).await? {
        items.push(described(&mut conn, &permission).await?);
    }
    Ok(Page::cut(items, &paging).answer("permissions", &paging, call.env.now))
}

/// Gives permissions to a role.
pub async fn add_permissions(call: &mut Call, id: &str, body: Option<Value>) -> Outcome<()> {
    let wanted = parse_permissions(body)?;
    let mut tx = call.app.db().write().await?;
    let role = load(&mut tx, id).await?;
    for permission in &wanted {
        check_defined(&mut tx, permission).await?;
        roles::add_permission(&mut tx, &role.id, permission).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Takes permissions from a role.
pub async fn remove_permissions(call: &mut Call, id: &str, body: Option<Value>) -> Outcome<()> {
    let wanted = parse_permissions(body)?;
    let mut tx = call.app.db().write().await?;
    let role = load(&mut tx, id).await?;
    for permission in &wanted {
        roles::remove_permission(&mut tx, &role.id, permission).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Lists the users who have a role.
pub async fn users(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let paging = query.paging(true, call.env.now)?;
    let mut conn = call.app.db().read().await?;
    let role = load(&mut conn, id).await?;
    let (mut found, total) = roles::list_users(&mut conn, &role.id, &paging.slice()).await?;
    let next = paging.next(&mut found, |user| (user.created_at, user.id.to_string()));
    let item = |user: &lockstep_core::model::user::User| {
        json!({
            "user_id": user.id, "email": user.email, "picture": user.profile.picture, "name": user.profile.name
        })
    };
    let page = Page { items: found.iter().map(item).collect(), total, next };
    Ok(page.answer("users", &paging, call.env.now))
}

/// Gives a role to users.
pub async fn add_users(call: &mut Call, id: &str, body: Option<Value>) -> Outcome<()> {
    let body = USERS.check(body)?;
    let mut tx = call.app.db().write().await?;
    let role = load(&mut tx, id).await?;
    for text in texts(body.get("users")) {
        let user = user_id(text)?;
        if users::find(&mut tx, &user).await?.is_none() {
            return Err(refused(format!("One or more of the specified users do not exist: {user}")));
        }
        roles::add_to_user(&mut tx, &user, &role.id, call.env.now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Lists the roles of a user.
pub async fn of_user(call: &mut Call, user: &UserId, query: &Query) -> Outcome {
    let paging = query.paging(false, call.env.now)?;
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let all = roles::list_of_user(&mut conn, user).await?;
    Ok(Page::cut(all.iter().map(Role::to_json).collect(), &paging).answer("roles", &paging, call.env.now))
}

/// Gives roles to a user.
pub async fn add_to_user(call: &mut Call, user: &UserId, body: Option<Value>) -> Outcome<()> {
    let body = ROLES.check(body)?;
    let mut tx = call.app.db().write().await?;
    load_user(&mut tx, user).await?;
    for text in texts(body.get("roles")) {
        let role = match RoleId::parse(text) {
            Ok(id) => roles::find(&mut tx, &id).await?,
            Err(_) => None,
        };
        let role =
            role.ok_or_else(|| refused(format!("One or more of the specified roles do not exist: {text}")))?;
        roles::add_to_user(&mut tx, user, &role.id, call.env.now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Takes roles from a user. Roles that do not exist are nobody's.
pub async fn remove_from_user(call: &mut Call, user: &UserId, body: Option<Value>) -> Outcome<()> {
    let body = ROLES.check(body)?;
    let mut tx = call.app.db().write().await?;
    load_user(&mut tx, user).await?;
    for id in texts(body.get("roles")).filter_map(|text| RoleId::parse(text).ok()) {
        roles::remove_from_user(&mut tx, user, &id).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Lists what a user may do, each permission with where it comes from.
pub async fn held(call: &mut Call, user: &UserId, query: &Query) -> Outcome {
    let Paging::Offset { .. } = query.paging(false, call.env.now)? else { return Ok(json!([])) };
    let paging = query.paging(false, call.env.now)?;
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let mut items: Vec<(Permission, Value)> = Vec::new();
    for Held { permission, role } in roles::list_held(&mut conn, user).await? {
        let source = match role {
            None => json!({"source_id": "", "source_name": "", "source_type": "DIRECT"}),
            Some((id, name)) => json!({"source_id": id, "source_name": name, "source_type": "ROLE"}),
        };
        match items.iter_mut().find(|(known, _)| *known == permission) {
            Some((_, item)) => {
                if let Some(sources) = item["sources"].as_array_mut() {
                    sources.push(source);
                }
            }
            None => {
                let mut item = described(&mut conn, &permission).await?;
                item["sources"] = json!([source]);
                items.push((permission, item));
            }
        }
    }
    let items = items.into_iter().map(|(_, item)| item).collect();
    Ok(Page::cut(items, &paging).answer("permissions", &paging, call.env.now))
}

/// Gives permissions to a user.
pub async fn add_user_permissions(call: &mut Call, user: &UserId, body: Option<Value>) -> Outcome<()> {
    let wanted = parse_permissions(body)?;
    let mut tx = call.app.db().write().await?;
    load_user(&mut tx, user).await?;
    for permission in &wanted {
        check_defined(&mut tx, permission).await?;
        roles::add_user_permission(&mut tx, user, permission, call.env.now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Takes permissions from a user.
pub async fn remove_user_permissions(call: &mut Call, user: &UserId, body: Option<Value>) -> Outcome<()> {
    let wanted = parse_permissions(body)?;
    let mut tx = call.app.db().write().await?;
    load_user(&mut tx, user).await?;
    for permission in &wanted {
        roles::remove_user_permission(&mut tx, user, permission).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<Role> {
    let id = RoleId::parse(id).map_err(|_| ManagementCode::InexistentRole)?;
    roles::find(conn, &id).await?.ok_or_else(|| ManagementCode::InexistentRole.into())
}

fn parse_permissions(body: Option<Value>) -> Outcome<Vec<Permission>> {
    let body = PERMISSIONS.check(body)?;
    let list = body.get("permissions").cloned().unwrap_or_default();
    serde_json::from_value(list).map_err(|e| refused(e.to_string()))
}

async fn check_defined(conn: &mut Conn, permission: &Permission) -> Outcome<()> {
    let api = resource_servers::find_by_identifier(conn, &permission.audience).await?;
    if api.is_some_and(|api| api.scopes().any(|scope| scope == permission.name)) {
        return Ok(());
    }
    Err(refused(format!(
        "One or more of the specified permissions do not exist: {} of {}",
        permission.name, permission.audience
    )))
}

pub(super) async fn described(conn: &mut Conn, permission: &Permission) -> Outcome {
    let api = resource_servers::find_by_identifier(conn, &permission.audience).await?;
    let description =
        api.as_ref().and_then(|api| api.scope_description(&permission.name)).unwrap_or_default();
    Ok(json!({
        "permission_name": permission.name, "description": description,
        "resource_server_name": api.as_ref().map(|api| api.name()),
        "resource_server_identifier": permission.audience
    }))
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
