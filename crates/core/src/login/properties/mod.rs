//! Drives random people, policies and clocks through the machine and looks for a way past it.
//!
//! The harness keeps its own books (who really typed a right password or code, what the session really proved) and its
//! own, plainer reading of the rules. Whatever the machine did, a [`LoggedIn`] must agree with both.

mod people;
mod rules;

use proptest::prelude::*;

use self::people::{Op, Start, Who, op, start};
use super::effect::{Effect, Problem, Step};
use super::enrolment::Stage;
use super::offer::{OfferKind, Offers, PasskeyOffers};
use super::signup::Names;
use super::state::{LoggedIn, Login, MfaOutcome, Request};
use super::steps::{
    Answer, BrowserSession, Facts, FirstAnswer, KeyFailure, PasskeyCheck, PasswordCheck, begin,
};
use crate::assurance::{Detail, FactorType, Kept, Method, MethodName, Methods, Rules};
use crate::env::{Env, Issuer};
use crate::factors::totp::device::AuthenticatorApp;
use crate::factors::totp::{Parameters, Seed, imported};
use crate::factors::webauthn::device::{Model, VirtualKey};
use crate::factors::webauthn::passkey::Registration;
use crate::factors::{
    self, ALL, EnrolAsk, FactorKind, Input, KeyAsks, KeyRules, Keys, Listed, Place, RelyingParty, Shown,
    Spend, UserHandle, UserVerification, recovery_code,
};
use crate::ids::{AuthenticatorId, UserId};
use crate::model::authenticator::Authenticator;
use crate::model::message::{Channel, CodeToSend};
use crate::model::settings::Profile;
use crate::random::SeededRng;
use crate::time::{Span, Timestamp};

/// What the harness knows for itself.
struct World {
    env: Env,
    start: Start,
    session: Option<BrowserSession>,
    policy_always: bool,
    enabled: Vec<FactorKind>,
    consent_needed: bool,
    remembered: bool,
    held: Vec<Authenticator>,
    apps: Vec<(AuthenticatorId, AuthenticatorApp)>,
    /// A security key of each; Ana's counts, Ben's does not.
    sticks: [VirtualKey; 2],
    laptops: [VirtualKey; 2],
    last_touch: Option<String>,
    /// The passkeys that were added, and the offers that were declined.
    passkeys: Vec<(UserId, Listed)>,
    declined: Vec<(UserId, OfferKind)>,
    /// Whose new key has answered and has no name yet.
    touched: Option<UserId>,
    codes: [Option<String>; 2],
    last_code: Option<String>,
    /// The last message that was sent, for whom, and how often a wrong answer followed.
    message: Option<(UserId, CodeToSend, u8)>,
    /// Who gave the first factor last in this transaction.
    first_by: Option<UserId>,
    /// Whether that was a passkey that verified its user.
    first_verified: bool,
    /// Whether that user has since really passed a second factor.
    second_passed: bool,
}

fn passkey_method(user_verified: bool, now: Timestamp) -> Method {
    let detail = Detail::Key { kept: Kept::Software, user_verified };
    Method::first(MethodName::Passkey, now).with(detail)
}

fn user(who: Who) -> UserId {
    UserId::trusted(["auth0|ana", "auth0|ben"][who])
}

/// Scans the QR code of the enrolment page, if it is one.
fn scan(page: &Login) -> Option<AuthenticatorApp> {
    let Login::Enrol(page) = page else { return None };
    let Some(Ok(Shown::Totp { uri, .. })) = page.enrolment().shown() else { return None };
    AuthenticatorApp::scan(&uri).ok()
}

/// A telephone or address as an administrator would store it.
fn reachable(kind: FactorKind, who: Who, data: serde_json::Value, env: &mut Env) -> Authenticator {
    Authenticator {
        id: AuthenticatorId::new(env.rng()),
        user: user(who),
        kind,
        confirmed: true,
        name: None,
        data,
        spent_step: None,
        created_at: env.now,
        enrolled_at: Some(env.now),
        last_auth_at: None,
        link_id: None,
    }
}

