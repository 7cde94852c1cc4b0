//! `http://auth0.com/oauth/grant-type/passwordless/otp`: a code that was sent becomes tokens, or `mfa_required` (contract/oidc.md 6.3).

use lockstep_core::assurance::Methods;
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::env::Env;
use lockstep_core::factors::Reach;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::user::User;
use lockstep_core::oauth::checks;
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::scope::Scopes;
use lockstep_core::passwordless::{Answered, LoginCode};
use lockstep_core::time::Span;

use super::issue::TokenResponse;
use super::user_tokens::{Here, tokens_or_mfa};
use super::{logged_in, signed_up};
use crate::app::App;
use crate::flows::OAuthFailure;
use crate::flows::client_auth::Authenticated;
use crate::flows::linked;
use crate::flows::mfa_api::Wanted;
use crate::flows::passwordless::Place;
use crate::store::buckets::{self, Budget};
use crate::store::db::{Conn, DbError};
use crate::store::{login_codes, settings, users};

/// Wrong codes for one place from one address of the network, over all codes that were sent there: ten, then one each six minutes.
const WRONG_CODES: Budget = Budget::new(10, Span::minutes(6));
/// Wrong codes for one place from everywhere. Wider, so that a stranger elsewhere does not use up the person's own tries; three a code end
/// each code anyway.
const WRONG_CODES_FROM_ALL: Budget = Budget::new(50, Span::minutes(2));

/// Exchanges a code.
pub(super) async fn exchange(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    params: &Params,
) -> Result<TokenResponse, OAuthFailure> {
    let client = &authenticated.client;
    let (username, otp, realm) =
        (params.require("username")?, params.require("otp")?, params.require("realm")?);
    let scope = params.get("scope").map(Scopes::parse).transpose()?.unwrap_or_default();
    let mut tx = app.db().write().await?;
    let place = Place::find(&mut tx, client, realm, Some(username)).await?;
    let key = place.key();
    let from_all = format!("login_code:{key}");
    let from_here = format!("{from_all}:{}", origin.ip.as_deref().unwrap_or_default());
    // Counted before it is judged: of guesses sent at once, no more are looked at than the budgets have.
    for (bucket, budget) in [(&from_here, WRONG_CODES), (&from_all, WRONG_CODES_FROM_ALL)] {
        if !buckets::take(&mut tx, bucket, budget, env.now).await? {
            return Err(too_many());
        }
    }
    let Some(mut stored) = login_codes::find::<LoginCode>(&mut tx, &key).await? else {
        tx.commit().await?;
        return Err(wrong(&place.reach).into());
    };
    let method = match stored.data.answer(otp, env.now) {
        Answered::Right(method) => method,
        Answered::Wrong => {
            // Lost to another answer at the same moment: that one was counted too.
            login_codes::save(&mut tx, &key, stored.version, &stored.data).await?;
            tx.commit().await?;
            return Err(if stored.data.is_burnt() { too_many() } else { wrong(&place.reach).into() });
        }
        Answered::Dead => {
            tx.commit().await?;
            return Err(if stored.data.is_burnt() { too_many() } else { wrong(&place.reach).into() });
        }
    };
    if !login_codes::claim(&mut tx, &key, stored.version, env.now).await? {
        return Err(wrong(&place.reach).into());
    }
    buckets::reset_all(&mut tx, &from_all).await?;
    let user = account(&mut tx, app, env, origin, authenticated, &place).await?;
    if user.blocked {
        tx.commit().await?;
        return Err(OAuthError::new(OAuthCode::AccessDenied, "user is blocked").into());
    }
    users::note_login(&mut tx, &user.id, origin.ip.as_deref(), env.now).await?;
    let tenant = settings::tenant(&mut tx).await?;
    let wanted = Wanted {
        scope: scope.to_string(),
        audience: checks::audience(params, &tenant, &env.issuer.userinfo_audience()),
        methods: Methods::begin(method),
        auth_time: env.now,
        gty: Some("passwordless".to_owned()),
        refresh: None,
    };
    let here = Here { asks_mfa: checks::asks_mfa(params), ..Here::default() };
    let (response, mut tx) = tokens_or_mfa(app, env, origin, tx, client, &user, wanted, here).await?;
    let event = logged_in(client, &user, origin, &place.connection.name, &response.scope);
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    response.sign(app).await
}

/// Returns whom the account of the place logs in; it is made now if there was none. The code has proven the address or number.
async fn account(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    place: &Place,
) -> Result<User, OAuthFailure> {
    if let Some(found) = place.account(tx).await? {
        if *proven(&place.reach, &mut found.account().clone()) {
            return Ok(found.user);
        }
        // Loaded again: what another request changes at this moment must not be undone, and may be the address.
        let again = match found.linked_id() {
            Some(id) => {
                let prove = |account: &mut User| *proven(&place.reach, account) = true;
                linked::change(tx, env, &found.user.id, id, prove).await?
            }
            None => users::find_to_change(tx, &found.user.id).await?.filter(|user| place.is_of(user)),
        };
        let mut user = again.ok_or_else(|| wrong(&place.reach))?;
        if found.linked.is_none() {
            *proven(&place.reach, &mut user) = true;
            user.updated_at = env.now;
            users::save(tx, &user).await?;
        }
        return Ok(user);
    }
    // Asked when the code was sent, and again: the account may be gone since.
    if !place.connection.allows_signup() {
        return Err(wrong(&place.reach).into());
    }
    let user = place.new_user(env);
    match users::create(tx, &user, None).await {
        // Somebody made the account since it was looked for: the same request finds it the next time.
        Err(DbError::Conflict) => return Err(OAuthError::from(OAuthCode::TemporarilyUnavailable).into()),
        other => other?,
    }
    let client = &authenticated.client;
    app.logs().insert(tx, env, &signed_up(client, &user, origin, &place.connection)).await?;
    Ok(user)
}

/// Returns whether it is known that an account has the mailbox or telephone.
fn proven<'a>(reach: &Reach, account: &'a mut User) -> &'a mut bool {
    match reach {
        Reach::Email(_) => &mut account.email_verified,
        Reach::Phone { .. } => &mut account.phone_verified,
    }
}

fn wrong(reach: &Reach) -> OAuthError {
    OAuthError::invalid_grant(match reach {
        Reach::Email(_) => "Wrong email or verification code.",
        Reach::Phone { .. } => "Wrong phone number or verification code.",
    })
}

fn too_many() -> OAuthFailure {
    let text = "You've reached the maximum number of attempts. Please try to login again.";
    OAuthError::new(OAuthCode::TooManyAttempts, text).into()
}
