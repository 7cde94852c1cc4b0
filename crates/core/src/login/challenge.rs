//! The second factor: which one is asked, by which channel, and what an answer to it leads to.

use super::effect::{Effect, Problem, Step};
use super::input::Facts;
use super::state::{
    AskChannel, ChallengeFactor, ChallengeRecovery, ChooseMethod, ListAuthenticators, Login, Progress,
    Refusal, ShowNewRecoveryCode,
};
use super::steps::{decide_next, refuse};
use crate::env::Env;
use crate::factors::{self, ChallengeAsk, FactorKind, Input, Remark, Verdict, recovery_code};
use crate::ids::AuthenticatorId;
use crate::model::authenticator::Authenticator;
use crate::model::message::Channel;

/// What goes along from one challenge to another.
pub(super) struct Rest {
    pub(super) others: Vec<FactorKind>,
    pub(super) remember_offered: bool,
}

/// Begins the challenge of the first of these kinds.
pub(super) fn challenge(
    progress: Progress,
    allowed: &[FactorKind],
    remember_offered: bool,
    facts: &Facts,
    env: &mut Env,
) -> Step {
    let Some(kind) = allowed.first().copied() else { return Step::to(refuse(Refusal::Internal)) };
    let others: Vec<FactorKind> = allowed.iter().copied().filter(|other| *other != kind).collect();
    let rest = Rest { others, remember_offered };
    let step = match kind {
        FactorKind::Phone | FactorKind::Email => match latest(kind, facts, &progress) {
            Some(on) => reach(progress, &on, None, rest, facts, env),
            None => Step::to(refuse(Refusal::Internal)),
        },
        FactorKind::WebauthnPlatform
        | FactorKind::WebauthnRoaming
        | FactorKind::Totp
        | FactorKind::RecoveryCode => held(progress, kind, rest, facts, env),
    };
    let begun = log_of("gd_start_auth", kind, the_one(&step.next));
    step.before(begun)
}

/// Asks for a code that the person has, or for a key: of any authenticator of that kind.
fn held(progress: Progress, kind: FactorKind, rest: Rest, facts: &Facts, env: &mut Env) -> Step {
    let all: Vec<&Authenticator> = facts.mine(&progress).filter(|a| a.kind == kind && a.confirmed).collect();
    let begun = factors::begin_challenge(&all, &asks(&progress, None, facts), env);
    let Rest { others, remember_offered } = rest;
    Step::to(match (kind, begun) {
        (_, Err(_)) => refuse(Refusal::Internal),
        (FactorKind::RecoveryCode, Ok((challenge, _))) => {
            Login::ChallengeRecovery(ChallengeRecovery { challenge, others, remember_offered, progress })
        }
        (_, Ok((challenge, _))) => Login::ChallengeFactor(ChallengeFactor {
            progress,
            kind,
            challenge,
            others,
            remember_offered,
            to: None,
            channels: Vec::new(),
            listed: false,
        }),
    })
}

fn asks(progress: &Progress, channel: Option<Channel>, facts: &Facts) -> ChallengeAsk {
    let (user, keys) = (progress.user.clone(), facts.keys.clone());
    ChallengeAsk { user, channel, profile: facts.rules.profile, keys }
}

/// Sends a code to an authenticator; asks for the channel first where there are two and the person prefers none.
fn reach(
    progress: Progress,
    on: &Authenticator,
    channel: Option<Channel>,
    rest: Rest,
    facts: &Facts,
    env: &mut Env,
) -> Step {
    let Rest { others, remember_offered } = rest;
    let to = factors::masked(on).unwrap_or_default();
    let listed = facts.mine(&progress).filter(|a| a.kind == on.kind && a.confirmed).count() > 1;
    let channels = if on.kind == FactorKind::Phone { facts.channels.clone() } else { Vec::new() };
    let preferred = || factors::phone::preferred(on).filter(|channel| channels.contains(channel));
    let only = || channels.first().copied().filter(|_| channels.len() == 1);
    let channel = channel.or_else(preferred).or_else(only);
    if channel.is_none() && on.kind == FactorKind::Phone {
        let authenticator = on.id.clone();
        return Step::to(Login::AskChannel(AskChannel {
            progress,
            authenticator,
            to,
            channels,
            others,
            remember_offered,
            listed,
        }));
    }
    match factors::begin_challenge(&[on], &asks(&progress, channel, facts), env) {
        Ok((challenge, send)) => {
            let mut step = Step::to(Login::ChallengeFactor(ChallengeFactor {
                progress,
                kind: on.kind,
                challenge,
                others,
                remember_offered,
                to: Some(to),
                channels,
                listed,
            }));
            step.effects.extend(send.map(Effect::Send));
            step
        }
        Err(_) => Step::to(refuse(Refusal::Internal)),
    }
}