const ORIGIN: &str = "https://lockstep.test";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0";

fn keys() -> Keys {
    let relying_party = RelyingParty::parse("lockstep.test", &[ORIGIN]).unwrap();
    let rules = |user_verification| KeyRules { relying_party: relying_party.clone(), user_verification };
    Keys {
        roaming: Some(rules(UserVerification::Preferred)),
        platform: Some(rules(UserVerification::Required)),
    }
}

fn handle() -> UserHandle {
    UserHandle::trusted("aGFuZGxl")
}

fn enrolled_key(kind: FactorKind, key: &mut VirtualKey, who: Who, env: &mut Env) -> Authenticator {
    let ask = EnrolAsk {
        user: user(who),
        issuer: "Acme".into(),
        account: "ana@example.com".into(),
        profile: Profile::Faithful,
        reach: None,
        key: KeyAsks::new(&keys(), Some(&handle()), &[], None).of(kind).cloned(),
    };
    let (draft, _) = factors::begin_enrolment(kind, &ask, env).unwrap();
    let Ok(Shown::PublicKey(options)) = factors::shown(&draft) else { panic!("shows options") };
    let credential = key.create(&options, ORIGIN, env.rng()).unwrap();
    factors::confirm(&draft, &Input::Key(credential.to_string()), env).unwrap().authenticator
}

impl World {
    fn new(start: Start) -> Self {
        let now = Timestamp::from_secs(1_700_000_000);
        let mut env = Env::new(now, Issuer::parse("https://lockstep.test/").unwrap());
        env.rng = Box::new(SeededRng::new(1));
        let (mut held, mut apps, mut codes) = (Vec::new(), Vec::new(), [None, None]);
        // One algorithm whose keys are drawn from our own chance: a failing run can be repeated.
        let stick = Model { only: Some(-8), ..Model::SECURITY_KEY };
        let synced = Model { only: Some(-8), ..Model::SYNCED };
        let mut sticks = [VirtualKey::new(stick), VirtualKey::new(Model { counts: false, ..stick })];
        let mut laptops = [VirtualKey::new(synced), VirtualKey::new(synced)];
        for (who, code) in codes.iter_mut().enumerate() {
            if start.keys[who] {
                held.push(enrolled_key(FactorKind::WebauthnRoaming, &mut sticks[who], who, &mut env));
            }
            if start.laptops {
                held.push(enrolled_key(FactorKind::WebauthnPlatform, &mut laptops[who], who, &mut env));
            }
            for n in 0..start.phones[who] {
                // One prefers texts, the other has never said.
                let preferred = (n == 1).then_some("sms");
                let data = serde_json::json!({
                    "phone_number": format!("+1202555014{}", 2 * who + n), "preferred_authentication_method": preferred,
                });
                held.push(reachable(FactorKind::Phone, who, data, &mut env));
            }
            if start.with_mail {
                let data = serde_json::json!({"email": format!("{who}@example.com")});
                held.push(reachable(FactorKind::Email, who, data, &mut env));
            }
            if start.enrolled[who] {
                let id = AuthenticatorId::new(env.rng());
                let seed = Seed::generate(env.rng());
                apps.push((id.clone(), AuthenticatorApp::scan(&seed.base32()).unwrap()));
                held.push(imported(id, user(who), &Parameters::usual(seed), None, now).unwrap());
                if start.with_recovery {
                    let fresh = recovery_code::replacement(&user(who), &mut env).unwrap();
                    *code = Some(fresh.code);
                    held.push(fresh.authenticator);
                }
            }
        }
        let session = start.session.map(|(first, second)| {
            let ago = |secs| now - Span::seconds(secs);
            let mut methods = Methods::begin(Method::first(MethodName::Pwd, ago(first)));
            if let Some(second) = second {
                methods.record(Method::second(FactorType::Otp, ago(second)));
            }
            let auth_time = ago(second.unwrap_or(first));
            BrowserSession { user: user(0), identifier: None, methods, auth_time }
        });
        Self {
            policy_always: start.asks.policy_always,
            enabled: ALL.to_vec(),
            consent_needed: start.consent_needed,
            remembered: start.remembered,
            session,
            start,
            held,
            apps,
            sticks,
            laptops,
            last_touch: None,
            passkeys: Vec::new(),
            declined: Vec::new(),
            touched: None,
            codes,
            last_code: None,
            message: None,
            first_by: None,
            first_verified: false,
            second_passed: false,
            env,
        }
    }

