//! Actions (contract/management-api.md 10): stored, deployed and bound. They are not run: [`warn_of_bound`] says so at start,
//! [`bindings::replace`] when one is bound.

pub mod bindings;
pub mod modules;
mod script;

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::ids::{ActionId, ActionVersionId};
use lockstep_core::model::action::{Action, ActionVersion, Script, Told, triggers};
use serde_json::{Value, json};
use tracing::warn;

use super::query::Query;
use super::validate::{Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome, taken};
use crate::app::App;
use crate::store::actions;
use crate::store::db::{Conn, DbError};
use crate::store::search::Filter;
use crate::values;

/// How many versions of an Action are kept.
const KEPT_VERSIONS: i64 = 50;

const NAME: Kind = Kind::Text(1, 255);
/// The body that makes an Action.
pub const CREATE: Schema = Schema::open(&[
    required("name", NAME),
    required("supported_triggers", script::TRIGGERS),
    nullable("deploy", Kind::Bool),
])
.and(script::OF_ACTIONS);
/// The body that changes one.
pub const UPDATE: Schema =
    Schema::open(&[optional("name", NAME), optional("supported_triggers", script::TRIGGERS)])
        .and(script::OF_ACTIONS);
/// The body that puts an old version into effect again.
pub const REDEPLOY: Schema = Schema::open(&[nullable("update_draft", Kind::Bool)]);
/// The body that would run a draft.
pub const TEST: Schema = Schema::open(&[required("payload", Kind::Object)]);

/// Says in the server's log which Actions are bound, and that they do nothing. An operator may believe that they protect logins.
/// Returns how many there are.
pub async fn warn_of_bound(app: &App) -> Result<usize, DbError> {
    let bound = actions::list_all_bound(&mut app.db().read().await?).await?;
    for (trigger, name) in &bound {
        not_run(trigger, name);
    }
    Ok(bound.len())
}

fn not_run(trigger: &str, name: &str) {
    warn!(
        action.trigger = trigger,
        "The Action {name:?} is bound to {trigger} and is NOT run: this version of Lockstep stores Actions and runs none"
    );
}

/// Lists Actions.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.numbered(50)?;
    let mut filter = Filter::all();
    if let Some(trigger) = query.text("triggerId") {
        filter = filter.and("trigger_id = ?", values![trigger]);
    }
    if let Some(name) = query.text("actionName") {
        filter = filter.and("name = ?", values![name]);
    }
    match query.flag("deployed")? {
        Some(true) => filter = filter.and("deployed_version is not null", vec![]),
        Some(false) => filter = filter.and("deployed_version is null", vec![]),
        None => {}
    }
    // Nothing here came from a marketplace.
    if query.flag("installed")? == Some(true) {
        filter = filter.and("1 = 0", vec![]);
    }
    let mut conn = call.app.db().read().await?;
    let (found, total) = actions::list(&mut conn, &filter, &paging.slice()).await?;
    Ok(paging.answer("actions", found.iter().map(|a| a.to_json(Told::Built)).collect(), total))
}

/// Makes an Action.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let now = call.env.now;
    let mut tx = call.app.db().write().await?;
    let mut draft = script::fresh();
    script::change(&mut tx, &mut draft, &body, now).await?;
    let mut action = Action {
        id: ActionId::new(call.env.rng()),
        name: body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        draft,
        deployed: None,
        created_at: now,
        updated_at: now,
    };
    actions::create(&mut tx, &action).await.map_err(taken(ManagementCode::ActionConflict))?;
    if body.get("deploy") == Some(&json!(true)) {
        let draft = action.draft.clone();
        put_into_effect(call, &mut tx, &mut action, draft).await?;
    }
    save_uses(&mut tx, &action).await?;
    tx.commit().await?;
    Ok(action.to_json(Told::AllNew))
}

/// Returns an Action.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    Ok(load(&mut call.app.db().read().await?, id).await?.to_json(Told::Built))
}

/// Changes an Action's draft. What is in effect stays until it is deployed.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut action = load_to_change(&mut tx, id).await?;
    let before = action.trigger().to_owned();
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        name.clone_into(&mut action.name);
    }
    script::change(&mut tx, &mut action.draft, &body, call.env.now).await?;
    if action.trigger() != before && !actions::list_bound(&mut tx, &action.id).await?.is_empty() {
        return Err(refused(format!("The action is bound to {before}: unbind it first.")));
    }
    action.updated_at = call.env.now;
    actions::save(&mut tx, &action).await.map_err(taken(ManagementCode::ActionConflict))?;
    save_uses(&mut tx, &action).await?;
    tx.commit().await?;
    Ok(action.to_json(Told::NewDraft))
}

/// Deletes an Action; one that is bound only by force.
pub async fn delete(call: &mut Call, id: &str, query: &Query) -> Outcome<()> {
    let force = query.flag("force")?.unwrap_or(false);
    let mut tx = call.app.db().write().await?;
    let action = load_to_change(&mut tx, id).await?;
    if let Some(trigger) = actions::list_bound(&mut tx, &action.id).await?.first().filter(|_| !force) {
        let text = format!("Action {} is currently bound to a trigger ({trigger}).", action.id);
        return Err(refused(text));
    }
    actions::delete(&mut tx, &action.id).await?;
    Ok(tx.commit().await?)
}

