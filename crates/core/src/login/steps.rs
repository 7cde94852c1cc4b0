//! The transitions of a login. Each consumes a state and returns the next one with what has to be written.
//!
//! [`begin`] starts; [`Login::first_factor`] takes the answers up to the first factor; [`Deciding::decide`] asks whether
//! MFA is needed; [`Login::answer`] takes the answers behind it. An answer that does not fit the state (an old tab, a
//! double click) changes nothing: the page is shown again.

use super::challenge::{Rest, challenge, list};
use super::demand::{Decision, Demand, Impossible, Silent, Situation, decide};
use super::device_key::{self, KeyOffer};
use super::effect::{Effect, Problem, Step};
use super::enrolment::{After, Enrolment, Stage, Turn};
use super::offer::{self, OfferKind};
use super::session::{Prompt, Proven, SessionUse, WhyLogIn, session_use};
use super::state::{
    AskConsent, AskIdentifier, AskPassword, AskSignup, ChooseMethod, Deciding, Enrol, FirstFactor, LoggedIn,
    Login, MfaOutcome, Progress, Receipt, Refusal, Refused, Request, ShowEnrolled,
};
use crate::assurance::{Method, MethodName, Methods};
use crate::env::Env;
use crate::factors::{FactorKind, Input, Passed};
use crate::ids::UserId;
use crate::time::Timestamp;

pub use super::input::{Answer, BrowserSession, Facts, FirstAnswer, KeyFailure, PasskeyCheck, PasswordCheck};

/// Begins a login: the first page, a session that will do, or what `prompt=none` answers.
pub fn begin(mut request: Request, session: Option<BrowserSession>, now: Timestamp) -> Login {
    let asks = &request.asks;
    let proven = session.as_ref().map(|s| Proven::by_session(s.methods.clone(), s.auth_time));
    let used = session_use(proven.as_ref(), asks.prompt, asks.max_age, now);
    match (used, session) {
        (SessionUse::Reuse, Some(session)) => Login::Deciding(Deciding {
            progress: Progress {
                user: session.user,
                first: FirstFactor { here: false },
                second: None,
                methods: session.methods,
                auth_time: session.auth_time,
                enrolled_here: false,
                session_saved: false,
                consented: false,
                from_elsewhere: false,
                offered: Vec::new(),
                key_offer: KeyOffer::default(),
                request,
            },
        }),
        (_, session) if asks.prompt == Prompt::None => {
            // Single-page apps compare the MFA text to open their step-up popup (contract/oidc.md 3.5).
            let mfa = session.is_some() && asks.acr_mfa;
            refuse(if mfa { Refusal::MfaRequired } else { Refusal::LoginRequired })
        }
        (used, session) => {
            if let SessionUse::LogIn(why) = used {
                request.asked_because = Some(why);
            }
            if request.login_hint.is_none() {
                request.login_hint = session.and_then(|s| s.identifier);
            }
            first_page(request)
        }
    }
}

pub(super) fn first_page(request: Request) -> Login {
    let identifier = request.login_hint.clone();
    if request.signup_first {
        Login::AskSignup(AskSignup { request, identifier, username: None })
    } else if request.identifier_first {
        Login::AskIdentifier(AskIdentifier { request, identifier })
    } else {
        Login::AskPassword(AskPassword { request, identifier })
    }
}

pub(super) fn refuse(why: Refusal) -> Login {
    Login::Refused(Refused { why })
}

