//! Enrolment tickets: a link that lets one person set up one factor once (contract/universal-login.md 11).
//!
//! Opening the link only looks (mail scanners do); a press of the button begins; the ticket is spent when the enrolment is
//! confirmed. No session comes of it.

use lockstep_core::crypto::digest::{same_secret, sha256_b64url};
use lockstep_core::env::Env;
use lockstep_core::factors::{self, Draft, EnrolAsk, FactorError, FactorKind, Input, Shown};
use lockstep_core::ids::{ClientId, TicketId, TransactionId, UserId};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::User;
use lockstep_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::flows::login::Browser;
use crate::store::db::{Conn, DbError};
use crate::store::tickets::{self, Ticket};
use crate::store::transactions::{self, Stored};
use crate::store::{authenticators, settings, users};

/// The kind of its tickets.
pub const KIND: &str = "enrollment";
/// How long a ticket works.
pub const LIFETIME: Span = Span::days(5);
/// How long an enrolment that was begun may take.
const ENROLMENT: Span = Span::minutes(60);

/// What a ticket allows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Allows {
    /// The only factor on offer, by its wire name.
    pub factor: Option<String>,
    /// Whether somebody who has a factor may add another.
    pub allow_multiple: bool,
}

/// Why a ticket leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// No such ticket, or its user is gone.
    #[error("the ticket is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the ticket has expired")]
    Expired,
    /// It was used.
    #[error("the ticket was used")]
    Used,
    /// The user has a factor.
    #[error("the user has a factor already")]
    AlreadyEnrolled,
    /// No factor that the pages can enrol is enabled.
    #[error("no factor can be enrolled")]
    NoFactor,
    /// The enrolment is not this browser's, or over.
    #[error("there is no such enrolment in this browser")]
    Lost,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A factor's stored data is broken.
    #[error(transparent)]
    Factor(#[from] FactorError),
}

/// An enrolment under way.
#[derive(Clone, Serialize, Deserialize)]
pub struct Enrolling {
    ticket_hash: String,
    user: UserId,
    draft: Draft,
    as_key: bool,
}

/// What the page of an enrolment shows.
pub struct Page {
    /// The `state` of the page.
    pub id: TransactionId,
    /// Whose account it is.
    pub account: String,
    /// The seed, or the recovery code.
    pub shown: Shown,
    /// Whether the key is shown instead of the QR code.
    pub as_key: bool,
    /// The text key of what is wrong with the last answer.
    pub trouble: Option<&'static str>,
}

/// What follows an answer.
pub enum After {
    /// Show this page.
    Page(Box<Page>),
    /// All is set up.
    Done,
}

/// An answer on a page.
pub enum Given {
    /// A code.
    Code(String),
    /// "I have saved it".
    Saved(bool),
    /// Show the key, or the QR code.
    AsKey(bool),
}

/// Makes a ticket, to be stored in the caller's transaction. Returns its id; only a hash is kept.
pub async fn create(
    tx: &mut Conn,
    env: &mut Env,
    user: &UserId,
    allows: Allows,
) -> Result<TicketId, DbError> {
    let id = TicketId::new(env.rng());
    let ticket = Ticket {
        user: user.clone(),
        data: allows,
        created_at: env.now,
        expires_at: env.now + LIFETIME,
        used_at: None,
    };
    tickets::create(tx, &sha256_b64url(id.as_str()), KIND, &ticket).await?;
    Ok(id)
}

/// Returns the link of a ticket.
pub fn url(env: &Env, id: &TicketId) -> String {
    env.issuer.url(&format!("guardian/enroll?ticket={id}"))
}

/// Looks at a ticket and returns whose account it is. Changes nothing.
pub async fn look(app: &App, env: &Env, ticket: &str) -> Result<String, TicketError> {
    let mut conn = app.db().read().await?;
    let (_, user) = open(&mut conn, ticket, env.now).await?;
    Ok(user.display_name().to_owned())
}

