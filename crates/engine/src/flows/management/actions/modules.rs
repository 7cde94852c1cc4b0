//! Modules that Actions share (`actions/modules`, contract/management-api.md 10).

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::ids::{ModuleId, ModuleVersionId};
use lockstep_core::model::action::{Module, ModuleVersion};
use serde_json::{Value, json};

use super::script;
use crate::flows::management::query::Query;
use crate::flows::management::validate::{Kind, Schema, optional, refused, required};
use crate::flows::management::{Call, Outcome, taken};
use crate::store::action_modules;
use crate::store::db::{Conn, DbError};

/// The body that makes a module.
pub const CREATE: Schema = Schema::open(&[
    required("name", Kind::Text(1, 255)),
    optional("publish", Kind::Bool),
    optional("api_version", Kind::Text(1, 32)),
])
.and(script::OF_MODULES);
/// The body that changes one. Its name stays: code loads it by that.
pub const UPDATE: Schema = Schema::open(&[]).and(script::OF_MODULES);
/// The body that makes an old version the draft again.
pub const ROLLBACK: Schema = Schema::open(&[required("module_version_id", Kind::Text(1, 64))]);

/// Lists modules.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.numbered(50)?;
    let mut conn = call.app.db().read().await?;
    let (found, total) = action_modules::list(&mut conn, &paging.slice()).await?;
    Ok(paging.with_zeros("modules", found.iter().map(Module::to_json).collect(), total))
}

/// Makes a module.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let now = call.env.now;
    let mut tx = call.app.db().write().await?;
    let mut draft = script::fresh();
    draft.runtime.clear();
    script::change(&mut tx, &mut draft, &body, now).await?;
    let mut module = Module {
        id: ModuleId::new(call.env.rng()),
        name: body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        draft,
        latest: None,
        used_by: 0,
        created_at: now,
        updated_at: now,
    };
    let taken = taken(ManagementCode::ActionConflict);
    action_modules::create(&mut tx, &module).await.map_err(taken)?;
    if body.get("publish") == Some(&json!(true)) {
        module.latest = Some(publish_draft(call, &mut tx, &module).await?);
    }
    tx.commit().await?;
    Ok(module.to_json())
}

/// Returns a module.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    Ok(load(&mut call.app.db().read().await?, id).await?.to_json())
}

/// Changes a module's draft.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut module = load_to_change(&mut tx, id).await?;
    script::change(&mut tx, &mut module.draft, &body, call.env.now).await?;
    save(call, tx, module).await
}

/// Deletes a module that no Action uses.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let module = load_to_change(&mut tx, id).await?;
    action_modules::delete(&mut tx, &module.id).await.map_err(|cause| match cause {
        DbError::Missing => refused("The module is used by actions: change and deploy them first."),
        other => other.into(),
    })?;
    Ok(tx.commit().await?)
}

/// Publishes the draft as a new version. Actions use the version that they name.
pub async fn publish(call: &mut Call, id: &str) -> Outcome {
    let mut tx = call.app.db().write().await?;
    let module = load_to_change(&mut tx, id).await?;
    let version = publish_draft(call, &mut tx, &module).await?;
    tx.commit().await?;
    Ok(version.to_json())
}

/// Lists the versions of a module, the newest first.
pub async fn versions(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let paging = query.numbered(50)?;
    let mut conn = call.app.db().read().await?;
    let module = load(&mut conn, id).await?;
    let (found, total) = action_modules::list_versions(&mut conn, &module.id, &paging.slice()).await?;
    Ok(paging.with_zeros("versions", found.iter().map(ModuleVersion::to_json).collect(), total))
}

/// Returns a version of a module.
pub async fn version(call: &mut Call, id: &str, version: &str) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let module = load(&mut conn, id).await?;
    Ok(load_version(&mut conn, &module, version).await?.to_json())
}

/// Makes what an older version says the draft again.
pub async fn rollback(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = ROLLBACK.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut module = load_to_change(&mut tx, id).await?;
    let wanted = body.get("module_version_id").and_then(Value::as_str).unwrap_or_default();
    module.draft = load_version(&mut tx, &module, wanted).await?.script;
    save(call, tx, module).await
}

/// Lists the Actions that use a module.
pub async fn list_users(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let paging = query.numbered(50)?;
    let mut conn = call.app.db().read().await?;
    let module = load(&mut conn, id).await?;
    let all = action_modules::list_users(&mut conn, &module.id).await?;
    let item = |action: &lockstep_core::model::action::Action| {
        let deployed = action.deployed.iter().flat_map(|version| &version.script.modules);
        let mut uses = action.draft.modules.iter().chain(deployed);
        let of = uses.find(|one| one.module_id == module.id)?;
        Some(json!({
            "action_id": action.id, "action_name": action.name,
            "module_version_id": of.module_version_id, "module_version_number": of.module_version_number
        }))
    };
    let items = paging.cut(&all).iter().filter_map(item).collect();
    Ok(paging.answer("actions", items, all.len() as i64))
}

async fn save(call: &Call, mut tx: Conn, mut module: Module) -> Outcome {
    module.updated_at = call.env.now;
    action_modules::save(&mut tx, &module).await?;
    tx.commit().await?;
    Ok(module.to_json())
}

async fn publish_draft(call: &mut Call, tx: &mut Conn, module: &Module) -> Outcome<ModuleVersion> {
    let (id, now) = (ModuleVersionId::new(call.env.rng()), call.env.now);
    let number = action_modules::publish(tx, &module.id, &id, &module.draft, now).await?;
    let number = number.ok_or_else(gone)?;
    Ok(ModuleVersion { id, module: module.id.clone(), number, script: module.draft.clone(), created_at: now })
}

fn gone() -> ManagementError {
    ManagementError::new(ManagementCode::NotFound, "That action module does not exist.")
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<Module> {
    let id = ModuleId::parse(id).map_err(|_| gone())?;
    action_modules::find(conn, &id).await?.ok_or_else(gone)
}

async fn load_to_change(tx: &mut Conn, id: &str) -> Outcome<Module> {
    if let Ok(id) = ModuleId::parse(id) {
        action_modules::lock(tx, &id).await?;
    }
    load(tx, id).await
}

async fn load_version(conn: &mut Conn, module: &Module, id: &str) -> Outcome<ModuleVersion> {
    let none =
        || ManagementError::new(ManagementCode::NotFound, "That action module version does not exist.");
    let id = ModuleVersionId::parse(id).map_err(|_| none())?;
    action_modules::find_version(conn, &module.id, &id).await?.ok_or_else(none)
}
