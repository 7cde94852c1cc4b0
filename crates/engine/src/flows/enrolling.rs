//! One answer to an enrolment outside of a login: counted, judged, and what it asks for sent. The ticket and the account page share it.

use lockstep_core::env::Env;
use lockstep_core::factors::{Enrolled, FactorError, FactorKind, KeyAsks, Keys, Place, UserHandle};
use lockstep_core::login::effect::Problem;
use lockstep_core::login::enrolment::{After, Enrolling, Enrolment};
use lockstep_core::login::steps::Answer;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::log_event::{LogEvent, Origin, mfa};
use lockstep_core::model::settings::{Guardian, TenantSettings};
use lockstep_core::model::user::User;

use serde_json::json;

use super::attempts;
use super::login::is_phone;
use super::messages::About;
use super::sending::{self, SendError};
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::{authenticators, buckets, settings, user_handles};

/// Who enrols, and what the tenant offers.
pub(super) struct Who {
    /// What the machine needs to know.
    pub(super) enrolling: Enrolling,
    /// The factors that may be enrolled at all.
    pub(super) guardian: Guardian,
    tenant: TenantSettings,
}

impl Who {
    pub(super) async fn load(
        conn: &mut Conn,
        app: &App,
        env: &mut Env,
        origin: &Origin,
        user: &User,
    ) -> Result<Self, DbError> {
        let (guardian, tenant) = (settings::guardian(conn).await?, settings::tenant(conn).await?);
        let keys = Keys::of(app.issuer(), &guardian);
        let handle = user_handle(conn, env, &guardian, user).await?;
        let held = authenticators::list_of_user(conn, &user.id).await?;
        let enrolling = Enrolling {
            user: user.id.clone(),
            issuer: tenant.friendly_name().to_owned(),
            account: user.display_name().to_owned(),
            profile: app.config().profile,
            channels: guardian.channels(),
            key_first: is_phone(origin),
            show_options: tenant.flag("mfa_show_factor_list_on_enrollment"),
            keys: KeyAsks::new(&keys, handle.as_ref(), &held, place(origin).as_ref()),
        };
        Ok(Self { enrolling, guardian, tenant })
    }
}

/// Returns where somebody sits, as far as the browser says.
pub(super) fn place(origin: &Origin) -> Option<Place> {
    origin.user_agent.as_deref().and_then(Place::of)
}

/// Returns the name under which new keys will know a person, where keys can be enrolled at all.
pub(super) async fn user_handle(
    conn: &mut Conn,
    env: &mut Env,
    guardian: &Guardian,
    user: &User,
) -> Result<Option<UserHandle>, DbError> {
    if !guardian.enabled().iter().any(|kind| kind.is_key()) {
        return Ok(None);
    }
    let fresh = UserHandle::new(env.rng());
    user_handles::ensure(conn, &user.id, &fresh).await.map(Some)
}

/// What an answer led to.
pub(super) enum Led {
    /// It goes on.
    Going(Enrolment, Option<Problem>),
    /// It is confirmed: to be saved.
    Done(Enrolled),
}

/// Why an answer led nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnrollingError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Factor(#[from] FactorError),
}

fn told(code: &'static str, kind: FactorKind, user: &User, origin: &Origin) -> LogEvent {
    LogEvent::new(code, "")
        .user(&user.id, user.display_name())
        .details(json!({"authenticator": mfa::named(kind, None)}))
        .from(origin)
}

/// Takes an answer.
#[expect(clippy::too_many_arguments, reason = "the parts of one answer, each from another place")]
pub(super) async fn answer(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    user: &User,
    who: &Who,
    before: Enrolment,
    given: Answer,
) -> Result<Led, EnrollingError> {
    // Counted before it is judged: of guesses sent at once, no more are looked at than the budget has.
    let guessed = before.asked_kind().filter(|_| given.guesses());
    if let Some(kind) = guessed
        && !buckets::take(tx, &attempts::bucket(&user.id, kind), attempts::budget(kind), env.now).await?
    {
        let event = told("gd_otp_rate_limit_exceed", kind, user, origin);
        app.logs().insert(tx, env, &event).await?;
        return Ok(Led::Going(before, Some(Problem::too_many(kind))));
    }
    let turn = before.clone().answer(given, &who.enrolling, env);
    if let Some(kind) = turn.missed {
        app.logs().insert(tx, env, &told("gd_auth_failed", kind, user, origin)).await?;
    }
    if let (Some(kind), None) = (guessed, turn.missed) {
        buckets::give_back(tx, &attempts::bucket(&user.id, kind), attempts::budget(kind)).await?;
    }
    if let Some((kind, why)) = turn.failed
        && buckets::take(tx, &attempts::key_reports(&user.id), attempts::KEY_REPORTS, env.now).await?
    {
        let mut event = told("gd_webauthn_enrollment_failed", kind, user, origin);
        event.description = why.to_owned();
        if let Some(details) = &mut event.details {
            details["note"] = json!(why);
        }
        app.logs().insert(tx, env, &event).await?;
    }
    if let Some(code) = &turn.send {
        let locales = who.tenant.enabled_locales();
        let about = About {
            tenant: &who.tenant,
            client: None,
            user: Some(user),
            language: choose_locale(None, None, origin.languages.as_deref(), &locales),
            host: app.issuer().host(),
        };
        match sending::send_code(tx, app, env, &about, origin, code).await {
            Ok(()) => {}
            // A number that nothing may be sent to is edited, not waited for.
            Err(SendError::TooMany(channel)) => {
                return Ok(Led::Going(before, Some(Problem::TooManySends(channel))));
            }
            Err(SendError::NotAllowed(channel)) => {
                return Ok(Led::Going(before, Some(Problem::NotSent(channel))));
            }
            Err(SendError::Db(error)) => return Err(error.into()),
        }
    }
    match turn.next {
        After::Going(enrolment) => Ok(Led::Going(enrolment, turn.problem)),
        After::Broken => Err(FactorError::Broken.into()),
        After::Done(enrolled) => {
            if let Some(kind) = guessed {
                buckets::reset(tx, &attempts::bucket(&user.id, kind)).await?;
            }
            Ok(Led::Done(enrolled))
        }
    }
}

/// Begins to write down a recovery code, if the tenant has them and the person has none.
pub(super) fn first_recovery_code(
    who: &Who,
    held: &[Authenticator],
    env: &mut Env,
) -> Result<Option<Enrolment>, FactorError> {
    let has_one = held.iter().any(|a| a.kind == FactorKind::RecoveryCode);
    if has_one || !who.guardian.enabled().contains(&FactorKind::RecoveryCode) {
        return Ok(None);
    }
    match Enrolment::write_down(&who.enrolling, env).next {
        After::Going(enrolment) => Ok(Some(enrolment)),
        After::Done(_) | After::Broken => Err(FactorError::Broken),
    }
}
