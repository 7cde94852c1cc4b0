//! Adding a factor, a passkey or a new recovery code on the account page. The same machine as in a login ([`Enrolment`]); the row is bound to
//! the session, so a browser that is logged out in between cannot end it.

use lockstep_core::assurance::Method;
use lockstep_core::crypto::digest::{same_secret, sha256_b64url};
use lockstep_core::env::Env;
use lockstep_core::factors::FactorKind;
use lockstep_core::factors::webauthn::passkey::Registration;
use lockstep_core::ids::{ClientId, TransactionId, UserId};
use lockstep_core::login::effect::Problem;
use lockstep_core::login::enrolment::{After, Enrolment, Turn};
use lockstep_core::login::offer::OfferKind;
use lockstep_core::login::steps::Answer;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::message::Channel;
use lockstep_core::time::Span;
use serde::{Deserialize, Serialize};

use super::{AccountError, Visitor, application};
use crate::app::App;
use crate::flows::enrolling::{self, EnrollingError, Led, Who};
use crate::flows::login::NewCookie;
use crate::flows::new_passkey::{self, Made};
use crate::flows::{PasskeyInput, changes};
use crate::store::db::{Conn, DbError};
use crate::store::transactions::{self, Stored};
use crate::store::{authenticators, connections, sessions, settings};

/// How long an enrolment may take.
const LIFETIME: Span = Span::minutes(60);

/// What is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adding {
    /// A factor of the person's choice.
    Factor,
    /// A new recovery code.
    RecoveryCode,
    /// A passkey.
    Passkey,
}

/// An enrolment under way.
#[derive(Clone, Serialize, Deserialize)]
struct Running {
    /// The account page's rows are no tickets' rows, though both enrol.
    account: UserId,
    under: Under,
}

/// What is under way.
#[derive(Clone, Serialize, Deserialize)]
pub enum Under {
    /// A factor or a recovery code.
    Factor(Enrolment),
    /// A passkey.
    Passkey(Registration),
}

/// What the person answers.
pub enum Given {
    /// The form of an enrolment, read for it.
    Factor(Answer),
    /// What the browser says of the new passkey.
    Passkey(PasskeyInput),
}

