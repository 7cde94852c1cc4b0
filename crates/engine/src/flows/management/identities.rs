//! Linking of accounts (contract/management-api.md 3, "Identities"; Auth0 docs, "User Account Linking"): a second account becomes one of the
//! ways in which a user logs in. It is no user any more: its factors, sessions, tokens, roles and metadata go.

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::crypto::jose::claims;
use lockstep_core::ids::{ConnectionId, UserId};
use lockstep_core::model::settings::Profile;
use lockstep_core::model::user::{Identity, User};
use lockstep_core::time::Span;
use serde_json::{Map, Value, json};

use super::access::has_mfa;
use super::validate::{Kind, Schema, optional, refused};
use super::{Call, Outcome, taken};
use crate::flows::admin_reset::is_mfa;
use crate::flows::messages::Notice;
use crate::flows::{changes, linked};
use crate::store::db::{Conn, DbError};
use crate::store::linked_accounts::{self, LinkedAccount};
use crate::store::{authenticators, connections, methods, transactions, users};

/// The body that names the account to link: by its id, or by an ID token of its owner.
pub const LINK: Schema = Schema::closed(&[
    optional("provider", Kind::Text(1, 64)),
    optional("user_id", Kind::Either(&[Kind::Text(1, 255), Kind::Int(0, i64::MAX)])),
    optional("connection_id", Kind::Text(1, 64)),
    optional("link_with", Kind::Text(1, 16_384)),
]);

/// The account that is to be linked.
struct Second {
    id: UserId,
    /// The connection that it has to be of, if that was said.
    connection: Option<ConnectionId>,
    /// Whether its owner has shown that she passed a second factor; none where an operator names it.
    mfa: Option<bool>,
}

/// Links an account to a user; returns all accounts of the user.
pub async fn link(call: &mut Call, id: &UserId, body: Option<Value>) -> Outcome {
    let body = LINK.check(body)?;
    let second = match body.get("link_with").and_then(Value::as_str) {
        Some(_) if body.len() > 1 => {
            return Err(refused(
                "link_with cannot be used together with provider, user_id or connection_id.",
            ));
        }
        Some(token) => of_token(call, token)?,
        None if call.caller.has("update:users") => named(&body)?,
        None => {
            let message = "Insufficient scope, expected any of: update:users (to link without link_with)";
            return Err(ManagementError::new(ManagementCode::InsufficientScope, message));
        }
    };
    if second.id == *id {
        return Err(refused("Main account and the one to link are the same."));
    }
    let mut tx = call.app.db().write().await?;
    // A login claims a factor first and notes the user after: who takes both has to go the same way.
    authenticators::lock_of_user(&mut tx, &second.id).await?;
    let (mut user, account) = both(&mut tx, id, &second.id).await?;
    check_connection(&mut tx, &second, &account).await?;
    if account.blocked {
        return Err(refused("The account to link is blocked."));
    }
    if account.identities.len() > 1 {
        return Err(refused("The account to link has linked accounts of its own. Unlink them first."));
    }
    // What opens an account, and what takes its factors away, is for who has them.
    let of_person = call.caller.user.is_some();
    if (of_person && !call.caller.mfa && has_factor(&mut tx, &user.id).await?)
        || (second.mfa == Some(false) && has_factor(&mut tx, &account.id).await?)
    {
        return Err(ManagementCode::MfaNeeded.into());
    }
    let hash = users::password_hash(&mut tx, &account.id).await?;
    transactions::delete_of_user(&mut tx, &account.id).await?;
    users::delete(&mut tx, &account.id).await?;
    user.identities.push(Identity::linked(&account));
    user.updated_at = call.env.now;
    let linked = LinkedAccount { owner: user.id.clone(), account, linked_at: call.env.now };
    linked_accounts::create(&mut tx, &linked, hash.as_deref())
        .await
        .map_err(taken(ManagementCode::IdentityConflict))?;
    users::save(&mut tx, &user).await?;
    // Who did not do it learns of it (ASVS 6.3.7). An operator who joins accounts would write to all of them: in `assured` only.
    if of_person || call.app.config().profile == Profile::Assured {
        let origin = call.origin_of_operator();
        let notice = Notice::Linked(linked.account.display_name());
        changes::tell(&mut tx, &call.app, &mut call.env, &origin, &user, &notice).await?;
    }
    tx.commit().await?;
    Ok(json!(user.identities))
}