/// Begins the enrolment that a ticket allows. Returns the page's `state` and, for a browser without one, the handle of the cookie that
/// binds it.
pub async fn begin(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    browser: &Browser<'_>,
    ticket: &str,
) -> Result<(TransactionId, Option<String>), TicketError> {
    let mut tx = app.db().write().await?;
    let (found, user) = open(&mut tx, ticket, env.now).await?;
    let guardian = settings::guardian(&mut tx).await?;
    let factor = found.data.factor.as_deref().unwrap_or("otp");
    if factor != FactorKind::Totp.guardian_name() || !guardian.is_enabled(factor) {
        return Err(TicketError::NoFactor);
    }
    let draft = draft(&mut tx, app, env, FactorKind::Totp, &user).await?;
    let id = TransactionId::new(env.rng());
    let (handle, new) = match browser.transaction {
        Some(handle) => (handle.to_owned(), None),
        None => {
            let handle = env.rng().url_safe(43);
            (handle.clone(), Some(handle))
        }
    };
    let stored = Stored {
        id: id.clone(),
        version: 0,
        cookie_hash: sha256_b64url(&handle),
        client: ClientId::trusted(""),
        data: Enrolling { ticket_hash: sha256_b64url(ticket), user: user.id.clone(), draft, as_key: false },
        created_at: env.now,
        expires_at: env.now + ENROLMENT,
    };
    transactions::create(&mut tx, &stored).await?;
    let event = LogEvent::new("gd_start_enroll", "").user(&user.id, user.display_name()).from(origin);
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    Ok((id, new))
}

/// Returns the page of an enrolment.
pub async fn show(
    app: &App,
    env: &Env,
    browser: &Browser<'_>,
    id: &TransactionId,
) -> Result<Page, TicketError> {
    let mut conn = app.db().read().await?;
    let stored = load(&mut conn, env, browser, id).await?;
    page(&mut conn, &stored, None).await
}

/// Takes an answer.
pub async fn answer(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    browser: &Browser<'_>,
    id: &TransactionId,
    given: Given,
) -> Result<After, TicketError> {
    let mut tx = app.db().write().await?;
    let mut stored = load(&mut tx, env, browser, id).await?;
    let input = match given {
        Given::AsKey(as_key) => {
            stored.data.as_key = as_key;
            stored.data.draft.touch(env.now);
            return again(tx, &stored, None).await;
        }
        Given::Saved(false) => return again(tx, &stored, Some("no-confirmation")).await,
        Given::Saved(true) => Input::Saved,
        Given::Code(code) if code.trim().is_empty() => return again(tx, &stored, Some("no-code")).await,
        Given::Code(code) => Input::Code(code),
    };
    let user = users::find(&mut tx, &stored.data.user).await?.ok_or(TicketError::Lost)?;
    if stored.data.draft.expired(env.now) {
        stored.data.draft = draft(&mut tx, app, env, stored.data.draft.kind, &user).await?;
        return again(tx, &stored, Some("transaction-not-found")).await;
    }
    let enrolled = match factors::confirm(&stored.data.draft, &input, env) {
        Ok(enrolled) => enrolled,
        Err(FactorError::Malformed) => return again(tx, &stored, Some("invalid-otp-code-format")).await,
        Err(FactorError::Wrong) => {
            stored.data.draft.touch(env.now);
            return again(tx, &stored, Some("invalid-code")).await;
        }
        Err(error) => return Err(error.into()),
    };
    if enrolled.authenticator.kind == FactorKind::Totp
        && !tickets::claim(&mut tx, &stored.data.ticket_hash, KIND, env.now).await?
    {
        return Err(TicketError::Used);
    }
    authenticators::create(&mut tx, &enrolled.authenticator).await?;
    users::note_mfa_change(&mut tx, &user.id, env.now).await?;
    let event = LogEvent::new("gd_enrollment_complete", "").user(&user.id, user.display_name()).from(origin);
    app.logs().insert(&mut tx, env, &event).await?;
    let held = authenticators::list_of_user(&mut tx, &user.id).await?;
    let code_on = settings::guardian(&mut tx).await?.is_enabled(FactorKind::RecoveryCode.guardian_name());
    if code_on && !held.iter().any(|a| a.kind == FactorKind::RecoveryCode) {
        stored.data.draft = draft(&mut tx, app, env, FactorKind::RecoveryCode, &user).await?;
        return again(tx, &stored, None).await;
    }
    if !transactions::claim(&mut tx, id, stored.version).await? {
        return Err(TicketError::Lost);
    }
    tx.commit().await?;
    Ok(After::Done)
}

