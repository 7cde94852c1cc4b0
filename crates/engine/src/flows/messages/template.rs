//! Templates that a tenant wrote, in Liquid: that is the language Auth0's customers know.
//!
//! A template sees the values it is given and nothing else: no files, no network. In HTML every value is escaped before the template sees
//! it, so a user's name can never be markup; the filter `escape` therefore changes nothing. How much work a template may be is limited.

mod blocks;
mod limits;

use std::panic::{AssertUnwindSafe, catch_unwind};

use liquid::model::{Value, ValueView};
use liquid::{Object, Parser, ParserBuilder};
use liquid_core::{Display_filter, Filter, FilterReflection, ParseFilter, Runtime};
use liquid_lib::stdlib;
use serde_json::Value as Json;

use limits::{Budget, Growth, Paid, Paper};

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

/// Returns whether a template can be used, and if not, why. Asked before one is stored.
pub fn check(template: &str) -> Result<(), TemplateError> {
    guarded(|| {
        let budget = Budget::new();
        read(template, &budget)?;
        // What it does without values tells much of what it will do with them; that it misses one is no fault.
        let _ = render_within(template, &Json::Object(serde_json::Map::new()), &str::to_owned, &budget);
        if budget.is_over() { Err(TemplateError::new(limits::TOO_MUCH)) } else { Ok(()) }
    })
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
    let budget = Budget::new();
    guarded(|| render_within(template, values, escape, &budget))
}

fn render_within(
    template: &str,
    values: &Json,
    escape: &dyn Fn(&str) -> String,
    budget: &Budget,
) -> Result<String, TemplateError> {
    let template = read(template, budget)?;
    let mut values = values.clone();
    // An unknown variable is empty, as at Auth0; the library refuses it, so each one is made known.
    for _ in 0..MOST_UNKNOWN {
        let Value::Object(known) = value(&values, escape) else { return Ok(String::new()) };
        let mut paper = Paper::new(budget);
        match template.render_to(&mut paper, &known) {
            Ok(()) => return Ok(paper.text()),
            Err(_) if budget.is_over() => return Err(TemplateError::new(limits::TOO_MUCH)),
            Err(error) if add_unknown(&mut values, &error.to_string()) => {}
            Err(error) => return Err(said(&error)),
        }
    }
    Err(TemplateError("too many unknown variables".to_owned()))
}

/// The library panics at some templates, such as one with a whole number of more than 64 bits.
fn guarded<T>(work: impl FnOnce() -> Result<T, TemplateError>) -> Result<T, TemplateError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(TemplateError::new("it cannot be worked out: a number in it may be too large"))
    })
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

fn read(template: &str, budget: &Budget) -> Result<liquid::Template, TemplateError> {
    limits::readable(template).map_err(TemplateError::new)?;
    parser(budget).and_then(|parser| parser.parse(template)).map_err(|error| said(&error))
}

