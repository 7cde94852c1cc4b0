//! The twin's own pages: start, outbox, authenticator apps, clock.

use std::sync::LazyLock;

use axum::extract::{Form, Path, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lockstep_core::model::message::{Channel, Message};
use lockstep_core::time::{Clock as _, Span, Timestamp};
use lockstep_engine::flows::{demo, twin};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ClockChange, Moment, Twin};

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../templates/dev/", $name)))),*]
    };
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    let all = templates![
        "base.html",
        "index.html",
        "playground.html",
        "outbox.html",
        "authenticators.html",
        "clock.html",
        "message.html"
    ];
    for (name, text) in all {
        env.add_template(name, text).expect("a test renders every template of this list");
    }
    env
});

const CSS: &str = include_str!("../../../assets/dev/dev.css");
const SCRIPT: &str = include_str!("../../../assets/dev/dev.js");

/// No inline style or script, no frame around it, and only the twin itself inside.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Renders one of the twin's pages.
pub(super) fn render(template: &str, title: &str, twin: &Twin, mut context: Value) -> Response {
    let issuer = twin.web.app().issuer();
    if let Some(map) = context.as_object_mut() {
        map.insert("title".to_owned(), json!(title));
        map.insert("issuer".to_owned(), json!(issuer.as_str()));
        map.insert("domain".to_owned(), json!(issuer.authority()));
        map.insert("clock".to_owned(), json!(twin.clock.read()));
    }
    let rendered = TEMPLATES.get_template(template).and_then(|t| t.render(Serde(&context)));
    match rendered {
        Ok(html) => with_headers(Html(html).into_response(), POLICY),
        Err(error) => {
            tracing::error!(%error, "Cannot render {template}: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page cannot be shown\n").into_response()
        }
    }
}

