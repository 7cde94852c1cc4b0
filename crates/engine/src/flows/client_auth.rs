//! How a client proves who it is (contract/oidc.md 6.1; RFC 6749 section 2.3, RFC 7523).

use std::sync::Arc;

use base64::Engine as _;
use lockstep_core::codes::OAuthError;
use lockstep_core::crypto::digest::same_secret;
use lockstep_core::crypto::jose::pem::PublicPem;
use lockstep_core::crypto::jose::{self, Alg, VerifyingKey, claims};
use lockstep_core::env::Env;
use lockstep_core::ids::ClientId;
use lockstep_core::model::client::{Client, ClientAuthMethod};
use lockstep_core::oauth::params::Params;
use lockstep_core::time::Span;

use crate::app::App;
use crate::flows::OAuthFailure;
use crate::store::{assertion_ids, credentials};

/// The type of client assertions.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What an assertion may be signed with.
const ASSERTION_ALGS: [Alg; 6] = [Alg::RS256, Alg::RS384, Alg::PS256, Alg::PS384, Alg::ES256, Alg::ES384];
/// How far clocks may be apart.
const SKEW: Span = Span::seconds(10);
/// How long an assertion may live.
const ASSERTION_LIFE: Span = Span::minutes(5);

/// What a request brought to prove its client.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// A client that proved who it is, as far as it can.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The client.
    pub client: Arc<Client>,
    /// Whether HTTP Basic was used: only then may a refusal carry `WWW-Authenticate`.
    pub by_basic: bool,
}

/// Returns the client of a request. An unknown client and a wrong secret are refused alike.
pub async fn authenticate(
    app: &App,
    env: &Env,
    params: &Params,
    given: &Credentials,
) -> Result<Authenticated, OAuthFailure> {
    let basic = given.authorization.as_deref().and_then(parse_basic);
    let assertion = params.get("client_assertion");
    let id = basic
        .as_ref()
        .map(|b| b.0[0].clone())
        .or_else(|| params.get("client_id").map(str::to_owned))
        .or_else(|| assertion.and_then(unverified_issuer))
        .ok_or_else(|| OAuthError::missing("client_id"))?;
    let client = find(app, &id).await?;
    let (client, by_basic) = match (client, &basic) {
        (None, Some(basic)) if basic.0.len() > 1 => (find(app, &basic.0[1]).await?, true),
        (client, basic) => (client, basic.is_some()),
    };
    let Some(client) = client.filter(|c| !c.is_global()) else { return Err(refused(by_basic)) };
    let right = match client.auth_method() {
        ClientAuthMethod::None => true,
        ClientAuthMethod::Secret => {
            let from_body = params.get("client_secret").map(|s| vec![s.to_owned()]);
            let secrets = basic.map(|b| b.1).or(from_body).unwrap_or_default();
            secrets.iter().any(|s| same_secret(s, client.secret.as_str()))
        }
        ClientAuthMethod::PrivateKeyJwt => {
            match assertion.filter(|_| params.get("client_assertion_type") == Some(JWT_BEARER)) {
                Some(assertion) => check_assertion(app, env, &client, assertion).await?,
                None => false,
            }
        }
    };
    if right { Ok(Authenticated { client, by_basic }) } else { Err(refused(by_basic)) }
}

fn refused(by_basic: bool) -> OAuthFailure {
    OAuthFailure::ClientRefused { by_basic }
}

async fn find(app: &App, id: &str) -> Result<Option<Arc<Client>>, OAuthFailure> {
    match ClientId::parse(id) {
        Ok(id) => Ok(app.catalog().client(&id).await?),
        Err(_) => Ok(None),
    }
}

/// The parts of a Basic header, each raw and (where that differs) URL-decoded: clients do it both ways.
struct Basic(Vec<String>, Vec<String>);

fn parse_basic(header: &str) -> Option<Basic> {
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    let both = |text: &str| {
        let plus = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&plus).decode_utf8_lossy().into_owned();
        if decoded == text { vec![decoded] } else { vec![text.to_owned(), decoded] }
    };
    Some(Basic(both(id), both(secret)))
}

/// Reads `iss` of an assertion to find out whose keys to try. Proves nothing.
fn unverified_issuer(assertion: &str) -> Option<String> {
    let payload = assertion.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    value.get("iss")?.as_str().map(str::to_owned)
}

async fn check_assertion(
    app: &App,
    env: &Env,
    client: &Client,
    assertion: &str,
) -> Result<bool, OAuthFailure> {
    if assertion.len() > 2048 {
        return Ok(false);
    }
    let mut tx = app.db().write().await?;
    let stored = credentials::list_of_client(&mut tx, &client.id).await?;
    // A credential counts as long as the client names it: taking the reference away is how operators retire a key.
    let named = client.data.at("client_authentication_methods.private_key_jwt.credentials");
    let named: Vec<&str> = named
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|c| c.get("id").and_then(serde_json::Value::as_str))
        .collect();
    let keys: Vec<VerifyingKey> = stored
        .iter()
        .filter(|c| named.contains(&c.id.as_str()))
        .filter(|c| {
            c.data
                .text("expires_at")
                .and_then(lockstep_core::time::Timestamp::parse_iso)
                .is_none_or(|t| t > env.now)
        })
        .filter_map(|c| {
            let alg = c.data.text("alg").and_then(Alg::parse).unwrap_or(Alg::RS256);
            let pem = PublicPem::parse(c.pem.as_deref()?).ok()?;
            VerifyingKey::from_pem(alg, c.data.text("kid"), &pem).ok()
        })
        .collect();
    let Ok(verified) = jose::decode_any(assertion, &ASSERTION_ALGS, keys.iter()) else { return Ok(false) };
    let c = &verified.claims;
    let issuer = app.issuer();
    let token_url = issuer.url("oauth/token");
    let audiences = [issuer.as_str(), issuer.origin(), token_url.as_str()];
    let fits = claims::issued_by(c, client.id.as_str()).is_ok()
        && claims::text(c, "sub").is_ok_and(|sub| sub == client.id.as_str())
        && claims::addressed_to(c, &audiences).is_ok()
        && claims::already_valid(c, env.now, SKEW).is_ok()
        && claims::issued_in_the_past(c, env.now, SKEW).is_ok();
    let (Ok(expires), Ok(jti)) = (claims::not_expired(c, env.now, Span::ZERO), claims::text(c, "jti")) else {
        return Ok(false);
    };
    if !fits || expires > env.now + ASSERTION_LIFE + SKEW || jti.is_empty() || jti.len() > 64 {
        return Ok(false);
    }
    let first = assertion_ids::claim(&mut tx, &client.id, jti, expires + SKEW).await?;
    tx.commit().await?;
    Ok(first)
}
