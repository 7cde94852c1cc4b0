//! Making tokens.

use std::sync::Arc;

use lockstep_core::assurance::{Assurance, Methods};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::crypto::jose::{Alg, sign_hs256};
use lockstep_core::env::{Env, Issuer};
use lockstep_core::ids::{GrantId, SessionId};
use lockstep_core::model::client::Client;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::resource_server::{ClientGrant, ResourceServer};
use lockstep_core::model::session::Device;
use lockstep_core::model::user::User;
use lockstep_core::oauth::checks;
use lockstep_core::oauth::claims::{AccessToken, IdToken, Subject};
use lockstep_core::oauth::response::ResponseTypes;
use lockstep_core::oauth::scope::{Ask, Scopes, granted};
use lockstep_core::time::{Span, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::flows::{OAuthFailure, apis};
use crate::store::db::Conn;
use crate::store::grants::{self, Grant};
use crate::store::opaque_tokens::{self, Opaque};
use crate::store::roles;

/// How long an opaque access token lives.
const OPAQUE_LIFETIME: Span = Span::seconds(86_400);
/// How long a token for the MFA API lives.
const MFA_LIFETIME: Span = Span::seconds(600);

/// The answer of the token endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// The new refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// The granted scopes.
    pub scope: String,
    /// Seconds until the access token ends.
    pub expires_in: i64,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// The recovery code that replaces the one that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_code: Option<String>,
}

/// What tokens for a person are made of.
#[derive(Clone, Debug)]
pub struct UserGrant<'a> {
    /// The person.
    pub user: &'a User,
    /// The session.
    pub session: Option<&'a SessionId>,
    /// The API.
    pub audience: Option<&'a str>,
    /// The asked scopes.
    pub scope: &'a Scopes,
    /// What was proven.
    pub assurance: Assurance,
    /// The nonce.
    pub nonce: Option<&'a str>,
    /// Auth0's `gty` claim.
    pub gty: Option<&'static str>,
}

/// The scopes that a person's tokens get, and the API they are for.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The scopes.
    pub scopes: Scopes,
    /// The API.
    pub api: Option<Arc<ResourceServer>>,
    /// What the person's roles allow on it, where it enforces them.
    permissions: Option<Vec<String>>,
}

/// Works out what is granted: the API's scopes, the client's grant, the person's roles.
pub async fn grant(
    app: &App,
    conn: &mut Conn,
    issuer: &Issuer,
    client: &Client,
    asked: &UserGrant<'_>,
    can_refresh: bool,
) -> Result<Granted, OAuthFailure> {
    let (api, given) = admitted(app, conn, issuer, client, asked.audience).await?;
    let client_grant = given
        .as_deref()
        .and_then(Option::as_ref)
        .filter(|g| !g.allows_all_scopes())
        .map(|g| g.scopes().map(str::to_owned).collect::<Vec<_>>());
    let mut permissions = None;
    if let Some(api) = &api
        && api.data.flag("enforce_policies").unwrap_or(false)
    {
        let held = roles::list_held(conn, &asked.user.id).await?;
        let mine = held.into_iter().filter(|h| h.permission.audience == api.identifier);
        let mut names: Vec<String> = mine.map(|h| h.permission.name).collect();
        names.sort();
        names.dedup();
        permissions = Some(names);
    }
    let scopes = granted(
        asked.scope,
        &Ask {
            client,
            api: api.as_deref(),
            client_grant: client_grant.as_deref(),
            permissions: permissions.as_deref(),
            can_refresh,
        },
    );
    Ok(Granted { scopes, api, permissions })
}

/// Finds the API of an audience and what the client may ask of it for people; refuses where it may not ask at all.
pub async fn admitted(
    app: &App,
    conn: &mut Conn,
    issuer: &Issuer,
    client: &Client,
    audience: Option<&str>,
) -> Result<(Option<Arc<ResourceServer>>, Option<Arc<Option<ClientGrant>>>), OAuthFailure> {
    let Some(audience) = audience else { return Ok((None, None)) };
    let found = apis::find(app, conn, issuer, audience).await?;
    let api = found.ok_or_else(|| OAuthError::service_not_found(audience))?;
    let given = app.catalog().user_grant(conn, &client.id, &api.identifier).await?;
    checks::admits(&api, client, given.is_some())?;
    Ok((Some(api), Some(given)))
}

/// What a family of refresh tokens keeps of the login that it came of.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    /// Its id.
    pub id: &'a GrantId,
    /// What was proven.
    pub methods: &'a Methods,
    /// When the last interactive ceremony ended.
    pub auth_time: Timestamp,
}

