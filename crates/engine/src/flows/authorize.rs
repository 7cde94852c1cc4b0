//! `/authorize`: checking a request, and answering it once somebody has logged in. What lies between is [`super::login`].

use lockstep_core::assurance::{Assurance, Method, MethodName, Methods, claims as assurance};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::ids::{ClientId, SessionId};
use lockstep_core::model::client::Client;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::User;
use lockstep_core::oauth::checks::{self, Endpoint, Loaded, Refused};
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::request::AuthorizeRequest;
use lockstep_core::oauth::response::AuthorizeResponse;
use lockstep_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::OAuthFailure;
use super::token::{issue, told};
use crate::app::App;
use crate::flows::account::application;
use crate::flows::apis;
use crate::store::db::{Conn, DbError};
use crate::store::{authorization_codes, client_grants, pushed_requests, settings};

/// How long a code lives: long enough for a redirect, and not more (ASVS 10.4.3).
const CODE_LIFETIME: Span = Span::seconds(60);
/// The prefix of pushed requests.
pub const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// A request that passed every check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The application.
    pub client: Client,
    /// The request.
    pub request: AuthorizeRequest,
}

/// Why a request goes no further.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// A rule refused it.
    #[error("{}", .0.error)]
    Refused(Box<Refused>),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Who is logged in, and by what proof.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The person.
    pub user: User,
    /// The session.
    pub session: Option<SessionId>,
    /// What was proven.
    pub methods: Methods,
    /// When the last interactive ceremony ended.
    pub auth_time: Timestamp,
    /// Whether something was proven in this login, on a page.
    pub interactive: bool,
    /// When this login began.
    pub begun_at: Timestamp,
    /// Whether the person was asked for consent, and gave it.
    pub consented: bool,
}

/// What a code carries to the token endpoint: the request as it was, and a copy of the evidence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CodeData {
    /// The callback that the answer went to.
    pub redirect_uri: String,
    /// Whether the request named it: then the token request must too.
    pub redirect_uri_sent: bool,
    /// The PKCE challenge.
    pub code_challenge: Option<String>,
    /// The API.
    pub audience: Option<String>,
    /// The asked scopes.
    pub scope: String,
    /// The nonce.
    pub nonce: Option<String>,
    /// The session.
    pub session: Option<SessionId>,
    /// What was proven.
    pub methods: Methods,
    /// When the last interactive ceremony ended.
    pub auth_time: Timestamp,
}

/// Checks the query (or form body) of `/authorize`.
pub async fn check(app: &App, env: &Env, origin: &Origin, query: &[u8]) -> Result<Checked, AuthorizeError> {
    let result = try_check(app, env, query).await;
    if let Err(AuthorizeError::Refused(refused)) = &result {
        let params = Params::from_form(query).unwrap_or_default();
        let mut event = LogEvent::new("f", refused.error.description.clone()).from(origin);
        event.details = Some(json!({"error": told(&refused.error), "qs": shown(&params)}));
        let client = params.get("client_id").and_then(|id| ClientId::parse(id).ok());
        if let Some(client) = client
            && let Some(client) = app.catalog().client(&client).await?
        {
            event = event.client(&client.id, client.name());
        }
        app.log(env, &event);
    }
    result
}

/// Parameters whose value a record may show. Of the others it has the name only: an `id_token_hint` is a token, and what somebody made up
/// may be a password.
const SHOWN: &[&str] = &[
    "acr_values",
    "audience",
    "auth0Client",
    "client_id",
    "code_challenge_method",
    "connection",
    "display",
    "login_hint",
    "max_age",
    "organization",
    "prompt",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "screen_hint",
    "ui_locales",
];

/// Returns the query of a request as a record shows it.
pub(super) fn shown(params: &Params) -> Value {
    let short = |text: &str| -> String { text.chars().take(512).collect() };
    let all = params.iter().take(64).map(|(name, value)| {
        (short(name), if SHOWN.contains(&name) { json!(short(value)) } else { json!("[REDACTED]") })
    });
    Value::Object(all.collect())
}

