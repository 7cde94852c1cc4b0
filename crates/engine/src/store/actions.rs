//! Actions, their deployed versions, and their places in triggers.

use lockstep_core::ids::{ActionId, ActionVersionId, BindingId, ModuleId};
use lockstep_core::model::action::{Action, ActionVersion, Binding, Script, Secret};
use lockstep_core::time::Timestamp;

use super::db::{Conn, DbError, Row};
use super::search::{self, Filter, Order, Slice};
use crate::values;

/// Returns the Action with this id.
pub async fn find(conn: &mut Conn, id: &ActionId) -> Result<Option<Action>, DbError> {
    match conn.fetch_optional("select * from actions where id = $1", values![id]).await? {
        Some(row) => read(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

/// Returns the Action with this name.
pub async fn find_by_name(conn: &mut Conn, name: &str) -> Result<Option<Action>, DbError> {
    match conn.fetch_optional("select * from actions where name = $1", values![name]).await? {
        Some(row) => read(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

/// Keeps others from changing an Action until the transaction ends; returns false if it is gone.
pub async fn lock(conn: &mut Conn, id: &ActionId) -> Result<bool, DbError> {
    Ok(conn.execute("update actions set versions = versions where id = $1", values![id]).await? == 1)
}

/// Returns a part of the Actions that pass a filter, oldest first, and how many do.
pub async fn list(conn: &mut Conn, filter: &Filter, slice: &Slice) -> Result<(Vec<Action>, i64), DbError> {
    let order = Order::by("created_at", "id");
    let rows = search::rows(conn, "select * from actions", filter, order, slice).await?;
    let total = search::count(conn, "actions", filter).await?;
    Ok((read_all(conn, &rows).await?, total))
}

/// Adds an Action; a name that is taken is [`DbError::Conflict`].
pub async fn create(conn: &mut Conn, action: &Action) -> Result<(), DbError> {
    let secrets = seal(conn, &action.draft, "actions", action.id.as_str())?;
    let values = values![
        action.id,
        action.name,
        action.trigger(),
        serde_json::to_string(&action.draft)?,
        secrets,
        action.created_at,
        action.updated_at,
    ];
    conn.execute(CREATE, values).await?;
    Ok(())
}

/// Saves an Action's name and draft; returns false if it is gone.
pub async fn save(conn: &mut Conn, action: &Action) -> Result<bool, DbError> {
    let secrets = seal(conn, &action.draft, "actions", action.id.as_str())?;
    let values = values![
        action.id,
        action.name,
        action.trigger(),
        serde_json::to_string(&action.draft)?,
        secrets,
        action.updated_at,
    ];
    Ok(conn.execute(SAVE, values).await? == 1)
}

/// Deletes an Action with its versions and bindings; returns whether it was there.
pub async fn delete(conn: &mut Conn, id: &ActionId) -> Result<bool, DbError> {
    Ok(conn.execute("delete from actions where id = $1", values![id]).await? == 1)
}

/// Stores a version under the next number and puts it into effect; returns the number, none if the Action is gone.
pub async fn deploy(
    conn: &mut Conn,
    action: &ActionId,
    id: &ActionVersionId,
    script: &Script,
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    let Some(row) = conn.fetch_optional(COUNT_UP, values![action, id]).await? else { return Ok(None) };
    let number: i64 = row.get("versions")?;
    let secrets = seal(conn, script, "action_versions", id.as_str())?;
    let values = values![id, action, number, serde_json::to_string(script)?, secrets, now];
    conn.execute(CREATE_VERSION, values).await?;
    Ok(Some(number))
}

/// Removes versions of an Action up to a number, except the one in effect; returns how many.
pub async fn delete_versions_to(conn: &mut Conn, action: &ActionId, number: i64) -> Result<u64, DbError> {
    conn.execute(DELETE_VERSIONS, values![action, number]).await
}

/// Returns a version of an Action.
pub async fn find_version(
    conn: &mut Conn,
    action: &ActionId,
    id: &ActionVersionId,
) -> Result<Option<ActionVersion>, DbError> {
    let row = conn.fetch_optional(FIND_VERSION, values![action, id]).await?;
    row.map(|row| read_version(conn, &row)).transpose()
}

/// Returns a part of an Action's versions, the newest first, and how many there are.
pub async fn list_versions(
    conn: &mut Conn,
    action: &ActionId,
    slice: &Slice,
) -> Result<(Vec<ActionVersion>, i64), DbError> {
    let filter = Filter::all().and("action_id = ?", values![action]);
    let order = Order::by("number", "id").descending(true);
    let rows = search::rows(conn, "select * from action_versions", &filter, order, slice).await?;
    let total = search::count(conn, "action_versions", &filter).await?;
    Ok((rows.iter().map(|row| read_version(conn, row)).collect::<Result<_, _>>()?, total))
}

/// Returns the bindings of a trigger in their order, each with its Action.
pub async fn list_bindings(conn: &mut Conn, trigger: &str) -> Result<Vec<Binding>, DbError> {
    let rows = conn.fetch_all(LIST_BINDINGS, values![trigger]).await?;
    let mut found = Vec::new();
    for row in rows {
        let action = ActionId::trusted(row.get::<String>("action_id")?);
        let Some(action) = find(conn, &action).await? else { continue };
        found.push(Binding {
            id: BindingId::trusted(row.get::<String>("id")?),
            trigger: trigger.to_owned(),
            display_name: row.get("display_name")?,
            created_at: row.get("created_at")?,
            action,
        });
    }
    Ok(found)
}

/// Returns the triggers in which an Action is bound.
pub async fn list_bound(conn: &mut Conn, action: &ActionId) -> Result<Vec<String>, DbError> {
    let sql = "select trigger_id from trigger_bindings where action_id = $1 order by trigger_id";
    let rows = conn.fetch_all(sql, values![action]).await?;
    rows.iter().map(|row| row.get("trigger_id")).collect()
}

/// Returns every trigger that has bindings, with the names of what is bound there, in order.
pub async fn list_all_bound(conn: &mut Conn) -> Result<Vec<(String, String)>, DbError> {
    let rows = conn.fetch_all(LIST_ALL_BOUND, values![]).await?;
    rows.iter().map(|row| Ok((row.get("trigger_id")?, row.get("name")?))).collect()
}

/// Replaces the bindings of a trigger. Of two who do so at once one gets [`DbError::Conflict`].
pub async fn replace_bindings(conn: &mut Conn, trigger: &str, bindings: &[Binding]) -> Result<(), DbError> {
    conn.execute("delete from trigger_bindings where trigger_id = $1", values![trigger]).await?;
    for (position, binding) in bindings.iter().enumerate() {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let values = values![
            binding.id,
            trigger,
            position,
            binding.action.id,
            binding.display_name,
            binding.created_at
        ];
        conn.execute(CREATE_BINDING, values).await?;
    }
    Ok(())
}

/// Sets which modules an Action uses, in its draft or in effect. One that is gone is [`DbError::Missing`].
pub async fn save_uses(conn: &mut Conn, action: &ActionId, modules: &[ModuleId]) -> Result<(), DbError> {
    conn.execute("delete from action_module_uses where action_id = $1", values![action]).await?;
    for module in modules {
        let sql =
            "insert into action_module_uses (action_id, module_id) values ($1, $2) on conflict do nothing";
        conn.execute(sql, values![action, module]).await?;
    }
    Ok(())
}

async fn read_all(conn: &mut Conn, rows: &[Row]) -> Result<Vec<Action>, DbError> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(read(conn, row).await?);
    }
    Ok(all)
}

/// Reads an Action from a row with all columns, with the version in effect.
pub(super) async fn read(conn: &mut Conn, row: &Row) -> Result<Action, DbError> {
    let id = ActionId::trusted(row.get::<String>("id")?);
    let deployed = match row.get::<Option<String>>("deployed_version")? {
        Some(version) => find_version(conn, &id, &ActionVersionId::trusted(version)).await?,
        None => None,
    };
    Ok(Action {
        name: row.get("name")?,
        draft: read_script(conn, row, "actions", id.as_str())?,
        deployed,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        id,
    })
}

fn read_version(conn: &Conn, row: &Row) -> Result<ActionVersion, DbError> {
    let id = ActionVersionId::trusted(row.get::<String>("id")?);
    Ok(ActionVersion {
        number: row.get("number")?,
        script: read_script(conn, row, "action_versions", id.as_str())?,
        created_at: row.get("created_at")?,
        id,
    })
}

/// Reads the columns `data` and `secrets` of a row of this table.
pub(super) fn read_script(conn: &Conn, row: &Row, table: &str, id: &str) -> Result<Script, DbError> {
    let sealed: Vec<u8> = row.get("secrets")?;
    let secrets: Vec<Secret> = conn.keys().open_json(&sealed, &aad(table, id))?;
    Ok(Script { secrets, ..row.json("data")? })
}

/// Seals the secrets of a script for a row of this table.
pub(super) fn seal(conn: &Conn, script: &Script, table: &str, id: &str) -> Result<Vec<u8>, DbError> {
    Ok(conn.keys().seal_json(&script.secrets, &aad(table, id))?)
}

fn aad(table: &str, id: &str) -> String {
    format!("{table}:secrets:{id}")
}

const CREATE: &str = "insert into actions
 (id, name, trigger_id, data, secrets, versions, created_at, updated_at)
 values ($1, $2, $3, $4, $5, 0, $6, $7)";
const SAVE: &str = "update actions set name = $2, trigger_id = $3, data = $4, secrets = $5, updated_at = $6
 where id = $1";
const COUNT_UP: &str = "update actions set versions = versions + 1, deployed_version = $2 where id = $1
 returning versions";
const CREATE_VERSION: &str = "insert into action_versions (id, action_id, number, data, secrets, created_at)
 values ($1, $2, $3, $4, $5, $6)";
const DELETE_VERSIONS: &str = "delete from action_versions where action_id = $1 and number <= $2
 and id not in (select deployed_version from actions where id = $1 and deployed_version is not null)";
const FIND_VERSION: &str = "select * from action_versions where action_id = $1 and id = $2";
const LIST_BINDINGS: &str = "select * from trigger_bindings where trigger_id = $1 order by position";
const LIST_ALL_BOUND: &str =
    "select b.trigger_id, a.name from trigger_bindings b join actions a on a.id = b.action_id
 order by b.trigger_id, b.position";
const CREATE_BINDING: &str = "insert into trigger_bindings
 (id, trigger_id, position, action_id, display_name, created_at) values ($1, $2, $3, $4, $5, $6)";