impl Login {
    /// Takes an answer up to the first factor. If the next state is [`Login::Deciding`], load the facts and decide.
    pub fn first_factor(self, answer: FirstAnswer, now: Timestamp) -> Step {
        match (self, answer) {
            (Self::AskIdentifier(s), FirstAnswer::Identifier(identifier)) => {
                Step::to(Self::AskPassword(AskPassword { request: s.request, identifier: Some(identifier) }))
            }
            (Self::AskPassword(s), FirstAnswer::EditIdentifier) if s.request.identifier_first => {
                Step::to(Self::AskIdentifier(AskIdentifier { request: s.request, identifier: s.identifier }))
            }
            (Self::AskPassword(s), FirstAnswer::Password { identifier, check }) => {
                s.answer(identifier, check, now)
            }
            (
                Self::AskIdentifier(AskIdentifier { request, .. })
                | Self::AskPassword(AskPassword { request, .. }),
                FirstAnswer::Passkey(PasskeyCheck::Right { user, method, from_elsewhere }),
            ) => Step::to(proven(request, user, method, Came { from_elsewhere, ..Came::default() })),
            (
                state @ (Self::AskIdentifier(_) | Self::AskPassword(_)),
                FirstAnswer::Passkey(PasskeyCheck::No(why)),
            ) => Step::to(state).but(why),
            (Self::AskSignup(s), answer) => s.answer(answer, now),
            (Self::AskSignupPasskey(s), answer) => s.answer(answer),
            (Self::AskSignupPassword(s), answer) => s.answer(answer, now),
            (
                Self::AskIdentifier(AskIdentifier { request, identifier })
                | Self::AskPassword(AskPassword { request, identifier }),
                FirstAnswer::GoToSignup,
            ) => Step::to(Self::AskSignup(AskSignup { request, identifier, username: None })),
            (state, _) => Step::to(state),
        }
    }

    /// Takes an answer behind the first factor. The step is complete: it has decided already what comes next.
    pub fn answer(self, answer: Answer, facts: &Facts, env: &mut Env) -> Step {
        if self.user().is_some_and(|user| *user != facts.user) {
            return Step::to(refuse(Refusal::Internal));
        }
        match (self, answer) {
            (Self::Deciding(s), _) => s.decide(facts, env),
            (Self::Enrol(s), Answer::Leave(how)) if s.may_be_left() => {
                device_key::leave(s.progress, how, facts, env)
            }
            (Self::Enrol(s), answer) => s.answer(answer, facts, env),
            (Self::ShowEnrolled(s), _) => decide_next(s.progress, facts, env),
            (Self::DetectBrowser(s), Answer::Browser { platform }) => s.answer(platform, facts, env),
            (Self::ChallengeFactor(s), Answer::Code { code, remember }) => {
                s.answer(Input::Code(code), remember, facts, env)
            }
            (Self::ChallengeFactor(s), Answer::Key { credential, remember }) => {
                s.answer(Input::Key(credential), remember, facts, env)
            }
            (Self::ChallengeFactor(s), Answer::KeyFailed(why)) if s.kind.is_key() => {
                let failed = key_failed("gd_webauthn_challenge_failed", s.kind, why.as_str());
                Step::to(Self::ChallengeFactor(s)).with(failed).but(Problem::KeyFailed(why))
            }
            (Self::ChallengeFactor(s), Answer::TryAnother) if s.can_try_another() => {
                Step::to(Self::ChooseMethod(ChooseMethod {
                    progress: s.progress.clone(),
                    options: s.others.clone(),
                    remember_offered: s.remember_offered,
                    before: Box::new(Self::ChallengeFactor(s)),
                }))
            }
            (Self::ChallengeRecovery(s), Answer::TryAnother) => Step::to(Self::ChooseMethod(ChooseMethod {
                progress: s.progress.clone(),
                options: s.others.clone(),
                remember_offered: s.remember_offered,
                before: Box::new(Self::ChallengeRecovery(s)),
            })),
            (Self::ChooseMethod(s), Answer::Pick(kind)) => s.pick(kind, facts, env),
            (Self::ChooseMethod(s), Answer::Back) => Step::to(*s.before),
            (Self::ChallengeFactor(s), Answer::Resend) => s.resend(None, facts, env),
            (Self::ChallengeFactor(s), Answer::By(channel)) => s.resend(Some(channel), facts, env),
            (Self::ChallengeFactor(s), Answer::List) if s.listed => {
                let rest = Rest { others: s.others.clone(), remember_offered: s.remember_offered };
                let kind = s.kind;
                list(Self::ChallengeFactor(s), kind, rest, facts)
            }
            (Self::AskChannel(s), Answer::By(channel)) => s.pick(channel, facts, env),
            (Self::AskChannel(s), Answer::TryAnother) if !s.others.is_empty() => {
                Step::to(Self::ChooseMethod(ChooseMethod {
                    progress: s.progress.clone(),
                    options: s.others.clone(),
                    remember_offered: s.remember_offered,
                    before: Box::new(Self::AskChannel(s)),
                }))
            }
            (Self::AskChannel(s), Answer::List) if s.listed => {
                let rest = Rest { others: s.others.clone(), remember_offered: s.remember_offered };
                list(Self::AskChannel(s), FactorKind::Phone, rest, facts)
            }
            (Self::ListAuthenticators(s), Answer::PickAuthenticator(id)) => s.pick(&id, facts, env),
            (Self::ListAuthenticators(s), Answer::Back) => Step::to(*s.before),
            (Self::ChallengeRecovery(s), Answer::Code { code, .. }) => s.answer(code, facts, env),
            (Self::ShowNewRecoveryCode(s), Answer::Saved { ticked: true }) => {
                decide_next(s.progress, facts, env)
            }
            (Self::ShowNewRecoveryCode(s), Answer::Saved { ticked: false }) => {
                Step::to(Self::ShowNewRecoveryCode(s)).but(Problem::NoConfirmation)
            }
            (Self::AskOffer(s), answer) => s.answer(answer, facts, env),
            (Self::AskConsent(s), Answer::Consent { accepted: true }) => {
                let granted =
                    Step { effects: vec![Effect::SaveConsent], ..Step::to(Self::AskConsent(s.clone())) };
                granted.then(decide_next(Progress { consented: true, ..s.progress }, facts, env))
            }
            (Self::AskConsent(_), Answer::Consent { accepted: false }) => {
                Step::to(refuse(Refusal::ConsentDeclined))
            }
            (state, _) => Step::to(state),
        }
    }