    fn facts(&self, of: &UserId) -> Facts {
        Facts {
            user: of.clone(),
            rules: Rules {
                profile: self.start.profile,
                passkey_satisfies_mfa: self.start.passkey_satisfies_mfa,
            },
            policy_always: self.policy_always,
            enabled: self.enabled.clone(),
            // All of them: the machine must not be fooled by what is somebody else's.
            held: self.held.clone(),
            remembered: self.remembered,
            remember_display: true,
            consent_needed: self.consent_needed,
            key_first: false,
            channels: vec![Channel::Sms, Channel::Voice],
            show_options: self.start.show_options,
            issuer: "Acme".into(),
            account: "ana@example.com".into(),
            keys: keys(),
            place: self.start.at_a_laptop.then(|| Place::of(WINDOWS)).flatten(),
            user_handle: Some(handle()),
            offers: self.offers(of),
        }
    }

    fn offers(&self, of: &UserId) -> Offers {
        let held =
            self.passkeys.iter().filter(|(owner, _)| owner == of).map(|(_, key)| key.clone()).collect();
        let passkeys = PasskeyOffers {
            relying_party: RelyingParty::parse("lockstep.test", &[ORIGIN]).unwrap(),
            user_handle: handle(),
            held,
            progressive: true,
            local: true,
        };
        let declined = self.declined.iter().filter(|(owner, _)| owner == of).map(|(_, kind)| *kind).collect();
        Offers { passkeys: Some(passkeys).filter(|_| self.start.offers), declined }
    }

    /// The code that this user's app shows.
    fn code_of(&self, login: &Login, who: Who) -> String {
        // On the enrolment page only the person at the keyboard can scan.
        if let (Some(app), true) = (scan(login), login.user() == Some(&user(who))) {
            return app.code_at(self.env.now);
        }
        let mine = self.held.iter().find(|a| a.user == user(who) && a.kind == FactorKind::Totp);
        let app = mine.and_then(|mine| self.apps.iter().find(|(id, _)| *id == mine.id));
        app.map_or_else(|| "123456".into(), |(_, app)| app.code_at(self.env.now))
    }

    /// What this person's key says to the page, and whose second factor that proves: a key knows its own page only.
    fn touch(&mut self, login: &Login, who: Who) -> (String, Option<UserId>) {
        let said = match login {
            Login::ChallengeFactor(s) => {
                let platform = s.kind() == FactorKind::WebauthnPlatform;
                let key = if platform { &mut self.laptops[who] } else { &mut self.sticks[who] };
                s.key_options().and_then(|options| key.get(&options.unwrap(), ORIGIN).ok())
            }
            Login::Enrol(s) if login.user() == Some(&user(who)) => match s.enrolment().shown() {
                Some(Ok(Shown::PublicKey(options))) => {
                    let platform = options["authenticatorSelection"]["authenticatorAttachment"] == "platform";
                    let key = if platform { &mut self.laptops[who] } else { &mut self.sticks[who] };
                    key.create(&options, ORIGIN, self.env.rng()).ok()
                }
                _ => None,
            },
            Login::AskOffer(s) => {
                let options = s.registration().options("Acme", "ana");
                self.laptops[who].create(&options, ORIGIN, self.env.rng()).ok()
            }
            _ => None,
        };
        match said {
            Some(said) => (said.to_string(), login.user().cloned()),
            None => ("{}".into(), None),
        }
    }

