//! Checks bodies against small schemas, with the rule texts that tools and people know from Auth0's API.
//!
//! A schema is closed only where contract/management-api.md 1.4 says so (guardian, authentication methods, users, roles):
//! elsewhere unknown properties are kept, because newer tools send newer fields.

mod json_schema;

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::model::user::normal_email;
use serde_json::{Map, Value};
use url::Url;

/// What a value has to be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Anything.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number from … to …
    Int(i64, i64),
    /// Any number from … to …
    Number(f64, f64),
    /// Text of so many characters, without control characters.
    Text(usize, usize),
    /// Text of so many characters over several lines: templates, keys, scripts.
    Long(usize, usize),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// An e-mail address.
    Email,
    /// A number in E.164.
    Phone,
    /// An absolute URI.
    Uri,
    /// An absolute https URI, or an empty text.
    HttpsOrEmpty,
    /// Text that a function accepts; its name stands in the message as the format.
    Format(&'static str, fn(&str) -> bool),
    /// An object with whatever in it.
    Object,
    /// What one of these accepts.
    Either(&'static [Kind]),
    /// An object of at most so many properties of any name, whose values are of one kind.
    Map(&'static Kind, usize),
    /// An object of a known shape.
    Shape(&'static Schema),
    /// A list of so many items.
    List(&'static Kind, usize, usize),
    /// A list whose items differ from each other.
    Set(&'static Kind, usize, usize),
}

/// One property.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
    nullable: bool,
}

/// Returns a property that has to be there.
pub const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true, nullable: false }
}

/// Returns a property that may be left out.
pub const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false, nullable: false }
}

/// Returns a property that may be left out or be null.
pub const fn nullable(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false, nullable: true }
}

/// The shape of an object.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    fields: &'static [Field],
    more: &'static [Field],
    closed: bool,
}

impl Schema {
    /// Returns a shape that refuses unknown properties.
    pub const fn closed(fields: &'static [Field]) -> Self {
        Self { fields, more: &[], closed: true }
    }

    /// Returns a shape that lets unknown properties through.
    pub const fn open(fields: &'static [Field]) -> Self {
        Self { fields, more: &[], closed: false }
    }

    /// Returns the shape with further properties, which others share.
    #[must_use]
    pub const fn and(self, more: &'static [Field]) -> Self {
        Self { more, ..self }
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().chain(self.more)
    }

    /// Checks a body and returns it as an object.
    pub fn check(&self, body: Option<Value>) -> Result<Map<String, Value>, ManagementError> {
        self.parse(body).map_err(|broken| broken.in_body())
    }

    /// The same for an API that tells a broken rule in its own form.
    pub fn parse(&self, body: Option<Value>) -> Result<Map<String, Value>, Broken> {
        match body {
            Some(Value::Object(map)) => {
                self.object(&map, "")?;
                Ok(map)
            }
            other => Err(Broken::wrong_type("", "object", &other.unwrap_or(Value::Null))),
        }
    }

    fn object(&self, map: &Map<String, Value>, path: &str) -> Result<(), Broken> {
        for (name, value) in map {
            let here = join(path, name);
            match self.fields().find(|f| f.name == name) {
                Some(field) if value.is_null() && field.nullable => {}
                Some(field) => field.kind.value(value, &here)?,
                None if self.closed => {
                    return Err(Broken::new(
                        path,
                        format!("Additional properties not allowed: {}", shown(name)),
                    ));
                }
                // What is kept unseen still has to be storable.
                None => Kind::Any.value(value, &here)?,
            }
        }
        for field in self.fields().filter(|f| f.required) {
            if !map.contains_key(field.name) {
                return Err(Broken::new(path, format!("Missing required property: {}", field.name)));
            }
        }
        Ok(())
    }
}

impl Kind {
    /// Checks a body that is no object: the bare arrays of some endpoints.
    pub fn check(&self, body: Option<Value>) -> Result<Value, ManagementError> {
        let body = body.unwrap_or(Value::Null);
        self.value(&body, "").map_err(|broken| broken.in_body())?;
        Ok(body)
    }

