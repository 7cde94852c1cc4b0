//! What a body says of code: for Actions and for their modules alike.

use lockstep_core::ids::{ModuleId, ModuleVersionId};
use lockstep_core::model::action::{DEFAULT_RUNTIME, ModuleUse, Script, Secret, Trigger, TriggerVersion};
use lockstep_core::time::Timestamp;
use serde_json::{Map, Value};

use crate::flows::management::Outcome;
use crate::flows::management::validate::{Field, Kind, Schema, nullable, optional, refused, required};
use crate::store::action_modules;
use crate::store::db::Conn;

/// The longest code of an Action, in characters.
const MAX_CODE: usize = 100_000;
/// What an Action does that has no code.
const NO_CODE: &str = "module.exports = () => {}";

const SECRET: Schema =
    Schema::open(&[required("name", Kind::Text(1, 255)), nullable("value", Kind::Long(0, 4096))]);
const DEPENDENCY: Schema = Schema::open(&[
    required("name", Kind::Text(1, 214)),
    nullable("version", Kind::Text(1, 64)),
    nullable("registry_url", Kind::Text(0, 2048)),
]);
const TRIGGER: Schema =
    Schema::open(&[required("id", Kind::Text(1, 100)), nullable("version", Kind::Text(1, 16))]);
const MODULE: Schema = Schema::open(&[
    required("module_id", Kind::Text(1, 64)),
    nullable("module_version_id", Kind::Text(1, 64)),
]);

const SECRETS: Kind = Kind::List(&Kind::Shape(&SECRET), 0, 100);
const DEPENDENCIES: Kind = Kind::List(&Kind::Shape(&DEPENDENCY), 0, 100);
/// The triggers of an Action: one.
pub(super) const TRIGGERS: Kind = Kind::List(&Kind::Shape(&TRIGGER), 1, 1);

/// What Actions have besides name and triggers.
pub(super) const OF_ACTIONS: &[Field] = &[
    nullable("code", Kind::Long(0, MAX_CODE)),
    nullable("dependencies", DEPENDENCIES),
    nullable("secrets", SECRETS),
    nullable("runtime", Kind::OneOf(&["", "node22", "node18-actions", "node18", "node16", "node12"])),
    nullable("modules", Kind::List(&Kind::Shape(&MODULE), 0, 50)),
];

/// What modules have besides their name.
pub(super) const OF_MODULES: &[Field] = &[
    optional("code", Kind::Long(0, 65_536)),
    nullable("dependencies", DEPENDENCIES),
    nullable("secrets", SECRETS),
];

/// Returns the script of something new.
pub(super) fn fresh() -> Script {
    Script { code: NO_CODE.to_owned(), runtime: DEFAULT_RUNTIME.to_owned(), ..Script::default() }
}

/// Changes a script as a checked body says. What the body leaves out stays.
pub(super) async fn change(
    conn: &mut Conn,
    script: &mut Script,
    body: &Map<String, Value>,
    now: Timestamp,
) -> Outcome<()> {
    if let Some(code) = body.get("code").and_then(Value::as_str) {
        script.code = if code.is_empty() { NO_CODE } else { code }.to_owned();
    }
    if let Some(list) = body.get("dependencies") {
        script.dependencies = items(list).to_vec();
    }
    // The command line tool sends an empty text where nothing was chosen.
    if let Some(runtime) = body.get("runtime").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        script.runtime = runtime.to_owned();
    }
    if let Some(list) = body.get("supported_triggers") {
        script.supported_triggers = items(list).iter().map(trigger).collect::<Outcome<_>>()?;
    }
    if let Some(list) = body.get("secrets") {
        script.secrets = secrets(&script.secrets, items(list), now)?;
    }
    if let Some(list) = body.get("modules") {
        script.modules = modules(conn, items(list)).await?;
    }
    Ok(())
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.get(name).and_then(Value::as_str)
}

fn trigger(given: &Value) -> Outcome<TriggerVersion> {
    let id = text(given, "id").unwrap_or_default();
    let known = Trigger::find(id).ok_or_else(|| refused(format!("There is no trigger \"{id}\".")))?;
    let version = text(given, "version").unwrap_or(known.current);
    if !known.has(version) {
        return Err(refused(format!("The trigger {} has no version \"{version}\".", known.id)));
    }
    Ok(TriggerVersion { id: id.to_owned(), version: version.to_owned() })
}

/// The list replaces all secrets; one that comes without a value keeps the value that is stored under its name. A new one without a value is
/// empty: an export holds no values, and what it holds has to come in again.
fn secrets(stored: &[Secret], given: &[Value], now: Timestamp) -> Outcome<Vec<Secret>> {
    let mut all: Vec<Secret> = Vec::with_capacity(given.len());
    for one in given {
        let name = text(one, "name").unwrap_or_default();
        if all.iter().any(|other| other.name == name) {
            return Err(refused(format!("The secret \"{name}\" is there twice.")));
        }
        let kept = || stored.iter().find(|secret| secret.name == name).cloned();
        all.push(match text(one, "value") {
            Some(value) => Secret::new(name, value, now),
            None => kept().unwrap_or_else(|| Secret::new(name, "", now)),
        });
    }
    Ok(all)
}

async fn modules(conn: &mut Conn, given: &[Value]) -> Outcome<Vec<ModuleUse>> {
    let mut all: Vec<ModuleUse> = Vec::with_capacity(given.len());
    for one in given {
        let id = text(one, "module_id").unwrap_or_default();
        let unknown = || refused(format!("There is no module \"{id}\"."));
        let module_id = ModuleId::parse(id).map_err(|_| unknown())?;
        let module = action_modules::find(conn, &module_id).await?.ok_or_else(unknown)?;
        if all.iter().any(|other| other.module_id == module_id) {
            return Err(refused(format!("The module \"{}\" is there twice.", module.name)));
        }
        let version = match text(one, "module_version_id") {
            None => module.latest,
            Some(version) => match ModuleVersionId::parse(version) {
                Ok(version) => action_modules::find_version(conn, &module_id, &version).await?,
                Err(_) => None,
            },
        };
        let none = || refused(format!("The module \"{}\" has no such version.", module.name));
        let version = version.ok_or_else(none)?;
        all.push(ModuleUse {
            module_id,
            module_name: module.name,
            module_version_id: version.id,
            module_version_number: version.number,
        });
    }
    Ok(all)
}
