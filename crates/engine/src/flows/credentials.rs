//! The password as a first factor: who is it, and is it right? One place for every way to log in with a password.
//!
//! An unknown user, a wrong password and a locked account look and last the same (ASVS 6.3.8).

use lockstep_core::crypto::hasher::Verdict;
use lockstep_core::env::Env;
use lockstep_core::model::address_range;
use lockstep_core::model::attack_protection::BruteForce;
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::{User, normal_email, normal_username};
use lockstep_core::time::{Span, Timestamp};

use super::linked::{self, Account};
use crate::app::App;
use crate::passwords::PasswordError;
use crate::store::buckets::Budget;
use crate::store::db::{Conn, DbError};
use crate::store::{buckets, settings};

/// How long a block lasts, and how long it takes until one failure is forgotten (contract/attack-protection.md 3).
const BLOCKED_FOR: Span = Span::days(30);

/// Stands in the name of a bucket where an address would: failures from everywhere.
const EVERYWHERE: &str = "*";

/// What the tenant's log says of a block.
const TOO_MANY: &str = "Your account has been blocked after multiple consecutive login attempts.";

/// The longest identifier that is looked up.
const MAX_IDENTIFIER: usize = 320;

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// No such user, or not the password.
    #[error("wrong identifier or password")]
    Wrong,
    /// Too many failures from this address; the password was not looked at.
    #[error("too many failed attempts")]
    TooManyFailures,
    /// The right password of a user who is blocked.
    #[error("user is blocked")]
    UserBlocked,
    /// Too many passwords are being checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Checks an identifier (address or user name) and a password against a connection. Returns who is logged in: for a linked account, the user
/// whom it was linked to.
pub async fn check(
    app: &App,
    env: &Env,
    origin: &Origin,
    client: &Client,
    connection: &Connection,
    identifier: &str,
    password: &str,
) -> Result<User, CredentialsError> {
    let identifier = identifier.trim_matches(' ');
    let mut tx = app.db().write().await?;
    let account = find_account(&mut tx, connection, identifier).await?;
    let user = account.as_ref().map(|account| &account.user);
    let rules = app.catalog().brute_force_in(&mut tx).await?;
    let counted = rules.counts(origin.ip.as_deref()) && connection.brute_force_protection();
    let bucket = bucket(connection, user, identifier, &rules, origin);
    // The attempt is counted before it is judged, and on its own: parallel guesses cannot slip past, and no rollback forgives one.
    let left = if counted {
        buckets::take_one(&mut tx, &bucket, failures(&rules), env.now).await?
    } else {
        Some(i64::MAX)
    };
    let stored = match &account {
        Some(account) => account.password_hash(&mut tx).await?,
        None => None,
    };
    tx.commit().await?;
    let event = |code, text: &str| {
        let mut event = LogEvent::new(code, text).client(&client.id, client.name()).from(origin);
        event.connection = Some(connection.name.clone());
        event.connection_id = Some(connection.id.to_string());
        event.user_name = Some(identifier.to_owned());
        event.user = user.map(|u| u.id.clone());
        event
    };
    if left.is_none() && rules.blocks {
        app.log(env, &event("f", TOO_MANY).error(TOO_MANY));
        return Err(CredentialsError::TooManyFailures);
    }
    let verdict = app.passwords().verify(password.to_owned(), stored.clone()).await?;
    let (Some(found), Verdict::Match { rehash }) = (&account, verdict) else {
        let code = if user.is_some() { "fp" } else { "fu" };
        let text = "Wrong email or password.";
        app.log(env, &event(code, text).error(text));
        // This failure was the last there might be: from now on nothing is looked at. Said once, however many try meanwhile.
        if left == Some(0) {
            app.log(env, &event("limit_wc", TOO_MANY));
        }
        return Err(CredentialsError::Wrong);
    };
    let mut tx = app.db().write().await?;
    buckets::reset(&mut tx, &bucket).await?;
    tx.commit().await?;
    if found.user.blocked {
        let text = "user is blocked";
        app.log(env, &event("f", text).error(text));
        return Err(CredentialsError::UserBlocked);
    }
    if let (true, Some(old)) = (rehash, stored) {
        let new = app.passwords().hash(password.to_owned()).await?;
        let mut tx = app.db().write().await?;
        found.rehash_password(&mut tx, &old, &new).await?;
        tx.commit().await?;
    }
    Ok(found.user.clone())
}