    /// Says that the bucket of wrong answers is empty: even a right one is not looked at.
    pub fn too_many_failures(self) -> Step {
        let code = match &self {
            Self::ChallengeRecovery(_) => "gd_recovery_rate_limit_exceed",
            _ => "gd_otp_rate_limit_exceed",
        };
        let kind = self.asked_kind();
        let problem = kind.map_or(Problem::TooManyFailures, Problem::too_many);
        Step::to(self).with(log(code, kind)).but(problem)
    }

    /// Returns which factor's bucket has to be looked at before a code is answered.
    pub fn asked_kind(&self) -> Option<FactorKind> {
        match self {
            Self::Enrol(s) => s.enrolment.asked_kind(),
            Self::ChallengeFactor(s) => Some(s.kind),
            Self::ChallengeRecovery(_) => Some(FactorKind::RecoveryCode),
            _ => None,
        }
    }

    /// Notes that a page was looked at, so that an enrolment does not die while somebody is at it.
    pub fn looked_at(&mut self, now: Timestamp) {
        if let Self::Enrol(s) = self {
            s.enrolment.looked_at(now);
        }
    }
}

impl AskPassword {
    /// Takes the result of the password check.
    pub fn answer(self, identifier: String, check: PasswordCheck, now: Timestamp) -> Step {
        match check {
            PasswordCheck::Right(user) => {
                Step::to(proven(self.request, user, password_at(now), Came::default()))
            }
            wrong => {
                let problem = match wrong {
                    PasswordCheck::Blocked => Problem::UserBlocked,
                    _ => Problem::WrongCredentials,
                };
                Step::to(Login::AskPassword(Self { identifier: Some(identifier), ..self })).but(problem)
            }
        }
    }
}

/// The first factor was given here: a new list of evidence begins, whatever an earlier session proved.
pub(super) fn proven(request: Request, user: UserId, method: Method, came: Came) -> Login {
    Login::Deciding(Deciding {
        progress: Progress {
            request,
            user,
            first: FirstFactor { here: true },
            second: None,
            auth_time: method.at,
            methods: Methods::begin(method),
            enrolled_here: false,
            session_saved: false,
            consented: false,
            from_elsewhere: came.from_elsewhere,
            offered: came.offered,
            key_offer: KeyOffer::default(),
        },
    })
}

/// What is odd about how somebody came, for what may be offered.
#[derive(Clone, Default)]
pub(super) struct Came {
    pub(super) from_elsewhere: bool,
    pub(super) offered: Vec<OfferKind>,
}

pub(super) const fn password_at(now: Timestamp) -> Method {
    Method::first(MethodName::Pwd, now)
}

