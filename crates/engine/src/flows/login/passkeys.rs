//! Passkeys on the login pages: what the page asks for, and what an answer makes of the login.
//!
//! What is asked is kept with the login, under its version: of two answers to one challenge one counts, and the other is shown the page
//! as it is now. Whoever answers, right or wrong, ends it.

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::env::Env;
use lockstep_core::factors::webauthn::passkey::{Login as Asked, credential_id_of, on_our_pages};
use lockstep_core::ids::TransactionId;
use lockstep_core::login::effect::Problem;
use lockstep_core::login::state::Login;
use lockstep_core::login::steps::{FirstAnswer, PasskeyCheck};
use lockstep_core::model::log_event::LogEvent;
use serde_json::json;

use super::step::{finish, load, showing};
use super::{Browser, Here, Loaded, LoginError, NewCookie, Next, Running, Showing, Typed};
use crate::app::App;
use crate::flows::PasskeyInput;
use crate::flows::attempts;
use crate::flows::passkey::{REFUSED, refused_from};
use crate::flows::passkey_answer::{self, Unrecognised};
use crate::store::db::{Conn, DbError};
use crate::store::{buckets, connections, transactions};

/// Puts what a passkey is asked on the page that waits for a first factor, and takes it off every other one. What is fresh stays, also on
/// the page that offers a passkey. Returns whether anything changed.
pub(super) async fn offer(
    conn: &mut Conn,
    app: &App,
    env: &mut Env,
    running: &mut Running,
) -> Result<bool, DbError> {
    match &mut running.login {
        Login::AskOffer(offer) => return Ok(offer.renew(env)),
        Login::AskSignupPasskey(asking) => return Ok(asking.renew(env)),
        _ => {}
    }
    let waits = matches!(running.login, Login::AskIdentifier(_) | Login::AskPassword(_));
    if running.passkey.as_ref().is_some_and(|asked| waits && asked.is_fresh(env.now)) {
        return Ok(false);
    }
    let before = running.passkey.take();
    let connection = match &running.connection {
        Some(name) if waits => connections::find_by_name(conn, name).await?,
        _ => None,
    };
    if connection.is_some_and(|connection| connection.has_passkeys()) {
        // A server that is no domain, by its number say, can ask for none.
        let party = on_our_pages(app.issuer()).ok();
        running.passkey = party.map(|party| Asked::draw(party, app.config().profile, env));
    }
    Ok(before.is_some() || running.passkey.is_some())
}

/// Returns what the page of a login shows now, with a fresh challenge where it asks for a passkey.
pub async fn open(
    app: &App,
    env: &mut Env,
    browser: &Browser<'_>,
    id: &TransactionId,
) -> Result<Showing, LoginError> {
    let looked = super::show(app, env, browser, id).await?;
    let mut running = looked.running.clone();
    let mut conn = app.db().read().await?;
    if !offer(&mut conn, app, env, &mut running).await? {
        return Ok(looked);
    }
    drop(conn);
    let mut tx = app.db().write().await?;
    let mut loaded = load(&mut tx, app, env, browser, id).await?;
    // Somebody may have answered, or drawn another one, since it was looked at.
    if offer(&mut tx, app, env, &mut loaded.stored.data).await? {
        transactions::save(&mut tx, id, loaded.stored.version, None, &loaded.stored.data).await?;
    }
    let showing = showing(&mut tx, id, &loaded, None).await?;
    tx.commit().await?;
    Ok(showing)
}

