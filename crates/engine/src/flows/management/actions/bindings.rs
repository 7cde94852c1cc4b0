//! Which Actions are bound to which trigger (contract/management-api.md 10.3).

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::ids::{ActionId, BindingId};
use lockstep_core::model::action::{Action, Binding, Trigger};
use lockstep_core::model::log_event::LogEvent;
use serde_json::{Value, json};

use super::not_run;
use crate::flows::management::query::Query;
use crate::flows::management::validate::{Kind, Schema, nullable, refused, required};
use crate::flows::management::{Call, Outcome, taken};
use crate::store::actions;
use crate::store::db::{Conn, DbError};

const REF: Schema = Schema::open(&[
    required("type", Kind::OneOf(&["action_id", "action_name", "binding_id"])),
    required("value", Kind::Text(1, 255)),
]);
const BINDING: Schema = Schema::open(&[
    required("ref", Kind::Shape(&REF)),
    nullable("display_name", Kind::Text(1, 255)),
    // Secrets belong to Actions; tools send an empty list.
    nullable("secrets", Kind::List(&Kind::Any, 0, 0)),
]);
/// The body that replaces the bindings of a trigger.
pub const REPLACE: Schema = Schema::open(&[required("bindings", Kind::List(&Kind::Shape(&BINDING), 0, 100))]);

/// Lists the bindings of a trigger. Tools ask for triggers that we have not: nothing is bound there.
pub async fn list(call: &mut Call, trigger: &str, query: &Query) -> Outcome {
    let paging = query.numbered(50)?;
    let all = actions::list_bindings(&mut call.app.db().read().await?, trigger).await?;
    let items = paging.cut(&all).iter().map(Binding::to_json).collect();
    Ok(paging.answer("bindings", items, all.len() as i64))
}

/// Replaces the bindings of a trigger, in this order.
pub async fn replace(call: &mut Call, trigger: &str, body: Option<Value>) -> Outcome {
    let Some(known) = Trigger::find(trigger) else {
        let text = "Path validation error: 'There is no such trigger' on property triggerId.";
        return Err(ManagementError::new(ManagementCode::InvalidUri, text));
    };
    let body = REPLACE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let before = actions::list_bindings(&mut tx, known.id).await?;
    let mut all: Vec<Binding> = Vec::new();
    for given in body.get("bindings").and_then(Value::as_array).into_iter().flatten() {
        let action = bound(&mut tx, known, &before, &given["ref"]).await?;
        if all.iter().any(|other| other.action.id == action.id) {
            return Err(refused(format!("The action {} is there twice.", action.id)));
        }
        let name = given.get("display_name").and_then(Value::as_str).unwrap_or(&action.name).to_owned();
        all.push(Binding {
            id: BindingId::new(call.env.rng()),
            trigger: known.id.to_owned(),
            display_name: name,
            action,
            created_at: call.env.now,
        });
    }
    actions::replace_bindings(&mut tx, known.id, &all).await.map_err(|cause| match cause {
        DbError::Missing => ManagementCode::InexistentAction.into(),
        other => taken(ManagementCode::Conflict)(other),
    })?;
    if !all.is_empty() {
        let text = format!("Actions are bound to {} and are not run: this version runs none.", known.id);
        call.log(&mut tx, LogEvent::new("w", text)).await?;
    }
    tx.commit().await?;
    for binding in &all {
        not_run(known.id, &binding.action.name);
    }
    Ok(json!({"bindings": all.iter().map(Binding::to_json).collect::<Vec<_>>()}))
}

/// Returns the Action that a reference names; it has to be deployed, and for this trigger.
async fn bound(tx: &mut Conn, trigger: &Trigger, before: &[Binding], given: &Value) -> Outcome<Action> {
    let value = given["value"].as_str().unwrap_or_default();
    let found = match given["type"].as_str() {
        Some("action_name") => actions::find_by_name(tx, value).await?,
        Some("binding_id") => {
            before.iter().find(|binding| binding.id.as_str() == value).map(|binding| binding.action.clone())
        }
        _ => match ActionId::parse(value) {
            Ok(id) => actions::find(tx, &id).await?,
            Err(_) => None,
        },
    };
    let action = found.ok_or_else(|| refused(format!("There is no action \"{value}\".")))?;
    if action.deployed.is_none() {
        return Err(refused(format!("The action {} has to be deployed before it is bound.", action.id)));
    }
    if action.trigger() != trigger.id {
        let text = format!("The action {} is for the trigger {}.", action.id, action.trigger());
        return Err(refused(text));
    }
    Ok(action)
}