impl Progress {
    /// Records a second factor. The effect claims what it spends; without that the step must not be written.
    pub(super) fn pass(&mut self, passed: Passed, now: Timestamp) -> Result<Effect, Refusal> {
        // The doors of `factors` have checked this; a proof of somebody else must not get further whatever they did.
        if *passed.user() != self.user {
            return Err(Refusal::Internal);
        }
        let effect = Effect::Spend {
            authenticator: passed.authenticator().clone(),
            spend: passed.spend().cloned(),
            at: passed.method().at,
        };
        self.methods.record(passed.method().clone());
        self.second = Some(Receipt::of(&passed));
        self.auth_time = now;
        self.session_saved = false;
        Ok(effect)
    }
}

impl Deciding {
    /// Decides what comes next.
    pub fn decide(self, facts: &Facts, env: &mut Env) -> Step {
        decide_next(self.progress, facts, env)
    }
}

/// The one way on from a first or second factor, and the only one to [`LoggedIn`].
pub(super) fn decide_next(mut progress: Progress, facts: &Facts, env: &mut Env) -> Step {
    if facts.user != progress.user {
        return Step::to(refuse(Refusal::Internal));
    }
    let means = facts.means(&progress);
    let mut asks = progress.request.asks.clone();
    asks.policy_always = facts.policy_always;
    let silent = asks.prompt == Prompt::None;
    let lacks_code = means.lacks_recovery_code();
    let mut decision = decide(&Situation {
        now: env.now,
        rules: facts.rules,
        asks,
        proven: Some(progress.proven()),
        means,
        remembered: facts.remembered,
        remember_display: facts.remember_display,
    });
    decision.first_factor_asked = progress.request.asked_because.filter(|_| progress.first.here);
    let decided =
        |step: Step| Step::to(step.next.clone()).with(Effect::Decided(Box::new(decision.clone()))).then(step);

    if silent && let Some(answer) = decision.silent {
        return decided(Step::to(refuse(match answer {
            Silent::LoginRequired => Refusal::LoginRequired,
            Silent::MfaRequired => Refusal::MfaRequired,
            Silent::Unmet => Refusal::UnmetAuthenticationRequirements,
        })));
    }
    match decision.session {
        SessionUse::Reuse => {}
        // The session was good when the login began, and has become too old since.
        SessionUse::LogIn(why) => return decided(Step::to(ask_again(progress.request, Some(why)))),
        SessionUse::Choose => return decided(Step::to(ask_again(progress.request, None))),
    }
    let why_not = match &decision.demand {
        Demand::Challenge { allowed } => {
            return decided(challenge(progress, allowed, decision.remember_offered, facts, env));
        }
        Demand::Enrol { allowed } => return decided(enrol(progress, allowed.clone(), facts, env)),
        Demand::Impossible(Impossible::UnmetAuthenticationRequirements) => {
            return decided(
                Step::to(refuse(Refusal::UnmetAuthenticationRequirements)).with(log("mfar", None)),
            );
        }
        Demand::Impossible(Impossible::MfaRequiredStatus) => {
            return decided(Step::to(refuse(Refusal::NoFactorAvailable)).with(log("mfar", None)));
        }
        Demand::NotNeeded(why) => *why,
    };
    if progress.enrolled_here && lacks_code {
        let turn = Enrolment::write_down(&facts.enrolling(), env);
        return decided(enrolled(progress, turn, false, facts, env));
    }
    // Before offers and consent: who declines has nevertheless logged in.
    let mut effects = Vec::new();
    if !progress.session_saved && (progress.first.here || progress.second.is_some()) {
        progress.session_saved = true;
        effects.push(Effect::SaveSession {
            user: progress.user.clone(),
            methods: progress.methods.clone(),
            auth_time: progress.auth_time,
            new_login: progress.first.here,
        });
    }
    let offer = offer::due(&progress, facts).filter(|_| !silent);
    let offer = offer.and_then(|kind| offer::make(progress.clone(), kind, facts, env));
    // One offer a login is enough.
    if !silent
        && offer.is_none()
        && progress.offered.is_empty()
        && let Some(offered) = device_key::next(&progress, facts, env)
    {
        return decided(Step { effects, ..Step::to(offered.next.clone()) }.then(offered));
    }
    let next = if let Some(offer) = offer {
        offer
    } else if facts.consent_needed && !progress.consented {
        if silent { refuse(Refusal::ConsentRequired) } else { Login::AskConsent(AskConsent { progress }) }
    } else {
        Login::LoggedIn(logged_in(progress, why_not, decision.clone()))
    };
    decided(Step { effects, ..Step::to(next) })
}