/// Begins a family of refresh tokens and returns its first one.
pub async fn begin_family(
    tx: &mut Conn,
    env: &mut Env,
    origin: &Origin,
    client: &Client,
    asked: &UserGrant<'_>,
    granted: &Granted,
    family: &Family<'_>,
) -> Result<String, OAuthFailure> {
    let settings = client.refresh_token();
    let grant = Grant {
        id: family.id.clone(),
        user: asked.user.id.clone(),
        client: client.id.clone(),
        session: asked.session.cloned(),
        audience: asked.audience.map(str::to_owned),
        scope: granted.scopes.to_string(),
        methods: family.methods.clone(),
        auth_time: family.auth_time,
        rotating: settings.rotating,
        device: Device::first(origin.ip.as_deref(), origin.user_agent.as_deref()),
        created_at: env.now,
        last_exchanged_at: None,
        idle_expires_at: settings.idle.map(|idle| env.now + idle),
        expires_at: settings.absolute.map(|life| env.now + life),
        revoked_at: None,
    };
    grants::create(tx, &grant).await?;
    let token = format!("v1.{}", env.rng().url_safe(43));
    grants::create_token(tx, &sha256_b64url(&token), family.id, 0, env.now).await?;
    Ok(token)
}

/// Tokens for a person that are not signed yet. Signing is most of the work and needs no database: it comes after the commit, so that no
/// request waits for it with the one writer's turn in hand. What a lost answer costs after a commit, a failed signature costs too: no more.
#[derive(Debug)]
pub struct Unsigned {
    access: Part,
    id: Option<Part>,
    expires_in: i64,
    /// The id of the access token; none of an opaque one.
    pub jti: Option<String>,
    /// The API that it is for.
    pub audience: Option<String>,
    /// The granted scopes.
    pub scope: String,
    /// The new refresh token.
    pub refresh_token: Option<String>,
    /// The recovery code that replaces the one that was used.
    pub recovery_code: Option<String>,
}

