//! A passkey is made for somebody who has an account: after a login or a new password, or on the account page. What may be made, and what
//! becomes of the browser's answer.

use lockstep_core::env::Env;
use lockstep_core::factors::webauthn::passkey::{No, Proven, Registration, credential_hash, on_our_pages};
use lockstep_core::factors::{Listed, UserHandle};
use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::login::effect::Problem;
use lockstep_core::login::offer::PasskeyOffers;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::User;
use serde_json::json;

use super::PasskeyInput;
use super::{attempts, changes};
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::passkeys::{self, Passkey};
use crate::store::{authenticators, buckets, methods, user_handles, users};

/// What became of the answer.
pub(super) enum Made {
    /// It is saved, and its owner has been told.
    Added,
    /// It is not, and this is told.
    Not(Problem),
    /// Somebody has this key already: nothing of the transaction may be kept.
    Taken,
}

/// Why no account was made with a passkey.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// The key has no identifier.
    #[error("the passkey has no identifier")]
    Malformed,
    /// Somebody has this key already. Nothing is written.
    #[error("the passkey is registered already")]
    Taken,
    /// Somebody has this name: nothing of the transaction may be kept.
    #[error("the user already exists")]
    Exists,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Returns the row of a passkey that its owner has just made, and what it is looked up by; none if the key has no identifier.
pub(super) fn new_row(
    right: Proven,
    user: &UserId,
    origin: &Origin,
    env: &mut Env,
) -> Option<(Passkey, String)> {
    let hash = right.data["key_id"].as_str().and_then(credential_hash)?;
    let mut data = right.data;
    data["identity_user_id"] = json!(user.parts().1);
    if let Some(browser) = &origin.user_agent {
        data["user_agent"] = json!(browser.chars().take(1024).collect::<String>());
    }
    let passkey = Passkey {
        id: AuthenticatorId::new(env.rng()),
        user: user.clone(),
        name: None,
        data,
        sign_count: Some(right.sign_count),
        created_at: env.now,
        enrolled_at: Some(env.now),
    };
    Some((passkey, hash))
}

/// Returns what a user has of passkeys and may get, where the connection has them.
pub(super) async fn offers(
    conn: &mut Conn,
    app: &App,
    env: &mut Env,
    connection: Option<&Connection>,
    user: &User,
) -> Result<Option<PasskeyOffers>, DbError> {
    // A server that is no domain, by its number say, can ask for no passkeys.
    let party = on_our_pages(app.issuer());
    let (Some(connection), Ok(relying_party)) = (connection.filter(|c| c.has_passkeys()), party) else {
        return Ok(None);
    };
    let fresh = UserHandle::new(env.rng());
    let user_handle = user_handles::ensure(conn, &user.id, &fresh).await?;
    let methods = methods::list_of_user(conn, &user.id).await?;
    let held = methods.iter().filter(|method| method.kind == passkeys::KIND);
    let held = held.filter_map(|method| Listed::stored(&method.data, &relying_party)).collect();
    let (progressive, local) = (connection.offers_passkeys(), connection.offers_local_passkeys());
    Ok(Some(PasskeyOffers { relying_party, user_handle, held, progressive, local }))
}

/// Saves a new passkey and tells its owner. Returns its record, or none if somebody has this key already, whoever it is: then nothing of
/// the transaction may be kept.
pub(super) async fn add(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    right: Proven,
) -> Result<Option<LogEvent>, DbError> {
    let Some((row, hash)) = new_row(right, &user.id, origin, env) else { return Ok(None) };
    if passkeys::find(tx, &hash).await?.is_some() {
        return Ok(None);
    }
    match changes::passkey_added(tx, app, env, origin, user, &row, &hash).await {
        // Added elsewhere since it was looked for.
        Err(DbError::Conflict) => return Ok(None),
        other => other?,
    }
    let event = LogEvent::new("gd_enrollment_complete", "")
        .user(&user.id, user.display_name())
        .details(json!({
            "authenticator": {"id": format!("{}|{}", passkeys::KIND, row.id), "type": passkeys::KIND,
                              "phone_number": null},
        }))
        .from(origin);
    Ok(Some(event))
}

/// Makes a user with the passkey that has answered. She is logged in by it, so it counts as used.
pub(super) async fn make_user(
    tx: &mut Conn,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    registration: &Registration,
    right: Proven,
) -> Result<(), NotMade> {
    let (passkey, hash) = new_row(right, &user.id, origin, env).ok_or(NotMade::Malformed)?;
    // A key that somebody has already cannot be another's too.
    if passkeys::find(tx, &hash).await?.is_some() {
        return Err(NotMade::Taken);
    }
    // Somebody may have taken the name, or made this key, since they were looked for.
    let exists = |error| if matches!(error, DbError::Conflict) { NotMade::Exists } else { error.into() };
    users::create(tx, user, None).await.map_err(exists)?;
    if let Some(handle) = registration.user_handle() {
        user_handles::ensure(tx, &user.id, handle).await?;
    }
    passkeys::create(tx, &passkey, &hash).await.map_err(exists)?;
    authenticators::note_use(tx, &passkey.id, env.now).await?;
    Ok(())
}

/// Takes what the browser says of a passkey that was asked for outside of a login.
pub(super) async fn answered(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    registration: &Registration,
    input: PasskeyInput,
) -> Result<Made, DbError> {
    let answer = match input {
        PasskeyInput::Answer(answer) => answer,
        PasskeyInput::Failed(why) => {
            report(tx, app, env, origin, user, why.as_str()).await?;
            return Ok(Made::Not(Problem::no_passkey_made(why)));
        }
    };
    let right = match registration.answer(&answer, env) {
        Ok(right) => right,
        Err(No::Model(why)) => {
            report(tx, app, env, origin, user, why.as_str()).await?;
            return Ok(Made::Not(Problem::PasskeyModel(why)));
        }
        Err(why) => return Ok(Made::Not(Problem::not_made(why))),
    };
    let Some(event) = add(tx, app, env, origin, user, right).await? else { return Ok(Made::Taken) };
    app.logs().insert(tx, env, &event).await?;
    Ok(Made::Added)
}

/// Records why no passkey was made. What a browser says costs it nothing: it does not fill the log.
async fn report(
    tx: &mut Conn,
    app: &App,
    env: &Env,
    origin: &Origin,
    user: &User,
    why: &str,
) -> Result<(), DbError> {
    if !buckets::take(tx, &attempts::key_reports(&user.id), attempts::KEY_REPORTS, env.now).await? {
        return Ok(());
    }
    let event = LogEvent::new("passkey_challenge_failed", why)
        .user(&user.id, user.display_name())
        .details(json!({"error": {"message": why}, "purpose": "register"}))
        .from(origin);
    app.logs().insert(tx, env, &event).await
}
