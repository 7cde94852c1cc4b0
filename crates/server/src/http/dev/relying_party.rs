//! The playground's side of OpenID Connect: an application like any other, with code and PKCE. It speaks to the twin through the same
//! routes as every client, without the network between.

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, header};
use http_body_util::BodyExt as _;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::crypto::jose::{self, Alg, Jwk, VerifyingKey, claims};
use lockstep_core::env::{Env, Issuer};
use lockstep_core::time::{Span, Timestamp};
use lockstep_engine::flows::demo::Demo;
use serde::Deserialize;
use serde_json::{Map, Value};
use tower::ServiceExt as _;
use url::form_urlencoded::Serializer;

/// The class that asks for multi-factor.
pub(super) const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
/// What the playground asks for unless told otherwise.
const SCOPE: &str = "openid profile email offline_access read:messages";

/// The wishes of a login.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Ask {
    /// `mfa` asks for multi-factor by `acr_values`.
    acr: Option<String>,
    max_age: Option<String>,
    prompt: Option<String>,
    scope: Option<String>,
    audience: Option<String>,
    login_hint: Option<String>,
    ui_locales: Option<String>,
}

/// A login that was sent off.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    verifier: String,
    nonce: String,
}

/// What the token endpoint gave.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    pub(super) id_token: Option<Decoded>,
    pub(super) access_token: Option<Decoded>,
    pub(super) refresh_token: Option<String>,
    pub(super) scope: String,
}

/// A token, and what it says.
#[derive(Clone, Debug)]
pub(super) struct Decoded {
    pub(super) raw: String,
    pub(super) header: Value,
    pub(super) claims: Map<String, Value>,
}

/// What went wrong, as OAuth says it.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) error: String,
    pub(super) description: String,
}

impl Trouble {
    fn new(error: &str, description: impl Into<String>) -> Self {
        Self { error: error.to_owned(), description: description.into() }
    }
}

/// The twin, as its client sees it.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) router: &'a Router,
    pub(super) issuer: &'a Issuer,
    pub(super) now: Timestamp,
}

/// Returns the address to send the browser to, the state, and what to remember until it comes back.
pub(super) fn begin(ask: &Ask, env: &mut Env) -> (String, String, Pending) {
    let demo = Demo::of(&env.issuer);
    let client = demo.playground();
    let (state, nonce, verifier) = (env.rng().url_safe(32), env.rng().url_safe(32), env.rng().url_safe(64));
    let filled =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    let mut query = Serializer::new(String::new());
    query
        .append_pair("client_id", client.client_id)
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", &redirect_uri(&env.issuer))
        .append_pair("scope", &filled(&ask.scope).unwrap_or_else(|| SCOPE.to_owned()))
        .append_pair("audience", &filled(&ask.audience).unwrap_or_else(|| demo.api.to_owned()))
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &sha256_b64url(&verifier))
        .append_pair("code_challenge_method", "S256");
    if ask.acr.as_deref() == Some("mfa") {
        query.append_pair("acr_values", MULTI_FACTOR);
    }
    let others = [
        ("max_age", &ask.max_age),
        ("prompt", &ask.prompt),
        ("login_hint", &ask.login_hint),
        ("ui_locales", &ask.ui_locales),
    ];
    for (name, value) in others {
        if let Some(value) = filled(value) {
            query.append_pair(name, &value);
        }
    }
    let url = env.issuer.url(&format!("authorize?{}", query.finish()));
    (url, state, Pending { verifier, nonce })
}

/// Trades the code for tokens and checks the ID token as the specification demands (OpenID Connect Core 3.1.3.7).
pub(super) async fn redeem(site: Site<'_>, code: &str, pending: &Pending) -> Result<Tokens, Trouble> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &redirect_uri(site.issuer)),
        ("code_verifier", &pending.verifier),
    ];
    let tokens = ask_for_tokens(site, &form).await?;
    check_id_token(site, &tokens, Some(&pending.nonce)).await?;
    Ok(tokens)
}