async fn try_check(app: &App, env: &Env, query: &[u8]) -> Result<Checked, AuthorizeError> {
    let on_page = |error: OAuthError| {
        AuthorizeError::Refused(Box::new(Refused { check: "parameters", error, reply_to: None }))
    };
    let mut params = Params::from_form(query).map_err(on_page)?;
    let id = params.require("client_id").map_err(on_page)?.to_owned();
    let unknown = || on_page(OAuthError::invalid_request("Unknown client"));
    let id = ClientId::parse(id).map_err(|_| unknown())?;
    let pushed = match params.get("request_uri").map(str::to_owned) {
        Some(uri) => {
            let mut tx = app.db().write().await?;
            let hash = sha256_b64url(uri.strip_prefix(REQUEST_URI_PREFIX).unwrap_or_default());
            let found = pushed_requests::claim(&mut tx, &hash, &id, env.now).await?;
            tx.commit().await?;
            let found = found.ok_or_else(|| {
                on_page(OAuthError::new(OAuthCode::InvalidRequestUri, OAuthCode::InvalidRequestUri.text()))
            })?;
            params = found.into_iter().collect();
            params.set("client_id", id.as_str());
            true
        }
        None => false,
    };
    let mut conn = app.db().read().await?;
    let client = application::find(&mut conn, &env.issuer, &id).await?.ok_or_else(unknown)?;
    let request = parse(app, &mut conn, env, Endpoint::Authorize, &client, &params, pushed).await??;
    Ok(Checked { client, request })
}

/// Applies the rules of an endpoint to a client's parameters.
pub(super) async fn parse(
    app: &App,
    conn: &mut Conn,
    env: &Env,
    endpoint: Endpoint,
    client: &Client,
    params: &Params,
    pushed: bool,
) -> Result<Result<AuthorizeRequest, AuthorizeError>, DbError> {
    let tenant = settings::tenant(conn).await?;
    let audience = checks::audience(params, &tenant, &env.issuer.userinfo_audience());
    let (mut api, mut grant) = (None, None);
    if let Some(audience) = &audience {
        api = apis::find(app, conn, &env.issuer, audience).await?;
        let found = client_grants::find_for(conn, &client.id, audience, "user").await?;
        grant = found.map(|g| g.scopes().map(str::to_owned).collect::<Vec<_>>());
    }
    let enabled = application::connections_of(conn, &client.id).await?;
    let enabled: Vec<String> = enabled.into_iter().filter(|c| c.is_active()).map(|c| c.name).collect();
    let loaded = Loaded {
        client,
        tenant: &tenant,
        api: api.as_deref(),
        client_grant: grant.as_deref(),
        connections: &enabled,
        pushed,
    };
    Ok(checks::parse(endpoint, params, audience, loaded).map_err(AuthorizeError::Refused))
}

/// Answers a request for somebody who is logged in: issues the code, and the tokens that go through the browser.
pub async fn complete(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    client: &Client,
    request: &AuthorizeRequest,
    proof: &Proof,
) -> Result<AuthorizeResponse, OAuthFailure> {
    let mut tx = app.db().write().await?;
    let types = request.response_types;
    let mut params = Vec::new();
    let mut code = None;
    if types.code {
        let fresh = env.rng().url_safe(43);
        let data = CodeData {
            redirect_uri: request.reply_to.redirect_uri.clone(),
            redirect_uri_sent: request.redirect_uri_sent,
            code_challenge: request.code_challenge.clone(),
            audience: request.audience.clone(),
            scope: request.scope.to_string(),
            nonce: request.nonce.clone(),
            session: proof.session.clone(),
            methods: proof.methods.clone(),
            auth_time: proof.auth_time,
        };
        let (now, hash) = (env.now, sha256_b64url(&fresh));
        authorization_codes::create(
            &mut tx,
            &hash,
            &client.id,
            &proof.user.id,
            &data,
            now,
            now + CODE_LIFETIME,
        )
        .await?;
        params.push(("code", fresh.clone()));
        code = Some(fresh);
    }
    let assured = assurance(&proof.methods, proof.auth_time, app.config().rules());
    let grant = issue::UserGrant {
        user: &proof.user,
        session: proof.session.as_ref(),
        audience: request.audience.as_deref(),
        scope: &request.scope,
        assurance: assured.clone(),
        nonce: request.nonce.as_deref(),
        gty: None,
    };
    if types.through_browser() {
        let made = issue::for_browser(app, env, &mut tx, client, &grant, types, code.as_deref()).await?;
        params.extend(made);
    }
    let connection = app.catalog().connection_in(&mut tx, &proof.user.connection).await?;
    let connection = connection.map(|connection| connection.id.to_string());
    let event = success(client, proof, request, connection.as_deref(), &assured, env.now).from(origin);
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    Ok(request.reply_to.answer(params))
}