/// The authenticator of a kind that was used last.
fn latest(kind: FactorKind, facts: &Facts, progress: &Progress) -> Option<Authenticator> {
    facts
        .mine(progress)
        .filter(|a| a.kind == kind && a.confirmed)
        .max_by_key(|a| (a.last_auth_at, std::cmp::Reverse(a.created_at)))
        .cloned()
}

/// Which authenticator is asked; none if any one of several will do.
fn the_one(login: &Login) -> Option<AuthenticatorId> {
    let challenge = match login {
        Login::ChallengeFactor(state) => &state.challenge,
        Login::ChallengeRecovery(state) => &state.challenge,
        _ => return None,
    };
    match challenge.authenticators.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

fn log_of(code: &'static str, kind: FactorKind, authenticator: Option<AuthenticatorId>) -> Effect {
    Effect::Log { code, kind: Some(kind), authenticator, note: None }
}

/// The answer was wrong: the same page, and one more failure.
pub(super) fn wrong(state: Login, kind: FactorKind) -> Step {
    let code = if kind == FactorKind::RecoveryCode { "gd_recovery_failed" } else { "gd_auth_failed" };
    let failed = log_of(code, kind, the_one(&state));
    Step::to(state).with(Effect::CountFailure(kind)).with(failed).but(Problem::InvalidCode)
}

impl ChallengeFactor {
    pub(super) fn answer(mut self, input: Input, remember: bool, facts: &Facts, env: &mut Env) -> Step {
        let kind = self.kind;
        if matches!(&input, Input::Code(code) if code.trim().is_empty()) {
            return Step::to(Login::ChallengeFactor(self)).but(Problem::NoCode);
        }
        // The factor was switched off meanwhile: decide anew what is asked.
        if !facts.means(&self.progress).usable().contains(&kind) {
            return decide_next(self.progress, facts, env).but(Problem::TransactionNotFound);
        }
        match factors::verify(facts.mine(&self.progress), &self.challenge, &input, env) {
            Verdict::Passed(passed) => {
                let succeeded = Effect::Log {
                    code: "gd_auth_succeed",
                    kind: Some(kind),
                    authenticator: Some(passed.authenticator().clone()),
                    note: passed.remark().map(Remark::as_str),
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
            Verdict::Copied(authenticator) => {
                let failed = Effect::Log {
                    code: "gd_auth_failed",
                    kind: Some(kind),
                    authenticator: Some(authenticator.clone()),
                    note: Some("signature_counter_did_not_grow"),
                };
                self.anew(facts, env)
                    .with(Effect::CountFailure(kind))
                    .with(failed)
                    .with(Effect::TellOfCopy(authenticator))
                    .but(Problem::KeyCopied)
            }
            Verdict::Wrong | Verdict::Replayed if kind.is_key() => {
                let next = self.anew(facts, env);
                let failed = log_of("gd_auth_failed", kind, the_one(&next.next));
                next.with(Effect::CountFailure(kind)).with(failed).but(Problem::KeyRefused(kind))
            }
            Verdict::Malformed | Verdict::Expired if kind.is_key() => {
                self.anew(facts, env).but(Problem::KeyRefused(kind))
            }
            Verdict::Wrong | Verdict::Replayed => {
                self.challenge.miss();
                wrong(Login::ChallengeFactor(self), kind)
            }
            Verdict::Malformed => Step::to(Login::ChallengeFactor(self)).but(Problem::InvalidOtpFormat),
            Verdict::Pending => Step::to(Login::ChallengeFactor(self)),
            // The code has died and the page still stands: another one may be sent.
            Verdict::Expired if self.to.is_some() => {
                Step::to(Login::ChallengeFactor(self)).but(Problem::CodeDied)
            }
            Verdict::Expired | Verdict::Denied => {
                decide_next(self.progress, facts, env).but(Problem::TransactionNotFound)
            }
        }
    }

    /// Asks for a key anew: what it was asked is over with the first answer, right or wrong.
    fn anew(self, facts: &Facts, env: &mut Env) -> Step {
        let Self { progress, kind, others, remember_offered, .. } = self;
        held(progress, kind, Rest { others, remember_offered }, facts, env)
    }

    /// Sends another code, by the same channel or another. One that was sent a moment ago is on its way still.
    pub(super) fn resend(self, channel: Option<Channel>, facts: &Facts, env: &mut Env) -> Step {
        let sent = self.challenge.sent;
        let by = channel.or(sent.map(|sent| sent.channel));
        let fits = channel.is_none_or(|channel| self.channels.contains(&channel));
        let early = sent.is_some_and(|sent| Some(sent.channel) == by && !sent.may_resend(env.now));
        if self.to.is_none() || !fits || early {
            return Step::to(Login::ChallengeFactor(self));
        }
        let asked = &self.challenge.authenticators;
        let on = facts.mine(&self.progress).find(|a| asked.contains(&a.id) && a.confirmed).cloned();
        if !facts.means(&self.progress).usable().contains(&self.kind) {
            return decide_next(self.progress, facts, env).but(Problem::TransactionNotFound);
        }
        match on {
            Some(on) => {
                let rest = Rest { others: self.others, remember_offered: self.remember_offered };
                reach(self.progress, &on, by, rest, facts, env)
            }
            None => decide_next(self.progress, facts, env).but(Problem::TransactionNotFound),
        }
    }
}

impl AskChannel {
    pub(super) fn pick(self, channel: Channel, facts: &Facts, env: &mut Env) -> Step {
        let on = facts.mine(&self.progress).find(|a| a.id == self.authenticator && a.confirmed).cloned();
        let usable = facts.means(&self.progress).usable().contains(&FactorKind::Phone);
        match on.filter(|_| usable) {
            Some(on) if facts.channels.contains(&channel) => {
                let rest = Rest { others: self.others, remember_offered: self.remember_offered };
                reach(self.progress, &on, Some(channel), rest, facts, env)
            }
            Some(_) => Step::to(Login::AskChannel(self)),
            None => decide_next(self.progress, facts, env).but(Problem::TransactionNotFound),
        }
    }
}

/// Lists the numbers or addresses of a person.
pub(super) fn list(before: Login, kind: FactorKind, rest: Rest, facts: &Facts) -> Step {
    let Some(progress) = before.progress().cloned() else { return Step::to(before) };
    let options = facts
        .mine(&progress)
        .filter(|a| a.kind == kind && a.confirmed)
        .map(|a| (a.id.clone(), factors::masked(a).unwrap_or_default()))
        .collect();
    let Rest { others, remember_offered } = rest;
    let before = Box::new(before);
    Step::to(Login::ListAuthenticators(ListAuthenticators {
        progress,
        kind,
        options,
        others,
        remember_offered,
        before,
    }))
}

impl ListAuthenticators {
    pub(super) fn pick(self, id: &AuthenticatorId, facts: &Facts, env: &mut Env) -> Step {
        let listed = self.options.iter().any(|(option, _)| option == id);
        let on = facts.mine(&self.progress).find(|a| a.id == *id && a.kind == self.kind && a.confirmed);
        let usable = facts.means(&self.progress).usable().contains(&self.kind);
        match on.cloned().filter(|_| listed && usable) {
            Some(on) => {
                let rest = Rest { others: self.others, remember_offered: self.remember_offered };
                reach(self.progress, &on, None, rest, facts, env)
            }
            None => Step::to(Login::ListAuthenticators(self)),
        }
    }
}

impl ChooseMethod {
    pub(super) fn pick(self, kind: FactorKind, facts: &Facts, env: &mut Env) -> Step {
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
    pub(super) fn answer(mut self, code: String, facts: &Facts, env: &mut Env) -> Step {
        let kind = FactorKind::RecoveryCode;
        if code.trim().is_empty() {
            return Step::to(Login::ChallengeRecovery(self)).but(Problem::NoCode);
        }
        if !facts.enabled.contains(&kind) {
            return decide_next(self.progress, facts, env).but(Problem::TransactionNotFound);
        }
        match factors::verify(facts.mine(&self.progress), &self.challenge, &Input::Code(code), env) {
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
                    note: None,
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
            Verdict::Wrong | Verdict::Replayed | Verdict::Copied(_) => {
                wrong(Login::ChallengeRecovery(self), kind)
            }
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