    /// Whose second factor this text really proves on this page: a code of an app of the user, of a step in the window
    /// that was not spent. By chance that can be any text.
    fn proves(&self, login: &Login, text: &str) -> Option<UserId> {
        let of = login.user()?;
        let window = if self.start.profile == Profile::Assured { 0 } else { 1 };
        let fits = |app: &AuthenticatorApp, spent: Option<i64>| {
            (-window..=window).any(|off| {
                let at = self.env.now + Span::seconds(30 * off);
                app.code_at(at) == text && spent.is_none_or(|spent| spent < at.as_secs().div_euclid(30))
            })
        };
        // A code that was sent proves what was sent for this page, to this user, not long ago.
        let sent = match login {
            Login::ChallengeFactor(s) => s.sent().is_some(),
            Login::Enrol(s) => s.enrolment().sent().is_some(),
            _ => false,
        };
        let right = match scan(login) {
            Some(app) => fits(&app, None),
            None if sent => self.message.as_ref().is_some_and(|(to, message, misses)| {
                to == of && message.code == text && self.env.now <= message.expires_at && *misses < 5
            }),
            None => self
                .held
                .iter()
                .filter(|a| a.user == *of)
                .any(|a| self.apps.iter().any(|(id, app)| *id == a.id && fits(app, a.spent_step))),
        };
        right.then(|| of.clone())
    }

