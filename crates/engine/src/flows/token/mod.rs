//! `/oauth/token`: one file a grant (contract/oidc.md 6).

pub mod authorization_code;
pub mod client_credentials;
pub mod issue;
mod password;
mod passwordless;
pub mod refresh_token;
pub(super) mod user_tokens;
mod webauthn;

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::env::Env;
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::User;
use lockstep_core::oauth::params::{Params, printable};
use serde_json::{Value, json};

pub use issue::TokenResponse;

use super::OAuthFailure;
use super::client_auth::{self, Authenticated, Credentials};
use super::mfa_api::verify::{self, MfaGrant};
use super::signup;
use crate::app::App;

/// The parameters that the token endpoint reads.
const TEXTS: &[&str] = &[
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "audience",
    "acr_values",
    "username",
    "password",
    "realm",
    "mfa_token",
    "otp",
    "oob_code",
    "binding_code",
    "recovery_code",
    "auth_session",
];

const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";
const MFA_OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const MFA_OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
const MFA_RECOVERY_CODE: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// Returns whether an application may finish MFA without our pages at all.
pub(super) fn allows_any_mfa_grant(client: &Client) -> bool {
    [MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE].iter().any(|grant| client.allows_grant(grant))
}

/// Returns the refusal of an application that may not.
pub(super) fn mfa_grant_missing() -> OAuthError {
    OAuthError::grant_not_allowed(MFA_OTP)
}

/// Grants of the contract that are not built yet. They are refused as unknown ones are, never half answered.
const NOT_BUILT: &[&str] = &[
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:openid:params:grant-type:ciba",
];

/// Returns the record of a login at the token endpoint, where no page is.
fn logged_in(client: &Client, user: &User, origin: &Origin, connection: &str, scope: &str) -> LogEvent {
    let mut event = LogEvent::new("s", "Successful login")
        .client(&client.id, client.name())
        .user(&user.id, user.display_name())
        .from(origin);
    event.connection = Some(connection.to_owned());
    event.scope = Some(scope.to_owned());
    let prompt = json!({
        "name": "prompt-authenticate", "connection": connection, "strategy": "auth0",
        "identity": user.id.parts().1, "stats": {"loginsCount": user.logins_count},
    });
    event.details =
        Some(json!({"prompts": [prompt], "stats": {"loginsCount": user.logins_count.saturating_add(1)}}));
    event
}

/// Returns the record of a sign-up there.
fn signed_up(client: &Client, user: &User, origin: &Origin, connection: &Connection) -> LogEvent {
    let mut event = LogEvent::new("ss", "")
        .client(&client.id, client.name())
        .user(&user.id, user.display_name())
        .from(origin);
    event.connection = Some(connection.name.clone());
    event.connection_id = Some(connection.id.to_string());
    event.details = Some(signup::record(connection, user, Some(client), &[], true));
    event
}

/// Returns what a record says of a refusal (contract/log-events.md 3.4).
pub(super) fn told(error: &OAuthError) -> Value {
    let message = &error.description;
    json!({"message": message, "oauthError": error.code.as_str(), "type": "oauth-authorization"})
}

/// Answers a token request.
pub async fn exchange(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    params: &Params,
    credentials: &Credentials,
) -> Result<TokenResponse, OAuthFailure> {
    params.refuse_ambiguous(TEXTS)?;
    let grant_type = params.require("grant_type")?;
    let authenticated = client_auth::authenticate(app, env, params, credentials).await?;
    let client = &authenticated.client;
    let failed = |code: &'static str, failure: &OAuthFailure| {
        // What leads on to MFA is no failure, and has its own record: `mfar`.
        if let OAuthFailure::Refused(error) = failure
            && error.code != OAuthCode::MfaRequired
        {
            let mut event =
                LogEvent::new(code, error.description.clone()).client(&client.id, client.name()).from(origin);
            event.audience = params.get("audience").map(str::to_owned);
            event.scope = params.get("scope").map(str::to_owned);
            event.details = Some(match code {
                "feacft" => {
                    json!({"code": authorization_code::shortened(params.get("code").unwrap_or_default())})
                }
                "fertft" => json!({"failure_reason": error.note.unwrap_or("invalid_token")}),
                _ => json!({"error": told(error), "grant_type": grant_type}),
            });
            app.log(env, &event);
        }
    };
    let allowed = |grant: &str| {
        if client.allows_grant(grant) {
            Ok(())
        } else {
            Err(OAuthFailure::from(OAuthError::grant_not_allowed(grant)))
        }
    };
    match grant_type {
        "authorization_code" => {
            allowed(grant_type)?;
            let result =
                authorization_code::exchange(app, &mut fresh(env), origin, &authenticated, params).await;
            result.inspect_err(|failure| failed("feacft", failure))
        }
        "refresh_token" => {
            allowed(grant_type)?;
            let result = refresh_token::exchange(app, &mut fresh(env), origin, &authenticated, params).await;
            result.inspect_err(|failure| failed("fertft", failure))
        }
        "client_credentials" => {
            allowed(grant_type)?;
            let result =
                client_credentials::exchange(app, &mut fresh(env), origin, &authenticated, params).await;
            result.inspect_err(|failure| failed("feccft", failure))
        }
        "password" | PASSWORD_REALM => {
            allowed(grant_type)?;
            let with_realm = grant_type == PASSWORD_REALM;
            let mut env = fresh(env);
            let result = password::exchange(app, &mut env, origin, &authenticated, params, with_realm).await;
            result.inspect_err(|failure| failed("fepft", failure))
        }
        super::passwordless::GRANT => {
            allowed(grant_type)?;
            let mut env = fresh(env);
            let result = passwordless::exchange(app, &mut env, origin, &authenticated, params).await;
            result.inspect_err(|failure| failed("f", failure))
        }
        super::passkey::GRANT => {
            allowed(grant_type)?;
            let result = webauthn::exchange(app, &mut fresh(env), origin, &authenticated, params).await;
            result.inspect_err(|failure| failed("f", failure))
        }
        MFA_OTP | MFA_OOB | MFA_RECOVERY_CODE => {
            allowed(grant_type)?;
            let (grant, code) = match grant_type {
                MFA_OTP => (MfaGrant::Otp, "feotpft"),
                MFA_OOB => (MfaGrant::Oob, "feoobft"),
                _ => (MfaGrant::RecoveryCode, "fercft"),
            };
            let mut env = fresh(env);
            let result = verify::exchange(app, &mut env, origin, &authenticated, params, grant).await;
            result.inspect_err(|failure| failed(code, failure))
        }
        known if NOT_BUILT.contains(&known) => Err(OAuthError::new(
            OAuthCode::UnsupportedGrantType,
            format!("Grant type '{known}' is not supported by this server yet"),
        )
        .into()),
        other => Err(OAuthError::new(
            OAuthCode::UnsupportedGrantType,
            format!("Unsupported grant type: {}", printable(other)),
        )
        .into()),
    }
}

/// The same moment and issuer, with randomness of its own: what logs a failure still needs the first one.
fn fresh(env: &Env) -> Env {
    Env { key_models: env.key_models.clone(), ..Env::new(env.now, env.issuer.clone()) }
}

/// Notes what kind of client it is in a refusal of the confidential-only endpoints.
pub(super) fn is_confidential(authenticated: &Authenticated) -> bool {
    !authenticated.client.is_public()
}
