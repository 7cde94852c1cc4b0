//! Enrolment tickets: a link that lets one person set up one factor once (contract/universal-login.md 11).
//!
//! Opening the link only looks (mail scanners do); a press of the button begins; the ticket is spent when the enrolment is
//! confirmed. No session comes of it.

use lockstep_core::crypto::digest::{same_secret, sha256_b64url};
use lockstep_core::env::Env;
use lockstep_core::factors::{FactorError, FactorKind};
use lockstep_core::ids::{ClientId, TicketId, TransactionId, UserId};
use lockstep_core::login::effect::Problem;
use lockstep_core::login::enrolment::{After, Enrolment};
use lockstep_core::login::steps::Answer;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::message::Channel;
use lockstep_core::model::user::User;
use lockstep_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::flows::changes;
use crate::flows::enrolling::{self, EnrollingError, Led, Who};
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

impl From<EnrollingError> for TicketError {
    fn from(error: EnrollingError) -> Self {
        match error {
            EnrollingError::Db(error) => error.into(),
            EnrollingError::Factor(error) => error.into(),
        }
    }
}

/// An enrolment under way.
#[derive(Clone, Serialize, Deserialize)]
pub struct Running {
    ticket_hash: String,
    user: UserId,
    enrolment: Enrolment,
}

/// What the page of an enrolment shows.
pub struct Page {
    /// The `state` of the page.
    pub id: TransactionId,
    /// Whose account it is.
    pub account: String,
    /// How far it is.
    pub enrolment: Enrolment,
    /// The channels of the phone factor.
    pub channels: Vec<Channel>,
    /// What is wrong with the last answer.
    pub trouble: Option<Problem>,
}

/// What follows an answer.
pub enum Outcome {
    /// Show this page.
    Page(Box<Page>),
    /// All is set up.
    Done,
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
    let (_, user) = open(&mut conn, &sha256_b64url(ticket), env.now).await?;
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
    let (found, user) = open(&mut tx, &sha256_b64url(ticket), env.now).await?;
    let who = Who::load(&mut tx, app, env, origin, &user).await?;
    let held = authenticators::list_of_user(&mut tx, &user.id).await?;
    let options = offered(&found.data, &who.guardian.enabled(), &held);
    let turn = Enrolment::begin(options, &who.enrolling, env);
    let After::Going(enrolment) = turn.next else {
        let event = LogEvent::new("gd_start_enroll_failed", "").user(&user.id, user.display_name());
        app.log(env, &event.from(origin));
        return Err(TicketError::NoFactor);
    };
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
        data: Running { ticket_hash: sha256_b64url(ticket), user: user.id.clone(), enrolment },
        created_at: env.now,
        expires_at: env.now + ENROLMENT,
    };
    transactions::create(&mut tx, &stored).await?;
    let mut event = LogEvent::new("gd_start_enroll", "").user(&user.id, user.display_name()).from(origin);
    event.strategy = Some("ticket");
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
    given: Answer,
) -> Result<Outcome, TicketError> {
    let mut tx = app.db().write().await?;
    let mut stored = load(&mut tx, env, browser, id).await?;
    let user = users::find(&mut tx, &stored.data.user).await?.ok_or(TicketError::Lost)?;
    let who = Who::load(&mut tx, app, env, origin, &user).await?;
    let before = stored.data.enrolment.clone();
    let led = enrolling::answer(&mut tx, app, env, origin, &user, &who, before, given).await;
    let enrolled = match led? {
        Led::Going(enrolment, problem) => {
            stored.data.enrolment = enrolment;
            return again(tx, &stored, problem).await;
        }
        Led::Done(enrolled) => enrolled.authenticator,
    };
    if enrolled.kind != FactorKind::RecoveryCode {
        // What was asked when it was begun is asked again: she may have enrolled elsewhere meanwhile.
        open(&mut tx, &stored.data.ticket_hash, env.now).await?;
        if !tickets::claim(&mut tx, &stored.data.ticket_hash, KIND, env.now).await? {
            return Err(TicketError::Used);
        }
    }
    changes::enrolled(&mut tx, app, env, origin, &user, &enrolled).await?;
    let held = authenticators::list_of_user(&mut tx, &user.id).await?;
    if let Some(enrolment) = enrolling::first_recovery_code(&who, &held, env)? {
        stored.data.enrolment = enrolment;
        return again(tx, &stored, None).await;
    }
    if !transactions::claim(&mut tx, id, stored.version).await? {
        return Err(TicketError::Lost);
    }
    tx.commit().await?;
    Ok(Outcome::Done)
}

/// Saves the enrolment as it is now and shows its page. If another request was faster, the page shows what that one left.
async fn again(
    mut tx: Conn,
    stored: &Stored<Running>,
    trouble: Option<Problem>,
) -> Result<Outcome, TicketError> {
    if !transactions::save(&mut tx, &stored.id, stored.version, Some(&stored.data.user), &stored.data).await?
    {
        return Err(TicketError::Lost);
    }
    let page = page(&mut tx, stored, trouble).await?;
    tx.commit().await?;
    Ok(Outcome::Page(Box::new(page)))
}

/// The factors that a ticket offers: the one that it names, or all that can stand alone. One that cannot is offered by name, to whom has
/// another beside it.
fn offered(allows: &Allows, enabled: &[FactorKind], held: &[Authenticator]) -> Vec<FactorKind> {
    let named = match allows.factor.as_deref() {
        Some("phone") => Some(FactorKind::Phone),
        Some(name) => Some(FactorKind::from_guardian_name(name).unwrap_or(FactorKind::RecoveryCode)),
        None => None,
    };
    let has_factor = held.iter().any(|a| a.confirmed && a.kind.independent() && enabled.contains(&a.kind));
    let fits = |kind: &FactorKind| match named {
        Some(FactorKind::RecoveryCode) => false,
        Some(named) => named == *kind && (kind.independent() || has_factor),
        None => kind.independent(),
    };
    enabled.iter().copied().filter(fits).collect()
}

async fn load(
    conn: &mut Conn,
    env: &Env,
    browser: &Browser<'_>,
    id: &TransactionId,
) -> Result<Stored<Running>, TicketError> {
    let found = transactions::find::<Running>(conn, id).await;
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
    stored: &Stored<Running>,
    trouble: Option<Problem>,
) -> Result<Page, TicketError> {
    let user = users::find(conn, &stored.data.user).await?.ok_or(TicketError::Lost)?;
    Ok(Page {
        id: stored.id.clone(),
        account: user.display_name().to_owned(),
        enrolment: stored.data.enrolment.clone(),
        channels: settings::guardian(conn).await?.channels(),
        trouble,
    })
}

/// Returns a ticket that can be used, and whose it is.
async fn open(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<(Ticket<Allows>, User), TicketError> {
    let found = tickets::find::<Allows>(conn, hash, KIND).await?.ok_or(TicketError::Invalid)?;
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