    fn apply(&mut self, login: Login, op: &Op) -> Login {
        let remember =
            matches!(op, Op::Code(_, true) | Op::OldCode(true) | Op::WrongCode(true) | Op::SentCode(true));
        let code = |code: String| Answer::Code { code, remember };
        let now = self.env.now;
        let first = |login: Login, answer| (login.first_factor(answer, now), None);
        let password = |check| FirstAnswer::Password { identifier: "ana".into(), check };
        // The step, and whose second factor was really proven by the answer.
        let (step, proven): (Step, Option<UserId>) = match op {
            Op::Identifier => first(login, FirstAnswer::Identifier("ana".into())),
            Op::GoToSignup => first(login, FirstAnswer::GoToSignup),
            Op::GoToLogin => first(login, FirstAnswer::GoToLogin),
            Op::WrongPassword => first(login, password(PasswordCheck::Wrong)),
            Op::Password(who) => {
                if matches!(login, Login::AskPassword(_)) {
                    self.first_given(*who, false);
                }
                first(login, password(PasswordCheck::Right(user(*who))))
            }
            Op::Passkey(who, user_verified) => {
                if matches!(login, Login::AskIdentifier(_) | Login::AskPassword(_)) {
                    self.first_given(*who, *user_verified);
                }
                let method = passkey_method(*user_verified, now);
                let check = PasskeyCheck::Right { user: user(*who), method, from_elsewhere: true };
                first(login, FirstAnswer::Passkey(check))
            }
            Op::Names(possible) => {
                let party = RelyingParty::parse("lockstep.test", &[ORIGIN]).unwrap();
                let drawn = Registration::draw(party, handle(), &mut self.env);
                let registration = possible.then(|| Box::new(drawn));
                first(login, FirstAnswer::SignupNames { names: Names::default(), registration })
            }
            Op::SignUpByPasskey(who, user_verified) => {
                if matches!(login, Login::AskSignupPasskey(_)) {
                    self.first_given(*who, *user_verified);
                }
                let method = passkey_method(*user_verified, now);
                first(login, FirstAnswer::SignedUpByPasskey { user: user(*who), method })
            }
            Op::WithoutPasskey => first(login, FirstAnswer::WithoutPasskey),
            Op::NoPasskey => {
                first(login, FirstAnswer::NoPasskey { why: Problem::PasskeyNotAdded, anew: None })
            }
            Op::NotSignedUp => first(login, FirstAnswer::NotSignedUp),
            Op::SignUp(who) => {
                let names_only = matches!(&login, Login::AskSignup(s) if s.names_only());
                if matches!(login, Login::AskSignup(_) | Login::AskSignupPassword(_)) && !names_only {
                    self.first_given(*who, false);
                }
                first(login, FirstAnswer::SignedUp(user(*who)))
            }
            Op::Code(who, _) => {
                let text = self.code_of(&login, *who);
                self.last_code = Some(text.clone());
                let proven = self.proves(&login, &text);
                (self.answer(login, code(text)), proven)
            }
            Op::OldCode(_) | Op::WrongCode(_) => {
                let old = self.last_code.clone().filter(|_| matches!(op, Op::OldCode(_)));
                let text = old.unwrap_or_else(|| "000000".into());
                let proven = self.proves(&login, &text);
                (self.answer(login, code(text)), proven)
            }
            Op::SentCode(_) => {
                let text = self.message.as_ref().map_or_else(|| "000000".into(), |(_, m, _)| m.code.clone());
                let proven = self.proves(&login, &text);
                (self.answer(login, code(text)), proven)
            }
            Op::Touch(who, remember) => {
                let (credential, proven) = self.touch(&login, *who);
                self.last_touch = Some(credential.clone());
                // A new key counts once it has a name.
                let offered = matches!(&login, Login::AskOffer(_));
                let new =
                    matches!(&login, Login::Enrol(s) if matches!(s.enrolment().stage(), Stage::Key { .. }));
                let proven = if offered {
                    None
                } else if new {
                    self.touched = proven;
                    None
                } else {
                    proven
                };
                (self.answer(login, Answer::Key { credential, remember: *remember }), proven)
            }
            Op::OldTouch(remember) => {
                let credential = self.last_touch.clone().unwrap_or_default();
                (self.answer(login, Answer::Key { credential, remember: *remember }), None)
            }
            Op::Name(named) => {
                let name = if *named { "Key" } else { " " };
                let asked =
                    matches!(&login, Login::Enrol(s) if matches!(s.enrolment().stage(), Stage::Name { .. }));
                let proven = if asked && *named { self.touched.take() } else { None };
                (self.answer(login, Answer::Name(name.into())), proven)
            }
            Op::Browser(platform) => (self.answer(login, Answer::Browser { platform: *platform }), None),
            Op::KeyFailed => (self.answer(login, Answer::KeyFailed(KeyFailure::NotAllowed)), None),
            Op::Number(plausible) => {
                let number = if *plausible { "+12025550199" } else { "+1" };
                let answer = match &login {
                    Login::Enrol(s) if matches!(s.enrolment().stage(), Stage::Address) => {
                        Answer::Address("new@example.com".into())
                    }
                    _ => Answer::Number { number: number.into(), region: None, channel: None },
                };
                (self.answer(login, answer), None)
            }
            Op::ListCountries => (self.answer(login, Answer::ListCountries { typed: "202".into() }), None),
            Op::PickCountry(real) => {
                let id = if *real { "US" } else { "??" };
                (self.answer(login, Answer::PickCountry(id.into())), None)
            }
            Op::Edit => (self.answer(login, Answer::Edit), None),
            Op::Resend => (self.answer(login, Answer::Resend), None),
            Op::By(channel) => (self.answer(login, Answer::By(*channel)), None),
            Op::List => (self.answer(login, Answer::List), None),
            Op::PickNumber(n) => {
                let phones: Vec<_> =
                    self.held.iter().filter(|a| a.kind == FactorKind::Phone).map(|a| a.id.clone()).collect();
                let id = phones.get(n % phones.len().max(1)).cloned();
                let id = id.unwrap_or_else(|| AuthenticatorId::trusted("dev_0000000000000000"));
                (self.answer(login, Answer::PickAuthenticator(id)), None)
            }
            Op::RecoveryCode(who) => {
                let text = self.codes[*who].clone().unwrap_or_else(|| "A".repeat(24));
                let right = self.codes[*who].is_some() && login.user() == Some(&user(*who));
                (self.answer(login, code(text)), right.then(|| user(*who)))
            }
            Op::Saved(ticked) => (self.answer(login, Answer::Saved { ticked: *ticked }), None),
            Op::TryAnother => (self.answer(login, Answer::TryAnother), None),
            Op::Pick(kind) => (self.answer(login, Answer::Pick(*kind)), None),
            Op::Back => (self.answer(login, Answer::Back), None),
            Op::ShowKey => (self.answer(login, Answer::ShowKey), None),
            Op::Leave(how) => (self.answer(login, Answer::Leave(*how)), None),
            Op::Consent(accepted) => (self.answer(login, Answer::Consent { accepted: *accepted }), None),
            outside => {
                self.happens(outside);
                return login;
            }
        };
        self.write(step, proven)
    }