/// Returns the account of a connection that an identifier names.
pub(super) async fn find_account(
    conn: &mut Conn,
    connection: &Connection,
    identifier: &str,
) -> Result<Option<Account>, DbError> {
    if identifier.len() > MAX_IDENTIFIER {
        return Ok(None);
    }
    if let Ok(email) = normal_email(identifier)
        && let Some(account) = linked::by_email(conn, &connection.name, &email).await?
    {
        return Ok(Some(account));
    }
    if connection.requires_username() {
        return linked::by_username(conn, &connection.name, identifier).await;
    }
    Ok(None)
}

/// The same, and returns whom it logs in.
async fn find_user(
    conn: &mut Conn,
    connection: &Connection,
    identifier: &str,
) -> Result<Option<User>, DbError> {
    Ok(find_account(conn, connection, identifier).await?.map(|account| account.user))
}

/// Lets a user try again from everywhere: after a password change, or by an administrator.
pub async fn forgive(conn: &mut Conn, user: &User) -> Result<(), DbError> {
    buckets::reset_all(conn, &format!("password:{}:", user.id)).await?;
    Ok(())
}

/// Lets an identifier be tried again from everywhere: that of a user, or a name that nobody has.
pub async fn forgive_identifier(
    conn: &mut Conn,
    connection: &Connection,
    identifier: &str,
) -> Result<(), DbError> {
    let user = find_user(conn, connection, identifier).await?;
    buckets::reset_all(conn, &prefix(connection, user.as_ref(), identifier)).await?;
    Ok(())
}

/// From where somebody is not let in: an address, or nothing for everywhere.
pub type Blocked = Option<String>;

/// Returns from where an identifier is not let in at the moment.
pub async fn blocked_from(
    conn: &mut Conn,
    connection: &Connection,
    identifier: &str,
    now: Timestamp,
) -> Result<Vec<Blocked>, DbError> {
    let user = find_user(conn, connection, identifier).await?;
    blocked_under(conn, &prefix(connection, user.as_ref(), identifier), now).await
}

/// Returns from where a user is not let in at the moment.
pub async fn user_blocked_from(
    conn: &mut Conn,
    user: &User,
    now: Timestamp,
) -> Result<Vec<Blocked>, DbError> {
    blocked_under(conn, &format!("password:{}:", user.id), now).await
}

async fn blocked_under(conn: &mut Conn, prefix: &str, now: Timestamp) -> Result<Vec<Blocked>, DbError> {
    let rules = settings::brute_force(conn).await?;
    if !rules.enabled || !rules.blocks {
        return Ok(Vec::new());
    }
    let names = buckets::list_empty(conn, prefix, failures(&rules), now).await?;
    let from = names.iter().filter_map(|name| name.strip_prefix(prefix));
    // What was counted under the other mode counts no more.
    let from = from.filter(|from| (*from == EVERYWHERE) == rules.from_everywhere);
    Ok(from.map(|from| (from != EVERYWHERE).then(|| from.to_owned())).collect())
}

/// Returns how many failures there may be.
fn failures(rules: &BruteForce) -> Budget {
    Budget::new(rules.max_attempts, BLOCKED_FOR)
}

/// Failures count for the user, whichever account was tried and however the name was spelled; for an unknown name, for its normal spelling.
fn bucket(
    connection: &Connection,
    user: Option<&User>,
    identifier: &str,
    rules: &BruteForce,
    origin: &Origin,
) -> String {
    let from = match origin.ip.as_deref() {
        _ if rules.from_everywhere => EVERYWHERE.to_owned(),
        Some(ip) => address_range::household(ip),
        None => "unknown".to_owned(),
    };
    format!("{}{from}", prefix(connection, user, identifier))
}

fn prefix(connection: &Connection, user: Option<&User>, identifier: &str) -> String {
    match user {
        Some(user) => format!("password:{}:", user.id),
        None => {
            let name = normal_username(identifier);
            let hash = lockstep_core::crypto::digest::sha256_b64url(format!("{}\n{name}", connection.name));
            format!("password:?{hash}:")
        }
    }
}