/// Returns what knows the language: the library's tags and filters but those that name other templates or number rows of tables.
fn parser(budget: &Budget) -> Result<Parser, liquid::Error> {
    macro_rules! with {
        ($builder:expr, $kind:ident: $($plugin:ident)*) => {
            $builder$(.$kind(Paid::new(stdlib::$plugin, budget)))*
        };
    }
    let builder =
        ParserBuilder::new().block(blocks::For(budget.clone())).block(blocks::Capture(budget.clone()));
    let builder = with!(builder, block: RawBlock IfBlock UnlessBlock CommentBlock CaseBlock);
    let builder = with!(builder, tag: AssignTag BreakTag ContinueTag CycleTag IncrementTag DecrementTag);
    let builder = with!(builder, filter: Abs Append AtLeast AtMost Capitalize Ceil Compact Concat Default DividedBy
        Downcase EscapeOnce First Floor Last Lstrip Map Minus Modulo NewlineToBr Plus Prepend Remove RemoveFirst
        ReplaceFirst Reverse Round Rstrip Size Slice Sort SortNatural Split Strip StripHtml StripNewlines Times
        Truncate TruncateWords Uniq Upcase UrlDecode UrlEncode Where);
    builder
        .filter(Paid::new(stdlib::Replace, budget).growing(Growth::Product))
        .filter(Paid::new(stdlib::Join, budget).growing(Growth::Product))
        .filter(Paid::new(stdlib::Date, budget).growing(Growth::Padding))
        .filter(Escape)
        .build()
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

    #[test]
    fn what_works_in_the_language_works_here() {
        let values = json!({"items": ["a", "b", "c"], "map": {"x": 1}, "none": null, "n": 3});
        for (template, said) in [
            (
                "{% for i in items %}{{ forloop.index }}{{ i }}{% unless forloop.last %},{% endunless %}{% endfor %}",
                "1a,2b,3c",
            ),
            ("{% for i in items reversed limit:2 offset:1 %}{{ i }}{% endfor %}", "cb"),
            ("{% for i in (1..n) %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "13"),
            ("{% for i in (1..9) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "12"),
            ("{% for i in (3..1) %}{{ i }}{% else %}none{% endfor %}", "none"),
            ("{% for i in none %}{{ i }}{% else %}none{% endfor %}", "none"),
            ("{% for p in map %}{{ p[0] }}={{ p[1] }}{% endfor %}", "x=1"),
            (
                "{% for i in (1..2) %}{% for j in (1..2) %}{{ forloop.parentloop.index }}{{ j }} {% endfor %}{% endfor %}",
                "11 12 21 22 ",
            ),
            (
                "{% capture a %}{{ n }}!{% endcapture %}{{ a }}{{ a | append: '?' | replace: '!', '.' }}",
                "3!3.?",
            ),
            ("{{ items | join: '-' | upcase }} {{ 'a,b' | split: ',' | last }}", "A-B-C b"),
            (
                "{% case n %}{% when 3 %}three{% else %}other{% endcase %}{% comment %}{% x %}{% endcomment %}",
                "three",
            ),
            ("{% assign x = n | times: 2 %}{{ x }}{% raw %}{{ x }}{% endraw %}", "6{{ x }}"),
            ("{{ '2026-02-02 18:01:55 +0000' | date: '%Y-%m-%d' }}", "2026-02-02"),
        ] {
            assert_eq!(text(template, &values).unwrap(), said, "{template}");
            check(template).unwrap();
        }
    }

    #[test]
    fn a_template_that_runs_away_is_refused_and_ends() {
        let doubling = |step: &str| format!("{{% assign a = 'xxxxxxxx' %}}{}", step.repeat(40));
        let runaways = [
            "{% for i in (1..1000000000) %}{% endfor %}".to_owned(),
            "{% for i in (1..9223372036854775807) %}x{% endfor %}".to_owned(),
            "{% for i in (-9223372036854775807..9223372036854775807) %}x{% endfor %}".to_owned(),
            "{% assign n = 100000 | times: 100000 %}{% for i in (1..n) limit:n %}x{% endfor %}".to_owned(),
            format!("{}x{}", "{% for i in (1..1000) %}".repeat(5), "{% endfor %}".repeat(5)),
            doubling("{% assign a = a | append: a %}"),
            doubling("{% assign a = a | prepend: a %}"),
            doubling("{% assign a = a | replace: 'x', a %}"),
            doubling(
                "{% assign a = a | url_encode | url_encode | append: '%%%%%%' %}{% assign a = a | append: a %}",
            ),
            doubling("{% capture a %}{{ a }}{{ a }}{% endcapture %}"),
            doubling("{% assign b = a | split: '' %}{% assign a = b | join: a %}"),
            format!("{{% assign a = 'x,x' | split: ',' %}}{}", "{% assign a = a | concat: a %}".repeat(40)),
            "{% assign a = '%999999999Y' %}{{ '2026-02-02 18:01:55 +0000' | date: a }}".to_owned(),
            format!("{{% for i in (1..90000) %}}{}{{% endfor %}}", "text".repeat(100)),
        ];
        for template in runaways {
            let said = check(&template).unwrap_err().to_string();
            assert!(said.contains("too much"), "{said}: {template}");
            assert!(html(&template, &json!({})).is_err(), "{template}");
        }
        let with_values = "{% for i in items %}{% for j in items %}{% for k in items %}x{% endfor %}{% endfor %}{% endfor %}";
        check(with_values).unwrap();
        let items: Vec<u32> = (0..1000).collect();
        assert!(text(with_values, &json!({"items": items})).is_err());
    }

    #[test]
    fn a_template_that_costs_the_reader_too_much_is_refused_before_it_is_read() {
        for template in [
            format!("{}{}", "{% if a %}".repeat(900), "{% endif %}".repeat(900)),
            "{% capture a %}".repeat(900),
            "{% for a in b %}".repeat(900),
            format!("{{{{ {}a{} }}}}", "a[".repeat(20_000), "]".repeat(20_000)),
            " ".repeat(100_000),
            "{% '".repeat(25_000),
            "{{ 99999999999999999999999 }}".to_owned(),
        ] {
            assert!(check(&template).is_err(), "{}", &template[..20]);
            assert!(text(&template, &json!({})).is_err(), "{}", &template[..20]);
        }
        // As deep as it may be, it is read on a small stack.
        let deep = format!("{{{{ {}a{} }}}}", "a[".repeat(99), "]".repeat(99));
        let blocks = format!("{}x{}", "{% if true %}".repeat(50), "{% endif %}".repeat(50));
        std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || {
                let _ = check(&deep);
                assert_eq!(text(&blocks, &json!({})).unwrap(), "x");
            })
            .unwrap()
            .join()
            .unwrap();
    }
}