    /// Checks a path or query value.
    pub fn accepts(&self, text: &str) -> bool {
        self.value(&Value::String(text.to_owned()), "").is_ok()
    }

    fn value(&self, value: &Value, path: &str) -> Result<(), Broken> {
        match self {
            Self::Any => storable(value, path),
            Self::Bool => typed(value.is_boolean(), "boolean", value, path),
            Self::Int(min, max) => {
                // 30.0 is an integer in JSON Schema.
                let int =
                    value.as_i64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64));
                let Some(int) = int else { return Err(Broken::wrong_type(path, "integer", value)) };
                between(int < *min, int > *max, value, &min.to_string(), &max.to_string(), path)
            }
            Self::Number(min, max) => {
                let Some(number) = value.as_f64() else {
                    return Err(Broken::wrong_type(path, "number", value));
                };
                between(number < *min, number > *max, value, &min.to_string(), &max.to_string(), path)
            }
            Self::Text(min, max) => {
                let text = text(value, path)?;
                length(text, *min, *max, path)?;
                if text.chars().any(char::is_control) {
                    return Err(Broken::new(path, "String must not contain control characters".to_owned()));
                }
                Ok(())
            }
            Self::Long(min, max) => {
                length(text(value, path)?, *min, *max, path)?;
                storable(value, path)
            }
            Self::OneOf(names) => {
                let text = text(value, path)?;
                if names.contains(&text) {
                    return Ok(());
                }
                Err(Broken::new(path, format!("No enum match for: \"{}\"", shown(text))))
            }
            Self::Email => format("email", |t| normal_email(t).is_ok(), value, path),
            Self::Phone => format("phone", is_e164, value, path),
            Self::Uri => format("uri", |t| t.len() <= 4096 && Url::parse(t).is_ok(), value, path),
            Self::HttpsOrEmpty => format("absolute-https-uri-or-empty", is_https_or_empty, value, path),
            Self::Format(name, test) => format(name, test, value, path),
            Self::Object => {
                typed(value.is_object(), "object", value, path)?;
                storable(value, path)
            }
            Self::Either(kinds) => either(kinds, value, path),
            Self::Map(item, max) => {
                typed(value.is_object(), "object", value, path)?;
                let map = value.as_object().into_iter().flatten();
                if map.clone().count() > *max {
                    let rule = format!("Too many properties defined ({}), maximum {max}", map.count());
                    return Err(Broken::new(path, rule));
                }
                map.clone().try_for_each(|(name, inner)| {
                    storable(&Value::String(name.clone()), path)?;
                    item.value(inner, &join(path, name))
                })
            }
            Self::Shape(schema) => match value {
                Value::Object(map) => schema.object(map, path),
                other => Err(Broken::wrong_type(path, "object", other)),
            },
            Self::List(item, min, max) => list(item, *min, *max, value, path),
            Self::Set(item, min, max) => {
                list(item, *min, *max, value, path)?;
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                for (second, one) in items.iter().enumerate() {
                    if let Some(first) = items[..second].iter().position(|other| other == one) {
                        let text = format!("Array items are not unique (indexes {first} and {second})");
                        return Err(Broken::new(path, text));
                    }
                }
                Ok(())
            }
        }
    }
}

/// A broken rule.
#[derive(Debug)]
pub struct Broken {
    /// Where: `a.b.0`, empty for the body itself.
    pub path: String,
    /// Which.
    pub rule: String,
}

impl Broken {
    fn new(path: &str, rule: String) -> Self {
        Self { path: path.to_owned(), rule }
    }

    fn wrong_type(path: &str, expected: &str, found: &Value) -> Self {
        Self::new(path, format!("Expected type {expected} but found type {}", type_name(found)))
    }

    fn in_body(self) -> ManagementError {
        let place = if self.path.is_empty() { String::new() } else { format!(" on property {}", self.path) };
        let message = format!("Payload validation error: '{}'{place}.", self.rule);
        ManagementError::new(ManagementCode::InvalidBody, message)
    }
}