/// What the page of an enrolment shows.
pub struct Page {
    /// The `state` of the page.
    pub id: TransactionId,
    /// Who.
    pub visitor: Visitor,
    /// What is under way, and how far it is.
    pub under: Under,
    /// The tenant's name, for the passkey's owner to read.
    pub tenant_name: String,
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

impl From<EnrollingError> for AccountError {
    fn from(error: EnrollingError) -> Self {
        match error {
            EnrollingError::Db(error) => error.into(),
            EnrollingError::Factor(error) => Self::Internal(error.to_string()),
        }
    }
}

/// Begins an enrolment, and returns the `state` of its page.
pub async fn begin(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    handle: Option<&str>,
    adding: Adding,
) -> Result<TransactionId, AccountError> {
    let mut tx = app.db().write().await?;
    let visitor = Visitor::find(&mut tx, app, env, handle).await?;
    visitor.require_fresh()?;
    let user = &visitor.user;
    let who = Who::load(&mut tx, app, env, origin, user).await?;
    let under = match adding {
        Adding::Factor => going(Enrolment::begin(visitor.addable(), &who.enrolling, env))?,
        Adding::RecoveryCode if visitor.may_have_recovery_code() => {
            going(Enrolment::write_down(&who.enrolling, env))?
        }
        Adding::Passkey => Under::Passkey(draw(&mut tx, app, env, &visitor).await?),
        Adding::RecoveryCode => return Err(AccountError::NoFactor),
    };
    let id = TransactionId::new(env.rng());
    let stored = Stored {
        id: id.clone(),
        version: 0,
        cookie_hash: binding(&visitor),
        client: ClientId::trusted(application::CLIENT_ID),
        data: Running { account: user.id.clone(), under },
        created_at: env.now,
        expires_at: env.now + LIFETIME,
    };
    transactions::create(&mut tx, &stored).await?;
    if adding == Adding::Factor {
        let event = LogEvent::new("gd_start_enroll", "").user(&user.id, user.display_name()).from(origin);
        app.logs().insert(&mut tx, env, &event).await?;
    }
    tx.commit().await?;
    Ok(id)
}

fn going(turn: Turn) -> Result<Under, AccountError> {
    match turn.next {
        After::Going(enrolment) => Ok(Under::Factor(enrolment)),
        After::Done(_) | After::Broken => Err(AccountError::NoFactor),
    }
}

/// Draws what a new passkey is asked.
async fn draw(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    visitor: &Visitor,
) -> Result<Registration, AccountError> {
    let connection = connections::find_by_name(tx, &visitor.user.connection).await?;
    let offers = new_passkey::offers(tx, app, env, connection.as_ref(), &visitor.user).await?;
    let offers = offers.filter(|_| visitor.may_add_passkey()).ok_or(AccountError::NoFactor)?;
    Ok(offers.draw(OfferKind::Passkey, env))
}

/// Returns the page of an enrolment. What a passkey is asked does not live as long as a page may stand open, so it is drawn anew in time.
pub async fn show(
    app: &App,
    env: &mut Env,
    handle: Option<&str>,
    id: &TransactionId,
) -> Result<Page, AccountError> {
    let mut conn = app.db().read().await?;
    let visitor = Visitor::find(&mut conn, app, env, handle).await?;
    let mut stored = load(&mut conn, env, &visitor, id).await?;
    let stale = match &stored.data.under {
        Under::Passkey(registration) if !registration.is_fresh(env.now) => Some(registration.anew(env)),
        _ => None,
    };
    if let Some(fresh) = stale {
        drop(conn);
        stored.data.under = Under::Passkey(fresh);
        let mut tx = app.db().write().await?;
        if !transactions::save(&mut tx, id, stored.version, Some(&visitor.user.id), &stored.data).await? {
            return Err(AccountError::NotFound);
        }
        let page = page(&mut tx, visitor, stored, None).await?;
        tx.commit().await?;
        return Ok(page);
    }
    Ok(page(&mut conn, visitor, stored, None).await?)
}

/// Takes an answer.
pub async fn answer(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    handle: Option<&str>,
    id: &TransactionId,
    given: impl FnOnce(&Under) -> Given,
) -> Result<(Outcome, Option<NewCookie>), AccountError> {
    let mut tx = app.db().write().await?;
    let visitor = Visitor::find(&mut tx, app, env, handle).await?;
    let mut stored = load(&mut tx, env, &visitor, id).await?;
    let (before, given) = match (stored.data.under.clone(), given(&stored.data.under)) {
        (Under::Factor(before), Given::Factor(given)) => (before, given),
        (Under::Passkey(asked), Given::Passkey(said)) => {
            let outcome = passkey_answered(tx, app, env, origin, visitor, stored, &asked, said).await?;
            return Ok((outcome, None));
        }
        // The form of another page: nothing changes.
        _ => return Ok((Outcome::Page(Box::new(page(&mut tx, visitor, stored, None).await?)), None)),
    };
    let user = &visitor.user;
    let who = Who::load(&mut tx, app, env, origin, user).await?;
    let mut cookie = None;
    let led = enrolling::answer(&mut tx, app, env, origin, user, &who, before, given).await;
    let (next, trouble) = match led? {
        Led::Going(enrolment, problem) => (Some(enrolment), problem),
        Led::Done(done)
            if done.authenticator.kind == FactorKind::RecoveryCode && visitor.recovery_code().is_some() =>
        {
            changes::recovery_code_replaced(&mut tx, app, env, origin, user, &done.authenticator).await?;
            (None, None)
        }
        Led::Done(done) => {
            changes::enrolled(&mut tx, app, env, origin, user, &done.authenticator).await?;
            if let Some(passed) = &done.passed {
                cookie = Some(prove(&mut tx, env, &visitor, passed.method().clone()).await?);
            }
            let held = authenticators::list_of_user(&mut tx, &user.id).await?;
            let next = enrolling::first_recovery_code(&who, &held, env)
                .map_err(|e| AccountError::Internal(e.to_string()))?;
            (next, None)
        }
    };
    let Some(enrolment) = next else {
        if !transactions::claim(&mut tx, id, stored.version).await? {
            return Err(AccountError::NotFound);
        }
        tx.commit().await?;
        return Ok((Outcome::Done, cookie));
    };
    stored.data.under = Under::Factor(enrolment);
    if !transactions::save(&mut tx, &stored.id, stored.version, Some(&user.id), &stored.data).await? {
        return Err(AccountError::NotFound);
    }
    let page = page(&mut tx, visitor, stored, trouble).await?;
    tx.commit().await?;
    Ok((Outcome::Page(Box::new(page)), cookie))
}

/// Adds the passkey that has answered. What it was asked is over with its answer.
#[expect(clippy::too_many_arguments, reason = "the parts of one answer, each from another place")]
async fn passkey_answered(
    mut tx: Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    visitor: Visitor,
    mut stored: Stored<Running>,
    asked: &Registration,
    said: PasskeyInput,
) -> Result<Outcome, AccountError> {
    // Asked when it was begun, and again: it may have been switched off since, and she may have got others.
    let fresh = draw(&mut tx, app, env, &visitor).await?;
    let answers = matches!(said, PasskeyInput::Answer(_));
    let user = &visitor.user;
    let problem = match new_passkey::answered(&mut tx, app, env, origin, user, asked, said).await? {
        Made::Added => {
            if !transactions::claim(&mut tx, &stored.id, stored.version).await? {
                return Err(AccountError::NotFound);
            }
            tx.commit().await?;
            return Ok(Outcome::Done);
        }
        Made::Taken => {
            drop(tx);
            tx = app.db().write().await?;
            Problem::PasskeyNotAdded
        }
        Made::Not(problem) => problem,
    };
    if answers {
        stored.data.under = Under::Passkey(fresh);
    }
    if !transactions::save(&mut tx, &stored.id, stored.version, Some(&user.id), &stored.data).await? {
        return Err(AccountError::NotFound);
    }
    let page = page(&mut tx, visitor, stored, Some(problem)).await?;
    tx.commit().await?;
    Ok(Outcome::Page(Box::new(page)))
}

/// Notes in the session what the enrolment proved, as a login does, under a new handle.
async fn prove(
    tx: &mut Conn,
    env: &mut Env,
    visitor: &Visitor,
    method: Method,
) -> Result<NewCookie, DbError> {
    let tenant = settings::tenant(tx).await?;
    let lifetimes = tenant.session_lifetimes();
    let handle = env.rng().url_safe(43);
    let mut session = visitor.session.clone();
    session.methods.record(method);
    session.auth_time = env.now;
    session.touch(env.now, lifetimes);
    sessions::save(tx, &session, Some(&sha256_b64url(&handle))).await?;
    let lifetime = tenant.cookies_persist().then_some(lifetimes.absolute);
    Ok(NewCookie::Session { handle, lifetime })
}

async fn load(
    conn: &mut Conn,
    env: &Env,
    visitor: &Visitor,
    id: &TransactionId,
) -> Result<Stored<Running>, AccountError> {
    let stored = match transactions::find::<Running>(conn, id).await {
        Ok(Some(stored)) => stored,
        // A login's `state` opens to something else: to this page it is as unknown as any.
        Ok(None) | Err(DbError::Corrupt(_)) => return Err(AccountError::NotFound),
        Err(error) => return Err(error.into()),
    };
    let same = same_secret(binding(visitor), &stored.cookie_hash);
    let ours = same && stored.data.account == visitor.user.id && stored.expires_at > env.now;
    if ours { Ok(stored) } else { Err(AccountError::NotFound) }
}

/// What binds an enrolment: the session, whatever its handle is by now.
fn binding(visitor: &Visitor) -> String {
    sha256_b64url(format!("enrolment of session {}", visitor.session.id))
}

async fn page(
    conn: &mut Conn,
    visitor: Visitor,
    stored: Stored<Running>,
    trouble: Option<Problem>,
) -> Result<Page, DbError> {
    Ok(Page {
        id: stored.id,
        under: stored.data.under,
        tenant_name: settings::tenant(conn).await?.friendly_name().to_owned(),
        channels: visitor.guardian.channels(),
        visitor,
        trouble,
    })
}
