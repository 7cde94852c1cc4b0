//! Virtual keys: what a test presses instead of a security key, a laptop or a passkey provider. Each plays its browser too.

use std::collections::BTreeMap;
use std::sync::Mutex;

use lockstep_core::factors::webauthn::device::{DeviceError, Model, VirtualKey};
use lockstep_core::random::Rng;
use serde::Serialize;
use serde_json::Value;

/// How many keys the twin holds; the oldest go first.
const MOST: usize = 10_000;

/// The kinds that can be made, by name.
const KINDS: [(&str, Model); 5] = [
    ("security-key", Model::SECURITY_KEY),
    ("attested-key", Model::ATTESTED),
    ("touch-only", Model::TOUCH_ONLY),
    ("device", Model::DEVICE),
    ("synced", Model::SYNCED),
];

/// All virtual keys, by id.
#[derive(Default)]
pub(super) struct VirtualKeys(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    last: u64,
    all: BTreeMap<u64, VirtualKey>,
}

/// What there is to know of a virtual key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    /// Its id.
    pub(super) id: String,
    /// What it is like.
    #[serde(flatten)]
    pub(super) model: Model,
    /// How many accounts it holds a key for.
    pub(super) held: usize,
}

/// What a key is asked to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// `navigator.credentials.create`
    Create,
    /// `navigator.credentials.get`
    Get,
}

/// Returns the model of a kind, or the names that there are.
pub(super) fn model(kind: &str) -> Result<Model, String> {
    KINDS
        .iter()
        .find(|(name, _)| *name == kind)
        .map(|(_, model)| *model)
        .ok_or_else(|| KINDS.map(|(name, _)| name).join(", "))
}

impl VirtualKeys {
    /// Makes a new one.
    pub(super) fn add(&self, model: Model) -> Shown {
        self.insert(VirtualKey::new(model))
    }

    /// Makes a copy of one, keys and counters included: what a thief would have who copied it. Keys that forbid this exist once.
    pub(super) fn copy(&self, id: &str) -> Option<Shown> {
        let copy = self.with(id, |key| key.clone())?;
        Some(self.insert(copy))
    }

    /// Lets one answer a page of this origin; `None` if there is none of this id.
    pub(super) fn ask(
        &self,
        id: &str,
        ask: Ask,
        options: &Value,
        origin: &str,
        rng: &mut dyn Rng,
    ) -> Option<Result<Value, DeviceError>> {
        self.with(id, |key| match ask {
            Ask::Create => key.create(options, origin, rng),
            Ask::Get => key.get(options, origin),
        })
    }

    /// Returns all, the latest first.
    pub(super) fn list(&self) -> Vec<Shown> {
        let entries = self.0.lock().expect("no code panics while it holds this lock");
        entries.all.iter().rev().map(|(number, key)| show(*number, key)).collect()
    }

    /// Removes all.
    pub(super) fn clear(&self) {
        self.0.lock().expect("no code panics while it holds this lock").all.clear();
    }

    fn insert(&self, key: VirtualKey) -> Shown {
        let mut entries = self.0.lock().expect("no code panics while it holds this lock");
        entries.last += 1;
        let number = entries.last;
        let shown = show(number, &key);
        entries.all.insert(number, key);
        if entries.all.len() > MOST {
            entries.all.pop_first();
        }
        shown
    }

    fn with<T>(&self, id: &str, act: impl FnOnce(&mut VirtualKey) -> T) -> Option<T> {
        let number: u64 = id.strip_prefix("key_")?.parse().ok()?;
        let mut entries = self.0.lock().expect("no code panics while it holds this lock");
        entries.all.get_mut(&number).map(act)
    }
}

fn show(number: u64, key: &VirtualKey) -> Shown {
    Shown { id: format!("key_{number}"), model: key.model(), held: key.held() }
}
