//! Roles, their permissions, and what users have of both.

use lockstep_core::ids::{RoleId, UserId};
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use super::users;
use crate::values;
use lockstep_core::model::role::{Permission, Role};
use lockstep_core::model::user::User;

/// A permission that a user has, with where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The permission.
    pub permission: Permission,
    /// The role that gives it; none: given directly.
    pub role: Option<(RoleId, String)>,
}

/// Returns the role with this id.
pub async fn find(conn: &mut Conn, id: &RoleId) -> Result<Option<Role>, DbError> {
    conn.fetch_optional("select * from roles where id = $1", values![id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Returns a part of the roles whose name contains a text, and how many there are.
pub async fn list(conn: &mut Conn, name: Option<&str>, slice: &Slice) -> Result<(Vec<Role>, i64), DbError> {
    let filter = match name {
        Some(text) => Filter::all().and("replace(lower(name), lower(?), '') <> lower(name)", values![text]),
        None => Filter::all(),
    };
    let rows =
        search::rows(conn, "select * from roles", &filter, Order::by("created_at", "id"), slice).await?;
    let total = search::count(conn, "roles", &filter).await?;
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, total))
}

/// Adds a role; a name that is taken is [`DbError::Conflict`].
pub async fn create(conn: &mut Conn, role: &Role, now: Timestamp) -> Result<(), DbError> {
    let sql = "insert into roles (id, name, description, created_at) values ($1, $2, $3, $4)";
    conn.execute(sql, values![role.id, role.name, role.description, now]).await?;
    Ok(())
}

/// Saves a changed role; returns false if it is gone.
pub async fn save(conn: &mut Conn, role: &Role) -> Result<bool, DbError> {
    let sql = "update roles set name = $2, description = $3 where id = $1";
    Ok(conn.execute(sql, values![role.id, role.name, role.description]).await? == 1)
}

/// Deletes a role; returns whether it was there.
pub async fn delete(conn: &mut Conn, id: &RoleId) -> Result<bool, DbError> {
    Ok(conn.execute("delete from roles where id = $1", values![id]).await? == 1)
}

/// Returns the permissions of a role.
pub async fn list_permissions(conn: &mut Conn, id: &RoleId) -> Result<Vec<Permission>, DbError> {
    conn.fetch_all(LIST_PERMISSIONS, values![id]).await?.iter().map(read_permission).collect()
}

/// Gives a role a permission; having it already is no error.
pub async fn add_permission(conn: &mut Conn, id: &RoleId, permission: &Permission) -> Result<(), DbError> {
    conn.execute(ADD_PERMISSION, values![id, permission.audience, permission.name]).await?;
    Ok(())
}

/// Takes a permission from a role.
pub async fn remove_permission(conn: &mut Conn, id: &RoleId, permission: &Permission) -> Result<(), DbError> {
    let sql = "delete from role_permissions where role_id = $1 and audience = $2 and name = $3";
    conn.execute(sql, values![id, permission.audience, permission.name]).await?;
    Ok(())
}

/// Returns a part of the users who have a role, and how many there are.
pub async fn list_users(conn: &mut Conn, id: &RoleId, slice: &Slice) -> Result<(Vec<User>, i64), DbError> {
    let filter =
        Filter::all().and("user_id in (select user_id from user_roles where role_id = ?)", values![id]);
    let order = Order::by("created_at", "user_id");
    let rows = search::rows(conn, users::SELECT, &filter, order, slice).await?;
    let total = search::count(conn, "users", &filter).await?;
    Ok((rows.iter().map(users::read).collect::<Result<_, _>>()?, total))
}

/// Returns the roles of a user, the first given first.
pub async fn list_of_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Role>, DbError> {
    conn.fetch_all(LIST_OF_USER, values![user]).await?.iter().map(read).collect()
}

/// Gives a user a role; having it already is no error.
pub async fn add_to_user(conn: &mut Conn, user: &UserId, id: &RoleId, now: Timestamp) -> Result<(), DbError> {
    conn.execute(ADD_TO_USER, values![user, id, now]).await?;
    Ok(())
}

/// Takes a role from a user.
pub async fn remove_from_user(conn: &mut Conn, user: &UserId, id: &RoleId) -> Result<(), DbError> {
    conn.execute("delete from user_roles where user_id = $1 and role_id = $2", values![user, id]).await?;
    Ok(())
}

/// Returns what a user may do, given directly and by roles.
pub async fn list_held(conn: &mut Conn, user: &UserId) -> Result<Vec<Held>, DbError> {
    let rows = conn.fetch_all(LIST_HELD, values![user]).await?;
    rows.iter()
        .map(|row| {
            let role: Option<String> = row.get("role_id")?;
            let name: Option<String> = row.get("role_name")?;
            Ok(Held {
                permission: read_permission(row)?,
                role: role.map(|id| (RoleId::trusted(id), name.unwrap_or_default())),
            })
        })
        .collect()
}

/// Gives a user a permission; having it already is no error.
pub async fn add_user_permission(
    conn: &mut Conn,
    user: &UserId,
    permission: &Permission,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.execute(ADD_USER_PERMISSION, values![user, permission.audience, permission.name, now]).await?;
    Ok(())
}

/// Takes a permission from a user. What a role gives stays.
pub async fn remove_user_permission(
    conn: &mut Conn,
    user: &UserId,
    permission: &Permission,
) -> Result<(), DbError> {
    let sql = "delete from user_permissions where user_id = $1 and audience = $2 and name = $3";
    conn.execute(sql, values![user, permission.audience, permission.name]).await?;
    Ok(())
}

/// Forgets, for everybody, the permissions of an API that it no longer defines.
pub async fn delete_undefined(conn: &mut Conn, audience: &str, defined: Vec<String>) -> Result<(), DbError> {
    for (select, delete) in PERMISSION_TABLES {
        for row in conn.fetch_all(select, values![audience]).await? {
            let name: String = row.get("name")?;
            if !defined.contains(&name) {
                conn.execute(delete, values![audience, name]).await?;
            }
        }
    }
    Ok(())
}

fn read(row: &Row) -> Result<Role, DbError> {
    Ok(Role {
        id: RoleId::trusted(row.get::<String>("id")?),
        name: row.get("name")?,
        description: row.get("description")?,
    })
}

fn read_permission(row: &Row) -> Result<Permission, DbError> {
    Ok(Permission { audience: row.get("audience")?, name: row.get("name")? })
}

const PERMISSION_TABLES: [(&str, &str); 2] = [
    (
        "select distinct name from role_permissions where audience = $1",
        "delete from role_permissions where audience = $1 and name = $2",
    ),
    (
        "select distinct name from user_permissions where audience = $1",
        "delete from user_permissions where audience = $1 and name = $2",
    ),
];
const LIST_PERMISSIONS: &str =
    "select audience, name from role_permissions where role_id = $1 order by audience, name";
const ADD_PERMISSION: &str = "insert into role_permissions (role_id, audience, name) values ($1, $2, $3)
 on conflict do nothing";
const LIST_OF_USER: &str =
    "select r.id, r.name, r.description from user_roles u join roles r on r.id = u.role_id
 where u.user_id = $1 order by u.created_at, r.created_at, r.id";
const ADD_TO_USER: &str = "insert into user_roles (user_id, role_id, created_at) values ($1, $2, $3)
 on conflict do nothing";
const LIST_HELD: &str =
    "select p.audience, p.name, null as role_id, null as role_name from user_permissions p
 where p.user_id = $1
 union all
 select p.audience, p.name, r.id as role_id, r.name as role_name from user_roles u
 join roles r on r.id = u.role_id join role_permissions p on p.role_id = r.id where u.user_id = $1
 order by 1, 2, 3";
const ADD_USER_PERMISSION: &str = "insert into user_permissions (user_id, audience, name, created_at)
 values ($1, $2, $3, $4) on conflict do nothing";

#[cfg(test)]
mod tests {
    use lockstep_core::env::{Env, Issuer};
    use lockstep_core::ids::ResourceServerId;
    use lockstep_core::model::document::Document;
    use lockstep_core::model::resource_server::ResourceServer;

    use super::*;
    use crate::store::{resource_servers, testing};

    fn role(name: &str) -> Role {
        Role {
            id: RoleId::trusted(format!("rol_{name:0>16}")),
            name: name.to_owned(),
            description: String::new(),
        }
    }

    fn api(identifier: &str) -> ResourceServer {
        ResourceServer {
            id: ResourceServerId::trusted("6".repeat(24)),
            identifier: identifier.to_owned(),
            data: Document::default(),
            created_at: Timestamp::from_secs(1),
            updated_at: Timestamp::from_secs(1),
        }
    }

    async fn user(conn: &mut Conn, name: &str) -> UserId {
        let now = Timestamp::from_secs(1);
        let id = UserId::trusted(format!("auth0|{name}"));
        let user = User { email: Some(format!("{name}@example.com")), ..User::new(id, "c", now) };
        users::create(conn, &user, None).await.unwrap();
        user.id
    }

    #[tokio::test]
    async fn a_role_gives_its_permissions_to_its_users_and_to_nobody_else() {
        let mut env = Env::new(Timestamp::from_secs(1), Issuer::parse("https://x.example").unwrap());
        assert!(RoleId::parse(RoleId::new(env.rng()).as_str()).is_ok());
        for db in testing::databases().await {
            let conn = &mut db.write().await.unwrap();
            let (admin, staff) = (role("admin"), role("staff"));
            create(conn, &admin, env.now).await.unwrap();
            create(conn, &staff, env.now).await.unwrap();
            let (ann, ben) = (user(conn, "ann").await, user(conn, "ben").await);
            resource_servers::create(conn, &api("https://api")).await.unwrap();
            let read = Permission { audience: "https://api".to_owned(), name: "read:x".to_owned() };
            let write = Permission { audience: "https://api".to_owned(), name: "write:x".to_owned() };
            add_permission(conn, &admin.id, &read).await.unwrap();
            add_permission(conn, &admin.id, &read).await.unwrap();
            add_to_user(conn, &ann, &admin.id, env.now).await.unwrap();
            add_to_user(conn, &ann, &admin.id, env.now).await.unwrap();
            add_user_permission(conn, &ann, &write, env.now).await.unwrap();
            let held = list_held(conn, &ann).await.unwrap();
            assert_eq!(held.len(), 2);
            assert_eq!(held[0].role, Some((admin.id.clone(), "admin".to_owned())));
            assert_eq!((held[1].permission.clone(), held[1].role.clone()), (write, None));
            assert!(list_held(conn, &ben).await.unwrap().is_empty());
            let all = Slice::Offset { start: 0, limit: 10 };
            let (users, total) = list_users(conn, &admin.id, &all).await.unwrap();
            assert_eq!((users[0].id.clone(), total), (ann.clone(), 1));
            assert_eq!(list(conn, Some("ADM"), &all).await.unwrap().0, std::slice::from_ref(&admin));
            delete_undefined(conn, "https://api", vec!["write:x".to_owned()]).await.unwrap();
            assert_eq!(list_held(conn, &ann).await.unwrap().len(), 1);
            delete(conn, &admin.id).await.unwrap();
            assert!(list_of_user(conn, &ann).await.unwrap().is_empty());
            assert!(find(conn, &staff.id).await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn two_roles_never_share_a_name() {
        for db in testing::databases().await {
            let conn = &mut db.write().await.unwrap();
            create(conn, &role("admin"), Timestamp::from_secs(1)).await.unwrap();
            let twin = Role { id: RoleId::trusted("rol_other"), ..role("admin") };
            assert!(matches!(create(conn, &twin, Timestamp::from_secs(1)).await, Err(DbError::Conflict)));
        }
    }
}
