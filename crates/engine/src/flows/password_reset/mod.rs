//! Somebody forgot the password: a link by mail, then a new password. It logs nobody in and removes no factor.

pub mod passkey;

use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::ids::{ClientId, UserId};
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::{Connection, PasswordRule};
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::message::MessageKind;
use lockstep_core::model::user::User;
use lockstep_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::messages::{self, About, Link};
use super::{changes, credentials, linked, result_url};
use crate::app::App;
use crate::passwords::PasswordError;
use crate::store::buckets::Budget;
use crate::store::db::{Conn, DbError};
use crate::store::tickets::{self, Ticket};
use crate::store::{buckets, clients, connections, linked_accounts, settings, users};

/// The kind of its tickets.
const KIND: &str = "password_reset";
/// How long a link works (contract/universal-login.md 12).
const LIFETIME: Span = Span::days(5);
/// How many mails one address gets (contract/oidc.md 13: 10 burst, then 1 a minute).
const MAILS: Budget = Budget::new(10, Span::minutes(1));

/// What a ticket allows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reset {
    /// The application that the person came from, where one is known.
    pub client: Option<ClientId>,
    /// The connection whose password it is.
    pub connection: String,
    /// Where the person goes afterwards, instead of our page.
    #[serde(default)]
    pub result_url: Option<String>,
    /// Whether that address is told the mail address.
    #[serde(default)]
    pub with_email: bool,
    /// The address that is proven by the link, if the account still has it then.
    #[serde(default)]
    pub verifies: Option<String>,
    /// The account whose password it is, where that is one that was linked to the user.
    #[serde(default)]
    pub account: Option<UserId>,
}

/// Why a new password was not set.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// No such ticket.
    #[error("the link is not valid")]
    Unknown,
    /// It was used.
    #[error("the link was used")]
    Used,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
    /// The password does not meet the policy.
    #[error("the password is too weak")]
    WeakPassword(Vec<(PasswordRule, bool)>),
    /// Hashing failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Sends a link to the user of this identifier, if there is one, and if the connection lets people do so. The answer is the same if not.
pub async fn request(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    client: Option<&Client>,
    connection: &Connection,
    identifier: &str,
    language: Option<&str>,
) -> Result<(), DbError> {
    let identifier = identifier.trim_matches(' ');
    let refused = |why: &str| {
        let name: String = identifier.chars().take(320).collect();
        let mut event = of_client(LogEvent::new("fcpr", why), client).from(origin);
        event.connection = Some(connection.name.clone());
        event.connection_id = Some(connection.id.to_string());
        event.details = Some(json!({
            "error": {"message": why},
            "body": {"client_id": client.map(|client| &client.id), "connection": connection.name, "email": name},
        }));
        event.user_name = Some(name);
        event
    };
    if !connection.allows_password_reset() {
        app.log(env, &refused("The connection has no password reset."));
        return Ok(());
    }
    let mut tx = app.db().write().await?;
    let account = credentials::find_account(&mut tx, connection, identifier).await?;
    let account = account.and_then(|account| Some((account.email()?.to_owned(), account)));
    let Some((email, account)) = account else {
        app.log(env, &refused("User does not exist."));
        return Ok(());
    };
    let linked = account.linked_id().cloned();
    let user = account.user;
    if !buckets::take(&mut tx, &format!("reset_mail:{}", user.id), MAILS, env.now).await? {
        tx.commit().await?;
        return Ok(());
    }
    let data = Reset {
        client: client.map(|client| client.id.clone()),
        connection: connection.name.clone(),
        result_url: None,
        with_email: false,
        verifies: None,
        account: linked,
    };
    let (url, expires_at) = create(&mut tx, env, &user, data, LIFETIME).await?;
    let tenant = settings::tenant(&mut tx).await?;
    let about = About {
        tenant: &tenant,
        client,
        user: Some(&user),
        language: choose_locale(language, None, origin.languages.as_deref(), &tenant.enabled_locales()),
        host: app.issuer().host(),
    };
    let written = messages::link(&mut tx, &about, Link::Reset, &url).await?;
    messages::queue(&mut tx, env, &about, MessageKind::ResetEmail, email.clone(), written, expires_at)
        .await?;
    let event = LogEvent::new("scpr", "Successful change password request");
    let mut event = of_client(event, client).user(&user.id, user.display_name()).from(origin);
    event.connection = Some(connection.name.clone());
    event.connection_id = Some(connection.id.to_string());
    // The link's ticket opens the account: the record has the page alone.
    event.details = Some(json!({
        "body": {"client_id": client.map(|client| &client.id), "connection": connection.name, "email": email},
        "resetUrl": env.issuer.url("u/reset-verify"),
    }));
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await
}

fn of_client(event: LogEvent, client: Option<&Client>) -> LogEvent {
    match client {
        Some(client) => event.client(&client.id, client.name()),
        None => event,
    }
}

