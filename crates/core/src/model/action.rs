//! Actions: code that a tenant wrote for the moments of a login (contract/actions.md 1 and 2), and the modules that they share.
//!
//! Nothing here runs code. An Action has a draft that is edited, and versions that are deployed and never change.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::ids::{ActionId, ActionVersionId, BindingId, ModuleId, ModuleVersionId};
use crate::time::Timestamp;

/// A moment at which Actions run.
#[derive(Debug)]
pub struct Trigger {
    /// Its name: `post-login`.
    pub id: &'static str,
    /// The version that new Actions get.
    pub current: &'static str,
    /// Older versions, still accepted; the first is the newest.
    pub older: &'static [&'static str],
    /// Whether its Actions belong to another object (a stream, a profile) and not to the trigger.
    pub of_entity: bool,
}

const fn trigger(id: &'static str, current: &'static str, older: &'static [&'static str]) -> Trigger {
    Trigger { id, current, older, of_entity: false }
}

const fn of_entity(id: &'static str) -> Trigger {
    Trigger { id, current: "v1", older: &[], of_entity: true }
}

/// The triggers, in the order in which tools offer them.
pub const TRIGGERS: &[Trigger] = &[
    trigger("post-login", "v3", &["v2", "v1"]),
    trigger("credentials-exchange", "v2", &["v1"]),
    trigger("pre-user-registration", "v2", &["v1"]),
    trigger("post-user-registration", "v2", &["v1"]),
    trigger("post-change-password", "v2", &["v1"]),
    trigger("send-phone-message", "v2", &["v1"]),
    trigger("password-reset-post-challenge", "v1", &[]),
    trigger("custom-phone-provider", "v1", &[]),
    trigger("custom-email-provider", "v1", &[]),
    trigger("login-post-identifier", "v1", &[]),
    trigger("signup-post-identifier", "v1", &[]),
    of_entity("custom-token-exchange"),
    of_entity("event-stream"),
    of_entity("password-hash-migration"),
];

/// The runtime of an Action that names none.
pub const DEFAULT_RUNTIME: &str = "node22";

impl Trigger {
    /// Returns the trigger of a name.
    pub fn find(id: &str) -> Option<&'static Self> {
        TRIGGERS.iter().find(|trigger| trigger.id == id)
    }

    /// Returns whether it has, or had, a version.
    pub fn has(&self, version: &str) -> bool {
        self.current == version || self.older.contains(&version)
    }

    fn to_json(&self, version: &str) -> Value {
        let current = version == self.current;
        // Code for the version before runs unchanged where only the event grew: of post-login alone.
        let compatible: Vec<Value> = self
            .older
            .first()
            .filter(|_| current && self.id == "post-login")
            .map(|older| json!({"id": self.id, "version": older}))
            .into_iter()
            .collect();
        json!({
            "id": self.id, "version": version, "status": if current { "CURRENT" } else { "DEPRECATED" },
            "runtimes": ["node18-actions", DEFAULT_RUNTIME], "default_runtime": DEFAULT_RUNTIME,
            "binding_policy": if self.of_entity { "entity-bound" } else { "trigger-bound" },
            "compatible_triggers": compatible
        })
    }
}

/// Returns the list of the wire: each current version once, then the older ones.
pub fn triggers() -> Vec<Value> {
    let current = TRIGGERS.iter().map(|trigger| trigger.to_json(trigger.current));
    let older = TRIGGERS.iter().flat_map(|t| t.older.iter().map(|version| t.to_json(version)));
    current.chain(older).collect()
}

/// A trigger in one of its versions, as an Action names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerVersion {
    /// The trigger.
    pub id: String,
    /// The version.
    pub version: String,
}

/// A value that code may read and nobody else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// What code calls it.
    pub name: String,
    value: String,
    /// When the value was given.
    pub updated_at: Timestamp,
}

impl Secret {
    /// Returns a secret.
    pub fn new(name: impl Into<String>, value: impl Into<String>, updated_at: Timestamp) -> Self {
        Self { name: name.into(), value: value.into(), updated_at }
    }

    /// Returns the value.
    pub fn value(&self) -> Zeroizing<String> {
        Zeroizing::new(self.value.clone())
    }