/// Trades a refresh token for new tokens.
pub(super) async fn refresh(site: Site<'_>, before: &Tokens) -> Result<Tokens, Trouble> {
    let Some(token) = &before.refresh_token else {
        return Err(Trouble::new("no_refresh_token", "The tokens came without a refresh token."));
    };
    let mut tokens =
        ask_for_tokens(site, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await?;
    check_id_token(site, &tokens, None).await?;
    // Without rotation the old one stays good.
    tokens.refresh_token = tokens.refresh_token.or_else(|| Some(token.clone()));
    Ok(tokens)
}

/// Returns the address that ends the session at the twin and comes back.
pub(super) fn logout_url(issuer: &Issuer, tokens: Option<&Tokens>) -> String {
    let demo = Demo::of(issuer);
    let mut query = Serializer::new(String::new());
    query
        .append_pair("client_id", demo.playground().client_id)
        .append_pair("post_logout_redirect_uri", &issuer.url("_dev/playground"));
    if let Some(id_token) = tokens.and_then(|t| t.id_token.as_ref()) {
        query.append_pair("id_token_hint", &id_token.raw);
    }
    issuer.url(&format!("oidc/logout?{}", query.finish()))
}

fn redirect_uri(issuer: &Issuer) -> String {
    issuer.url("_dev/playground/callback")
}

async fn ask_for_tokens(site: Site<'_>, form: &[(&str, &str)]) -> Result<Tokens, Trouble> {
    let demo = Demo::of(site.issuer);
    let client = demo.playground();
    let secret = client.client_secret.as_deref().unwrap_or_default();
    let own = [("client_id", client.client_id), ("client_secret", secret)];
    // The serializer must not live on while the answer is waited for: it cannot change threads.
    let body = Serializer::new(String::new()).extend_pairs(form).extend_pairs(own).finish();
    let request = Request::post("/oauth/token")
        .header(header::HOST, site.issuer.authority())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body));
    let (ok, answer) = send(site.router, request).await?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    if !ok {
        return Err(Trouble::new(text("error"), text("error_description")));
    }
    Ok(Tokens {
        id_token: decode(text("id_token")),
        access_token: decode(text("access_token")),
        refresh_token: Some(text("refresh_token")).filter(|t| !t.is_empty()).map(str::to_owned),
        scope: text("scope").to_owned(),
    })
}

async fn check_id_token(site: Site<'_>, tokens: &Tokens, nonce: Option<&str>) -> Result<(), Trouble> {
    let bad = |why: &dyn std::fmt::Display| {
        Trouble::new("bad_id_token", format!("The ID token was refused: {why}"))
    };
    let Some(token) = &tokens.id_token else { return Err(bad(&"there is none")) };
    let request = Request::get("/.well-known/jwks.json")
        .header(header::HOST, site.issuer.authority())
        .body(Body::empty());
    let (_, jwks) = send(site.router, request).await?;
    let keys: Vec<Jwk> =
        jwks.get("keys").cloned().and_then(|k| serde_json::from_value(k).ok()).unwrap_or_default();
    let usable = |jwk: &Jwk| {
        let alg = jwk.alg.as_deref().and_then(Alg::parse)?;
        VerifyingKey::from_jwk(alg, jwk).ok()
    };
    let keys: Vec<VerifyingKey> = keys.iter().filter_map(usable).collect();
    let verified =
        jose::decode_any(&token.raw, &[Alg::RS256, Alg::PS256, Alg::ES256], &keys).map_err(|e| bad(&e))?;
    let demo = Demo::of(site.issuer);
    claims::issued_by(&verified.claims, site.issuer.as_str()).map_err(|e| bad(&e))?;
    claims::addressed_to(&verified.claims, &[demo.playground().client_id]).map_err(|e| bad(&e))?;
    claims::not_expired(&verified.claims, site.now, Span::seconds(60)).map_err(|e| bad(&e))?;
    let same = nonce.is_none_or(|nonce| verified.claims.get("nonce").and_then(Value::as_str) == Some(nonce));
    if same { Ok(()) } else { Err(bad(&"its nonce is that of another login")) }
}

async fn send(router: &Router, request: http::Result<Request<Body>>) -> Result<(bool, Value), Trouble> {
    let failed = |e: &dyn std::fmt::Display| Trouble::new("no_answer", e.to_string());
    let request = request.map_err(|e| failed(&e))?;
    let answer = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
    let ok = answer.status().is_success();
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|e| failed(&e))?.to_bytes();
    let value = serde_json::from_slice(&body)
        .map_err(|_| failed(&format!("the server answered {status} without JSON")))?;
    Ok((ok, value))
}

/// Reads a token for showing it. Nothing relies on what it says.
fn decode(raw: &str) -> Option<Decoded> {
    let mut parts = raw.split('.');
    let mut part = || URL_SAFE_NO_PAD.decode(parts.next()?).ok();
    let (header, claims) = (part()?, part()?);
    Some(Decoded {
        header: serde_json::from_slice(&header).ok()?,
        claims: serde_json::from_slice(&claims).ok()?,
        raw: raw.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_become_parameters_and_empty_fields_none() {
        let mut env = Env::new(Timestamp::from_secs(0), Issuer::parse("https://localhost:8443/").unwrap());
        let ask = Ask {
            acr: Some("mfa".into()),
            max_age: Some(" 0 ".into()),
            prompt: Some(String::new()),
            ..Ask::default()
        };
        let (url, state, pending) = begin(&ask, &mut env);
        let url = url::Url::parse(&url).unwrap();
        let query: std::collections::HashMap<_, _> = url.query_pairs().collect();
        assert_eq!((query["acr_values"].as_ref(), query["max_age"].as_ref()), (MULTI_FACTOR, "0"));
        assert_eq!(query["state"], state);
        assert_eq!(query["code_challenge"], sha256_b64url(&pending.verifier));
        assert!(!query.contains_key("prompt") && (43..=128).contains(&pending.verifier.len()));
    }
}