fn with_headers(mut response: Response, policy: &'static str) -> Response {
    let headers: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Without a referrer browsers send `Origin: null` with forms, and the guard could not tell ours.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `GET /_dev/`
pub(super) async fn index(State(twin): State<Twin>) -> Response {
    let issuer = twin.web.app().issuer();
    let demo = demo::Demo::of(issuer);
    let users: Vec<Value> = demo
        .users
        .iter()
        .map(|u| json!({"email": u.email, "name": u.name, "password": u.password, "totp": u.totp_secret, "id": u.user_id}))
        .collect();
    let clients: Vec<Value> = demo
        .clients
        .iter()
        .filter(|c| c.client_id != demo::PLAYGROUND)
        .map(|c| json!({"name": c.name, "id": c.client_id, "secret": c.client_secret, "type": c.app_type}))
        .collect();
    let context = json!({"users": users, "clients": clients, "api": demo.api, "scopes": demo.api_scopes});
    render("index.html", "Lockstep twin", &twin, context)
}

/// `GET /_dev/outbox`
pub(super) async fn outbox(State(twin): State<Twin>) -> Response {
    match twin::outbox(twin.web.app(), None).await {
        Ok(messages) => {
            let messages: Vec<Value> = messages.iter().map(|m| message(m, twin.clock.now())).collect();
            render("outbox.html", "Outbox", &twin, json!({"messages": messages}))
        }
        Err(error) => failed(&error),
    }
}

/// `GET /_dev/outbox/{id}/html`: the mail as its reader sees it, without scripts and in an origin of its own.
pub(super) async fn mail(State(twin): State<Twin>, Path(id): Path<String>) -> Response {
    let messages = twin::outbox(twin.web.app(), None).await.unwrap_or_default();
    let html = messages.into_iter().find(|m| m.id.as_str() == id).and_then(|m| m.message.html);
    let policy = "sandbox allow-popups allow-top-navigation-by-user-activation; default-src 'none'; \
                  style-src 'unsafe-inline'; img-src data: https:; frame-ancestors 'self'";
    match html {
        Some(html) => with_headers(Html(html).into_response(), policy),
        None => (StatusCode::NOT_FOUND, "this message has no HTML form\n").into_response(),
    }
}

fn message(stored: &twin::StoredMessage, now: Timestamp) -> Value {
    let m = &stored.message;
    let paragraphs: Vec<Vec<Value>> = m.text.lines().map(words).collect();
    json!({
        "id": stored.id.as_str(), "to": m.recipient, "subject": m.subject, "title": title(m), "kind": m.kind.as_str(), "lines": paragraphs,
        "has_html": m.html.is_some(), "at": stored.created_at.to_iso(), "expired": now > m.expires_at
    })
}

/// What stands above a message: a text message and a call have no subject.
fn title(message: &Message) -> &str {
    match message.kind.channel() {
        Channel::Sms => "Text message",
        Channel::Voice => "Call",
        Channel::Email => &message.subject,
    }
}

/// Splits a line into pieces, so that the addresses in it can become links.
fn words(line: &str) -> Vec<Value> {
    line.split_inclusive(' ')
        .map(|piece| {
            let bare = piece.trim_end();
            let link = bare.starts_with("https://") || bare.starts_with("http://");
            json!({"text": piece, "link": link.then_some(bare)})
        })
        .collect()
}

/// `GET /_dev/authenticators`
pub(super) async fn authenticators(State(twin): State<Twin>) -> Response {
    show_authenticators(&twin, None, "")
}

/// The field of the form that adds an entry.
#[derive(Deserialize)]
pub(super) struct ScanForm {
    text: String,
}

/// `POST /_dev/authenticators`
pub(super) async fn add_authenticator(State(twin): State<Twin>, Form(form): Form<ScanForm>) -> Response {
    match twin.apps.add(&form.text, twin.clock.now()) {
        Ok(_) => Redirect::to("/_dev/authenticators").into_response(),
        Err(_) => {
            let error = "That is neither an otpauth:// address nor a key. Copy the key from the page that shows the QR code.";
            show_authenticators(&twin, Some(error), &form.text)
        }
    }
}

fn show_authenticators(twin: &Twin, error: Option<&str>, typed: &str) -> Response {
    let entries = twin.apps.list(twin.clock.now());
    let context = json!({"entries": entries, "error": error, "typed": typed});
    render("authenticators.html", "Authenticator apps", twin, context)
}

/// `GET /_dev/clock`
pub(super) async fn clock(State(twin): State<Twin>) -> Response {
    show_clock(&twin, None, "")
}

/// The fields of the clock's forms; each form sends some of them.
#[derive(Deserialize)]
pub(super) struct ClockForm {
    advance_ms: Option<i64>,
    set: Option<String>,
    freeze: Option<bool>,
    #[serde(default)]
    reset: bool,
}

/// `POST /_dev/clock`
pub(super) async fn change_clock(State(twin): State<Twin>, Form(form): Form<ClockForm>) -> Response {
    let typed = form.set.clone().unwrap_or_default();
    let change = ClockChange {
        reset: form.reset,
        set: form.set.map(Moment::Iso),
        advance_ms: form.advance_ms,
        freeze: form.freeze,
    };
    match twin.clock.change(&change) {
        Ok(()) => Redirect::to("/_dev/clock").into_response(),
        Err(_) => {
            let error = "That time was not understood. Write it like 2026-03-01T12:00:00Z, between the years 1970 and 9999.";
            show_clock(&twin, Some(error), &typed)
        }
    }
}

fn show_clock(twin: &Twin, error: Option<&str>, typed: &str) -> Response {
    let ahead = Span::millis(twin.clock.read().ahead_ms);
    render("clock.html", "Clock", twin, json!({"error": error, "typed": typed, "ahead": in_words(ahead)}))
}

/// Says how far the clock is off.
fn in_words(ahead: Span) -> String {
    let seconds = ahead.as_millis().unsigned_abs() / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    match (parts.is_empty(), ahead.as_millis() < 0) {
        (true, _) => "It goes with this machine's clock.".to_owned(),
        (false, true) => format!("It is {} behind this machine's clock.", parts.join(" ")),
        (false, false) => format!("It is {} ahead of this machine's clock.", parts.join(" ")),
    }
}

/// `POST /_dev/reset`
pub(super) async fn reset(State(twin): State<Twin>) -> Response {
    match twin.reset(twin::SEED, false).await {
        Ok(()) => Redirect::to("/_dev/").into_response(),
        Err(error) => failed(&error),
    }
}

/// `GET /_dev/assets/dev.css`
pub(super) async fn css() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], CSS)
        .into_response()
}

/// `GET /_dev/assets/dev.js`
pub(super) async fn script() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, SCRIPT).into_response()
}

fn failed(error: &twin::TwinError) -> Response {
    tracing::error!(%error, "A control of the twin failed: {error}");
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses() {
        assert_eq!(TEMPLATES.templates().count(), 7);
    }

    #[test]
    fn a_clock_that_is_off_says_by_how_much() {
        assert_eq!(in_words(Span::ZERO), "It goes with this machine's clock.");
        assert_eq!(in_words(Span::minutes(90)), "It is 1 h 30 min ahead of this machine's clock.");
        assert_eq!(in_words(Span::seconds(-5)), "It is 5 s behind this machine's clock.");
    }

    #[test]
    fn only_web_addresses_become_links() {
        let pieces = words("Open https://localhost:8443/u/x?t=1 or javascript:alert(1)");
        let links: Vec<_> = pieces.iter().filter_map(|p| p["link"].as_str()).collect();
        assert_eq!(links, ["https://localhost:8443/u/x?t=1"]);
    }
}