fn success(
    client: &Client,
    proof: &Proof,
    request: &AuthorizeRequest,
    connection: Option<&str>,
    assured: &Assurance,
    now: Timestamp,
) -> LogEvent {
    let (code, text) = if request.is_silent() {
        ("ssa", "Successful silent authentication")
    } else {
        ("s", "Successful login")
    };
    let mut event = LogEvent::new(code, text)
        .client(&client.id, client.name())
        .user(&proof.user.id, proof.user.display_name());
    event.connection = Some(proof.user.connection.clone());
    event.connection_id = connection.map(str::to_owned);
    event.audience.clone_from(&request.audience);
    event.scope = Some(request.scope.to_string());
    let before = logins_before(proof);
    let prompts = if proof.interactive {
        prompts(proof, request, connection, assured, before, now)
    } else {
        Vec::new()
    };
    let logins = before + i64::from(proof.interactive && first_factor(proof).is_some());
    event.details = Some(json!({
        "prompts": prompts, "initiatedAt": proof.begun_at.as_millis(), "completedAt": now.as_millis(),
        "elapsedTime": now.since(proof.begun_at).as_millis(), "session_id": proof.session,
        "stats": {"loginsCount": logins}, "actions": {"executions": []},
    }));
    event
}

/// What a person went through (contract/log-events.md 3.1). The first entry names the connection: tools read it there.
fn prompts(
    proof: &Proof,
    request: &AuthorizeRequest,
    connection: Option<&str>,
    assured: &Assurance,
    logins_before: i64,
    now: Timestamp,
) -> Vec<Value> {
    let user = &proof.user;
    let mut all = Vec::new();
    let mut since = proof.begun_at;
    let lasted = |from: Timestamp, to: Timestamp| json!({"initiatedAt": from.as_millis(), "completedAt": to.as_millis(), "elapsedTime": to.since(from).as_millis()});
    if let Some(first) = first_factor(proof) {
        all.push(json!({
            "name": "prompt-authenticate", "initiatedAt": null, "completedAt": first.at.as_millis(), "elapsedTime": null,
            "identity": user.id.parts().1, "stats": {"loginsCount": logins_before},
        }));
        let mut login = lasted(since, first.at);
        login["name"] = json!("login");
        login["flow"] = json!("universal-login");
        login["timers"] = json!({"rules": 0});
        login["user_id"] = json!(user.id);
        login["user_name"] = json!(user.display_name());
        all.push(login);
        since = first.at;
    }
    let second = proven_here(proof).filter(|method| method.name == MethodName::Mfa).last();
    if let (Some(second), Some(acr)) = (second, &assured.acr) {
        let mut mfa = lasted(since, second.at);
        mfa["name"] = json!("mfa");
        mfa["flow"] = json!("universal-mfa");
        mfa["provider"] = json!("guardian");
        mfa["performed_acr"] = json!([acr]);
        mfa["performed_amr"] = json!(assured.amr);
        all.push(mfa);
        since = second.at;
    }
    if proof.consented {
        let mut consent = lasted(since, now);
        consent["name"] = json!("consent");
        consent["grantInfo"] = json!({"id": null, "audience": request.audience, "scope": request.scope.to_string(), "expiration": null});
        all.push(consent);
    }
    if let Some(first) = all.first_mut() {
        first["connection"] = json!(user.connection);
        first["connection_id"] = json!(connection);
        first["strategy"] = json!("auth0");
    }
    all
}

/// Returns what was proven in this login; the rest came with the session.
fn proven_here(proof: &Proof) -> impl Iterator<Item = &Method> {
    proof.methods.iter().filter(|method| method.at >= proof.begun_at)
}

fn first_factor(proof: &Proof) -> Option<&Method> {
    proven_here(proof).filter(|method| method.name != MethodName::Mfa).last()
}

/// Returns how often she had logged in before: the count goes up with the session, which may be before the last page of a login.
fn logins_before(proof: &Proof) -> i64 {
    let counted = proof.user.last_login.is_some_and(|at| at >= proof.begun_at);
    proof.user.logins_count - i64::from(counted)
}
