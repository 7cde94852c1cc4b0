//! `password` and `password-realm` (RFC 6749 section 4.3, contract/oidc.md 6.3). Off for every application until chosen: whoever uses it sees the
//! password.

use lockstep_core::assurance::{Method, MethodName, Methods};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::env::Env;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::oauth::checks;
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::scope::Scopes;
use serde_json::json;

use super::issue::TokenResponse;
use super::user_tokens::{Here, tokens_or_mfa};
use crate::app::App;
use crate::flows::OAuthFailure;
use crate::flows::client_auth::Authenticated;
use crate::flows::credentials::{self, CredentialsError};
use crate::flows::mfa_api::Wanted;
use crate::store::{connections, settings, users};

/// Exchanges identifier and password. `realm` is the connection's name; none: the tenant's default directory.
pub(super) async fn exchange(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    params: &Params,
    with_realm: bool,
) -> Result<TokenResponse, OAuthFailure> {
    let client = &authenticated.client;
    let (username, password) = (params.require("username")?, params.require("password")?);
    let realm = if with_realm { Some(params.require("realm")?) } else { params.get("realm") };
    let scope = params.get("scope").map(Scopes::parse).transpose()?.unwrap_or_default();
    let mut conn = app.db().read().await?;
    let tenant = settings::tenant(&mut conn).await?;
    let name = realm.or_else(|| tenant.default_directory()).ok_or_else(|| {
        OAuthError::new(
            OAuthCode::ServerError,
            "Authorization server not configured with default connection.",
        )
        .with_status(403)
    })?;
    let enabled = connections::list_for_client(&mut conn, &client.id).await?;
    let found = enabled.into_iter().find(|c| c.name == name && c.is_active() && c.is_database());
    let connection = found.ok_or_else(|| {
        OAuthError::invalid_request(format!(
            "The connection does not exist or is not enabled for the client: {}",
            lockstep_core::oauth::params::printable(name)
        ))
    })?;
    drop(conn);
    let audience = checks::audience(params, &tenant, &env.issuer.userinfo_audience());
    let checked = credentials::check(app, env, origin, client, &connection, username, password).await;
    let user = checked.map_err(refusal)?;
    let mut tx = app.db().write().await?;
    users::note_login(&mut tx, &user.id, origin.ip.as_deref(), env.now).await?;
    let wanted = Wanted {
        scope: scope.to_string(),
        audience,
        methods: Methods::begin(Method::first(MethodName::Pwd, env.now)),
        auth_time: env.now,
        gty: Some("password".to_owned()),
        refresh: None,
    };
    let here = Here { asks_mfa: checks::asks_mfa(params), ..Here::default() };
    let (response, mut tx) = tokens_or_mfa(app, env, origin, tx, client, &user, wanted, here).await?;
    let mut event = LogEvent::new("sepft", "Successful exchange of Password for Access Token")
        .client(&client.id, client.name())
        .user(&user.id, user.display_name())
        .from(origin);
    event.connection = Some(user.connection.clone());
    event.audience.clone_from(&response.audience);
    event.scope = Some(response.scope.clone());
    event.details = Some(json!({"access_token_jti": response.jti}));
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    response.sign(app).await
}

/// Unknown user and wrong password have one text.
fn refusal(error: CredentialsError) -> OAuthFailure {
    match error {
        CredentialsError::Wrong => OAuthError::invalid_grant("Wrong email or password.").into(),
        CredentialsError::TooManyFailures => OAuthError::new(
            OAuthCode::TooManyAttempts,
            "Your account has been blocked after multiple consecutive login attempts.",
        )
        .into(),
        CredentialsError::UserBlocked => OAuthError::user_blocked().into(),
        CredentialsError::Password(_) => OAuthError::from(OAuthCode::TemporarilyUnavailable).into(),
        CredentialsError::Db(error) => error.into(),
    }
}
