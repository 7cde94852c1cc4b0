//! What a request said, before anybody believes it: names and texts of a query, a form or a JSON body.
//!
//! RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than once"; an empty one counts as
//! left out. JSON bodies are read by the same rules (contract/oidc.md 0.1), so a list where a text belongs is refused.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::codes::OAuthError;

/// More parameters than any client sends, and few enough to cost nothing.
const MAX_PARAMETERS: usize = 200;

/// Longer than any `state` that was seen; a request line is limited to about as much by most proxies.
const MAX_VALUE: usize = 16 * 1024;

/// The parameters of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    values: BTreeMap<String, String>,
    /// Names that came more than once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    repeated: BTreeSet<String>,
    /// Names whose value is no text: lists and objects of JSON, PHP-style `name[]`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    odd: BTreeSet<String>,
    /// Lists of texts, for the few endpoints that take some.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lists: BTreeMap<String, Vec<String>>,
    /// Objects of JSON, for the few endpoints that take some. They are never kept.
    #[serde(skip)]
    objects: BTreeMap<String, Map<String, Value>>,
}

impl Params {
    /// Reads a query string or an `application/x-www-form-urlencoded` body.
    pub fn from_form(text: &[u8]) -> Result<Self, OAuthError> {
        let mut params = Self::default();
        for (count, (name, value)) in url::form_urlencoded::parse(text).enumerate() {
            if count >= MAX_PARAMETERS {
                return Err(OAuthError::invalid_request("Too many parameters"));
            }
            params.add(name.into_owned(), value.into_owned())?;
        }
        Ok(params)
    }

    /// Reads a JSON object. Numbers and booleans count as their text, null as left out.
    pub fn from_json(body: &[u8]) -> Result<Self, OAuthError> {
        let Members(members) = serde_json::from_slice(body)
            .map_err(|_| OAuthError::invalid_request("The body is not a valid JSON object"))?;
        if members.len() > MAX_PARAMETERS {
            return Err(OAuthError::invalid_request("Too many parameters"));
        }
        let mut params = Self::default();
        for (name, value) in members {
            match value {
                Value::Null => {}
                Value::String(text) => params.add(name, text)?,
                Value::Bool(_) | Value::Number(_) => params.add(name, value.to_string())?,
                Value::Array(items) => {
                    let texts: Option<Vec<_>> =
                        items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                    if let Some(texts) = texts {
                        params.lists.insert(name.clone(), texts);
                    }
                    params.odd.insert(name);
                }
                Value::Object(object) => {
                    if params.objects.insert(name.clone(), object).is_some() {
                        params.repeated.insert(name.clone());
                    }
                    params.odd.insert(name);
                }
            }
        }
        Ok(params)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), OAuthError> {
        if value.len() > MAX_VALUE || name.len() > 256 {
            return Err(OAuthError::invalid_request("A parameter is too long"));
        }
        if let Some(bare) = name.strip_suffix("[]") {
            self.odd.insert(bare.to_owned());
            self.lists.entry(bare.to_owned()).or_default().push(value);
        } else {
            match self.values.entry(name) {
                Entry::Occupied(taken) => {
                    self.repeated.insert(taken.key().clone());
                }
                Entry::Vacant(free) => {
                    free.insert(value);
                }
            }
        }
        Ok(())
    }

