//! Values of settings, as a file and as environment variables give them.

use std::net::{IpAddr, SocketAddr};

use super::settings::Kind;

/// A value of the kind that its setting has.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    List(Vec<String>),
}

/// Reads a value of the file.
pub(super) fn from_toml(kind: Kind, value: &toml::Value) -> Option<Value> {
    match (kind, value) {
        (Kind::Number(least, most), toml::Value::Integer(number)) => {
            (least..=most).contains(number).then_some(Value::Number(*number))
        }
        (Kind::Addresses, toml::Value::Array(list)) => {
            list.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>().and_then(addresses)
        }
        (Kind::Texts, toml::Value::Array(list)) => {
            let texts = list.iter().map(|v| v.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().map(Value::List)
        }
        (_, toml::Value::String(text)) => from_text(kind, text),
        _ => None,
    }
}

/// Reads an environment variable.
pub(super) fn from_variable(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Number(least, most) => {
            text.trim().parse().ok().filter(|n| (least..=most).contains(n)).map(Value::Number)
        }
        Kind::Addresses => {
            addresses(text.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect())
        }
        Kind::Texts => Some(Value::List(
            text.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect(),
        )),
        _ => from_text(kind, text),
    }
}

fn from_text(kind: Kind, text: &str) -> Option<Value> {
    let fits = match kind {
        Kind::Text | Kind::File => !text.trim().is_empty(),
        Kind::OneOf(words) => words.contains(&text),
        Kind::Socket => text.parse::<SocketAddr>().is_ok(),
        Kind::Number(..) | Kind::Addresses | Kind::Texts => false,
    };
    fits.then(|| Value::Text(text.to_owned()))
}

fn addresses(list: Vec<String>) -> Option<Value> {
    list.iter().all(|t| t.parse::<IpAddr>().is_ok()).then_some(Value::List(list))
}
