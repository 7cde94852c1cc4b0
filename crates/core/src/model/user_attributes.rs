//! What of a user can be searched beyond its columns: metadata and linked accounts, flattened to paths and values.
//!
//! The rows are kept beside the user (contract/management-api.md 3.1: `app_metadata.**`, `user_metadata.**`, `identities.*`), so that
//! a search never opens the JSON of a million users.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::user::{Identity, User};
use crate::crypto::digest;

/// A path and a value under it. Lists are transparent: each of their items is a value of the list's path.
pub type Attribute = (String, String);

/// The most values of one document that can be found; the rest is stored and returned all the same.
pub const MAX_VALUES: usize = 250;
/// The longest path that can be searched, in bytes.
pub const MAX_PATH: usize = 300;
/// As many bytes of a value are kept as they are; of longer ones a beginning and a digest.
pub const MAX_KEPT: usize = 200;
const MAX_DEPTH: usize = 20;

/// Where all values of `app_metadata` are found, whatever their path: a term without a field looks there.
pub const ANY_APP_METADATA: &str = "app_metadata";

/// Returns the rows of a user.
pub fn of(user: &User) -> BTreeSet<Attribute> {
    let mut rows = BTreeSet::new();
    for (name, document) in [("user_metadata", &user.user_metadata), ("app_metadata", &user.app_metadata)] {
        if let Some(document) = document {
            let mut found = Vec::new();
            object(document, name, 0, &mut found);
            for (path, value) in found {
                rows.extend(number(&path, value));
                let text = kept(&plain(value));
                if name == ANY_APP_METADATA {
                    rows.insert((ANY_APP_METADATA.to_owned(), text.clone()));
                }
                rows.insert((path, text));
            }
        }
    }
    // The first is the user itself, whose columns say the same.
    for identity in user.identities.iter().skip(1) {
        rows.extend(linked(identity));
    }
    rows
}

fn linked(identity: &Identity) -> Vec<Attribute> {
    let mut rows: Vec<Attribute> = [
        ("connection", identity.connection.clone()),
        ("provider", identity.provider.clone()),
        ("user_id", identity.user_id.clone()),
        ("isSocial", identity.is_social.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (format!("identities.{name}"), kept(&value)))
    .collect();
    if let Some(Value::Object(profile)) = &identity.profile_data {
        let mut found = Vec::new();
        object(profile, "identities.profileData", 0, &mut found);
        rows.extend(found.into_iter().map(|(path, value)| (path, kept(&plain(value)))));
    }
    rows
}

fn object<'v>(map: &'v Map<String, Value>, path: &str, depth: usize, found: &mut Vec<(String, &'v Value)>) {
    for (name, value) in map {
        leaf(value, format!("{path}.{name}"), depth, found);
    }
}

fn leaf<'v>(value: &'v Value, path: String, depth: usize, found: &mut Vec<(String, &'v Value)>) {
    if found.len() >= MAX_VALUES || path.len() > MAX_PATH || depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Null => {}
        Value::Object(map) => object(map, &path, depth + 1, found),
        Value::Array(items) => items.iter().for_each(|item| leaf(item, path.clone(), depth + 1, found)),
        _ => found.push((path, value)),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the row by which a number is found in a range.
fn number(path: &str, value: &Value) -> Option<Attribute> {
    let number = value.as_f64()?;
    Some((numbers_of(path), rank(number)))
}

/// Returns where the numbers of a path are kept, in their order.
pub fn numbers_of(path: &str) -> String {
    format!("#{path}")
}

/// Returns a text that sorts, byte by byte, as the number does among numbers.
pub fn rank(number: f64) -> String {
    // A negative zero is a zero.
    let bits = (number + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    format!("{ordered:016x}")
}

/// Returns what is kept of a value. Two different values are kept differently.
pub fn kept(text: &str) -> String {
    if text.len() <= MAX_KEPT {
        return text.to_owned();
    }
    let end = (0..=MAX_KEPT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}\u{1f}{}", &text[..end], digest::sha256_hex(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::UserId;
    use crate::time::Timestamp;

    fn rows(app_metadata: Value) -> Vec<Attribute> {
        let id = UserId::parse("auth0|ann").unwrap();
        let mut user = User::new(id, "db", Timestamp::from_secs(1));
        user.app_metadata = app_metadata.as_object().cloned();
        of(&user).into_iter().collect()
    }

    fn has(rows: &[Attribute], path: &str, value: &str) -> bool {
        rows.iter().any(|(p, v)| p == path && v == value)
    }

    #[test]
    fn documents_become_paths_and_lists_are_transparent() {
        let rows =
            rows(json!({"plan": "gold", "a": {"b": [1, {"c": true}, "x"]}, "none": null, "empty": []}));
        assert!(has(&rows, "app_metadata.plan", "gold"));
        assert!(has(&rows, "app_metadata.a.b", "1") && has(&rows, "app_metadata.a.b", "x"));
        assert!(has(&rows, "app_metadata.a.b.c", "true"));
        assert!(has(&rows, "app_metadata", "gold"), "a term without a field finds it");
        assert!(has(&rows, "#app_metadata.a.b", &rank(1.0)));
        assert_eq!(rows.len(), 9, "{rows:?}");
    }

    #[test]
    fn numbers_sort_as_texts() {
        let numbers = [f64::MIN, -2.5, -1.0, 0.0, 1e-9, 1.0, 9.0, 10.0, 1e300];
        assert!(numbers.windows(2).all(|pair| rank(pair[0]) < rank(pair[1])));
        assert_eq!(rank(-0.0), rank(0.0));
    }

    #[test]
    fn a_huge_document_makes_few_and_short_rows() {
        let long = "ä".repeat(1000);
        let list: Vec<String> = (0..10_000).map(|n| format!("{n}{long}")).collect();
        let rows = rows(json!({"list": list, "k".repeat(400): 1}));
        assert_eq!(rows.len(), 2 * MAX_VALUES);
        assert!(rows.iter().all(|(path, value)| path.len() <= MAX_PATH && value.len() <= MAX_KEPT + 65));
    }

    #[test]
    fn long_values_stay_different() {
        let (a, b) = (format!("{}a", "x".repeat(300)), format!("{}b", "x".repeat(300)));
        assert_ne!(kept(&a), kept(&b));
        assert_eq!(kept("short"), "short");
    }
}
