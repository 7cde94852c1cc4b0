//! `urn:okta:params:oauth:grant-type:webauthn`: the answer of a passkey becomes tokens, or `mfa_required` (contract/oidc.md 12).

use lockstep_core::assurance::{Method, Methods};
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::env::Env;
use lockstep_core::factors::Remark;
use lockstep_core::factors::webauthn::passkey::{Login, No, Registration};
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::user::User;
use lockstep_core::oauth::checks;
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::scope::Scopes;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use super::issue::TokenResponse;
use super::user_tokens::{Here, tokens_or_mfa};
use super::{logged_in, signed_up};
use crate::app::App;
use crate::flows::OAuthFailure;
use crate::flows::client_auth::Authenticated;
use crate::flows::mfa_api::Wanted;
use crate::flows::new_passkey::{self, NotMade};
use crate::flows::passkey::{Asked, NewUser, REFUSED, Session, budget, connection, session_key, too_many};
use crate::flows::passkey_answer::{self, Recognised, Unrecognised};
use crate::store::buckets::{self, Budget};
use crate::store::db::Conn;
use crate::store::{login_codes, settings, users};

/// Refused answers that an application's own server brings, for all of its people.
const REFUSED_OF_SERVER: Budget = Budget::new(300, Span::millis(200));

/// Whom an answer has proven.
struct Found {
    user: User,
    method: Method,
    remark: Option<Remark>,
}

/// Exchanges an answer.
pub(super) async fn exchange(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    params: &Params,
) -> Result<TokenResponse, OAuthFailure> {
    let client = &authenticated.client;
    let auth_session = params.require("auth_session")?;
    let answer = params.object("authn_response").ok_or_else(|| OAuthError::missing("authn_response"))?;
    let answer = Value::Object(answer.clone()).to_string();
    let scope = params.get("scope").map(Scopes::parse).transpose()?.unwrap_or_default();
    let (bucket, budget) = budget("refused", client, origin, REFUSED, REFUSED_OF_SERVER);
    let mut tx = app.db().write().await?;
    // Counted before it is judged: of answers sent at once, no more are looked at than the budget has.
    if !buckets::take(&mut tx, &bucket, budget, env.now).await? {
        return Err(too_many());
    }
    let key = session_key(auth_session);
    let stored = login_codes::find::<Session>(&mut tx, &key).await?;
    let fits = |session: &Session| {
        session.client == client.id && params.get("realm").is_none_or(|realm| realm == session.connection)
    };
    // Somebody else's session stays as it is: it is not theirs to end.
    let Some(stored) = stored.filter(|stored| fits(&stored.data)) else {
        tx.commit().await?;
        return Err(no_session().into());
    };
    // One answer, right or wrong.
    if !login_codes::claim(&mut tx, &key, stored.version, env.now).await? {
        tx.commit().await?;
        return Err(no_session().into());
    }
    let found = match connection(&mut tx, client, Some(&stored.data.connection)).await {
        Ok(connection) => match &stored.data.asked {
            Asked::Login(login) => known(&mut tx, app, env, origin, &connection, login, &answer).await,
            Asked::Registration(registration, new) => {
                made(&mut tx, app, env, origin, authenticated, &connection, (registration, new), &answer)
                    .await
            }
        },
        Err(failure) => Err(failure),
    };
    let found = match found {
        Ok(found) => found,
        Err(OAuthFailure::Refused(error)) if error.code != OAuthCode::TemporarilyUnavailable => {
            tx.commit().await?;
            return Err(OAuthFailure::Refused(error));
        }
        Err(failure) => return Err(failure),
    };
    buckets::give_back(&mut tx, &bucket, budget).await?;
    let user = &found.user;
    if user.blocked {
        tx.commit().await?;
        return Err(OAuthError::user_blocked().into());
    }
    users::note_login(&mut tx, &user.id, origin.ip.as_deref(), env.now).await?;
    let tenant = settings::tenant(&mut tx).await?;
    let wanted = Wanted {
        scope: scope.to_string(),
        audience: checks::audience(params, &tenant, &env.issuer.userinfo_audience()),
        methods: Methods::begin(found.method),
        auth_time: env.now,
        gty: None,
        refresh: None,
    };
    let here = Here { asks_mfa: checks::asks_mfa(params), ..Here::default() };
    let (response, mut tx) = tokens_or_mfa(app, env, origin, tx, client, user, wanted, here).await?;
    let mut event = logged_in(client, user, origin, &stored.data.connection, &response.scope);
    if let (Some(remark), Some(details)) = (found.remark, &mut event.details) {
        details["passkey"] = json!({"note": remark.as_str()});
    }
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    response.sign(app).await
}

/// Finds whose passkey has answered.
async fn known(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    connection: &Connection,
    login: &Login,
    answer: &str,
) -> Result<Found, OAuthFailure> {
    match passkey_answer::recognise(tx, app, env, origin, connection, login, answer).await? {
        Ok(Recognised { user, method, remark, .. }) => Ok(Found { user, method, remark }),
        Err(why) => Err(match why {
            Unrecognised::Malformed => malformed(),
            Unrecognised::Unknown => unknown(),
            Unrecognised::Expired => no_session(),
            Unrecognised::Wrong | Unrecognised::Off => wrong(),
            Unrecognised::Copied => OAuthError::invalid_grant(format!("{why}.")),
        }
        .into()),
    }
}

/// Makes the user whose new passkey has answered.
#[expect(clippy::too_many_arguments, reason = "the parts of one sign-up, each from another place")]
async fn made(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    connection: &Connection,
    (registration, new): (&Registration, &NewUser),
    answer: &str,
) -> Result<Found, OAuthFailure> {
    let right = registration.answer(answer, env).map_err(|no| match no {
        No::Malformed => malformed(),
        No::Expired => no_session(),
        No::Model(why) => OAuthError::invalid_grant(format!("The passkey cannot be used here: {why}.")),
        No::Wrong | No::Copied => wrong(),
    })?;
    let user = new.user(connection, env);
    let method = right.method.clone();
    // Asked when it was begun, and again: the name may be taken since, and nobody may sign up any more.
    if !connection.allows_passkey_signup() {
        return Err(OAuthError::invalid_request("Public signup is disabled").into());
    }
    if new.is_taken(tx, connection).await? {
        return Err(NewUser::exists().into());
    }
    let made = new_passkey::make_user(tx, env, origin, &user, registration, right).await;
    made.map_err(|why| match why {
        NotMade::Malformed => malformed().into(),
        NotMade::Taken => OAuthError::invalid_request("The passkey is registered already.").into(),
        NotMade::Exists => busy(),
        NotMade::Db(error) => error.into(),
    })?;
    let client = &authenticated.client;
    app.logs().insert(tx, env, &signed_up(client, &user, origin, connection)).await?;
    Ok(Found { user, method, remark: None })
}

fn no_session() -> OAuthError {
    OAuthError::invalid_grant("The auth_session is unknown, was used or has expired.")
}

fn wrong() -> OAuthError {
    OAuthError::invalid_grant("The passkey's answer is not valid.")
}

fn malformed() -> OAuthError {
    OAuthError::invalid_request("authn_response is not the JSON of a public key credential")
}

fn unknown() -> OAuthError {
    OAuthError::invalid_grant("The passkey is not known.").with_status(404)
}

/// The one refusal after which nothing is kept: the same request is told the reason the next time.
fn busy() -> OAuthFailure {
    OAuthError::from(OAuthCode::TemporarilyUnavailable).into()
}
