//! Templates that a tenant wrote, in Liquid: that is the language Auth0's customers know.
//!
//! A template sees the values it is given and nothing else: no files, no network. In HTML every value is escaped before the template sees
//! it, so a user's name can never be markup; the filter `escape` therefore changes nothing.

use liquid::model::{Value, ValueView};
use liquid::{Object, Parser, ParserBuilder};
use liquid_core::{Display_filter, Filter, FilterReflection, ParseFilter, Runtime};
use serde_json::Value as Json;

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl TemplateError {
    /// Returns the error with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Returns whether a template can be read, and if not, why. Asked before one is stored.
pub fn check(template: &str) -> Result<(), TemplateError> {
    parser()?.parse(template).map(|_| ()).map_err(|e| said(&e))
}

/// Fills in a template for plain text.
pub(super) fn text(template: &str, values: &Json) -> Result<String, TemplateError> {
    render(template, values, &|text| text.to_owned())
}

/// Fills in a template for HTML.
pub(in crate::flows) fn html(template: &str, values: &Json) -> Result<String, TemplateError> {
    render(template, values, &super::escape)
}

fn render(template: &str, values: &Json, escape: &dyn Fn(&str) -> String) -> Result<String, TemplateError> {
    let template = parser()?.parse(template).map_err(|e| said(&e))?;
    let mut values = values.clone();
    // An unknown variable is empty, as at Auth0; the library refuses it, so each one is made known.
    for _ in 0..MOST_UNKNOWN {
        let Value::Object(known) = value(&values, escape) else { return Ok(String::new()) };
        match template.render(&known) {
            Ok(text) => return Ok(text),
            Err(error) if add_unknown(&mut values, &error.to_string()) => {}
            Err(error) => return Err(said(&error)),
        }
    }
    Err(TemplateError("too many unknown variables".to_owned()))
}

/// More variables than any template has.
const MOST_UNKNOWN: usize = 100;

/// Makes the variable known that an error names: an empty object, so that its parts are asked for next. Returns false if it names none.
fn add_unknown(values: &mut Json, error: &str) -> bool {
    let named = |label: &str| {
        let line = error.lines().find_map(|line| line.trim().strip_prefix(label))?;
        Some(line.trim().trim_matches('"').to_owned())
    };
    if let Some(name) = named("requested variable=") {
        values[name] = Json::Object(serde_json::Map::new());
        return true;
    }
    let (Some(path), Some(index)) = (named("variable="), named("requested index=")) else { return false };
    let Some(parent) = values.pointer_mut(&format!("/{}", path.replace('.', "/"))) else { return false };
    match parent {
        Json::Object(map) => map.insert(index, Json::Null).is_none(),
        other => {
            *other = serde_json::json!({index: null});
            true
        }
    }
}

fn parser() -> Result<Parser, TemplateError> {
    ParserBuilder::with_stdlib().filter(Escape).build().map_err(|e| said(&e))
}

/// The error in one line: it is told to whoever wrote the template.
fn said(error: &liquid::Error) -> TemplateError {
    let text = error.to_string();
    TemplateError(text.split_whitespace().collect::<Vec<_>>().join(" ").replace("liquid: ", ""))
}

fn value(json: &Json, escape: &dyn Fn(&str) -> String) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::scalar(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::scalar(whole),
            None => Value::scalar(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::scalar(escape(text)),
        Json::Array(items) => Value::Array(items.iter().map(|item| value(item, escape)).collect()),
        Json::Object(map) => {
            let fields = map.iter().map(|(name, item)| (name.clone().into(), value(item, escape)));
            Value::Object(fields.collect::<Object>())
        }
    }
}

/// `escape`, which has been done already.
#[derive(Clone, ParseFilter, FilterReflection)]
#[filter(name = "escape", description = "Leaves an escaped value as it is.", parsed(Escaped))]
struct Escape;

#[derive(Debug, Default, Display_filter)]
#[name = "escape"]
struct Escaped;

impl Filter for Escaped {
    fn evaluate(&self, input: &dyn ValueView, _runtime: &dyn Runtime) -> liquid_core::Result<Value> {
        Ok(input.to_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_text_in_html_and_plain_in_texts() {
        let values = json!({"user": {"name": "<b>Eve</b> & {{ code }}"}, "code": "012345"});
        let template = "{{ code }} {{ user.name | escape }} {{ nobody.knows }}";
        assert_eq!(html(template, &values).unwrap(), "012345 &lt;b&gt;Eve&lt;/b&gt; &amp; {{ code }} ");
        assert_eq!(text(template, &values).unwrap(), "012345 <b>Eve</b> & {{ code }} ");
    }

    #[test]
    fn a_broken_template_says_where() {
        let error = check("Hello {{ code").unwrap_err().to_string();
        assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        assert!(check("{% if code %}{{ code }}{% endif %}").is_ok());
    }
}
