//! An operator takes factors away from a person who lost them: one commit, a reason in the log, and one mail that tells the person.

use lockstep_core::env::Env;
use lockstep_core::factors::FactorKind;
use lockstep_core::ids::{ClientId, UserId};
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::{User, normal_email};
use serde_json::json;

use super::changes;
use super::messages::Notice;
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::methods::{self, Method};
use crate::store::{authenticators, passkeys, remembered_browsers, users};

/// Who takes away, and why.
#[derive(Clone, Debug, Default)]
pub struct By {
    /// The application that called, if one did.
    pub client: Option<ClientId>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Whether sessions, refresh tokens, running logins and enrolments end too.
    pub end_sessions: bool,
}

/// Takes away those methods of a person that a test picks, with what was made together with them; remembered browsers always, and the
/// recovery code when nothing is left that it could be a recovery from. Returns those that were picked: [`tell`] the person of them.
pub(super) async fn take_away(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    owner: &User,
    by: &By,
    picks: impl Fn(&Method) -> bool,
) -> Result<Vec<Method>, DbError> {
    authenticators::lock_of_user(tx, &owner.id).await?;
    let before = methods::list_of_user(tx, &owner.id).await?;
    let picked: Vec<Method> = before.iter().filter(|method| picks(method)).cloned().collect();
    for method in &picked {
        authenticators::delete_of_user(tx, &owner.id, &method.id).await?;
    }
    let left = methods::list_of_user(tx, &owner.id).await?;
    let stands_alone = |m: &Method| m.confirmed && INDEPENDENT.contains(&m.kind.as_str());
    if !left.iter().any(stands_alone) {
        authenticators::delete_kind(tx, &owner.id, FactorKind::RecoveryCode).await?;
    }
    let left = methods::list_of_user(tx, &owner.id).await?;
    for method in before.iter().filter(|method| left.iter().all(|other| other.id != method.id)) {
        let mut event = LogEvent::new("gd_unenroll", "")
            .user(&owner.id, owner.display_name())
            .details(json!({
                "authenticator": {"id": format!("{}|{}", method.kind, method.id), "type": method.kind, "phone_number": null},
                "enrollment": {"_id": method.id, "identifier": null, "name": method.name, "phone_number": null,
                               "user_id": owner.id, "tenant": "lockstep"},
                "reason": by.reason, "sessions_ended": by.end_sessions,
            }))
            .from(origin);
        event.client = by.client.clone();
        event.client_name = by.client.as_ref().map(|_| String::new());
        app.logs().insert(tx, env, &event).await?;
    }
    remembered_browsers::delete_of_user(tx, &owner.id).await?;
    users::note_mfa_change(tx, &owner.id, env.now).await?;
    if by.end_sessions {
        changes::end_everything(tx, env, &owner.id).await?;
    }
    Ok(picked)
}

/// Tells a person by mail what was taken away.
pub(super) async fn tell(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    owner: &User,
    taken: &[Method],
) -> Result<(), DbError> {
    let notice = match taken {
        [] => return Ok(()),
        [one] if one.kind == passkeys::KIND => Notice::PasskeyRemoved(one.name.as_deref()),
        [one] => {
            FactorKind::from_method_type(&one.kind).map_or(Notice::Reset, |kind| Notice::Removed(kind, None))
        }
        _ => Notice::Reset,
    };
    changes::tell(tx, app, env, origin, owner, &notice).await
}

/// The types that make a user enrolled.
pub(super) const INDEPENDENT: &[&str] = &["totp", "phone", "push", "webauthn-roaming", "duo"];

/// Returns whether a method is one of MFA: a passkey or password is a first factor.
pub(super) fn is_mfa(method: &Method) -> bool {
    !matches!(method.kind.as_str(), "passkey" | "password" | "email-verification" | "guardian")
}

/// Why nobody was reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// No such user.
    #[error("there is no such user")]
    Unknown,
    /// Several users have this address.
    #[error("several users have this address: give the id of one of them: {0}")]
    Several(String),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Takes all second factors away from the user of an id or address. Returns the user's id and how many there were.
pub async fn reset(app: &App, who: &str, by: &By) -> Result<(UserId, usize), ResetError> {
    let mut env = app.env();
    let mut tx = app.db().write().await?;
    let mut found = match normal_email(who) {
        Ok(address) => users::list_by_email(&mut tx, &address).await?,
        Err(_) => match UserId::parse(who) {
            Ok(id) => Vec::from_iter(users::find(&mut tx, &id).await?),
            Err(_) => Vec::new(),
        },
    };
    if found.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|user| user.id.as_str()).collect();
        return Err(ResetError::Several(ids.join(", ")));
    }
    let user = found.pop().ok_or(ResetError::Unknown)?;
    let origin = Origin::default();
    let taken = take_away(&mut tx, app, &mut env, &origin, &user, by, is_mfa).await?;
    tell(&mut tx, app, &mut env, &origin, &user, &taken).await?;
    tx.commit().await?;
    Ok((user.id, taken.len()))
}