/// A token, as far as it is made.
#[derive(Debug)]
enum Part {
    /// Opaque: nothing is left to do.
    Opaque(String),
    /// Signed with a secret that the other side has too.
    Signed(String),
    /// To be signed with our key.
    Claims { alg: Alg, typ: &'static str, claims: Value },
}

impl Part {
    async fn finish(self, app: &App) -> Result<String, OAuthFailure> {
        match self {
            Self::Opaque(token) | Self::Signed(token) => Ok(token),
            Self::Claims { alg, typ, claims } => {
                app.keyring().sign(alg, typ, &claims).await.map_err(|e| OAuthFailure::Internal(e.to_string()))
            }
        }
    }
}

impl Unsigned {
    /// Signs them. Call it when all that they stand for is committed.
    pub async fn sign(self, app: &App) -> Result<TokenResponse, OAuthFailure> {
        let access_token = self.access.finish(app).await?;
        let id_token = match self.id {
            Some(id) => Some(id.finish(app).await?),
            None => None,
        };
        Ok(TokenResponse {
            access_token,
            refresh_token: self.refresh_token,
            id_token,
            scope: self.scope,
            expires_in: self.expires_in,
            token_type: "Bearer",
            recovery_code: self.recovery_code,
        })
    }
}

/// Makes access and ID token for a person. The access token is opaque when no API is asked.
pub async fn for_user(
    env: &mut Env,
    tx: &mut Conn,
    client: &Client,
    asked: &UserGrant<'_>,
    granted: &Granted,
    family: Option<&GrantId>,
) -> Result<Unsigned, OAuthFailure> {
    let Access { part: access, expires_in, jti } =
        access_token(env, tx, client, asked, granted, family, false).await?;
    let id = if granted.scopes.has("openid") {
        Some(id_token(env, client, asked, &granted.scopes, None, None)?)
    } else {
        None
    };
    let (audience, scope) = (asked.audience.map(str::to_owned), granted.scopes.to_string());
    Ok(Unsigned { access, id, expires_in, jti, audience, scope, refresh_token: None, recovery_code: None })
}

/// Makes the tokens that go through the browser (implicit and hybrid flows).
pub async fn for_browser(
    app: &App,
    env: &mut Env,
    tx: &mut Conn,
    client: &Client,
    asked: &UserGrant<'_>,
    types: ResponseTypes,
    code: Option<&str>,
) -> Result<Vec<(&'static str, String)>, OAuthFailure> {
    let granted = grant(app, tx, &env.issuer, client, asked, false).await?;
    let mut params = Vec::new();
    let mut access = None;
    if types.token {
        let Access { part, expires_in, .. } =
            access_token(env, tx, client, asked, &granted, None, true).await?;
        let token = part.finish(app).await?;
        params.push(("access_token", token.clone()));
        params.push(("token_type", "Bearer".to_owned()));
        params.push(("expires_in", expires_in.to_string()));
        params.push(("scope", granted.scopes.to_string()));
        access = Some(token);
    }
    if types.id_token {
        let token = id_token(env, client, asked, &granted.scopes, access.as_deref(), code)?;
        params.push(("id_token", token.finish(app).await?));
    }
    Ok(params)
}

/// An access token with what the answer and the record say of it.
struct Access {
    part: Part,
    expires_in: i64,
    jti: Option<String>,
}

async fn access_token(
    env: &mut Env,
    tx: &mut Conn,
    client: &Client,
    asked: &UserGrant<'_>,
    granted: &Granted,
    family: Option<&GrantId>,
    through_browser: bool,
) -> Result<Access, OAuthFailure> {
    let Some(api) = &granted.api else {
        let token = env.rng().url_safe(43);
        let opaque = Opaque {
            user: asked.user.id.clone(),
            client: client.id.clone(),
            scope: granted.scopes.to_string(),
        };
        let expires_at = env.now + OPAQUE_LIFETIME;
        opaque_tokens::create(tx, &sha256_b64url(&token), &opaque, family, env.now, expires_at).await?;
        return Ok(Access { part: Part::Opaque(token), expires_in: OPAQUE_LIFETIME.as_secs(), jti: None });
    };
    let lifetime = if api.identifier == env.issuer.mfa_audience() {
        MFA_LIFETIME
    } else if through_browser {
        api.token_lifetime_for_web().min(api.token_lifetime())
    } else {
        api.token_lifetime()
    };
    let jti = env.rng().url_safe(22);
    let show = api.data.text("token_dialect").is_some_and(|d| d.ends_with("authz"));
    let token = AccessToken {
        issuer: &env.issuer,
        client: &client.id,
        subject: Subject::User(asked.user, &asked.assurance),
        api,
        scopes: &granted.scopes,
        permissions: granted.permissions.as_deref().filter(|_| show),
        gty: asked.gty,
        jti: &jti,
        now: env.now,
        lifetime,
    };
    Ok(Access { part: for_api(api, &token)?, expires_in: lifetime.as_secs(), jti: Some(jti) })
}

/// Makes the token of a machine; returns its id too.
pub async fn for_machine(
    app: &App,
    env: &mut Env,
    client: &Client,
    api: &ResourceServer,
    scopes: &Scopes,
) -> Result<(TokenResponse, String), OAuthFailure> {
    let jti = env.rng().url_safe(22);
    let token = AccessToken {
        issuer: &env.issuer,
        client: &client.id,
        subject: Subject::Machine,
        api,
        scopes,
        permissions: None,
        gty: Some("client-credentials"),
        jti: &jti,
        now: env.now,
        lifetime: api.token_lifetime(),
    };
    let response = TokenResponse {
        access_token: for_api(api, &token)?.finish(app).await?,
        refresh_token: None,
        id_token: None,
        scope: scopes.to_string(),
        expires_in: api.token_lifetime().as_secs(),
        token_type: "Bearer",
        recovery_code: None,
    };
    Ok((response, jti))
}

fn for_api(api: &ResourceServer, token: &AccessToken<'_>) -> Result<Part, OAuthFailure> {
    let claims = token.claims();
    match (api.signing_alg(), api.data.filled("signing_secret")) {
        ("HS256", Some(secret)) => sign_shared(secret, token.typ(), &claims),
        (alg, _) => Ok(claims_for(alg, token.typ(), claims)),
    }
}

fn id_token(
    env: &Env,
    client: &Client,
    asked: &UserGrant<'_>,
    scopes: &Scopes,
    access_token: Option<&str>,
    code: Option<&str>,
) -> Result<Part, OAuthFailure> {
    let claims = IdToken {
        issuer: &env.issuer,
        client: &client.id,
        user: asked.user,
        scopes,
        assurance: &asked.assurance,
        session: asked.session,
        nonce: asked.nonce,
        access_token,
        code,
        now: env.now,
        lifetime: client.id_token_lifetime(),
    }
    .claims();
    match client.id_token_alg() {
        "HS256" => sign_shared(&client.secret, "JWT", &claims),
        alg => Ok(claims_for(alg, "JWT", claims)),
    }
}

fn claims_for(alg: &str, typ: &'static str, claims: Value) -> Part {
    // What the tenant cannot sign with falls back to the default that every library verifies.
    let alg = Alg::parse(alg).filter(|a| crate::keyring::ALGORITHMS.contains(a)).unwrap_or(Alg::RS256);
    Part::Claims { alg, typ, claims }
}

fn sign_shared(secret: &str, typ: &str, claims: &Value) -> Result<Part, OAuthFailure> {
    let signed = sign_hs256(secret.as_bytes(), typ, claims);
    signed.map(Part::Signed).map_err(|e| OAuthFailure::Internal(e.to_string()))
}

/// Refuses an application for an API that it may not ask.
pub fn not_authorized(audience: &str) -> OAuthError {
    OAuthError::new(
        OAuthCode::AccessDenied,
        format!(
            "Client is not authorized to access \"{audience}\". You need to create a \"client-grant\" associated to this API."
        ),
    )
}
