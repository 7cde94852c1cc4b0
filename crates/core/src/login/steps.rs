//! The transitions of a login. Each consumes a state and returns the next one with what has to be written.
//!
//! [`begin`] starts; [`Login::first_factor`] takes the answers up to the first factor; [`Deciding::decide`] asks whether
//! MFA is needed; [`Login::answer`] takes the answers behind it. An answer that does not fit the state (an old tab, a
//! double click) changes nothing: the page is shown again.

use super::demand::{Decision, Demand, Impossible, Silent, Situation, decide};
use super::effect::{Effect, Problem, Step};
use super::session::{Prompt, Proven, SessionUse, WhyLogIn, session_use};
use super::state::{
    AskConsent, AskIdentifier, AskPassword, AskSignup, ChallengeFactor, ChallengeRecovery, ChooseMethod,
    Deciding, EnrolTotp, FirstFactor, LoggedIn, Login, MfaOutcome, Progress, Receipt, Refusal, Refused,
    Request, ShowNewRecoveryCode, ShowRecoveryCode,
};
use crate::assurance::{Method, MethodName, Methods};
use crate::env::Env;
use crate::factors::{
    self, Challenge, Draft, EnrolAsk, FactorError, FactorKind, Input, Passed, Verdict, recovery_code,
};
use crate::ids::UserId;
use crate::time::Timestamp;

pub use super::input::{Answer, BrowserSession, Facts, FirstAnswer, PasswordCheck};

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

fn first_page(request: Request) -> Login {
    let identifier = request.login_hint.clone();
    if request.signup_first {
        Login::AskSignup(AskSignup { request, identifier })
    } else if request.identifier_first {
        Login::AskIdentifier(AskIdentifier { request, identifier })
    } else {
        Login::AskPassword(AskPassword { request, identifier })
    }
}

fn refuse(why: Refusal) -> Login {
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
            (Self::AskSignup(s), FirstAnswer::SignedUp(user)) => Step::to(proven(s.request, user, now)),
            (
                Self::AskIdentifier(AskIdentifier { request, identifier })
                | Self::AskPassword(AskPassword { request, identifier }),
                FirstAnswer::GoToSignup,
            ) => Step::to(Self::AskSignup(AskSignup { request, identifier })),
            (Self::AskSignup(s), FirstAnswer::GoToLogin) => {
                Step::to(first_page(Request { signup_first: false, ..s.request }))
            }
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
            (Self::EnrolTotp(s), Answer::Code { code, .. }) => s.answer(code, facts, env),
            (Self::EnrolTotp(s), Answer::ShowKey) => s.show(true, env.now),
            (Self::EnrolTotp(s), Answer::ShowQr) => s.show(false, env.now),
            (Self::ShowRecoveryCode(s), Answer::Saved { ticked }) => s.answer(ticked, facts, env),
            (Self::ChallengeFactor(s), Answer::Code { code, remember }) => {
                s.answer(code, remember, facts, env)
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
            (Self::ChallengeRecovery(s), Answer::Code { code, .. }) => s.answer(code, facts, env),
            (Self::ShowNewRecoveryCode(s), Answer::Saved { ticked: true }) => {
                decide_next(s.progress, facts, env)
            }
            (Self::ShowNewRecoveryCode(s), Answer::Saved { ticked: false }) => {
                Step::to(Self::ShowNewRecoveryCode(s)).but(Problem::NoConfirmation)
            }
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
        Step::to(self).with(log(code, kind)).but(Problem::TooManyFailures)
    }

    /// Returns which factor's bucket has to be looked at before a code is answered.
    pub const fn asked_kind(&self) -> Option<FactorKind> {
        match self {
            Self::EnrolTotp(_) => Some(FactorKind::Totp),
            Self::ChallengeFactor(s) => Some(s.kind),
            Self::ChallengeRecovery(_) => Some(FactorKind::RecoveryCode),
            _ => None,
        }
    }

    /// Notes that a page was looked at, so that an enrolment does not die while somebody is at it.
    pub fn looked_at(&mut self, now: Timestamp) {
        if let Self::EnrolTotp(EnrolTotp { draft, .. })
        | Self::ShowRecoveryCode(ShowRecoveryCode { draft, .. }) = self
        {
            draft.touch(now);
        }
    }
}

