//! Making an account on the pages: by a passkey, where the connection has them, or by a password.

use lockstep_core::env::Env;
use lockstep_core::factors::UserHandle;
use lockstep_core::factors::webauthn::passkey::{No, Registration, on_our_pages};
use lockstep_core::ids::TransactionId;
use lockstep_core::login::effect::Problem;
use lockstep_core::login::signup::SignupBy;
use lockstep_core::login::state::Login;
use lockstep_core::login::steps::FirstAnswer;
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::{LogEvent, Origin};
use serde_json::json;

use super::step::{finish, load};
use super::{Here, Loaded, LoginError, NewCookie, Next};
use crate::app::App;
use crate::flows::new_passkey::NotMade;
use crate::flows::passkey::{REFUSED, refused_from};
use crate::flows::signup::{self, Signup, SignupError};
use crate::flows::{PasskeyInput, attempts};
use crate::store::db::{Conn, DbError};
use crate::store::{buckets, connections};

/// Returns with what people may make an account in a connection.
pub(super) fn by(app: &App, connection: &Connection) -> SignupBy {
    // A server that is no domain, by its number say, can ask for no passkeys.
    let passkeys = connection.allows_passkey_signup() && on_our_pages(app.issuer()).is_ok();
    match (passkeys, connection.allows_signup()) {
        (false, _) => SignupBy::Password,
        (true, false) => SignupBy::Passkey,
        (true, true) => SignupBy::Either,
    }
}

/// Takes the names of who signs up, and draws what the passkey is asked. Whether somebody has them is not looked up.
pub(super) fn names(
    app: &App,
    env: &mut Env,
    connection: &Connection,
    given: &Signup,
) -> Result<FirstAnswer, SignupError> {
    let names = signup::names(connection, given)?;
    let party = on_our_pages(app.issuer()).ok();
    let registration = party.filter(|_| connection.allows_passkey_signup()).map(|party| {
        let handle = UserHandle::new(env.rng());
        Box::new(Registration::draw(party, handle, env))
    });
    Ok(FirstAnswer::SignupNames { names, registration })
}

/// Records why no passkey was made. What a browser says costs it nothing: it does not fill the log.
async fn report(
    tx: &mut Conn,
    app: &App,
    env: &Env,
    origin: &Origin,
    client: &Client,
    why: &str,
) -> Result<(), DbError> {
    if !buckets::take(tx, &attempts::key_reports_from(origin), attempts::KEY_REPORTS, env.now).await? {
        return Ok(());
    }
    let event = LogEvent::new("passkey_challenge_failed", why)
        .client(&client.id, client.name())
        .details(json!({"error": {"message": why}, "purpose": "register"}))
        .from(origin);
    app.logs().insert(tx, env, &event).await
}

/// Takes what the browser says of the passkey that makes the account. The account is made in the commit that goes on with the login.
pub(super) async fn passkey_answered(
    here: Here<'_>,
    env: &mut Env,
    id: &TransactionId,
    said: PasskeyInput,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    let Here { app, origin, browser } = here;
    let mut tx = app.db().write().await?;
    let loaded = load(&mut tx, app, env, browser, id).await?;
    let Login::AskSignupPasskey(asking) = loaded.stored.data.login.clone() else {
        // An old tab: nothing is judged, the page is shown as it is now.
        return step(here, env, tx, loaded, FirstAnswer::GoToSignup).await;
    };
    let connection = match &loaded.stored.data.connection {
        Some(name) => connections::find_by_name(&mut tx, name).await?,
        None => None,
    };
    let connection = connection.ok_or(LoginError::NoConnection)?;
    let answer = match said {
        PasskeyInput::Answer(answer) => answer,
        PasskeyInput::Failed(why) => {
            report(&mut tx, app, env, origin, &loaded.client, why.as_str()).await?;
            let why = Problem::no_passkey_made(why);
            return step(here, env, tx, loaded, FirstAnswer::NoPasskey { why, anew: None }).await;
        }
    };
    // Counted before it is judged: of answers sent at once, no more are looked at than the budget has.
    let bucket = refused_from(origin);
    if !buckets::take(&mut tx, &bucket, REFUSED, env.now).await? {
        let no = FirstAnswer::NoPasskey { why: Problem::TooManyKeyFailures, anew: None };
        return step(here, env, tx, loaded, no).await;
    }
    let registration = asking.registration();
    let anew = Some(Box::new(registration.anew(env)));
    let right = match registration.answer(&answer, env) {
        Ok(right) => right,
        Err(no) => {
            if let No::Model(why) = no {
                report(&mut tx, app, env, origin, &loaded.client, why.as_str()).await?;
            }
            let no = FirstAnswer::NoPasskey { why: Problem::not_made(no), anew };
            return step(here, env, tx, loaded, no).await;
        }
    };
    buckets::give_back(&mut tx, &bucket, REFUSED).await?;
    let (client, method) = (loaded.client.clone(), right.method.clone());
    let key_id = right.data["key_id"].as_str().map(str::to_owned);
    let made = signup::by_passkey(&mut tx, app, env, origin, &client, &connection, &asking, right).await;
    let why = match made {
        Ok(user) => {
            let answer = FirstAnswer::SignedUpByPasskey { user: user.id.clone(), method };
            let step = loaded.stored.data.login.clone().first_factor(answer, env.now);
            return finish(here, env, tx, loaded, Some(user), step).await;
        }
        Err(why) => why,
    };
    // Nothing of it counts but the refusal.
    drop(tx);
    signup::log_refusal(app, env, origin, &client, &connection, &asking.names().email, &why);
    let no = match why {
        SignupError::Passkey(NotMade::Taken | NotMade::Malformed) => {
            FirstAnswer::NoPasskey { why: Problem::PasskeyNotAdded, anew }
        }
        SignupError::Db(error) => return Err(error.into()),
        SignupError::Password(error) => return Err(error.into()),
        _ => FirstAnswer::NotSignedUp,
    };
    let mut tx = app.db().write().await?;
    let loaded = load(&mut tx, app, env, browser, id).await?;
    let forget = matches!(no, FirstAnswer::NotSignedUp);
    let (mut next, cookies) = step(here, env, tx, loaded, no).await?;
    if let (Next::Again(showing), true) = (&mut next, forget) {
        // The browser has a passkey now that opens nothing.
        let told = |id: String| json!({"rpId": app.issuer().host(), "credentialId": id}).to_string();
        showing.typed.made_in_vain = key_id.map(told);
    }
    Ok((next, cookies))
}

async fn step(
    here: Here<'_>,
    env: &mut Env,
    tx: Conn,
    loaded: Loaded,
    answer: FirstAnswer,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    let step = loaded.stored.data.login.clone().first_factor(answer, env.now);
    finish(here, env, tx, loaded, None, step).await
}
