//! The playground: an application to log in to, step up in, and read one's tokens.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use lockstep_core::time::{Clock as _, Timestamp};
use lockstep_engine::flows::{demo, twin};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::relying_party::{self as rp, Ask, Decoded, MULTI_FACTOR, Pending, Tokens, Trouble};
use super::{Twin, pages};
use crate::listen::Transport;

const COOKIE_NAME: &str = "__Host-lockstep-playground";
/// How many browsers the playground knows; a twin has few.
const MOST_VISITORS: usize = 500;
/// How many logins of one browser may be under way.
const MOST_PENDING: usize = 20;

/// The browsers that use the playground.
#[derive(Default)]
pub(super) struct Visitors(Mutex<HashMap<String, Visitor>>);

#[derive(Clone, Default)]
struct Visitor {
    pending: Vec<(String, Pending)>,
    tokens: Option<Tokens>,
    trouble: Option<Trouble>,
    note: Option<&'static str>,
}

impl Visitors {
    fn find(&self, id: &str) -> Visitor {
        let held = self.0.lock().expect("no code panics while it holds this lock");
        held.get(id).cloned().unwrap_or_default()
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Visitor)) {
        let mut held = self.0.lock().expect("no code panics while it holds this lock");
        if held.len() >= MOST_VISITORS && !held.contains_key(id) {
            held.clear();
        }
        change(held.entry(id.to_owned()).or_default());
    }

    /// Forgets everybody: their tokens belong to a state that is gone.
    pub(super) fn clear(&self) {
        self.0.lock().expect("no code panics while it holds this lock").clear();
    }
}

/// `GET /_dev/playground`
pub(super) async fn show(
    State(twin): State<Twin>,
    transport: Option<Extension<Transport>>,
    headers: HeaderMap,
) -> Response {
    let issuer = twin.web.app().issuer();
    // Its cookie and its callback belong to the issuer's own address.
    if transport.is_some_and(|t| t.0 == Transport::Plain) {
        return Redirect::to(&issuer.url("_dev/playground")).into_response();
    }
    let visitor = visitor_id(&headers).map(|id| twin.visitors.find(&id)).unwrap_or_default();
    let decisions = match visitor.tokens.as_ref().and_then(user) {
        Some(user) => last_decisions(&twin, user).await,
        None => Vec::new(),
    };
    let tokens = visitor.tokens.as_ref().map(|tokens| describe(tokens, twin.clock.now()));
    let trouble = visitor.trouble.map(|t| json!({"error": t.error, "description": t.description}));
    let context = json!({
        "tokens": tokens, "trouble": trouble, "note": visitor.note, "decisions": decisions, "acr": MULTI_FACTOR,
        "users": demo::Demo::of(issuer).users.iter().map(|u| u.email).collect::<Vec<_>>()
    });
    pages::render("playground.html", "Playground", &twin, context)
}

