//! A tenant's own frame around a page: its template in Liquid, with our head and our card where it says so
//! (contract/management-api.md 13).
//!
//! Scripts of the template never run: our pages allow only scripts that carry the page's nonce, which no template sees. Its `<style>`
//! elements count, each allowed by its hash.

use lockstep_core::crypto::digest;
use serde_json::Value;

use super::messages::template::{self, TemplateError};

/// What stands in for our parts while Liquid works. No value can hold these: control characters are dropped from values in HTML or refused.
const HEAD: &str = "\u{2}lockstep-head\u{3}";
const WIDGET: &str = "\u{2}lockstep-widget\u{3}";

/// A framed page.
#[derive(Debug, PartialEq, Eq)]
pub struct Framed {
    /// The document.
    pub html: String,
    /// The sources of the template's own styles, as a Content-Security-Policy names them: `'sha256-…'`.
    pub styles: Vec<String>,
}

/// Returns why a template cannot be a frame, if so. Asked before one is stored.
pub fn check(source: &str) -> Result<(), TemplateError> {
    let source = prepare(source);
    for (placeholder, tag) in [(HEAD, "head"), (WIDGET, "widget")] {
        if !source.contains(placeholder) {
            return Err(TemplateError::new(format!("it must contain the tag {{%- auth0:{tag} -%}}")));
        }
    }
    template::check(&source)
}

/// Fills in a frame.
pub fn fill(source: &str, values: &Value, head: &str, widget: &str) -> Result<Framed, TemplateError> {
    // Browsers hash what they parsed, with line ends made one.
    let html = template::html(&prepare(source), values)?.replace("\r\n", "\n").replace('\r', "\n");
    let styles = styles(&html);
    Ok(Framed { html: html.replacen(HEAD, head, 1).replacen(WIDGET, widget, 1), styles })
}

/// Puts what Liquid takes for text in the places of our tags, which it would not know: `{%- auth0:head -%}`, with dashes or without.
fn prepare(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{%") {
        out.push_str(before);
        let Some((tag, behind)) = after.split_once("%}") else {
            out.push_str("{%");
            rest = after;
            continue;
        };
        match tag.trim_matches('-').trim() {
            "auth0:head" => out.push_str(HEAD),
            "auth0:widget" => out.push_str(WIDGET),
            _ => out.extend(["{%", tag, "%}"]),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Returns the hash sources of all `<style>` elements.
fn styles(html: &str) -> Vec<String> {
    let lower = html.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = lower[at..].find("<style").map(|n| at + n) {
        let Some(open) = lower[start..].find('>').map(|n| start + n + 1) else { break };
        let Some(close) = lower[open..].find("</style").map(|n| open + n) else { break };
        found.push(format!("'sha256-{}'", digest::sha256_b64(&html[open..close])));
        at = close;
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn our_parts_stand_where_the_tags_stood_and_values_are_text() {
        let source = "<html lang=\"{{locale}}\"><head>{%- auth0:head -%}</head><body>{% if tenant.friendly_name %}<p>{{ tenant.friendly_name }}</p>{% endif %}{%auth0:widget%}</body></html>";
        assert!(check(source).is_ok());
        let values = json!({"locale": "en", "tenant": {"friendly_name": "<Acme>"}});
        let framed = fill(source, &values, "<title>{{ x }}</title>", "<main>{% y %}</main>").unwrap();
        assert_eq!(
            framed.html,
            "<html lang=\"en\"><head><title>{{ x }}</title></head><body><p>&lt;Acme&gt;</p><main>{% y %}</main></body></html>"
        );
    }

    #[test]
    fn a_template_without_both_tags_or_with_broken_liquid_is_none() {
        for source in [
            "{%- auth0:head -%}",
            "{%- auth0:widget -%}",
            "{{ auth0:head }}{{ auth0:widget }}",
            "{%- auth0:header -%}{%- auth0:widget -%}",
            "{%- auth0:head -%}{%- auth0:widget -%}{% if",
            "{%- auth0:head -%}{%- auth0:widget -%}{{ a",
        ] {
            assert!(check(source).is_err(), "{source}");
        }
    }

    #[test]
    fn each_style_element_is_allowed_by_its_hash() {
        let source = "{%auth0:head%}<style>body { margin: 0 }</style><STYLE media=\"print\">a{}\r\nb{}</STYLE>{%auth0:widget%}<style>";
        let framed = fill(source, &json!({}), "<style>ours</style>", "").unwrap();
        let hash = |css: &str| format!("'sha256-{}'", digest::sha256_b64(css));
        assert_eq!(framed.styles, [hash("body { margin: 0 }"), hash("a{}\nb{}")]);
    }
}
