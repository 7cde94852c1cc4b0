//! What goes with a change of somebody's factors: the record, the notice by mail, the forgotten browsers. One place for every face.
//!
//! Each change is told to the person (ASVS 6.3.7): who did not make it learns of it. Taking a factor away forgets remembered browsers,
//! which were earned by it; adding one does not.

use lockstep_core::env::Env;
use lockstep_core::factors::FactorKind;
use lockstep_core::ids::{ClientId, UserId};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::log_event::{LogEvent, Origin, mfa};
use lockstep_core::model::message::MessageKind;
use lockstep_core::model::user::User;
use lockstep_core::time::Span;
use serde_json::json;

use super::credentials;
use super::messages::{self, About, Notice};
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::methods::Method;
use crate::store::passkeys::{self, Passkey};
use crate::store::{
    authenticators, ceremonies, grants, remembered_browsers, sessions, settings, transactions, users,
};

/// How long a notice is worth sending.
const NOTICE_LIFE: Span = Span::days(3);

/// Saves a newly enrolled authenticator with its record, and tells the person.
pub(super) async fn enrolled(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    new: &Authenticator,
) -> Result<(), DbError> {
    added(tx, app, env, origin, user, new).await?;
    let event = LogEvent::new("gd_enrollment_complete", "")
        .user(&user.id, user.display_name())
        .details(json!({"authenticator": mfa::authenticator(new)}))
        .from(origin);
    app.logs().insert(tx, env, &event).await
}

/// Saves a newly enrolled authenticator and tells the person. The first recovery code, which comes with a factor, is not news.
pub(super) async fn added(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    new: &Authenticator,
) -> Result<(), DbError> {
    authenticators::create(tx, new).await?;
    users::note_mfa_change(tx, &user.id, env.now).await?;
    if new.kind == FactorKind::RecoveryCode {
        return Ok(());
    }
    tell(tx, app, env, origin, user, &Notice::Added(new)).await
}

/// Removes an authenticator with those that were made together with it, and what only it held up: remembered browsers always, the recovery
/// code with the last factor. Tells the person. Returns false if it was gone already.
pub(super) async fn removed(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    old: &Authenticator,
) -> Result<bool, DbError> {
    // The recovery code goes with the last one: of two removals at once, the second has to see the first.
    authenticators::lock_of_user(tx, &user.id).await?;
    if authenticators::delete_of_user(tx, &user.id, &old.id).await? == 0 {
        return Ok(false);
    }
    remembered_browsers::delete_of_user(tx, &user.id).await?;
    users::note_mfa_change(tx, &user.id, env.now).await?;
    let left = authenticators::list_of_user(tx, &user.id).await?;
    if !left.iter().any(|a| a.confirmed && a.kind.independent()) {
        authenticators::delete_kind(tx, &user.id, FactorKind::RecoveryCode).await?;
    }
    let event = LogEvent::new("gd_unenroll", "")
        .user(&user.id, user.display_name())
        .details(json!({"authenticator": mfa::authenticator(old)}))
        .from(origin);
    app.logs().insert(tx, env, &event).await?;
    let to = lockstep_core::factors::masked(old);
    tell(tx, app, env, origin, user, &Notice::Removed(old.kind, to)).await?;
    Ok(true)
}

/// Saves a passkey that its owner has made, and tells her. A key that somebody has already, whoever it is, is a conflict.
pub(super) async fn passkey_added(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    new: &Passkey,
    credential_hash: &str,
) -> Result<(), DbError> {
    passkeys::create(tx, new, credential_hash).await?;
    tell(tx, app, env, origin, user, &Notice::PasskeyAdded).await
}

/// Removes a passkey and the remembered browsers, and tells the person. Returns false if it was gone already.
pub(super) async fn passkey_removed(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    old: &Method,
) -> Result<bool, DbError> {
    if authenticators::delete_of_user(tx, &user.id, &old.id).await? == 0 {
        return Ok(false);
    }
    remembered_browsers::delete_of_user(tx, &user.id).await?;
    tell(tx, app, env, origin, user, &Notice::PasskeyRemoved(old.name.as_deref())).await?;
    Ok(true)
}

/// Replaces the recovery code, with its record, and tells the person. The old one works no more.
pub(super) async fn recovery_code_replaced(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    new: &Authenticator,
) -> Result<(), DbError> {
    authenticators::delete_kind(tx, &user.id, FactorKind::RecoveryCode).await?;
    added(tx, app, env, origin, user, new).await?;
    tell(tx, app, env, origin, user, &Notice::NewRecoveryCode).await
}

/// Ends what somebody may have opened with a proof that counts no more: sessions, running logins and enrolments, refresh tokens.
pub(super) async fn end_everything(tx: &mut Conn, env: &Env, user: &UserId) -> Result<(), DbError> {
    sessions::delete_of_user(tx, user, None).await?;
    transactions::delete_of_user(tx, user).await?;
    ceremonies::end_of_user(tx, user, env.now).await?;
    grants::revoke_of_user(tx, user, env.now).await?;
    Ok(())
}

/// Sets a new password and ends what the old one may have opened, remembered browsers too. Forgives failures, and tells the person.
pub(super) async fn password(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    client: Option<&ClientId>,
    hash: &str,
) -> Result<(), DbError> {
    users::set_password(tx, &user.id, hash, env.now).await?;
    password_was_set(tx, app, env, origin, user, user, client).await
}

/// The same after an account of the user got a new password, her own or a linked one: what it may have opened is the user's.
pub(super) async fn password_was_set(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    account: &User,
    client: Option<&ClientId>,
) -> Result<(), DbError> {
    end_everything(tx, env, &user.id).await?;
    remembered_browsers::delete_of_user(tx, &user.id).await?;
    credentials::forgive(tx, user).await?;
    let mut event =
        LogEvent::new("scp", "Successful change password").user(&user.id, user.display_name()).from(origin);
    event.client = client.cloned();
    event.client_name = client.map(|_| String::new());
    event.connection = Some(account.connection.clone());
    event.details = Some(json!({
        "title": "Successful change password", "email": account.email, "query": {"user_id": user.id},
        "body": {"connection": account.connection, "email": account.email, "password": "*****"},
    }));
    app.logs().insert(tx, env, &event).await?;
    tell(tx, app, env, origin, user, &Notice::NewPassword).await
}

/// Tells the person by mail, at the address of the account: also one that is not verified is better than silence.
pub(super) async fn tell(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    notice: &Notice<'_>,
) -> Result<(), DbError> {
    let Some(email) = user.email.clone() else { return Ok(()) };
    let tenant = settings::tenant(tx).await?;
    let about = About {
        tenant: &tenant,
        client: None,
        user: Some(user),
        language: choose_locale(None, None, origin.languages.as_deref(), &tenant.enabled_locales()),
        host: app.issuer().host(),
    };
    let written = messages::notice(&about, notice);
    let expires_at = env.now + NOTICE_LIFE;
    messages::queue(tx, env, &about, MessageKind::NoticeEmail, email, written, expires_at).await
}