    fn to_json(&self) -> Value {
        json!({"name": self.name, "updated_at": self.updated_at.to_iso()})
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        drop(Zeroizing::new(std::mem::take(&mut self.value)));
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A module that an Action uses, in one of its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleUse {
    /// The module.
    pub module_id: ModuleId,
    /// Its name.
    pub module_name: String,
    /// The version.
    pub module_version_id: ModuleVersionId,
    /// The version's number.
    pub module_version_number: i64,
}

/// What is edited and deployed: code with all it needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The JavaScript. It may be broken: that shows when it runs.
    pub code: String,
    /// npm packages, as they were given.
    #[serde(default)]
    pub dependencies: Vec<Value>,
    /// The runtime; modules have none.
    #[serde(default)]
    pub runtime: String,
    /// When it runs; modules have none.
    #[serde(default)]
    pub supported_triggers: Vec<TriggerVersion>,
    /// The modules that it uses.
    #[serde(default)]
    pub modules: Vec<ModuleUse>,
    /// Its secrets; stored apart, sealed.
    #[serde(skip)]
    pub secrets: Vec<Secret>,
}

impl Script {
    /// Returns the secrets as they are shown: without their values.
    pub fn shown_secrets(&self) -> Vec<Value> {
        self.secrets.iter().map(Secret::to_json).collect()
    }

    fn insert_modules(&self, into: &mut Map<String, Value>) {
        if !self.modules.is_empty() {
            into.insert("modules".to_owned(), json!(self.modules));
        }
    }
}

/// A deployed state of an Action; it never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionVersion {
    /// Its id.
    pub id: ActionVersionId,
    /// Counted up from 1.
    pub number: i64,
    /// What was deployed.
    pub script: Script,
    /// When.
    pub created_at: Timestamp,
}

impl ActionVersion {
    /// Returns `deployed_version` of the wire, which is also the bulk of a version's own answer. `built`: whether it says so already.
    pub fn to_json(&self, deployed: bool, built: bool) -> Value {
        let script = &self.script;
        let at = self.created_at.to_iso();
        let mut out = json!({
            "id": self.id, "code": script.code, "dependencies": script.dependencies, "deployed": deployed,
            "number": self.number, "secrets": script.shown_secrets(), "status": if built { "built" } else { "pending" },
            "created_at": at, "updated_at": at, "runtime": script.runtime, "supported_triggers": script.supported_triggers
        });
        if let Value::Object(map) = &mut out {
            script.insert_modules(map);
            if built && deployed {
                map.insert("built_at".to_owned(), at.into());
            }
        }
        out
    }

    /// Returns `current_version` of the wire.
    fn to_current(&self, built: bool) -> Value {
        let at = self.created_at.to_iso();
        let mut out = json!({
            "id": self.id, "code": self.script.code, "runtime": self.script.runtime,
            "status": if built { "BUILT" } else { "PENDING" },
            "number": self.number, "created_at": at, "updated_at": at
        });
        if built {
            out["build_time"] = at.into();
        }
        out
    }
}

/// What an Action's answer says of the building of it. It is built at once; answers to changes say `pending` all the same, as tools expect
/// (contract/management-api.md 10.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Everything is built.
    Built,
    /// The draft is new.
    NewDraft,
    /// The draft and what is in effect are new.
    AllNew,
}

/// An Action.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// Its unique name.
    pub name: String,
    /// The draft.
    pub draft: Script,
    /// What is in effect.
    pub deployed: Option<ActionVersion>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the draft was changed.
    pub updated_at: Timestamp,
}

impl Action {
    /// Returns the trigger it is for.
    pub fn trigger(&self) -> &str {
        self.draft.supported_triggers.first().map_or("", |trigger| &trigger.id)
    }

    /// Returns whether what is in effect is what the draft says.
    pub fn is_deployed(&self) -> bool {
        self.deployed.as_ref().is_some_and(|version| version.script == self.draft)
    }

    /// Returns the object of the wire.
    pub fn to_json(&self, told: Told) -> Value {
        let built = told == Told::Built;
        let mut out = self.heading(self.is_deployed());
        if let Value::Object(map) = &mut out {
            let draft = &self.draft;
            map.insert("code".to_owned(), draft.code.clone().into());
            map.insert("dependencies".to_owned(), json!(draft.dependencies));
            map.insert("runtime".to_owned(), draft.runtime.clone().into());
            map.insert("status".to_owned(), if built { "built" } else { "pending" }.into());
            map.insert("secrets".to_owned(), json!(draft.shown_secrets()));
            draft.insert_modules(map);
            self.insert_versions(map, told != Told::AllNew);
        }
        out
    }

    /// Returns what a version and a binding say of their Action.
    pub fn heading(&self, all_changes_deployed: bool) -> Value {
        json!({
            "id": self.id, "name": self.name, "supported_triggers": self.draft.supported_triggers,
            "created_at": self.created_at.to_iso(), "updated_at": self.updated_at.to_iso(),
            "all_changes_deployed": all_changes_deployed
        })
    }

