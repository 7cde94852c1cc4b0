//! A JSON object with short ways to read it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A JSON object as it goes over the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Document(pub Map<String, Value>);

impl Document {
    /// Returns the value at a dotted path: `refresh_token.leeway`. Absent and null are the same.
    pub fn at(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let mut value = self.0.get(keys.next()?)?;
        for key in keys {
            value = value.get(key)?;
        }
        (!value.is_null()).then_some(value)
    }

    /// Returns the text at a path.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.at(path).and_then(Value::as_str)
    }

    /// Returns the text at a path unless it is empty.
    pub fn filled(&self, path: &str) -> Option<&str> {
        self.text(path).filter(|t| !t.is_empty())
    }

    /// Returns the boolean at a path.
    pub fn flag(&self, path: &str) -> Option<bool> {
        self.at(path).and_then(Value::as_bool)
    }

    /// Returns the whole number at a path.
    pub fn int(&self, path: &str) -> Option<i64> {
        let value = self.at(path)?;
        value.as_i64().or_else(|| value.as_f64().map(|f| f as i64))
    }

    /// Returns the texts of the array at a path.
    pub fn texts(&self, path: &str) -> impl Iterator<Item = &str> {
        self.at(path).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Sets a top-level property.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Applies a PATCH body: given properties replace, null removes.
    pub fn patch(&mut self, changes: &Map<String, Value>) {
        for (key, value) in changes {
            if value.is_null() {
                self.0.remove(key);
            } else {
                self.0.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Changes an object leaf by leaf: what a change leaves out stays, at any depth; null removes.
pub fn change_leaves(object: &mut Map<String, Value>, change: &Map<String, Value>) {
    for (name, value) in change {
        match (value, object.get_mut(name)) {
            (Value::Null, _) => drop(object.remove(name)),
            (Value::Object(inner), Some(Value::Object(under))) => change_leaves(under, inner),
            (Value::Object(inner), _) => {
                let mut fresh = Map::new();
                change_leaves(&mut fresh, inner);
                object.insert(name.clone(), Value::Object(fresh));
            }
            _ => drop(object.insert(name.clone(), value.clone())),
        }
    }
}

impl From<Map<String, Value>> for Document {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

/// Merges metadata: first level, null removes a key, `{}` clears all (contract/management-api.md 1.5).
pub fn merge_metadata(stored: Option<Map<String, Value>>, change: &Value) -> Option<Map<String, Value>> {
    match change {
        Value::Object(change) if change.is_empty() => None,
        Value::Object(change) => {
            let mut merged = Document(stored.unwrap_or_default());
            merged.patch(change);
            Some(merged.0)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(value: Value) -> Document {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_path_reads_nested_values_and_null_is_absent() {
        let d = document(json!({"a": {"b": 3, "c": null}, "l": ["x", 1, "y"]}));
        assert_eq!(d.int("a.b"), Some(3));
        assert_eq!(d.at("a.c"), None);
        assert_eq!(d.texts("l").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn a_change_of_leaves_keeps_what_stands_beside_them() {
        let mut object = document(json!({"a": {"x": 1, "y": 2}, "b": [1], "s": 7})).0;
        let change = document(
            json!({"a": {"x": 3, "y": null}, "b": [], "c": {"d": {"e": null, "f": 1}}, "s": {"t": null}}),
        )
        .0;
        change_leaves(&mut object, &change);
        assert_eq!(object, document(json!({"a": {"x": 3}, "b": [], "c": {"d": {"f": 1}}, "s": {}})).0);
    }

    #[test]
    fn metadata_merges_at_the_first_level_and_an_empty_object_clears() {
        let stored = document(json!({"a": 1, "b": {"x": 1}})).0;
        let merged = merge_metadata(Some(stored.clone()), &json!({"a": null, "b": {"y": 2}}));
        assert_eq!(merged, Some(document(json!({"b": {"y": 2}})).0));
        assert_eq!(merge_metadata(Some(stored), &json!({})), None);
    }
}
