//! A link that proves an address (contract/management-api.md 17): opening it only looks, since mail scanners open links too; a press of the
//! button marks the address verified, once. Nobody is logged in by it.

use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::ids::ClientId;
use lockstep_core::model::client::Client;
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::message::MessageKind;
use lockstep_core::model::user::User;
use lockstep_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::messages::{self, About, Link};
use super::result_url;
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::tickets::{self, Ticket};
use crate::store::{clients, settings, users};

/// The kind of its tickets.
const KIND: &str = "email_verification";
/// How long a link works that says nothing else.
pub const LIFETIME: Span = Span::days(5);

/// What a ticket allows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Verification {
    /// The address that it proves: once the account has another, the ticket is worth nothing.
    pub email: String,
    /// The application that the person goes on to.
    pub client: Option<ClientId>,
    /// Where the person goes afterwards instead.
    pub result_url: Option<String>,
    /// Whether that address is told the mail address.
    pub with_email: bool,
}

/// Why a link proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// No such ticket, or the account is gone or has another address.
    #[error("the link is not valid")]
    Unknown,
    /// It was used.
    #[error("the link was used")]
    Used,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What follows.
pub struct Done {
    /// The application that the person goes on to.
    pub client: Option<Client>,
    /// Where the person is sent instead of our page.
    pub url: Option<String>,
}

/// Makes a ticket, in the caller's transaction, and returns its link.
pub async fn create(
    tx: &mut Conn,
    env: &mut Env,
    user: &User,
    data: Verification,
    lifetime: Span,
) -> Result<String, DbError> {
    let id = env.rng().url_safe(43);
    let expires_at = env.now + lifetime;
    let ticket = Ticket { user: user.id.clone(), data, created_at: env.now, expires_at, used_at: None };
    tickets::create(tx, &sha256_b64url(&id), KIND, &ticket).await?;
    Ok(env.issuer.url(&format!("u/email-verification?ticket={id}")))
}

/// Writes the mail with a link to the user's address, in the caller's transaction. Without an address it does nothing.
pub async fn send(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    user: &User,
    client: Option<&Client>,
) -> Result<(), DbError> {
    let Some(email) = user.email.clone() else { return Ok(()) };
    let data = Verification {
        email: email.clone(),
        client: client.map(|client| client.id.clone()),
        ..Verification::default()
    };
    let url = create(tx, env, user, data, LIFETIME).await?;
    let tenant = settings::tenant(tx).await?;
    let about = About {
        tenant: &tenant,
        client,
        user: Some(user),
        language: choose_locale(None, None, None, &tenant.enabled_locales()),
        host: app.issuer().host(),
    };
    let written = messages::link(tx, &about, Link::Verification, &url).await?;
    let expires_at = env.now + LIFETIME;
    messages::queue(tx, env, &about, MessageKind::VerifyEmail, email, written, expires_at).await?;
    let mut event = LogEvent::new("svr", "Success verification email request");
    event = event.user(&user.id, user.display_name()).details(json!({
        "body": {"user_id": user.id, "email": user.email, "client_id": client.map(|client| &client.id)},
    }));
    event.connection = Some(user.connection.clone());
    event.client = client.map(|client| client.id.clone());
    event.client_name = client.map(|client| client.name().to_owned());
    app.logs().insert(tx, env, &event).await
}

/// Looks at a ticket, and returns the address. Changes nothing.
pub async fn look(app: &App, env: &Env, ticket: &str) -> Result<String, VerificationError> {
    let mut conn = app.db().read().await?;
    Ok(open(&mut conn, ticket, env.now).await?.0.data.email)
}

/// Spends a ticket: the address is the person's.
pub async fn verify(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    ticket: &str,
) -> Result<Done, VerificationError> {
    let mut tx = app.db().write().await?;
    let (Ticket { data, .. }, user) = open(&mut tx, ticket, env.now).await?;
    if !tickets::claim(&mut tx, &sha256_b64url(ticket), KIND, env.now).await? {
        return Err(VerificationError::Used);
    }
    // Loaded again: what another request changes at this moment must not be undone, and may be the address.
    let user = users::find_to_change(&mut tx, &user.id).await?;
    let mut user = user
        .filter(|user| user.email.as_deref() == Some(data.email.as_str()))
        .ok_or(VerificationError::Unknown)?;
    if !user.email_verified {
        user.email_verified = true;
        user.updated_at = env.now;
        users::save(&mut tx, &user).await?;
    }
    let client = match &data.client {
        Some(id) => clients::find(&mut tx, id).await?,
        None => None,
    };
    let title = "Your email was verified. You can continue using the application.";
    let mut event = LogEvent::new("sv", title).user(&user.id, user.display_name()).from(origin);
    event = event.details(json!({
        "title": title, "email": data.email, "query": {"user_id": user.id, "client": data.client}, "body": {},
    }));
    event.connection = Some(user.connection.clone());
    event.client = client.as_ref().map(|client| client.id.clone());
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    let email = data.with_email.then_some(data.email.as_str());
    let message = "Your email was verified. You can continue using the application.";
    let url = data.result_url.as_deref().and_then(|url| result_url(url, message, email));
    Ok(Done { client, url })
}

async fn open(
    conn: &mut Conn,
    ticket: &str,
    now: Timestamp,
) -> Result<(Ticket<Verification>, User), VerificationError> {
    let found = tickets::find::<Verification>(conn, &sha256_b64url(ticket), KIND).await?;
    let found = found.ok_or(VerificationError::Unknown)?;
    if found.used_at.is_some() {
        return Err(VerificationError::Used);
    }
    if found.expires_at <= now {
        return Err(VerificationError::Expired);
    }
    let user = users::find(conn, &found.user).await?;
    let user = user.filter(|user| user.email.as_deref() == Some(found.data.email.as_str()));
    Ok((found, user.ok_or(VerificationError::Unknown)?))
}