    /// Returns a parameter; absent and empty are the same.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// Returns a parameter that must be there.
    pub fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::missing(name))
    }

    /// Returns a list of texts; a single text is a list of one. None if it is absent or anything else.
    pub fn list(&self, name: &str) -> Option<Vec<&str>> {
        match self.lists.get(name) {
            Some(list) => Some(list.iter().map(String::as_str).collect()),
            None => self.get(name).map(|text| vec![text]),
        }
    }

    /// Returns an object of a JSON body; none if it is absent or anything else.
    pub fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.objects.get(name)
    }

    /// Returns whether a parameter came at all, even empty: `federated` counts by its presence.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Returns whether a name came more than once, or with a value that is no text.
    pub fn is_ambiguous(&self, name: &str) -> bool {
        self.repeated.contains(name) || self.odd.contains(name)
    }

    /// Returns a name that came more than once, if there is one.
    pub fn any_repeated(&self) -> Option<&str> {
        self.repeated.iter().next().map(String::as_str)
    }

    /// Refuses what came twice, and whatever of `texts` is no text. What nobody reads may have any shape.
    pub fn refuse_ambiguous(&self, texts: &[&str]) -> Result<(), OAuthError> {
        if let Some(name) = self.any_repeated() {
            return Err(OAuthError::invalid_request(format!(
                "Parameter given more than once: {}",
                printable(name)
            )));
        }
        match texts.iter().find(|t| self.odd.contains(**t)) {
            Some(name) => Err(OAuthError::invalid_request(format!("Parameter must be a string: {name}"))),
            None => Ok(()),
        }
    }

    /// Sets a parameter: for values that were established elsewhere (a stored request, a test).
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Removes a parameter.
    pub fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Returns all names and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let values = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self { values, ..Self::default() }
    }
}

/// Returns the text without what could break a line or a terminal, and not too long: for error descriptions.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| (' '..='~').contains(c) && !matches!(c, '"' | '\\')).take(128).collect()
}

/// A JSON object's members in order, doubles included: `serde_json::Map` would silently keep the last.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_are_absent() {
        let p = Params::from_json(br#"{"realm":null,"scope":"","audience":"x","max_age":0,"flag":true}"#)
            .unwrap();
        assert_eq!((p.get("realm"), p.get("scope"), p.get("audience")), (None, None, Some("x")));
        assert_eq!((p.get("max_age"), p.get("flag")), (Some("0"), Some("true")));
    }

    #[test]
    fn a_text_that_is_a_list_an_object_or_given_twice_is_refused() {
        let json = |t: &str| Params::from_json(t.as_bytes()).unwrap().refuse_ambiguous(&["email"]);
        assert!(json(r#"{"email":["a@x.example","b@x.example"]}"#).is_err());
        assert!(json(r#"{"email":{"$gt":""}}"#).is_err());
        assert!(json(r#"{"email":"a@x.example","email":"b@x.example"}"#).is_err());
        assert!(json(r#"{"email":"a@x.example","authn_response":{"id":"x"}}"#).is_ok());
        let form = |t: &str| Params::from_form(t.as_bytes()).unwrap().refuse_ambiguous(&["email"]);
        assert!(form("email=a&email=b").is_err());
        assert!(form("email[]=a&email[]=b").is_err());
        assert!(form("email=a&other=b").is_ok());
    }

    #[test]
    fn an_object_is_read_whole_and_is_never_kept() {
        let p = Params::from_json(br#"{"authn_response":{"id":"x","n":{"m":1}},"scope":"openid"}"#).unwrap();
        let object = p.object("authn_response").unwrap();
        assert_eq!((object["id"].as_str(), object["n"]["m"].as_i64()), (Some("x"), Some(1)));
        assert_eq!((p.object("scope"), p.get("authn_response")), (None, None));
        assert!(!serde_json::to_string(&p).unwrap().contains("\"x\""));
        let twice =
            Params::from_json(br#"{"authn_response":{"id":"x"},"authn_response":{"id":"y"}}"#).unwrap();
        assert!(twice.refuse_ambiguous(&[]).is_err());
    }

    #[test]
    fn too_much_is_refused_before_it_is_read() {
        let many = "a=b&".repeat(5000);
        assert!(Params::from_form(many.as_bytes()).is_err());
        let long = format!("acr_values={}", "x".repeat(100_000));
        assert!(Params::from_form(long.as_bytes()).is_err());
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Params::from_json(nested.as_bytes()).is_err());
        assert!(Params::from_json(format!("{{\"a\":{nested}}}").as_bytes()).is_err());
    }

    #[test]
    fn a_plus_is_a_blank_and_broken_escapes_do_not_fail() {
        let p = Params::from_form(b"scope=openid+email&state=%zz%ff").unwrap();
        assert_eq!(p.get("scope"), Some("openid email"));
        assert!(p.get("state").is_some());
    }
}