/// Makes a ticket, in the caller's transaction; older ones of the user are void. Returns its link, and until when it works.
pub async fn create(
    tx: &mut Conn,
    env: &mut Env,
    user: &User,
    data: Reset,
    lifetime: Span,
) -> Result<(String, Timestamp), DbError> {
    let id = env.rng().url_safe(43);
    let expires_at = env.now + lifetime;
    tickets::claim_all_of_user(tx, &user.id, KIND, env.now).await?;
    let ticket = Ticket { user: user.id.clone(), data, created_at: env.now, expires_at, used_at: None };
    tickets::create(tx, &sha256_b64url(&id), KIND, &ticket).await?;
    Ok((env.issuer.url(&format!("u/reset-verify?ticket={id}")), expires_at))
}

/// Looks at a ticket without spending it, and returns whose password of which connection it is about: the GET of a mail link
/// changes nothing.
pub async fn look(app: &App, env: &Env, ticket: &str) -> Result<(String, Connection), ResetError> {
    let mut conn = app.db().read().await?;
    let Ticket { user, data, .. } = open(&mut conn, ticket, env.now).await?;
    let account = match &data.account {
        Some(id) => linked::find(&mut conn, &user, id).await?.map(|linked| linked.account),
        None => users::find(&mut conn, &user).await?,
    };
    let account = account.ok_or(ResetError::Unknown)?;
    let connection =
        connections::find_by_name(&mut conn, &data.connection).await?.ok_or(ResetError::Unknown)?;
    Ok((account.email.unwrap_or_default(), connection))
}

/// What a new password leads to.
pub struct Done {
    /// The application that the person came from.
    pub client: Option<Client>,
    /// The handle of the page that offers a passkey, if one is offered.
    pub offer: Option<String>,
    /// Where the person is sent instead of our pages.
    pub url: Option<String>,
}

/// Sets the new password and ends what the old one may have opened.
pub async fn set_password(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    ticket: &str,
    password: &str,
) -> Result<Done, ResetError> {
    let (name, connection) = look(app, env, ticket).await?;
    let rules = connection.password_policy().check(password);
    if rules.iter().any(|(_, met)| !met) {
        let mut event =
            LogEvent::new("fcp", "Password is too weak").error("Password is too weak").from(origin);
        event.user_name = Some(name);
        event.connection = Some(connection.name.clone());
        event.connection_id = Some(connection.id.to_string());
        app.log(env, &event);
        return Err(ResetError::WeakPassword(rules));
    }
    let hash = app.passwords().hash(password.to_owned()).await?;
    let mut tx = app.db().write().await?;
    let Ticket { user, data, .. } = open(&mut tx, ticket, env.now).await?;
    if !tickets::claim(&mut tx, &sha256_b64url(ticket), KIND, env.now).await? {
        return Err(ResetError::Used);
    }
    let (mut offer, mut url) = (None, None);
    if let Some(mut user) = users::find_to_change(&mut tx, &user).await? {
        let email = match &data.account {
            None => {
                if data.verifies.is_some() && data.verifies == user.email {
                    user.email_verified = true;
                    user.updated_at = env.now;
                    users::save(&mut tx, &user).await?;
                }
                changes::password(&mut tx, app, env, origin, &user, data.client.as_ref(), &hash).await?;
                user.email.clone()
            }
            Some(id) => {
                // Unlinked since: the link was for this user.
                let Some(account) = linked::find(&mut tx, &user.id, id).await? else {
                    return Err(ResetError::Unknown);
                };
                let account = account.account;
                if data.verifies.is_some() && data.verifies == account.email {
                    linked::change(&mut tx, env, &user.id, id, |account| account.email_verified = true)
                        .await?;
                }
                linked_accounts::set_password(&mut tx, id, &hash, env.now).await?;
                changes::password_was_set(&mut tx, app, env, origin, &user, &account, data.client.as_ref())
                    .await?;
                account.email
            }
        };
        let email = email.as_deref().filter(|_| data.with_email);
        let to = data.result_url.as_deref();
        url = to.and_then(|to| {
            result_url(to, "You can now login to the application with the new password.", email)
        });
        if url.is_none()
            && let Some(client) = &data.client
        {
            offer = passkey::make(&mut tx, app, env, &user, client).await?;
        }
    }
    let client = match &data.client {
        Some(client) => clients::find(&mut tx, client).await?,
        None => None,
    };
    tx.commit().await?;
    Ok(Done { client, offer, url })
}

async fn open(conn: &mut Conn, ticket: &str, now: Timestamp) -> Result<Ticket<Reset>, ResetError> {
    let found =
        tickets::find::<Reset>(conn, &sha256_b64url(ticket), KIND).await?.ok_or(ResetError::Unknown)?;
    if found.used_at.is_some() {
        Err(ResetError::Used)
    } else if found.expires_at <= now {
        Err(ResetError::Expired)
    } else {
        Ok(found)
    }
}