fn ask_again(request: Request, why: Option<WhyLogIn>) -> Login {
    first_page(Request { asked_because: why, ..request })
}

fn logged_in(progress: Progress, why_not: super::demand::NotNeeded, decision: Decision) -> LoggedIn {
    LoggedIn {
        mfa: progress.second.map_or(MfaOutcome::NotNeeded(why_not), MfaOutcome::Passed),
        user: progress.user,
        first: progress.first,
        methods: progress.methods,
        auth_time: progress.auth_time,
        consented: progress.consented,
        decision,
    }
}

pub(super) fn log(code: &'static str, kind: Option<FactorKind>) -> Effect {
    Effect::Log { code, kind, authenticator: None, note: None }
}

fn key_failed(code: &'static str, kind: FactorKind, why: &'static str) -> Effect {
    Effect::Log { code, kind: Some(kind), authenticator: None, note: Some(why) }
}

/// Begins an enrolment.
fn enrol(progress: Progress, options: Vec<FactorKind>, facts: &Facts, env: &mut Env) -> Step {
    let turn = Enrolment::begin(options, &facts.enrolling(), env);
    enrolled(progress, turn, false, facts, env)
}

/// Goes on with what became of an enrolment.
pub(super) fn enrolled(
    mut progress: Progress,
    turn: Turn,
    offered: bool,
    facts: &Facts,
    env: &mut Env,
) -> Step {
    let Turn { next, send, problem, missed, begun, failed } = turn;
    let mut step = match next {
        After::Going(enrolment) => Step::to(Login::Enrol(Enrol { progress, enrolment, offered })),
        After::Broken => Step::to(refuse(Refusal::Internal)),
        After::Done(done) => {
            let kind = done.authenticator.kind;
            let id = done.authenticator.id.clone();
            let mut effects = vec![Effect::SaveAuthenticator(done.authenticator.clone())];
            // A recovery code that was written down proves nothing.
            if let Some(passed) = done.passed {
                // The authenticator is saved with its step spent already: there is nothing to claim.
                if let Err(why) = progress.pass(passed, env.now) {
                    return Step::to(refuse(why));
                }
                progress.enrolled_here = true;
                effects.push(Effect::ClearFailures(kind));
                let code = "gd_enrollment_complete";
                effects.push(Effect::Log { code, kind: Some(kind), authenticator: Some(id), note: None });
            }
            if kind.is_key() {
                Step { effects, ..Step::to(Login::ShowEnrolled(ShowEnrolled { progress, kind })) }
            } else {
                let facts = facts.and(&done.authenticator);
                let next = decide_next(progress, &facts, env);
                Step { effects, ..Step::to(next.next.clone()) }.then(next)
            }
        }
    };
    step.effects.extend(begun.map(|kind| log("gd_start_enroll", Some(kind))));
    step.effects.extend(failed.map(|(kind, why)| key_failed("gd_webauthn_enrollment_failed", kind, why)));
    if let Some(kind) = missed {
        step.effects.push(Effect::CountFailure(kind));
        step.effects.push(log("gd_auth_failed", Some(kind)));
    }
    step.effects.extend(send.map(Effect::Send));
    step.problem = problem.or(step.problem);
    step
}

impl Enrol {
    fn answer(self, answer: Answer, facts: &Facts, env: &mut Env) -> Step {
        // Enrolled in another tab or by a ticket since this page was shown: who has a factor must pass it first. The recovery code
        // comes after that.
        let writes_down = matches!(self.enrolment.stage(), Stage::WriteDown { .. });
        if !writes_down && !self.offered && facts.means(&self.progress).enrolled() {
            return decide_next(self.progress, facts, env).but(Problem::UserAlreadyEnrolled);
        }
        // The factor was switched off meanwhile: decide anew what is offered.
        let off = |kind: FactorKind| !facts.enabled.contains(&kind);
        if self.enrolment.asked_kind().is_some_and(off) || self.enrolment.options().iter().copied().all(off) {
            let step = decide_next(self.progress, facts, env);
            // Who was only offered it misses nothing.
            return if self.offered { step } else { step.but(Problem::TransactionNotFound) };
        }
        let turn = self.enrolment.answer(answer, &facts.enrolling(), env);
        enrolled(self.progress, turn, self.offered, facts, env)
    }
}

#[cfg(test)]
mod tests;
