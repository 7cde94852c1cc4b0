//! The MFA API: a second factor without our pages (contract/mfa-api.md).
//!
//! Behind every handle (an `mfa_token`, or an access token for the MFA API) stands one row with all that is under way: the enrolments that
//! wait for their first code, the challenge that was sent, and what the tokens will be for. It is saved under a version, so of two answers
//! at once one counts. The rules are those of the pages: the same factors, the same budgets, the same decision.

pub mod associate;
pub mod authenticators;
pub mod challenge;
pub(super) mod verify;

use std::sync::Arc;

use lockstep_core::assurance::{Method, MethodName, Methods, Rules};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::crypto::jose::claims;
use lockstep_core::env::Env;
use lockstep_core::factors::{Challenge, ChallengeAsk, Draft, Keys};
use lockstep_core::ids::{ClientId, UserId};
use lockstep_core::login::demand::{Decision, Demand, Held, Means};
use lockstep_core::mfa_api::requirements;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::client::Client;
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::message::{Channel, CodeToSend};
use lockstep_core::model::settings::Guardian;
use lockstep_core::model::user::User;
use lockstep_core::oauth::scope::Scopes;
use lockstep_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::messages::About;
use super::sending::{self, SendError};
use super::{OAuthFailure, held};
use crate::app::App;
use crate::store::ceremonies::{self, Stored, WithUser};
use crate::store::db::Conn;
use crate::store::{authenticators as stored_authenticators, settings, users};

/// What a handle that came with `mfa_required` is stored as.
const MFA_TOKEN: &str = "mfa_token";
/// What an access token that enrols is stored as.
const ACCESS_TOKEN: &str = "access_token";
/// How long an `mfa_token` lives (contract/mfa-api.md 3.1).
const LIFETIME: Span = Span::minutes(10);

/// What the tokens will be for, once MFA is passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// The scopes that were asked.
    pub scope: String,
    /// The API that was asked.
    pub audience: Option<String>,
    /// What is proven so far.
    pub methods: Methods,
    /// When the last interactive ceremony ended.
    pub auth_time: Timestamp,
    /// Auth0's `gty` claim.
    pub gty: Option<String>,
    /// The hash of the refresh token that was presented, where MFA is for a refresh.
    pub refresh: Option<String>,
}

/// All that is under way behind a handle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ceremony {
    /// What the tokens will be for.
    wanted: Wanted,
    /// Enrolments that wait for their first code, one of each kind.
    drafts: Vec<Pending>,
    /// The recovery code that comes with the first enrolment.
    recovery: Option<Draft>,
    /// The challenge that was sent last.
    challenge: Option<Open>,
}

/// An enrolment that waits for its first code.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    draft: Draft,
    /// The hash of its `oob_code`.
    oob_hash: Option<String>,
}

/// A challenge that waits for its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    challenge: Challenge,
    oob_hash: String,
}

impl Ceremony {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, drafts: Vec::new(), recovery: None, challenge: None }
    }

    /// Returns whether an enrolment has been begun behind this handle and can still be confirmed.
    fn enrols(&self, now: Timestamp) -> bool {
        self.drafts.iter().any(|pending| !pending.draft.expired(now))
    }
}

/// Refuses tokens until MFA is passed: `mfa_required` with a handle, or, where nothing can be passed, `access_denied`.
#[expect(clippy::too_many_arguments, reason = "the parts of one refusal, each from another place")]
pub(super) async fn required(
    app: &App,
    mut tx: Conn,
    env: &mut Env,
    origin: &Origin,
    client: &Client,
    user: &User,
    decision: &Decision,
    wanted: Wanted,
) -> Result<OAuthFailure, OAuthFailure> {
    let enabled = app.catalog().guardian_in(&mut tx).await?.enabled();
    let rules = app.config().rules();
    // Not what the tenant has, but what proves something beside the first factor.
    let counts = Means::new(std::iter::empty(), &enabled, &wanted.methods, rules).enabled;
    let impossible = matches!(decision.demand, Demand::Impossible(_));
    let text = if impossible { "MFA is required, and no factor is enabled" } else { "" };
    let mut event = LogEvent::new("mfar", text)
        .client(&client.id, client.name())
        .user(&user.id, user.display_name())
        .from(origin);
    event.connection = Some(user.connection.clone());
    event.audience.clone_from(&wanted.audience);
    event.scope = Some(wanted.scope.clone());
    event.details =
        Some(json!({"grant_type": wanted.gty, "confidence": null, "version": null, "assessments": {}}));
    app.logs().insert(&mut tx, env, &event).await?;
    if impossible {
        tx.commit().await?;
        return Ok(OAuthError::new(
            OAuthCode::AccessDenied,
            "Multifactor authentication is required but no factor is enabled",
        )
        .into());
    }
    let token = format!("Fe26.2*{}", env.rng().url_safe(43));
    let stored = Stored {
        handle_hash: sha256_b64url(&token),
        version: 0,
        kind: MFA_TOKEN.to_owned(),
        user: user.id.clone(),
        client: client.id.clone(),
        data: Ceremony::new(wanted),
        created_at: env.now,
        expires_at: env.now + LIFETIME,
        used_at: None,
    };
    ceremonies::create(&mut tx, &stored).await?;
    tx.commit().await?;
    let error = OAuthError::new(OAuthCode::MfaRequired, OAuthCode::MfaRequired.text())
        .with("mfa_token", token)
        .with("mfa_requirements", requirements(&decision.demand, &counts));
    Ok(error.into())
}

