//! Modules that Actions share, and their published versions.

use lockstep_core::ids::{ActionId, ModuleId, ModuleVersionId};
use lockstep_core::model::action::{Action, Module, ModuleVersion, Script};
use lockstep_core::time::Timestamp;

use super::actions::{self, read_script, seal};
use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// Returns the module with this id.
pub async fn find(conn: &mut Conn, id: &ModuleId) -> Result<Option<Module>, DbError> {
    match conn.fetch_optional("select * from action_modules where id = $1", values![id]).await? {
        Some(row) => read(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

/// Keeps others from changing a module until the transaction ends; returns false if it is gone.
pub async fn lock(conn: &mut Conn, id: &ModuleId) -> Result<bool, DbError> {
    Ok(conn.execute("update action_modules set versions = versions where id = $1", values![id]).await? == 1)
}

/// Returns a part of the modules, oldest first, and how many there are.
pub async fn list(conn: &mut Conn, slice: &Slice) -> Result<(Vec<Module>, i64), DbError> {
    let (all, order) = (Filter::all(), Order::by("created_at", "id"));
    let rows = search::rows(conn, "select * from action_modules", &all, order, slice).await?;
    let total = search::count(conn, "action_modules", &all).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.push(read(conn, row).await?);
    }
    Ok((found, total))
}

/// Adds a module; a name that is taken is [`DbError::Conflict`].
pub async fn create(conn: &mut Conn, module: &Module) -> Result<(), DbError> {
    let secrets = seal(conn, &module.draft, "action_modules", module.id.as_str())?;
    let values = values![
        module.id,
        module.name,
        serde_json::to_string(&module.draft)?,
        secrets,
        module.created_at,
        module.updated_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Saves a module's draft; returns false if it is gone.
pub async fn save(conn: &mut Conn, module: &Module) -> Result<bool, DbError> {
    let secrets = seal(conn, &module.draft, "action_modules", module.id.as_str())?;
    let values = values![module.id, serde_json::to_string(&module.draft)?, secrets, module.updated_at];
    Ok(conn.execute(SAVE, values).await? == 1)
}

/// Deletes a module with its versions; returns whether it was there. One that Actions use is [`DbError::Missing`].
pub async fn delete(conn: &mut Conn, id: &ModuleId) -> Result<bool, DbError> {
    Ok(conn.execute("delete from action_modules where id = $1", values![id]).await? == 1)
}

/// Stores a version under the next number; returns the number, none if the module is gone.
pub async fn publish(
    conn: &mut Conn,
    module: &ModuleId,
    id: &ModuleVersionId,
    script: &Script,
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    let Some(row) = conn.fetch_optional(COUNT_UP, values![module]).await? else { return Ok(None) };
    let number: i64 = row.get("versions")?;
    let secrets = seal(conn, script, "action_module_versions", id.as_str())?;
    let values = values![id, module, number, serde_json::to_string(script)?, secrets, now];
    conn.execute(CREATE_VERSION, values).await?;
    Ok(Some(number))
}

/// Returns a version of a module.
pub async fn find_version(
    conn: &mut Conn,
    module: &ModuleId,
    id: &ModuleVersionId,
) -> Result<Option<ModuleVersion>, DbError> {
    let row = conn.fetch_optional(FIND_VERSION, values![module, id]).await?;
    row.map(|row| read_version(conn, &row)).transpose()
}

/// Returns a part of a module's versions, the newest first, and how many there are.
pub async fn list_versions(
    conn: &mut Conn,
    module: &ModuleId,
    slice: &Slice,
) -> Result<(Vec<ModuleVersion>, i64), DbError> {
    let filter = Filter::all().and("module_id = ?", values![module]);
    let order = Order::by("number", "id").descending(true);
    let rows = search::rows(conn, "select * from action_module_versions", &filter, order, slice).await?;
    let total = search::count(conn, "action_module_versions", &filter).await?;
    Ok((rows.iter().map(|row| read_version(conn, row)).collect::<Result<_, _>>()?, total))
}

/// Returns the Actions that use a module, by name.
pub async fn list_users(conn: &mut Conn, module: &ModuleId) -> Result<Vec<Action>, DbError> {
    let rows = conn.fetch_all(LIST_USERS, values![module]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let id = ActionId::trusted(row.get::<String>("id")?);
        found.extend(actions::find(conn, &id).await?);
    }
    Ok(found)
}

async fn read(conn: &mut Conn, row: &Row) -> Result<Module, DbError> {
    let id = ModuleId::trusted(row.get::<String>("id")?);
    let one = Slice::Offset { start: 0, limit: 1 };
    let (latest, _) = list_versions(conn, &id, &one).await?;
    let sql = "select count(*) as n from action_module_uses where module_id = $1";
    let used_by = conn.fetch_optional(sql, values![id]).await?.map_or(Ok(0), |row| row.get("n"))?;
    Ok(Module {
        name: row.get("name")?,
        draft: read_script(conn, row, "action_modules", id.as_str())?,
        latest: latest.into_iter().next(),
        used_by,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        id,
    })
}

fn read_version(conn: &Conn, row: &Row) -> Result<ModuleVersion, DbError> {
    let id = ModuleVersionId::trusted(row.get::<String>("id")?);
    Ok(ModuleVersion {
        module: ModuleId::trusted(row.get::<String>("module_id")?),
        number: row.get("number")?,
        script: read_script(conn, row, "action_module_versions", id.as_str())?,
        created_at: row.get("created_at")?,
        id,
    })
}

const CREATE: &str = "insert into action_modules (id, name, data, secrets, versions, created_at, updated_at)
 values ($1, $2, $3, $4, 0, $5, $6)";
const SAVE: &str = "update action_modules set data = $2, secrets = $3, updated_at = $4 where id = $1";
const COUNT_UP: &str = "update action_modules set versions = versions + 1 where id = $1 returning versions";
const CREATE_VERSION: &str = "insert into action_module_versions
 (id, module_id, number, data, secrets, created_at) values ($1, $2, $3, $4, $5, $6)";
const FIND_VERSION: &str = "select * from action_module_versions where module_id = $1 and id = $2";
const LIST_USERS: &str = "select a.id from actions a join action_module_uses u on u.action_id = a.id
 where u.module_id = $1 order by a.name";