/// Saves the enrolment as it is now and shows its page. If another request was faster, the page shows what that one left.
async fn again(
    mut tx: Conn,
    stored: &Stored<Enrolling>,
    trouble: Option<&'static str>,
) -> Result<After, TicketError> {
    if !transactions::save(&mut tx, &stored.id, stored.version, Some(&stored.data.user), &stored.data).await?
    {
        return Err(TicketError::Lost);
    }
    let page = page(&mut tx, stored, trouble).await?;
    tx.commit().await?;
    Ok(After::Page(Box::new(page)))
}

async fn draft(
    conn: &mut Conn,
    app: &App,
    env: &mut Env,
    kind: FactorKind,
    user: &User,
) -> Result<Draft, TicketError> {
    let ask = EnrolAsk {
        user: user.id.clone(),
        issuer: settings::tenant(conn).await?.friendly_name().to_owned(),
        account: user.display_name().to_owned(),
        profile: app.config().profile,
    };
    Ok(factors::begin_enrolment(kind, &ask, env)?)
}

async fn load(
    conn: &mut Conn,
    env: &Env,
    browser: &Browser<'_>,
    id: &TransactionId,
) -> Result<Stored<Enrolling>, TicketError> {
    let found = transactions::find::<Enrolling>(conn, id).await;
    // A login's `state` opens to something else: to this page it is as unknown as any.
    let stored = match found {
        Ok(Some(stored)) => stored,
        Ok(None) | Err(DbError::Corrupt(_)) => return Err(TicketError::Lost),
        Err(error) => return Err(error.into()),
    };
    let ours = browser.transaction.is_some_and(|h| same_secret(sha256_b64url(h), &stored.cookie_hash));
    if ours && stored.expires_at > env.now { Ok(stored) } else { Err(TicketError::Lost) }
}

async fn page(
    conn: &mut Conn,
    stored: &Stored<Enrolling>,
    trouble: Option<&'static str>,
) -> Result<Page, TicketError> {
    let user = users::find(conn, &stored.data.user).await?.ok_or(TicketError::Lost)?;
    Ok(Page {
        id: stored.id.clone(),
        account: user.display_name().to_owned(),
        shown: factors::shown(&stored.data.draft)?,
        as_key: stored.data.as_key,
        trouble,
    })
}

async fn open(conn: &mut Conn, ticket: &str, now: Timestamp) -> Result<(Ticket<Allows>, User), TicketError> {
    let found =
        tickets::find::<Allows>(conn, &sha256_b64url(ticket), KIND).await?.ok_or(TicketError::Invalid)?;
    if found.used_at.is_some() {
        return Err(TicketError::Used);
    }
    if found.expires_at <= now {
        return Err(TicketError::Expired);
    }
    let user = users::find(conn, &found.user).await?.ok_or(TicketError::Invalid)?;
    let held: Vec<Authenticator> = authenticators::list_of_user(conn, &user.id).await?;
    if !found.data.allow_multiple && held.iter().any(|a| a.confirmed && a.kind.independent()) {
        return Err(TicketError::AlreadyEnrolled);
    }
    Ok((found, user))
}