/// Who calls, by the token that was brought.
struct Caller {
    user: User,
    /// What is stored of the user's.
    authenticators: Vec<Authenticator>,
    client: ClientId,
    /// The row behind the handle; of an access token only once it enrols.
    stored: Option<Stored<Ceremony>>,
    /// The access token, if it is one.
    access: Option<Access>,
}

/// An access token for the MFA API.
struct Access {
    hash: String,
    scopes: Scopes,
    expires_at: Timestamp,
    wanted: Wanted,
}

/// Which answers a bad token gets: as bearer and in a body they differ (contract/mfa-api.md 4.3, 8.3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Bearer,
    Body,
}

impl Place {
    fn invalid(self) -> OAuthError {
        match self {
            Self::Bearer => OAuthError::new(
                OAuthCode::InvalidGrant,
                "The mfa_token provided is invalid. Try getting a new token.",
            )
            .with_status(401),
            Self::Body => OAuthError::new(OAuthCode::InvalidGrant, "Malformed mfa_token").with_status(403),
        }
    }
}

fn expired() -> OAuthError {
    OAuthError::new(OAuthCode::ExpiredToken, "mfa_token is expired").with_status(401)
}

/// Finds who calls. A blocked user is nobody.
async fn caller(
    conn: &mut Conn,
    app: &App,
    env: &Env,
    token: &str,
    place: Place,
) -> Result<Caller, OAuthFailure> {
    let caller = if token.starts_with("Fe26.2*") {
        let found = ceremonies::find_with_user(conn, &sha256_b64url(token), MFA_TOKEN).await?;
        let found = found.filter(|found| found.stored.used_at.is_none()).ok_or_else(|| place.invalid())?;
        let WithUser { stored, user, authenticators } = found;
        if stored.expires_at <= env.now {
            return Err(expired().into());
        }
        Caller { user, authenticators, client: stored.client.clone(), stored: Some(stored), access: None }
    } else {
        by_access_token(conn, app, env, token, place).await?
    };
    if caller.user.blocked {
        return Err(OAuthError::user_blocked().into());
    }
    Ok(caller)
}

async fn by_access_token(
    conn: &mut Conn,
    app: &App,
    env: &Env,
    token: &str,
    place: Place,
) -> Result<Caller, OAuthFailure> {
    let verified = app.keyring().verify(token).map_err(|_| place.invalid())?;
    let c = &verified.claims;
    let audience = env.issuer.mfa_audience();
    let fits = claims::issued_by(c, env.issuer.as_str()).is_ok()
        && claims::addressed_to(c, &[audience.as_str()]).is_ok()
        && (verified.header.is_type("JWT") || verified.header.is_type("at+jwt"));
    if !fits {
        return Err(place.invalid().into());
    }
    if claims::not_expired(c, env.now, Span::ZERO).is_err() {
        return Err(expired().into());
    }
    let subject = claims::text(c, "sub").ok().and_then(|s| UserId::parse(s).ok());
    let client = ["client_id", "azp"].iter().find_map(|name| claims::text(c, name).ok());
    let (Some(user), Some(client)) = (subject, client) else { return Err(place.invalid().into()) };
    let user = users::find(conn, &user).await?.ok_or_else(|| place.invalid())?;
    let number = |name: &str| c.get(name).and_then(serde_json::Value::as_i64).map(Timestamp::from_secs);
    let auth_time = number("auth_time").or_else(|| number("iat")).unwrap_or(env.now);
    let said = |value: &str| {
        c.get("amr").and_then(serde_json::Value::as_array).is_some_and(|amr| amr.iter().any(|v| v == value))
    };
    let methods = if said("pwd") {
        Methods::begin(Method::first(MethodName::Pwd, auth_time))
    } else {
        Methods::default()
    };
    let hash = sha256_b64url(token);
    let scope = claims::text(c, "scope").unwrap_or_default().to_owned();
    let stored = ceremonies::find::<Ceremony>(conn, &hash, ACCESS_TOKEN).await?;
    let access = Access {
        hash,
        scopes: Scopes::trusted(&scope),
        expires_at: number("exp").unwrap_or(env.now),
        wanted: Wanted { scope, audience: Some(audience), methods, auth_time, gty: None, refresh: None },
    };
    let stored = stored.filter(|stored| stored.used_at.is_none());
    let authenticators = stored_authenticators::list_of_user(conn, &user.id).await?;
    Ok(Caller { user, authenticators, client: ClientId::trusted(client), stored, access: Some(access) })
}