    fn insert_versions(&self, into: &mut Map<String, Value>, built: bool) {
        if let Some(version) = &self.deployed {
            into.insert("current_version".to_owned(), version.to_current(built));
            into.insert("deployed_version".to_owned(), version.to_json(true, built));
        }
    }

    /// Returns a version's own answer.
    pub fn version_to_json(&self, version: &ActionVersion, deployed: bool) -> Value {
        let mut out = version.to_json(deployed, true);
        // The real service answers so, before and after the deployment: whoever asks reads the Action.
        out["action"] = self.heading(false);
        out
    }
}

/// An Action's place in a trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Its id; every change of the list makes new ones.
    pub id: BindingId,
    /// The trigger.
    pub trigger: String,
    /// What it is called there.
    pub display_name: String,
    /// The Action.
    pub action: Action,
    /// When the list was set.
    pub created_at: Timestamp,
}

impl Binding {
    /// Returns the object of the wire.
    pub fn to_json(&self) -> Value {
        let mut action = self.action.heading(self.action.is_deployed());
        if let Value::Object(map) = &mut action {
            self.action.insert_versions(map, true);
        }
        let at = self.created_at.to_iso();
        json!({
            "id": self.id, "trigger_id": self.trigger, "action": action, "created_at": at, "updated_at": at,
            "display_name": self.display_name
        })
    }
}

/// A published state of a module; it never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleVersion {
    /// Its id.
    pub id: ModuleVersionId,
    /// The module.
    pub module: ModuleId,
    /// Counted up from 1.
    pub number: i64,
    /// What was published.
    pub script: Script,
    /// When.
    pub created_at: Timestamp,
}

impl ModuleVersion {
    /// Returns the object of the wire.
    pub fn to_json(&self) -> Value {
        let mut out = self.to_latest();
        out["module_id"] = json!(self.module);
        out["created_at"] = self.created_at.to_iso().into();
        out
    }

    fn to_latest(&self) -> Value {
        json!({
            "id": self.id, "version_number": self.number, "code": self.script.code,
            "dependencies": self.script.dependencies, "secrets": self.script.shown_secrets()
        })
    }
}

/// A module: code that several Actions load by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Its id.
    pub id: ModuleId,
    /// Its unique name.
    pub name: String,
    /// The draft.
    pub draft: Script,
    /// What was published last.
    pub latest: Option<ModuleVersion>,
    /// How many Actions use it.
    pub used_by: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the draft was changed.
    pub updated_at: Timestamp,
}

impl Module {
    /// Returns the object of the wire.
    pub fn to_json(&self) -> Value {
        let published = self.latest.as_ref().is_some_and(|version| version.script == self.draft);
        let mut out = json!({
            "id": self.id, "name": self.name, "code": self.draft.code, "dependencies": self.draft.dependencies,
            "secrets": self.draft.shown_secrets(), "all_changes_published": published,
            "actions_using_module_total": self.used_by,
            "created_at": self.created_at.to_iso(), "updated_at": self.updated_at.to_iso()
        });
        if let Some(version) = &self.latest {
            out["latest_version"] = version.to_latest();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trigger_is_current_in_one_version_and_older_ones_come_after_all_current_ones() {
        let all = triggers();
        let current: Vec<&str> =
            all.iter().take_while(|t| t["status"] == "CURRENT").map(|t| t["id"].as_str().unwrap()).collect();
        assert_eq!(current.len(), TRIGGERS.len());
        assert!(all[current.len()..].iter().all(|t| t["status"] == "DEPRECATED"));
        assert_eq!((current[0], &all[0]["version"]), ("post-login", &json!("v3")));
        assert_eq!(all[0]["compatible_triggers"], json!([{"id": "post-login", "version": "v2"}]));
        assert_eq!(Trigger::find("event-stream").unwrap().to_json("v1")["binding_policy"], "entity-bound");
    }

    #[test]
    fn a_secret_is_neither_shown_nor_printed() {
        let secrets = vec![Secret::new("KEY", "hunter2", Timestamp::from_secs(0))];
        let script = Script { secrets, ..Script::default() };
        let told =
            format!("{script:?} {:?} {}", script.shown_secrets(), serde_json::to_string(&script).unwrap());
        assert!(!told.contains("hunter2") && told.contains("KEY"), "{told}");
        assert_eq!(*script.secrets[0].value(), "hunter2");
    }
}