/// Takes what the browser says of a passkey.
pub(super) async fn answered(
    here: Here<'_>,
    env: &mut Env,
    id: &TransactionId,
    input: PasskeyInput,
    typed: Typed,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    let Here { app, origin, browser } = here;
    let mut tx = app.db().write().await?;
    let mut loaded = load(&mut tx, app, env, browser, id).await?;
    let asked = loaded.stored.data.passkey.clone();
    let connection = match &loaded.stored.data.connection {
        Some(name) => connections::find_by_name(&mut tx, name).await?,
        None => None,
    };
    let connection = connection.ok_or(LoginError::NoConnection)?;
    let event = |code: &'static str, text: &str, loaded: &Loaded| {
        let mut event =
            LogEvent::new(code, text).client(&loaded.client.id, loaded.client.name()).from(origin);
        event.connection = Some(connection.name.clone());
        event.connection_id = Some(connection.id.to_string());
        event
    };
    let waits = matches!(loaded.stored.data.login, Login::AskIdentifier(_) | Login::AskPassword(_));
    let answer = match input {
        // An old tab: nothing is judged, the page is shown as it is now.
        _ if !waits => return step(here, env, tx, loaded, FirstAnswer::EditIdentifier, typed, None).await,
        PasskeyInput::Failed(why) => {
            // What a browser says costs it nothing: it does not fill the log.
            let bucket = attempts::key_reports_from(origin);
            if buckets::take(&mut tx, &bucket, attempts::KEY_REPORTS, env.now).await? {
                let event = event("passkey_challenge_failed", why.as_str(), &loaded);
                let event = event.details(json!({"error": {"message": why.as_str()}, "purpose": "login"}));
                app.logs().insert(&mut tx, env, &event).await?;
            }
            let no = PasskeyCheck::No(Problem::PasskeyFailed);
            return step(here, env, tx, loaded, FirstAnswer::Passkey(no), typed, None).await;
        }
        PasskeyInput::Answer(answer) => answer,
    };
    // Counted before it is judged: of answers sent at once, no more are looked at than the budget has.
    let bucket = refused_from(origin);
    if !buckets::take(&mut tx, &bucket, REFUSED, env.now).await? {
        let no = PasskeyCheck::No(Problem::TooManyKeyFailures);
        return step(here, env, tx, loaded, FirstAnswer::Passkey(no), typed, None).await;
    }
    loaded.stored.data.passkey = None;
    let recognised = match &asked {
        _ if !connection.has_passkeys() => Err(Unrecognised::Off),
        None => Err(Unrecognised::Expired),
        Some(asked) => {
            passkey_answer::recognise(&mut tx, app, env, origin, &connection, asked, &answer).await?
        }
    };
    let why = match recognised {
        Ok(found) => {
            buckets::give_back(&mut tx, &bucket, REFUSED).await?;
            let user = found.user;
            if user.blocked {
                let event = event("f", "user is blocked", &loaded).user(&user.id, user.display_name());
                app.logs().insert(&mut tx, env, &event).await?;
                transactions::claim(&mut tx, id, loaded.stored.version).await?;
                tx.commit().await?;
                let error = OAuthError::new(OAuthCode::Unauthorized, "user is blocked");
                return Ok((Next::Answer(loaded.stored.data.request.reply_to.error(&error)), Vec::new()));
            }
            if let Some(remark) = found.remark {
                let event = event("w", "The passkey says otherwise of its copies", &loaded)
                    .user(&user.id, user.display_name())
                    .details(json!({"passkey": {"note": remark.as_str()}}));
                app.logs().insert(&mut tx, env, &event).await?;
            }
            let (method, from_elsewhere) = (found.method, found.from_elsewhere);
            let check = PasskeyCheck::Right { user: user.id.clone(), method, from_elsewhere };
            let step = loaded.stored.data.login.clone().first_factor(FirstAnswer::Passkey(check), env.now);
            return finish(here, env, tx, loaded, Some(user), step).await;
        }
        Err(why) => why,
    };
    app.logs().insert(&mut tx, env, &event("f", &why.to_string(), &loaded)).await?;
    let unknown = match why {
        Unrecognised::Unknown => credential_id_of(&answer),
        _ => None,
    };
    let problem = match why {
        Unrecognised::Unknown => Problem::PasskeyUnknown,
        Unrecognised::Expired => Problem::PasskeyFailed,
        Unrecognised::Malformed | Unrecognised::Wrong => Problem::PasskeyRefused,
        Unrecognised::Copied => Problem::KeyCopied,
        Unrecognised::Off => Problem::PasskeysOff,
    };
    step(here, env, tx, loaded, FirstAnswer::Passkey(PasskeyCheck::No(problem)), typed, unknown).await
}

/// Shows the page again, with what was typed beside the passkey, and which passkey is none of ours: the browser may forget it.
async fn step(
    here: Here<'_>,
    env: &mut Env,
    tx: Conn,
    loaded: Loaded,
    answer: FirstAnswer,
    typed: Typed,
    unknown: Option<String>,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    let step = loaded.stored.data.login.clone().first_factor(answer, env.now);
    let (mut next, cookies) = finish(here, env, tx, loaded, None, step).await?;
    if let Next::Again(showing) = &mut next {
        showing.typed = Typed { unknown_passkey: unknown, ..typed };
    }
    Ok((next, cookies))
}