impl AskPassword {
    /// Takes the result of the password check.
    pub fn answer(self, identifier: String, check: PasswordCheck, now: Timestamp) -> Step {
        match check {
            PasswordCheck::Right(user) => Step::to(proven(self.request, user, now)),
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
fn proven(request: Request, user: UserId, now: Timestamp) -> Login {
    Login::Deciding(Deciding {
        progress: Progress {
            request,
            user,
            first: FirstFactor { here: true },
            second: None,
            methods: Methods::begin(Method::first(MethodName::Pwd, now)),
            auth_time: now,
            enrolled_here: false,
            session_saved: false,
            consented: false,
        },
    })
}

impl Progress {
    /// Records a second factor. The effect claims what it spends; without that the step must not be written.
    fn pass(&mut self, passed: Passed, now: Timestamp) -> Result<Effect, Refusal> {
        // The doors of `factors` have checked this; a proof of somebody else must not get further whatever they did.
        if *passed.user() != self.user {
            return Err(Refusal::Internal);
        }
        let effect = Effect::Spend {
            authenticator: passed.authenticator().clone(),
            spend: passed.spend(),
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
fn decide_next(mut progress: Progress, facts: &Facts, env: &mut Env) -> Step {
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
        Demand::Enrol { .. } => return decided(enrol(progress, facts, env)),
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
        return decided(match begin_enrolment(FactorKind::RecoveryCode, &progress, facts, env) {
            Ok(draft) => Step::to(Login::ShowRecoveryCode(ShowRecoveryCode { progress, draft })),
            Err(_) => Step::to(refuse(Refusal::Internal)),
        });
    }
    // Before consent: who declines has nevertheless logged in.
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
    let next = if facts.consent_needed && !progress.consented {
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
        decision,
    }
}

fn log(code: &'static str, kind: Option<FactorKind>) -> Effect {
    Effect::Log { code, kind, authenticator: None }
}

fn begin_enrolment(
    kind: FactorKind,
    progress: &Progress,
    facts: &Facts,
    env: &mut Env,
) -> Result<Draft, FactorError> {
    let ask = EnrolAsk {
        user: progress.user.clone(),
        issuer: facts.issuer.clone(),
        account: facts.account.clone(),
        profile: facts.rules.profile,
    };
    factors::begin_enrolment(kind, &ask, env)
}

/// Begins the enrolment of an authenticator app: the only factor yet that can be enrolled in the pages.
fn enrol(progress: Progress, facts: &Facts, env: &mut Env) -> Step {
    match begin_enrolment(FactorKind::Totp, &progress, facts, env) {
        Ok(draft) => Step::to(Login::EnrolTotp(EnrolTotp { progress, draft, as_key: facts.key_first }))
            .with(log("gd_start_enroll", Some(FactorKind::Totp))),
        Err(_) => Step::to(refuse(Refusal::Internal)),
    }
}

impl EnrolTotp {
    fn show(mut self, as_key: bool, now: Timestamp) -> Step {
        self.as_key = as_key;
        self.draft.touch(now);
        Step::to(Login::EnrolTotp(self))
    }

    fn answer(mut self, code: String, facts: &Facts, env: &mut Env) -> Step {
        // Enrolled in another tab or by a ticket since this page was shown: who has a factor must pass it first.
        if !facts.means(&self.progress).usable().is_empty() {
            return decide_next(self.progress, facts, env).but(Problem::UserAlreadyEnrolled);
        }
        if code.trim().is_empty() {
            return Step::to(Login::EnrolTotp(self)).but(Problem::NoCode);
        }
        match factors::confirm(&self.draft, &Input::Code(code), env) {
            Ok(enrolled) => {
                let Some(passed) = enrolled.passed else { return Step::to(refuse(Refusal::Internal)) };
                // The authenticator is saved with its step spent already: there is nothing to claim.
                if let Err(why) = self.progress.pass(passed, env.now) {
                    return Step::to(refuse(why));
                }
                self.progress.enrolled_here = true;
                let facts = facts.and(&enrolled.authenticator);
                let complete = Effect::Log {
                    code: "gd_enrollment_complete",
                    kind: Some(FactorKind::Totp),
                    authenticator: Some(enrolled.authenticator.id.clone()),
                };
                let next = decide_next(self.progress, &facts, env);
                Step::to(next.next.clone())
                    .with(Effect::SaveAuthenticator(enrolled.authenticator))
                    .with(Effect::ClearFailures(FactorKind::Totp))
                    .with(complete)
                    .then(next)
            }
            Err(FactorError::Expired) => {
                decide_next(self.progress, facts, env).but(Problem::TransactionNotFound)
            }
            Err(FactorError::Wrong) => {
                self.draft.touch(env.now);
                wrong(Login::EnrolTotp(self), FactorKind::Totp)
            }
            Err(FactorError::Malformed) => {
                self.draft.touch(env.now);
                Step::to(Login::EnrolTotp(self)).but(Problem::InvalidOtpFormat)
            }
            Err(FactorError::Unusable | FactorError::Broken) => Step::to(refuse(Refusal::Internal)),
        }
    }
}

impl ShowRecoveryCode {
    fn answer(self, ticked: bool, facts: &Facts, env: &mut Env) -> Step {
        if !ticked {
            return Step::to(Login::ShowRecoveryCode(self)).but(Problem::NoConfirmation);
        }
        match factors::confirm(&self.draft, &Input::Saved, env) {
            Ok(enrolled) => {
                let facts = facts.and(&enrolled.authenticator);
                let next = decide_next(self.progress, &facts, env);
                Step::to(next.next.clone()).with(Effect::SaveAuthenticator(enrolled.authenticator)).then(next)
            }
            Err(FactorError::Expired) => {
                decide_next(self.progress, facts, env).but(Problem::TransactionNotFound)
            }
            Err(_) => Step::to(refuse(Refusal::Internal)),
        }
    }
}

/// Begins the challenge of the first of these kinds.
fn challenge(
    progress: Progress,
    allowed: &[FactorKind],
    remember_offered: bool,
    facts: &Facts,
    env: &mut Env,
) -> Step {
    let Some(kind) = allowed.first().copied() else { return Step::to(refuse(Refusal::Internal)) };
    let challenges: Vec<Challenge> = facts
        .mine(&progress)
        .filter(|a| a.kind == kind && a.confirmed)
        .filter_map(|a| factors::begin_challenge(&progress.user, a, facts.rules.profile, env).ok())
        .collect();
    let others: Vec<FactorKind> = allowed.iter().copied().filter(|other| *other != kind).collect();
    let next = match (kind, challenges.first()) {
        (_, None) => refuse(Refusal::Internal),
        (FactorKind::RecoveryCode, Some(challenge)) => Login::ChallengeRecovery(ChallengeRecovery {
            challenge: challenge.clone(),
            others,
            remember_offered,
            progress,
        }),
        (FactorKind::Totp, Some(_)) => {
            Login::ChallengeFactor(ChallengeFactor { progress, kind, challenges, others, remember_offered })
        }
    };
    Step::to(next).with(log("gd_start_auth", Some(kind)))
}

/// The answer was wrong: the same page, and one more failure.
fn wrong(state: Login, kind: FactorKind) -> Step {
    let code = if kind == FactorKind::RecoveryCode { "gd_recovery_failed" } else { "gd_auth_failed" };
    Step::to(state).with(Effect::CountFailure(kind)).with(log(code, Some(kind))).but(Problem::InvalidCode)
}

/// Checks a code against each challenge; the most telling verdict counts.
fn verify(challenges: &[Challenge], code: &str, facts: &Facts, progress: &Progress, env: &Env) -> Verdict {
    let telling = |verdict: &Verdict| match verdict {
        Verdict::Passed(_) => 5,
        Verdict::Wrong | Verdict::Replayed => 4,
        Verdict::Expired => 3,
        Verdict::Malformed => 2,
        Verdict::Pending => 1,
        Verdict::Denied => 0,
    };
    let mut best = Verdict::Denied;
    for challenge in challenges {
        let on = facts.mine(progress).find(|a| a.id == challenge.authenticator);
        let verdict = factors::verify(on, challenge, &Input::code(code), env);
        if telling(&verdict) > telling(&best) {
            best = verdict;
        }
        if matches!(best, Verdict::Passed(_)) {
            break;
        }
    }
    best
}

impl ChallengeFactor {
    fn answer(mut self, code: String, remember: bool, facts: &Facts, env: &mut Env) -> Step {
        let kind = self.kind;
        if code.trim().is_empty() {
            return Step::to(Login::ChallengeFactor(self)).but(Problem::NoCode);
        }
        // The factor was switched off meanwhile: decide anew what is asked.
        if !facts.enabled.contains(&kind) {
            return decide_next(self.progress, facts, env).but(Problem::TransactionNotFound);
        }
        match verify(&self.challenges, &code, facts, &self.progress, env) {
            Verdict::Passed(passed) => {
                let succeeded = Effect::Log {
                    code: "gd_auth_succeed",
                    kind: Some(kind),
                    authenticator: Some(passed.authenticator().clone()),
                };
                let spend = match self.progress.pass(passed, env.now) {
                    Ok(spend) => spend,
                    Err(why) => return Step::to(refuse(why)),
                };
                let user = self.progress.user.clone();
                let next = decide_next(self.progress, facts, env);
                let mut step =
                    Step::to(next.next.clone()).with(spend).with(Effect::ClearFailures(kind)).with(succeeded);
                if remember && self.remember_offered {
                    step = step.with(Effect::RememberBrowser(user));
                }
                step.then(next)
            }
            Verdict::Wrong | Verdict::Replayed => wrong(Login::ChallengeFactor(self), kind),
            Verdict::Malformed => Step::to(Login::ChallengeFactor(self)).but(Problem::InvalidOtpFormat),
            Verdict::Pending => Step::to(Login::ChallengeFactor(self)),
            Verdict::Expired | Verdict::Denied => {
                decide_next(self.progress, facts, env).but(Problem::TransactionNotFound)
            }
        }
    }
}

impl ChooseMethod {
    fn pick(self, kind: FactorKind, facts: &Facts, env: &mut Env) -> Step {
        let usable = facts.means(&self.progress).usable();
        if !self.options.contains(&kind) || !usable.contains(&kind) {
            return Step::to(Login::ChooseMethod(self));
        }
        let mut allowed = vec![kind];
        allowed.extend(usable.into_iter().filter(|other| *other != kind));
        challenge(self.progress, &allowed, self.remember_offered, facts, env)
    }
}

impl ChallengeRecovery {
    fn answer(mut self, code: String, facts: &Facts, env: &mut Env) -> Step {
        let kind = FactorKind::RecoveryCode;
        if code.trim().is_empty() {
            return Step::to(Login::ChallengeRecovery(self)).but(Problem::NoCode);
        }
        if !facts.enabled.contains(&kind) {
            return decide_next(self.progress, facts, env).but(Problem::TransactionNotFound);
        }
        match verify(std::slice::from_ref(&self.challenge), &code, facts, &self.progress, env) {
            Verdict::Passed(passed) => {
                let old = passed.authenticator().clone();
                let spend = match self.progress.pass(passed, env.now) {
                    Ok(spend) => spend,
                    Err(why) => return Step::to(refuse(why)),
                };
                let Ok(fresh) = recovery_code::replacement(&self.progress.user, env) else {
                    return Step::to(refuse(Refusal::Internal));
                };
                let succeeded = Effect::Log {
                    code: "gd_recovery_succeed",
                    kind: Some(kind),
                    authenticator: Some(old.clone()),
                };
                Step::to(Login::ShowNewRecoveryCode(ShowNewRecoveryCode {
                    progress: self.progress,
                    code: fresh.code,
                }))
                .with(spend)
                .with(Effect::ReplaceRecoveryCode { old, new: fresh.authenticator })
                .with(Effect::ClearFailures(kind))
                .with(succeeded)
            }
            Verdict::Wrong | Verdict::Replayed => wrong(Login::ChallengeRecovery(self), kind),
            Verdict::Malformed => {
                Step::to(Login::ChallengeRecovery(self)).but(Problem::InvalidRecoveryFormat)
            }
            Verdict::Pending => Step::to(Login::ChallengeRecovery(self)),
            Verdict::Expired | Verdict::Denied => {
                decide_next(self.progress, facts, env).but(Problem::TransactionNotFound)
            }
        }
    }
}

#[cfg(test)]
mod tests;