/// Parts a linked account from its user: it is a user of its own again, with the names and the password that it has, and nothing else.
/// Returns the accounts that are left.
pub async fn unlink(call: &mut Call, id: &UserId, provider: &str, identity: &str) -> Outcome {
    let mut tx = call.app.db().write().await?;
    let mut user = users::find_to_change(&mut tx, id).await?.ok_or(ManagementCode::InexistentUser)?;
    let parted = UserId::parse(format!("{provider}|{identity}"));
    let parted = parted.map_err(|_| ManagementCode::InexistentIdentity)?;
    if parted == *id {
        return Err(refused("The main identity cannot be unlinked."));
    }
    let Some(linked) = linked::find(&mut tx, id, &parted).await? else {
        return Err(ManagementCode::InexistentIdentity.into());
    };
    let hash = linked_accounts::password_hash(&mut tx, &parted).await?;
    linked::remove(&mut tx, &call.env, &mut user, &linked).await?;
    let account = User { updated_at: call.env.now, ..linked.account };
    users::create(&mut tx, &account, hash.as_deref()).await.map_err(taken(ManagementCode::UserExists))?;
    tx.commit().await?;
    Ok(json!(user.identities))
}

/// Reads whose ID token it is. It has to be one of ours, for the application that calls.
fn of_token(call: &Call, token: &str) -> Outcome<Second> {
    let invalid = || refused("link_with is not a valid ID token for this application.");
    let verified = call.app.keyring().verify(token).map_err(|_| invalid())?;
    let claims = &verified.claims;
    claims::issued_by(claims, call.env.issuer.as_str())
        .and_then(|()| claims::addressed_to(claims, &[call.caller.client.as_str()]))
        .and_then(|()| claims::not_expired(claims, call.env.now, Span::ZERO))
        .map_err(|_| invalid())?;
    let subject = claims::text(claims, "sub").map_err(|_| invalid())?;
    if !verified.header.is_type("JWT") {
        return Err(invalid());
    }
    let id = UserId::parse(subject).map_err(|_| invalid())?;
    Ok(Second { id, connection: None, mfa: Some(has_mfa(claims)) })
}

/// Reads which account an operator names.
fn named(body: &Map<String, Value>) -> Outcome<Second> {
    let text = |name: &str| match body.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(number) => Ok(number.to_string()),
        None => Err(refused(format!("Payload validation error: 'Missing required property: {name}'."))),
    };
    let id = UserId::parse(format!("{}|{}", text("provider")?, text("user_id")?));
    let connection = body.get("connection_id").and_then(Value::as_str).map(ConnectionId::parse).transpose();
    Ok(Second {
        id: id.map_err(|_| ManagementCode::InexistentUser)?,
        connection: connection.map_err(|_| ManagementCode::InexistentConnection)?,
        mfa: None,
    })
}

/// Loads the user and the account, always in the same order: of two who link crosswise one waits.
async fn both(tx: &mut Conn, id: &UserId, second: &UserId) -> Outcome<(User, User)> {
    let (user, account) = if id < second {
        let user = users::find_to_change(tx, id).await?;
        (user, users::find_to_change(tx, second).await?)
    } else {
        let account = users::find_to_change(tx, second).await?;
        (users::find_to_change(tx, id).await?, account)
    };
    let user = user.ok_or(ManagementCode::InexistentUser)?;
    match account {
        Some(account) => Ok((user, account)),
        None if linked_accounts::find(tx, second).await?.is_some() => {
            Err(ManagementCode::IdentityConflict.into())
        }
        None => Err(ManagementCode::InexistentUser.into()),
    }
}

async fn check_connection(conn: &mut Conn, second: &Second, account: &User) -> Outcome<()> {
    let Some(id) = &second.connection else { return Ok(()) };
    let connection = connections::find(conn, id).await?.ok_or(ManagementCode::InexistentConnection)?;
    if connection.name == account.connection { Ok(()) } else { Err(ManagementCode::InexistentUser.into()) }
}

async fn has_factor(conn: &mut Conn, user: &UserId) -> Result<bool, DbError> {
    let held = methods::list_of_user(conn, user).await?;
    Ok(held.iter().any(|method| method.confirmed && is_mfa(method)))
}