    fn first_given(&mut self, who: Who, verified: bool) {
        (self.first_by, self.first_verified, self.second_passed) = (Some(user(who)), verified, false);
    }

    fn happens(&mut self, op: &Op) {
        match op {
            Op::Wait(secs) => self.env.now = self.env.now + Span::seconds(*secs),
            Op::SwitchPolicy => self.policy_always = !self.policy_always,
            Op::SwitchConsent => self.consent_needed = !self.consent_needed,
            Op::SwitchFactor(kind) => match self.enabled.iter().position(|k| k == kind) {
                Some(at) => drop(self.enabled.remove(at)),
                None => self.enabled.push(*kind),
            },
            Op::Remove(who) => {
                self.held.retain(|a| a.user != user(*who));
                self.codes[*who] = None;
            }
            Op::Forget => self.remembered = !self.remembered,
            _ => {}
        }
    }

    fn answer(&mut self, login: Login, answer: Answer) -> Step {
        let Some(of) = login.user().cloned() else {
            return login.first_factor(FirstAnswer::EditIdentifier, self.env.now);
        };
        let facts = self.facts(&of);
        login.answer(answer, &facts, &mut self.env)
    }

    /// Does what the flow does: decides where it has to, writes the effects, stores the state and reads it back.
    fn write(&mut self, step: Step, proven: Option<UserId>) -> Login {
        let step = match step.next.clone() {
            Login::Deciding(deciding) => {
                let facts = self.facts(step.next.user().unwrap());
                step.then(deciding.decide(&facts, &mut self.env))
            }
            _ => step,
        };
        for effect in &step.effects {
            match effect {
                Effect::Spend { authenticator, spend, .. } => {
                    let on =
                        self.held.iter_mut().find(|a| a.id == *authenticator).expect("it is still there");
                    assert!(self.enabled.contains(&on.kind), "a factor counted that is switched off");
                    match spend {
                        // What was answered is gone with the state that kept it: it can never be right again.
                        Some(Spend::Challenge) => self.message = None,
                        Some(Spend::Step(step)) => {
                            assert!(on.spent_step.is_none_or(|spent| spent < *step), "a step is spent once");
                            on.spent_step = Some(*step);
                        }
                        Some(Spend::Counter { count, data }) => {
                            let none = (*count, on.spent_step) == (0, Some(0));
                            let grows = on.spent_step.is_none_or(|spent| spent < *count);
                            assert!(none || grows, "a counter only grows");
                            on.spent_step = Some(*count);
                            on.data = data.0.clone();
                        }
                        Some(Spend::Once) => self.held.retain(|a| a.id != *authenticator),
                        None => panic!("both factors spend something"),
                    }
                    self.second_passed |= proven.is_some();
                    assert!(proven.is_some(), "a code passed that was not this user's right code");
                }
                Effect::SaveAuthenticator(a) => {
                    if a.kind.independent() {
                        assert!(proven.as_ref() == Some(&a.user), "enrolled without the right code");
                        self.second_passed = true;
                    }
                    if a.kind == FactorKind::Phone {
                        self.message = None;
                    }
                    if a.kind == FactorKind::Totp {
                        assert!(a.spent_step.is_some(), "the code that confirmed can log in too");
                        let secret = a.data["secret"].as_str().unwrap();
                        self.apps.push((a.id.clone(), AuthenticatorApp::scan(secret).unwrap()));
                    }
                    self.held.push(a.clone());
                }
                Effect::ReplaceRecoveryCode { old, new } => {
                    assert!(self.held.iter().all(|a| a.id != *old), "the old code is dead");
                    let who = usize::from(new.user == user(1));
                    let Login::ShowNewRecoveryCode(s) = &step.next else { panic!("the new code is shown") };
                    self.codes[who] = Some(s.code().to_owned());
                    self.held.push(new.clone());
                }
                Effect::SavePasskey(new) => {
                    // Never by the password alone where there is a factor.
                    let of = step.next.user().cloned().or_else(|| self.first_by.clone()).unwrap();
                    let both = self.start.passkey_satisfies_mfa && self.first_verified;
                    let factor = self
                        .held
                        .iter()
                        .any(|a| a.user == of && a.kind.independent() && self.enabled.contains(&a.kind));
                    assert_eq!(self.first_by.as_ref(), Some(&of), "added for somebody else");
                    assert!(!factor || self.second_passed || both, "added by one factor of two");
                    let party = RelyingParty::parse("lockstep.test", &[ORIGIN]).unwrap();
                    self.passkeys.push((of, Listed::stored(&new.data, &party).unwrap()));
                }
                Effect::DeclineOffer { kind, .. } => {
                    let by_session = || self.session.as_ref().map(|session| session.user.clone());
                    let of = step.next.user().cloned().or_else(|| self.first_by.clone());
                    let of = of.or_else(by_session).unwrap();
                    self.declined.push((of, *kind));
                    assert!(*kind != OfferKind::DeviceKey || self.second_passed, "not before MFA");
                }
                Effect::Send(message) => {
                    let to = step.next.user().expect("a message is for somebody").clone();
                    self.message = Some((to, message.clone(), 0));
                }
                Effect::CountFailure(FactorKind::Phone | FactorKind::Email) => {
                    if let Some((_, _, misses)) = &mut self.message {
                        *misses += 1;
                    }
                }
                _ => {}
            }
        }
        let stored = serde_json::to_string(&step.next).unwrap();
        let read: Login = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, step.next);
        read
    }
}

