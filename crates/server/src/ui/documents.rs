//! Documents that carry an answer to the application: `form_post` and `web_message`.

use minijinja::{Value, context};
use serde_json::Value as Json;

use super::{Ctx, Page, Pages, screens::Screen};

/// The texts of these documents live under `common.form-post`.
#[derive(serde::Serialize)]
struct Posting;

impl Screen for Posting {
    const TEMPLATE: &'static str = "form-post.html";
    const PROMPT: &'static str = "common";
    const SCREEN: &'static str = "form-post";
}

impl Pages {
    /// Returns the document that posts the answer to the redirect URI (OAuth 2.0 Form Post Response Mode).
    ///
    /// Without script it shows a button.
    pub fn form_post(&self, ctx: &Ctx, redirect_uri: &str, params: &[(&str, &str)]) -> Page {
        let fields: Vec<Value> =
            params.iter().map(|(name, value)| context! { name => *name, value => *value }).collect();
        self.page(ctx, &Posting, context! { redirect_uri => redirect_uri, fields => fields })
    }

    /// Returns the document that hands the answer to the window that framed or opened it
    /// (draft-sakimura-oauth-wmrm). `target` is the origin of the registered redirect URI, never `*`.
    pub fn web_message(&self, ctx: &Ctx, target: &str, response: &Json) -> Page {
        let message = context! {
            nonce => ctx.nonce.as_str(),
            target => Value::from_safe_string(script_json(&Json::from(target))),
            response => Value::from_safe_string(script_json(response)),
        };
        let html = self.render("web-message.html", message);
        let origin = origin_of(target).unwrap_or_else(|| "'none'".to_owned());
        let csp = format!(
            "default-src 'none'; script-src 'nonce-{}'; base-uri 'none'; form-action 'none'; frame-ancestors {origin}",
            ctx.nonce
        );
        Page { html, csp, framed: true }
    }
}

/// Writes JSON that stays JSON inside a script element: nothing in it can end the element or the line.
pub fn script_json(value: &Json) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// Returns the policy of an ordinary page, with the hashes of styles that a tenant wrote. The logo's and favicon's origins are the only foreign ones.
///
/// There is no `form-action`: Chromium applies it to the redirects that follow a post, and a login ends with a redirect to
/// the application.
pub(super) fn policy(ctx: &Ctx, styles: &[String]) -> String {
    let mut images = vec!["'self'".to_owned(), "data:".to_owned()];
    for url in [&ctx.brand.logo_url, &ctx.brand.favicon_url].into_iter().flatten() {
        images.extend(origin_of(url).filter(|origin| !images.contains(origin)));
    }
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'{styles}; img-src {images}; \
         connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        nonce = ctx.nonce,
        styles = styles.iter().map(|hash| format!(" {hash}")).collect::<String>(),
        images = images.join(" "),
    )
}

/// Returns the origin of an http address in ASCII: it can hold neither a space nor a semicolon.
fn origin_of(url: &str) -> Option<String> {
    let origin = url::Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::ui::Brand;

    const HOSTILE: &[&str] = &[
        "\"><script>alert(1)</script>",
        "</script><svg onload=alert(1)>",
        "javascript:alert(1)",
        "a\u{2028}b",
        "{{7*7}}",
        "${7*7}",
        "'\"&<>",
    ];

    fn ctx() -> Ctx {
        Ctx { locale: "en".into(), nonce: "n0nce".into(), ..Ctx::default() }
    }

    #[test]
    fn form_post_escapes_what_the_client_sent() {
        for hostile in HOSTILE {
            let page = Pages::new().form_post(
                &ctx(),
                "https://app.example/cb",
                &[("code", "abc"), ("state", hostile)],
            );
            assert!(!page.html.contains("<script>alert") && !page.html.contains("<svg onload"), "{hostile}");
            assert!(
                page.html.contains("name=\"state\"")
                    && page.html.replace("&#x2f;", "/").contains("action=\"https://app.example/cb\"")
            );
            // Above it are the hashes of our own files.
            let body = page.html.split("<body").nth(1).unwrap();
            assert!(!body.contains("49"), "{hostile}");
        }
    }

    #[test]
    fn web_message_cannot_be_left_by_its_values() {
        for hostile in HOSTILE {
            let response = json!({"code": "abc", "state": hostile});
            let page = Pages::new().web_message(&ctx(), "https://app.example", &response);
            assert_eq!(page.html.matches("<script").count(), 1, "{hostile}");
            assert_eq!(page.html.matches("</script>").count(), 1, "{hostile}");
            let written = page.html.split("response: ").nth(1).unwrap().split("\n").next().unwrap();
            let read: Json = serde_json::from_str(written.trim_end_matches(',')).unwrap();
            assert_eq!(read, response, "the state comes back byte for byte");
            assert!(page.framed && page.csp.contains("frame-ancestors https://app.example"));
        }
    }

    #[test]
    fn a_web_message_to_no_origin_is_framed_by_nobody() {
        let page = Pages::new().web_message(&ctx(), "javascript:alert(1)", &json!({}));
        assert!(page.csp.contains("frame-ancestors 'none'"));
    }

    #[test]
    fn a_logo_address_cannot_add_a_directive() {
        let brand = Brand { logo_url: Some("https://cdn.example/a;script-src *".into()), ..Brand::default() };
        let policy = policy(&Ctx { brand: Arc::new(brand), ..ctx() }, &[]);
        assert!(policy.contains("img-src 'self' data: https://cdn.example;"));
        assert_eq!(policy.matches("script-src").count(), 1);
        assert!(!policy.contains("unsafe-inline"));
    }
}