impl Access {
    fn require(&self, scope: &str) -> Result<(), OAuthError> {
        if self.scopes.has(scope) {
            Ok(())
        } else {
            Err(OAuthError::new(
                OAuthCode::InsufficientScope,
                format!("Insufficient scope, expected: {scope}"),
            ))
        }
    }
}

/// What is true of a caller's factors now.
struct Facts {
    guardian: Arc<Guardian>,
    held: Vec<Authenticator>,
    means: Means,
    channels: Vec<Channel>,
    rules: Rules,
    keys: Keys,
}

async fn facts(conn: &mut Conn, app: &App, caller: &Caller, proven: &Methods) -> Result<Facts, OAuthFailure> {
    let guardian = app.catalog().guardian_in(conn).await?;
    let held = held::with_address(caller.authenticators.clone(), &caller.user, &guardian);
    let rules = app.config().rules();
    let keys = Keys::of(app.issuer(), &guardian);
    let all = held.iter().map(|on| Held::of(on, &keys));
    let means = Means::new(all, &guardian.enabled(), proven, rules);
    let channels = guardian.channels();
    Ok(Facts { guardian, held, means, channels, rules, keys })
}

impl Facts {
    fn asks(&self, user: &UserId, channel: Option<Channel>) -> ChallengeAsk {
        ChallengeAsk { user: user.clone(), channel, profile: self.rules.profile, keys: self.keys.clone() }
    }
}

impl Caller {
    fn proven(&self) -> Methods {
        let stored = self.stored.as_ref().map(|stored| &stored.data.wanted.methods);
        let access = self.access.as_ref().map(|access| &access.wanted.methods);
        stored.or(access).cloned().unwrap_or_default()
    }
}

/// Sends a code for an API call: its refusals are answers here.
async fn send(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    client: &Client,
    user: &User,
    code: &CodeToSend,
) -> Result<(), OAuthFailure> {
    let tenant = settings::tenant(tx).await?;
    let about = About {
        tenant: &tenant,
        client: Some(client),
        user: Some(user),
        language: choose_locale(None, None, origin.languages.as_deref(), &tenant.enabled_locales()),
        host: app.issuer().host(),
    };
    let name = match code.channel {
        Channel::Sms => "SMS",
        Channel::Voice => "voice messages",
        Channel::Email => "emails",
    };
    let origin = Origin { of_server: !client.is_public(), ..origin.clone() };
    sending::send_code(tx, app, env, &about, &origin, code).await.map_err(|error| match error {
        SendError::TooMany(_) => OAuthError::new(
            OAuthCode::TooManyAttempts,
            format!("Too many {name} sent by the user. Wait for some minutes before retrying."),
        )
        .into(),
        SendError::NotAllowed(_) => invalid_phone_number().into(),
        SendError::Db(error) => error.into(),
    })
}

fn invalid_phone_number() -> OAuthError {
    OAuthError::new(OAuthCode::InvalidPhoneNumber, OAuthCode::InvalidPhoneNumber.text())
}

/// The conflict of two requests on one handle: one was faster, and nothing of the other counts.
fn lost_race() -> OAuthError {
    OAuthError::new(OAuthCode::InvalidGrant, "The mfa_token was used by another request at the same time")
        .with_status(403)
}