/// `GET /_dev/playground/login?acr=&max_age=&prompt=…`
pub(super) async fn login(State(twin): State<Twin>, headers: HeaderMap, Query(ask): Query<Ask>) -> Response {
    let mut env = twin.web.app().env();
    let (url, state, pending) = rp::begin(&ask, &mut env);
    let known = visitor_id(&headers);
    let id = known.clone().unwrap_or_else(|| env.rng().url_safe(32));
    twin.visitors.change(&id, |visitor| {
        if visitor.pending.len() >= MOST_PENDING {
            visitor.pending.remove(0);
        }
        visitor.pending.push((state, pending));
        visitor.note = None;
    });
    let mut answer = Redirect::to(&url).into_response();
    if known.is_none() {
        let cookie = format!("{COOKIE_NAME}={id}; Path=/; Secure; HttpOnly; SameSite=Lax");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    answer
}

/// What comes back from `/authorize`.
#[derive(Deserialize)]
pub(super) struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /_dev/playground/callback`
pub(super) async fn callback(
    State(twin): State<Twin>,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Response {
    let Some(id) = visitor_id(&headers) else {
        return (StatusCode::BAD_REQUEST, "This browser started no login in the playground.\n")
            .into_response();
    };
    let mut found = None;
    twin.visitors.change(&id, |visitor| {
        let at = visitor.pending.iter().position(|(state, _)| Some(state) == back.state.as_ref());
        found = at.map(|at| visitor.pending.remove(at).1);
    });
    let outcome = match (found, back.code, back.error) {
        (None, ..) => Err(Trouble {
            error: "unknown_state".to_owned(),
            description: "The answer belongs to no login that this browser started.".to_owned(),
        }),
        (Some(pending), Some(code), None) => rp::redeem(twin.site(), &code, &pending).await,
        (Some(_), _, error) => Err(Trouble {
            error: error.unwrap_or_else(|| "invalid_answer".to_owned()),
            description: back.error_description.unwrap_or_default(),
        }),
    };
    settle(&twin, &id, outcome, "You are logged in.");
    Redirect::to("/_dev/playground").into_response()
}

/// `POST /_dev/playground/refresh`
pub(super) async fn refresh(State(twin): State<Twin>, headers: HeaderMap) -> Response {
    if let Some(id) = visitor_id(&headers)
        && let Some(tokens) = twin.visitors.find(&id).tokens
    {
        let outcome = rp::refresh(twin.site(), &tokens).await;
        settle(&twin, &id, outcome, "The tokens were refreshed.");
    }
    Redirect::to("/_dev/playground").into_response()
}

/// `POST /_dev/playground/logout`
pub(super) async fn logout(State(twin): State<Twin>, headers: HeaderMap) -> Response {
    let id = visitor_id(&headers);
    let tokens = id.as_ref().and_then(|id| twin.visitors.find(id).tokens);
    if let Some(id) = id {
        twin.visitors.change(&id, |visitor| *visitor = Visitor::default());
    }
    Redirect::to(&rp::logout_url(twin.web.app().issuer(), tokens.as_ref())).into_response()
}

fn settle(twin: &Twin, id: &str, outcome: Result<Tokens, Trouble>, note: &'static str) {
    twin.visitors.change(id, |visitor| match outcome {
        Ok(tokens) => {
            (visitor.tokens, visitor.trouble, visitor.note) = (Some(tokens), None, Some(note));
        }
        // The tokens of before stay: an application keeps them too when a silent request fails.
        Err(trouble) => (visitor.trouble, visitor.note) = (Some(trouble), None),
    });
}

fn visitor_id(headers: &HeaderMap) -> Option<String> {
    let pairs =
        headers.get_all(COOKIE).into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let found = pairs.filter_map(|p| p.trim().split_once('=')).find(|(name, _)| *name == COOKIE_NAME)?.1;
    (found.len() == 32).then(|| found.to_owned())
}

fn user(tokens: &Tokens) -> Option<&str> {
    tokens.id_token.as_ref()?.claims.get("sub")?.as_str()
}

async fn last_decisions(twin: &Twin, user: &str) -> Vec<Value> {
    let records = twin::decisions(twin.web.app(), user).await.unwrap_or_default();
    let ours = records.iter().filter(|r| r.client.as_str() == demo::PLAYGROUND).take(3);
    ours.map(twin::describe).collect()
}

fn describe(tokens: &Tokens, now: Timestamp) -> Value {
    let claim = |name: &str| tokens.id_token.as_ref().and_then(|t| t.claims.get(name)).cloned();
    let has_mfa =
        claim("amr").is_some_and(|amr| amr.as_array().is_some_and(|l| l.iter().any(|v| v == "mfa")));
    json!({
        "name": claim("name").or_else(|| claim("email")), "has_mfa": has_mfa, "amr": claim("amr"),
        "can_refresh": tokens.refresh_token.is_some(), "scope": tokens.scope,
        "id_token": tokens.id_token.as_ref().map(|t| decoded(t, now)),
        "access_token": tokens.access_token.as_ref().map(|t| decoded(t, now)),
    })
}

fn decoded(token: &Decoded, now: Timestamp) -> Value {
    let rows: Vec<Value> = ordered(&token.claims)
        .map(|(name, value)| json!({"name": name, "value": compact(value), "meaning": meaning(name, value, now)}))
        .collect();
    json!({"raw": token.raw, "header": compact(&token.header), "rows": rows})
}

/// The claims that tell of the login first.
fn ordered(claims: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    const FIRST: [&str; 4] = ["amr", "acr", "auth_time", "sub"];
    let rank = |name: &str| FIRST.iter().position(|f| *f == name).unwrap_or(FIRST.len());
    let mut all: Vec<_> = claims.iter().collect();
    all.sort_by_key(|(name, _)| rank(name));
    all.into_iter()
}

fn compact(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a claim means, for those about which people ask.
fn meaning(name: &str, value: &Value, now: Timestamp) -> Option<String> {
    let text = match name {
        "amr" => {
            let methods = value.as_array()?.iter().filter_map(Value::as_str).map(method);
            methods.collect::<Vec<_>>().join(", ")
        }
        "acr" if value == MULTI_FACTOR => "multi-factor was done".to_owned(),
        "auth_time" => format!("the login was {}", relative(value, now)?),
        "iat" => format!("made {}", relative(value, now)?),
        "exp" => format!("good until {}", Timestamp::from_secs(value.as_i64()?).to_iso()),
        "iss" => "who made the token".to_owned(),
        "aud" => "for whom it is".to_owned(),
        "sub" => "the user".to_owned(),
        "azp" => "the application that asked".to_owned(),
        "sid" => "the session".to_owned(),
        "nonce" => "ties it to the request of this browser".to_owned(),
        "scope" => "what the application may do".to_owned(),
        _ => return None,
    };
    Some(text)
}

fn method(name: &str) -> &str {
    match name {
        "pwd" => "password",
        "mfa" => "a second factor",
        "otp" => "a code of an authenticator app",
        "sms" => "a code by text message",
        "email" => "a code by mail",
        "hwk" => "a key that cannot leave its device",
        "swk" => "a synced key",
        "pop" => "possession of a key",
        "kba" => "a recovery code",
        other => other,
    }
}

fn relative(value: &Value, now: Timestamp) -> Option<String> {
    let at = Timestamp::from_secs(value.as_i64()?);
    let seconds = now.since(at).as_secs();
    Some(match seconds {
        ..0 => format!("at {}", at.to_iso()),
        0..120 => format!("{seconds} seconds ago"),
        120..7200 => format!("{} minutes ago", seconds / 60),
        7200..172_800 => format!("{} hours ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_about_the_login_come_first_and_are_put_into_words() {
        let claims = json!({"aud": "x", "amr": ["pwd", "mfa", "otp"], "auth_time": 100, "sub": "auth0|1"});
        let names: Vec<_> = ordered(claims.as_object().unwrap()).map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["amr", "auth_time", "sub", "aud"]);
        let now = Timestamp::from_secs(400);
        assert_eq!(meaning("auth_time", &json!(100), now).as_deref(), Some("the login was 5 minutes ago"));
        let told = meaning("amr", &json!(["pwd", "mfa", "otp"]), now).unwrap();
        assert_eq!(told, "password, a second factor, a code of an authenticator app");
    }
}