/// Runs a script through one login after another in the same world; returns those that came to an end.
///
/// One after another, since what a login spent must stay spent in the next: the same codes, and the same old session.
fn run(start: Start, ops: &[Op]) -> Vec<LoggedIn> {
    let request = Request {
        asks: start.asks.clone(),
        signup_first: start.signup_first,
        identifier_first: start.identifier_first,
        signup_by: start.signup_by,
        ..Request::default()
    };
    let mut world = World::new(start);
    let (mut ends, mut ops) = (Vec::new(), ops.iter());
    loop {
        (world.first_by, world.first_verified, world.second_passed) = (None, false, false);
        let login = begin(request.clone(), world.session.clone(), world.env.now);
        let mut login = world.write(Step { next: login, effects: vec![], problem: None }, None);
        loop {
            if let Login::LoggedIn(end) = &login {
                world.check(end);
                ends.push(end.clone());
                break;
            }
            if matches!(login, Login::Refused(_)) {
                break;
            }
            let Some(op) = ops.next() else { return ends };
            // What a page does not accept is sent too: a forged form is as good as any.
            let op = op.clone().on(&login);
            login = world.apply(login, &op);
        }
        // A session that will do ends at once; the script must run out in any case.
        if ops.next().is_none() {
            return ends;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_gets_in_without_what_was_demanded(start in start(), ops in prop::collection::vec(op(), 1..30)) {
        run(start, &ops);
    }
}

/// The property says nothing if nobody ever gets in: of random people with patience, many do, in each way.
#[test]
fn the_random_people_do_get_in() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = (start(), prop::collection::vec(op(), 1..40));
    let (mut passed, mut not_needed, mut by_passkey) = (0, 0, 0);
    let mut with = std::collections::BTreeMap::new();
    for _ in 0..4000 {
        let (start, ops) = strategy.new_tree(&mut runner).unwrap().current();
        for end in run(start, &ops) {
            by_passkey += i32::from(end.methods().iter().any(|m| m.name == MethodName::Passkey));
            match end.mfa() {
                MfaOutcome::Passed(receipt) => {
                    passed += 1;
                    *with.entry(receipt.kind()).or_insert(0) += 1;
                }
                MfaOutcome::NotNeeded(_) => not_needed += 1,
            }
        }
    }
    assert!(passed > 100 && not_needed > 100 && by_passkey > 100, "{passed} {not_needed} {by_passkey}");
    assert!(ALL.iter().all(|kind| with.get(kind).is_some_and(|n| *n >= 10)), "{with:?}");
}
