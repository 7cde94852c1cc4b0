//! `/authorize`: checking a request, and answering it once somebody has logged in. What lies between is [`super::login`].

use lockstep_core::assurance::{Assurance, Methods, claims as assurance};
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
use super::token::issue;
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
        app.log(env, &LogEvent::new("f", refused.error.description.clone()).from(origin));
    }
    result
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
    event.audience.clone_from(&request.audience);
    event.scope = Some(request.scope.to_string());
    let prompts = if proof.interactive { prompts(proof, connection, assured, now) } else { Vec::new() };
    event.connection_id = connection.map(str::to_owned);
    event.details = Some(json!({
        "prompts": prompts, "completedAt": now.as_millis(), "session_id": proof.session,
        "stats": {"loginsCount": proof.user.logins_count},
    }));
    event
}

/// What a person went through (contract/log-events.md 3.1). The first entry names the connection: tools read it there.
fn prompts(proof: &Proof, connection: Option<&str>, assured: &Assurance, now: Timestamp) -> Vec<Value> {
    let user = &proof.user;
    let mut all = vec![
        json!({
            "name": "prompt-authenticate", "completedAt": proof.auth_time.as_millis(), "connection": user.connection,
            "connection_id": connection, "strategy": "auth0", "identity": user.id.parts().1,
            "stats": {"loginsCount": user.logins_count}
        }),
        json!({
            "name": "login", "flow": "universal-login", "completedAt": now.as_millis(), "user_id": user.id,
            "user_name": user.display_name()
        }),
    ];
    if let Some(acr) = assured.acr {
        all.push(json!({
            "name": "mfa", "flow": "universal-mfa", "completedAt": proof.auth_time.as_millis(), "provider": "guardian",
            "performed_acr": [acr], "performed_amr": assured.amr
        }));
    }
    all
}