/// Returns an error about the body whose text is not a schema rule.
pub fn refused(message: impl Into<String>) -> ManagementError {
    ManagementError::new(ManagementCode::InvalidBody, message)
}

/// Returns the error of a path parameter that has not the form of its kind.
pub fn malformed_path(format: &str, value: &str, name: &str, description: &str) -> ManagementError {
    let message = format!(
        "Path validation error: 'Object didn't pass validation for format {format}: {}' on property {name} ({description}).",
        shown(value)
    );
    ManagementError::new(ManagementCode::InvalidUri, message)
}

/// Returns whether a text is a number in E.164.
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|rest| (1..=15).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn is_https_or_empty(text: &str) -> bool {
    text.is_empty() || (text.len() <= 4096 && Url::parse(text).is_ok_and(|u| u.scheme() == "https"))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Names and values of others go into messages shortened: an error is not an echo.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn join(path: &str, name: &str) -> String {
    let name = shown(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn typed(fits: bool, expected: &str, value: &Value, path: &str) -> Result<(), Broken> {
    if fits { Ok(()) } else { Err(Broken::wrong_type(path, expected, value)) }
}

fn text<'v>(value: &'v Value, path: &str) -> Result<&'v str, Broken> {
    value.as_str().ok_or_else(|| Broken::wrong_type(path, "string", value))
}

fn length(text: &str, min: usize, max: usize, path: &str) -> Result<(), Broken> {
    let count = text.chars().count();
    if count < min {
        return Err(Broken::new(path, format!("String is too short ({count} chars), minimum {min}")));
    }
    if count > max {
        return Err(Broken::new(path, format!("String is too long ({count} chars), maximum {max}")));
    }
    Ok(())
}

fn between(low: bool, high: bool, value: &Value, min: &str, max: &str, path: &str) -> Result<(), Broken> {
    if low {
        return Err(Broken::new(path, format!("Value {value} is less than minimum {min}")));
    }
    if high {
        return Err(Broken::new(path, format!("Value {value} is greater than maximum {max}")));
    }
    Ok(())
}

fn format(name: &str, test: impl Fn(&str) -> bool, value: &Value, path: &str) -> Result<(), Broken> {
    let text = text(value, path)?;
    if test(text) {
        return Ok(());
    }
    Err(Broken::new(path, format!("Object didn't pass validation for format {name}: {}", shown(text))))
}

/// The words of a refusal are those of the kind that is of the value's type, else of the first.
fn either(kinds: &[Kind], value: &Value, path: &str) -> Result<(), Broken> {
    let mut told: Option<Broken> = None;
    for kind in kinds {
        match kind.value(value, path) {
            Ok(()) => return Ok(()),
            Err(broken) => {
                let other_type = broken.path == path && broken.rule.starts_with("Expected type");
                if told.is_none() || !other_type {
                    told = Some(broken);
                }
            }
        }
    }
    told.map_or(Ok(()), Err)
}

fn list(item: &Kind, min: usize, max: usize, value: &Value, path: &str) -> Result<(), Broken> {
    let Value::Array(items) = value else { return Err(Broken::wrong_type(path, "array", value)) };
    if items.len() < min {
        return Err(Broken::new(path, format!("Array is too short ({}), minimum {min}", items.len())));
    }
    if items.len() > max {
        return Err(Broken::new(path, format!("Array is too long ({}), maximum {max}", items.len())));
    }
    items.iter().enumerate().try_for_each(|(at, one)| item.value(one, &join(path, &at.to_string())))
}

/// PostgreSQL's text cannot hold NUL, and a row that one database refuses must not exist in the other.
fn storable(value: &Value, path: &str) -> Result<(), Broken> {
    match value {
        Value::String(text) if text.contains('\0') => {
            Err(Broken::new(path, "String must not contain control characters".to_owned()))
        }
        Value::Array(items) => items.iter().try_for_each(|item| storable(item, path)),
        Value::Object(map) => map.iter().try_for_each(|(name, item)| {
            if name.contains('\0') {
                return Err(Broken::new(path, "String must not contain control characters".to_owned()));
            }
            storable(item, path)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INNER: Schema = Schema::closed(&[optional("deep", Kind::Bool)]);
    const SCHEMA: Schema = Schema::closed(&[
        required("user_id", Kind::Text(1, 8)),
        optional("email", Kind::Email),
        nullable("name", Kind::Text(1, 3)),
        optional("inner", Kind::Shape(&INNER)),
        optional("list", Kind::Set(&Kind::OneOf(&["a", "b"]), 1, 3)),
        optional("count", Kind::Int(0, 9)),
    ]);

    fn message(body: Value) -> String {
        SCHEMA.check(Some(body)).unwrap_err().message
    }

    #[test]
    fn the_known_texts_are_exact() {
        assert_eq!(message(json!({})), "Payload validation error: 'Missing required property: user_id'.");
        assert_eq!(
            message(json!({"user_id": "a", "foo": 1})),
            "Payload validation error: 'Additional properties not allowed: foo'."
        );
        assert_eq!(
            message(json!({"user_id": 1})),
            "Payload validation error: 'Expected type string but found type integer' on property user_id."
        );
        assert_eq!(
            message(json!({"user_id": "a", "email": "foo"})),
            "Payload validation error: 'Object didn't pass validation for format email: foo' on property email."
        );
        assert_eq!(
            message(json!({"user_id": "a", "list": ["a", "a"]})),
            "Payload validation error: 'Array items are not unique (indexes 0 and 1)' on property list."
        );
        assert_eq!(
            message(json!({"user_id": "123456789"})),
            "Payload validation error: 'String is too long (9 chars), maximum 8' on property user_id."
        );
        assert_eq!(
            message(json!([])),
            "Payload validation error: 'Expected type object but found type array'."
        );
        assert_eq!(
            message(json!({"user_id": "a", "inner": {"x": 1}})),
            "Payload validation error: 'Additional properties not allowed: x' on property inner."
        );
    }

    #[test]
    fn one_of_several_kinds_is_refused_in_the_words_of_its_own_type() {
        const EITHER: Kind = Kind::Either(&[Kind::Text(1, 3), Kind::Shape(&INNER)]);
        let told = |value: Value| EITHER.check(Some(value)).err().map(|e| e.message);
        assert_eq!(told(json!("abc")), None);
        assert_eq!(told(json!({"deep": true})), None);
        assert!(told(json!("abcd")).unwrap().contains("too long"));
        assert!(told(json!({"deep": 1})).unwrap().contains("on property deep"));
        assert!(told(json!(7)).unwrap().contains("Expected type string"));
    }

    #[test]
    fn any_names_pass_and_their_values_are_of_one_kind() {
        const MAP: Kind = Kind::Map(&Kind::Text(0, 3), 2);
        let told = |value: Value| MAP.check(Some(value)).err().map(|e| e.message);
        assert_eq!(told(json!({"a": "abc", "b": ""})), None);
        assert!(told(json!({"a": 1})).unwrap().contains("on property a"));
        assert!(told(json!({"a": "", "b": "", "c": ""})).unwrap().contains("maximum 2"));
        assert!(told(json!({"\u{0}": ""})).unwrap().contains("control characters"));
        assert!(told(json!([])).unwrap().contains("Expected type object"));
    }

    #[test]
    fn null_passes_only_where_it_unsets() {
        assert!(SCHEMA.check(Some(json!({"user_id": "a", "name": null}))).is_ok());
        assert!(message(json!({"user_id": "a", "email": null})).contains("found type null"));
    }

    #[test]
    fn control_characters_never_reach_the_database() {
        assert!(message(json!({"user_id": "a\u{0}"})).contains("control characters"));
        assert!(Kind::Object.check(Some(json!({"a": {"b": ["\u{0}"]}}))).is_err());
        assert!(Kind::Any.check(Some(json!({"a\u{0}": 1}))).is_err());
    }

    #[test]
    fn an_error_does_not_echo_a_megabyte() {
        assert!(message(json!({"user_id": "a", "email": "x".repeat(1_000_000)})).len() < 300);
    }
}