/// Puts the draft into effect.
pub async fn deploy(call: &mut Call, id: &str) -> Outcome {
    let mut tx = call.app.db().write().await?;
    let mut action = load_to_change(&mut tx, id).await?;
    let draft = action.draft.clone();
    let version = put_into_effect(call, &mut tx, &mut action, draft).await?;
    save_uses(&mut tx, &action).await?;
    tx.commit().await?;
    Ok(action.version_to_json(&version, false))
}

/// Lists the versions of an Action, the newest first.
pub async fn versions(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let paging = query.numbered(20)?;
    let mut conn = call.app.db().read().await?;
    let action = load(&mut conn, id).await?;
    let (found, total) = actions::list_versions(&mut conn, &action.id, &paging.slice()).await?;
    let items = found.iter().map(|version| action.version_to_json(version, in_effect(&action, version)));
    Ok(paging.answer("versions", items.collect(), total))
}

/// Returns a version of an Action.
pub async fn version(call: &mut Call, id: &str, version: &str) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let action = load(&mut conn, id).await?;
    let version = load_version(&mut conn, &action, version).await?;
    Ok(action.version_to_json(&version, in_effect(&action, &version)))
}

/// Puts what an older version says into effect again, as a new version.
pub async fn redeploy(call: &mut Call, id: &str, version: &str, body: Option<Value>) -> Outcome {
    let body = REDEPLOY.check(Some(body.unwrap_or_else(|| json!({}))))?;
    let mut tx = call.app.db().write().await?;
    let mut action = load_to_change(&mut tx, id).await?;
    let old = load_version(&mut tx, &action, version).await?;
    if body.get("update_draft") == Some(&json!(true)) {
        action.draft = old.script.clone();
        action.updated_at = call.env.now;
        actions::save(&mut tx, &action).await?;
    }
    let version = put_into_effect(call, &mut tx, &mut action, old.script).await?;
    save_uses(&mut tx, &action).await?;
    tx.commit().await?;
    Ok(action.version_to_json(&version, false))
}

/// Would run a draft with an event of the caller's.
pub async fn test(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    TEST.check(body)?;
    load(&mut call.app.db().read().await?, id).await?;
    let text = "Actions are stored and not run: this version of Lockstep has no JavaScript engine.";
    Err(ManagementError::new(ManagementCode::NotImplemented, text))
}

/// Returns a run of Actions. There is none, because none is run.
pub fn execution() -> Outcome {
    Err(ManagementCode::InexistentExecution.into())
}

/// Lists the triggers.
pub fn list_triggers() -> Value {
    json!({"triggers": triggers()})
}

async fn put_into_effect(
    call: &mut Call,
    tx: &mut Conn,
    action: &mut Action,
    script: Script,
) -> Outcome<ActionVersion> {
    let (id, now) = (ActionVersionId::new(call.env.rng()), call.env.now);
    let number = actions::deploy(tx, &action.id, &id, &script, now).await?;
    let number = number.ok_or(ManagementCode::InexistentAction)?;
    actions::delete_versions_to(tx, &action.id, number - KEPT_VERSIONS).await?;
    let version = ActionVersion { id, number, script, created_at: now };
    action.deployed = Some(version.clone());
    Ok(version)
}

/// A module is in use where the draft or what is in effect loads it.
async fn save_uses(tx: &mut Conn, action: &Action) -> Outcome<()> {
    let deployed = action.deployed.iter().flat_map(|version| &version.script.modules);
    let uses: Vec<_> = action.draft.modules.iter().chain(deployed).map(|m| m.module_id.clone()).collect();
    actions::save_uses(tx, &action.id, &uses).await.map_err(|cause| match cause {
        DbError::Missing => refused("A module of this version is gone."),
        other => other.into(),
    })
}

fn in_effect(action: &Action, version: &ActionVersion) -> bool {
    action.deployed.as_ref().is_some_and(|deployed| deployed.id == version.id)
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<Action> {
    let id = ActionId::parse(id).map_err(|_| ManagementCode::InexistentAction)?;
    actions::find(conn, &id).await?.ok_or_else(|| ManagementCode::InexistentAction.into())
}

async fn load_to_change(tx: &mut Conn, id: &str) -> Outcome<Action> {
    if let Ok(id) = ActionId::parse(id) {
        actions::lock(tx, &id).await?;
    }
    load(tx, id).await
}

async fn load_version(conn: &mut Conn, action: &Action, id: &str) -> Outcome<ActionVersion> {
    let none = || ManagementError::new(ManagementCode::NotFound, "That action version does not exist.");
    let id = ActionVersionId::parse(id).map_err(|_| none())?;
    actions::find_version(conn, &action.id, &id).await?.ok_or_else(none)
}
