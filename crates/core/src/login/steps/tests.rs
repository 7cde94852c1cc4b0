//! Logins told as stories, step by step.

mod keys;

use super::*;
use crate::assurance::Rules;
use crate::env::Issuer;
use crate::factors::totp::device::AuthenticatorApp;
use crate::factors::totp::{Parameters, Seed, imported};
use crate::factors::webauthn::device::{Model, VirtualKey};
use crate::factors::{Keys, Listed, RelyingParty, Shown, UserHandle, recovery_code};
use crate::ids::AuthenticatorId;
use crate::login::demand::{Asks, NotNeeded};
use crate::login::offer::{Leave, OfferKind, Offers, PasskeyOffers};
use crate::login::state::{Accepts, Screen};
use crate::model::authenticator::Authenticator;
use crate::model::message::Channel;
use crate::random::SeededRng;
use crate::time::Span;

const SEED_A: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn env() -> Env {
    let mut env =
        Env::new(Timestamp::from_secs(1_234_567_890), Issuer::parse("https://lockstep.test/").unwrap());
    env.rng = Box::new(SeededRng::new(1));
    env
}

fn ana() -> UserId {
    UserId::trusted("auth0|ana")
}

/// Ana's facts under the policy "always", with nothing enrolled.
fn facts() -> Facts {
    Facts {
        user: ana(),
        rules: Rules::default(),
        policy_always: true,
        enabled: vec![FactorKind::Totp, FactorKind::RecoveryCode],
        held: vec![],
        remembered: false,
        remember_display: true,
        consent_needed: false,
        key_first: false,
        keys: Keys::default(),
        place: None,
        user_handle: None,
        offers: Offers::default(),
        channels: vec![Channel::Sms],
        show_options: false,
        issuer: "Acme".into(),
        account: "ana@example.com".into(),
    }
}

fn app_with(seed: &str, id: &str) -> Authenticator {
    let parameters = Parameters::usual(Seed::parse(seed).unwrap());
    imported(AuthenticatorId::trusted(id), ana(), &parameters, None, Timestamp::from_secs(0)).unwrap()
}

fn with_totp() -> Facts {
    Facts { held: vec![app_with(SEED_A, "dev_0123456789abcdef")], ..facts() }
}

fn asking(asks: Asks) -> Request {
    Request { asks, ..Request::default() }
}

/// Logs in with the right password and decides.
fn after_password(request: Request, session: Option<BrowserSession>, facts: &Facts, env: &mut Env) -> Step {
    let login = begin(request, session, env.now);
    let check = PasswordCheck::Right(ana());
    let step = login.first_factor(FirstAnswer::Password { identifier: "ana".into(), check }, env.now);
    let Login::Deciding(deciding) = step.next.clone() else {
        panic!("the password is right: {:?}", step.next)
    };
    step.then(deciding.decide(facts, env))
}

fn code(code: &str) -> Answer {
    Answer::Code { code: code.into(), remember: false }
}

fn screen(login: &Login) -> &'static str {
    login.screen().map_or("", |Screen { name, .. }| name)
}

fn logged(step: &Step, wanted: &str) -> bool {
    step.effects.iter().any(|e| matches!(e, Effect::Log { code, .. } if *code == wanted))
}

fn session(env: &Env, mfa: bool) -> BrowserSession {
    let at = env.now - Span::minutes(10);
    let mut methods = Methods::begin(Method::first(MethodName::Pwd, at));
    if mfa {
        methods.record(Method::second(crate::assurance::FactorType::Otp, at));
    }
    BrowserSession { user: ana(), identifier: Some("ana@example.com".into()), methods, auth_time: at }
}

/// Ana's facts where nobody asks for MFA and passkeys are offered; she has so many.
fn offering(held: usize, facts: Facts) -> Facts {
    let party = RelyingParty::parse("lockstep.test", &["https://lockstep.test"]).unwrap();
    let one = |n: usize| {
        let data = serde_json::json!({
            "key_id": format!("AAAAAAAAAAAAAAAAAAAAA{n:03}"), "public_key": "AA==", "relying_party_identifier": "lockstep.test",
        });
        Listed::stored(&data, &party).unwrap()
    };
    let passkeys = PasskeyOffers {
        held: (0..held).map(one).collect(),
        relying_party: party.clone(),
        user_handle: UserHandle::trusted("YW5h"),
        progressive: true,
        local: true,
    };
    let offers = Offers { passkeys: Some(passkeys), declined: Vec::new() };
    Facts { policy_always: false, offers, ..facts }
}

#[test]
fn a_passkey_is_offered_once_after_a_password_and_every_way_out_leads_on() {
    let mut env = env();
    let facts = offering(0, facts());
    for (how, kept) in [
        (Leave::Later, Some(Some(env.now + Span::days(7)))),
        (Leave::Never, Some(None)),
        (Leave::Unable, None),
    ] {
        let step = after_password(Request::default(), None, &facts, &mut env);
        assert_eq!(screen(&step.next), "passkey-enrollment");
        assert!(
            step.effects.iter().any(|e| matches!(e, Effect::SaveSession { .. })),
            "who leaves the page has nevertheless logged in"
        );
        let step = step.next.answer(Answer::Leave(how), &facts, &mut env);
        assert!(matches!(step.next, Login::LoggedIn(_)), "{how:?}");
        let declined = step.effects.iter().find_map(|e| match e {
            Effect::DeclineOffer { kind: OfferKind::Passkey, until } => Some(*until),
            _ => None,
        });
        assert_eq!(declined, kept, "{how:?}");
    }
    // Whoever has one, has declined, or is asked by an operator who does not want it, sees nothing.
    let mut declined = facts.clone();
    declined.offers.declined = vec![OfferKind::Passkey];
    let mut off = facts.clone();
    if let Some(passkeys) = &mut off.offers.passkeys {
        passkeys.progressive = false;
    }
    for facts in [offering(1, self::facts()), declined, off.clone()] {
        let step = after_password(Request::default(), None, &facts, &mut env);
        assert!(matches!(step.next, Login::LoggedIn(_)));
    }
    // A session proves nothing here.
    let step =
        begin(Request::default(), Some(session(&env, false)), env.now).answer(Answer::Back, &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)));
    // Who signs up by a password went on without a passkey before that: nothing is offered twice in a login.
    let signup_by = crate::login::signup::SignupBy::Either;
    let signup = Request { signup_first: true, signup_by, ..Request::default() };
    let names = FirstAnswer::SignupNames { names: Default::default(), registration: None };
    let step = begin(signup, None, env.now).first_factor(names, env.now);
    assert_eq!(screen(&step.next), "signup-password");
    let step = step.next.first_factor(FirstAnswer::SignedUp(ana()), env.now);
    let Login::Deciding(deciding) = step.next else { panic!("the first factor stands") };
    assert!(matches!(deciding.decide(&facts, &mut env).next, Login::LoggedIn(_)));
}

#[test]
fn a_passkey_is_never_offered_on_one_factor_of_two() {
    let mut env = env();
    // She has an authenticator app, and nobody asks for it.
    let facts = offering(0, with_totp());
    let step = after_password(Request::default(), None, &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)), "the password alone adds nothing");
    let asked = asking(Asks { acr_mfa: true, ..Asks::default() });
    let step = after_password(asked, None, &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-otp-challenge");
    let right = AuthenticatorApp::scan(SEED_A).unwrap().code_at(env.now);
    let step = step.next.answer(code(&right), &facts, &mut env);
    assert_eq!(screen(&step.next), "passkey-enrollment", "with the code it may be added");
    // The app is enrolled while the page stands open in another login: the key that answers is not added.
    let step = after_password(Request::default(), None, &offering(0, self::facts()), &mut env);
    assert_eq!(screen(&step.next), "passkey-enrollment");
    let Login::AskOffer(page) = &step.next else { panic!("an offer") };
    let options = page.registration().options("Acme", "ana");
    let made = VirtualKey::new(Model::SYNCED).create(&options, "https://lockstep.test", env.rng()).unwrap();
    let step =
        step.next.answer(Answer::Key { credential: made.to_string(), remember: false }, &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)));
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::SavePasskey(_))));
}

#[test]
fn who_used_a_passkey_of_another_device_is_offered_one_on_this() {
    let mut env = env();
    let log_in = |from_elsewhere: bool, facts: &Facts, env: &mut Env| {
        let method = Method::first(MethodName::Passkey, env.now);
        let check = PasskeyCheck::Right { user: ana(), method, from_elsewhere };
        let step =
            begin(Request::default(), None, env.now).first_factor(FirstAnswer::Passkey(check), env.now);
        let Login::Deciding(deciding) = step.next else { panic!("the first factor stands") };
        deciding.decide(facts, env).next
    };
    let facts = offering(1, facts());
    let page = log_in(true, &facts, &mut env);
    assert_eq!(screen(&page), "passkey-enrollment-local");
    let Login::AskOffer(offer) = &page else { panic!("an offer") };
    let options = offer.registration().options("Acme", "ana");
    assert_eq!(options["authenticatorSelection"]["authenticatorAttachment"], "platform");
    assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1));
    assert!(matches!(log_in(false, &facts, &mut env), Login::LoggedIn(_)), "she has it here");
    let full = offering(20, self::facts());
    assert!(matches!(log_in(true, &full, &mut env), Login::LoggedIn(_)), "no more than twenty");
}

#[test]
fn a_new_passkey_answers_what_it_was_asked_or_is_asked_anew() {
    let mut env = env();
    let facts = offering(0, facts());
    let mut key = VirtualKey::new(Model::SYNCED);
    let mut made = |login: &Login, env: &mut Env| {
        let Login::AskOffer(page) = login else { panic!("an offer: {login:?}") };
        let options = page.registration().options("Acme", "ana");
        let made = key.create(&options, "https://lockstep.test", env.rng()).unwrap().to_string();
        Answer::Key { credential: made, remember: false }
    };
    let page = after_password(Request::default(), None, &facts, &mut env).next;
    let old = made(&page, &mut env);
    let step = page.answer(Answer::Key { credential: "{}".into(), remember: false }, &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::PasskeyNotAdded));
    let step = step.next.answer(old, &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::PasskeyNotAdded), "what was asked is over");
    let late = made(&step.next, &mut env);
    env.now = env.now + Span::minutes(6);
    let step = step.next.answer(late, &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::PasskeyFailed));
    for (why, problem) in [
        (KeyFailure::NotAllowed, Problem::PasskeyFailed),
        (KeyFailure::InvalidState, Problem::PasskeyThere),
        (KeyFailure::Unknown, Problem::PasskeyNotAdded),
    ] {
        let step = step.next.clone().answer(Answer::KeyFailed(why), &facts, &mut env);
        assert_eq!((step.problem, step.next.clone() == step.next), (Some(problem), true));
        assert_eq!(step.effects, [Effect::PasskeyReport(why.as_str())]);
    }
    let right = made(&step.next, &mut env);
    let step = step.next.answer(right, &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)));
    assert_eq!(step.effects.iter().filter(|e| matches!(e, Effect::SavePasskey(_))).count(), 1);
}

#[test]
fn a_first_login_enrols_shows_the_recovery_code_and_ends() {
    let (mut env, mut facts) = (env(), facts());
    let step = after_password(Request::default(), None, &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-otp-enrollment-qr");
    assert!(logged(&step, "gd_start_enroll"));
    let Login::Enrol(page) = &step.next else { panic!("{:?}", step.next) };
    let Some(Ok(Shown::Totp { uri, .. })) = page.enrolment().shown() else { panic!("a seed is shown") };
    let app = AuthenticatorApp::scan(&uri).unwrap();

    // A typo, and a look at the key: the same seed.
    let step = step.next.answer(code("000000"), &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::InvalidCode));
    assert!(step.effects.contains(&Effect::CountFailure(FactorKind::Totp)));
    let step = step.next.answer(Answer::ShowKey, &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-otp-enrollment-code");
    let Login::Enrol(page) = &step.next else { panic!("{:?}", step.next) };
    let same = Shown::Totp { secret: app.secret(), manual_key: manual(&app), uri };
    assert!(page.enrolment().shown() == Some(Ok(same)));

    env.now = env.now + Span::minutes(3);
    let step = step.next.answer(code(&app.code_at(env.now)), &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-recovery-code-enrollment");
    assert!(logged(&step, "gd_enrollment_complete") && !logged(&step, "gd_auth_succeed"));
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::SaveSession { .. })), "no way round the code");
    facts.held.extend(step.effects.iter().find_map(|e| match e {
        Effect::SaveAuthenticator(a) => Some(a.clone()),
        _ => None,
    }));

    let step = step.next.answer(Answer::Saved { ticked: false }, &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::NoConfirmation));
    // Writing 24 characters down took a while.
    env.now = env.now + Span::minutes(20);
    let done_at = env.now - Span::minutes(20);
    let step = step.next.answer(Answer::Saved { ticked: true }, &facts, &mut env);
    let Login::LoggedIn(end) = &step.next else { panic!("{:?} {:?}", step.next, step.problem) };
    assert!(matches!(end.mfa(), MfaOutcome::Passed(r) if *r.user() == ana()));
    assert_eq!(end.auth_time(), done_at, "auth_time is when the second factor was given");
    assert!(
        step.effects
            .iter()
            .any(|e| matches!(e, Effect::SaveAuthenticator(a) if a.kind == FactorKind::RecoveryCode))
    );
    assert!(step.effects.iter().any(|e| matches!(e, Effect::SaveSession { new_login: true, .. })));
}

fn manual(app: &AuthenticatorApp) -> String {
    Seed::parse(&app.secret()).unwrap().grouped()
}

#[test]
fn a_challenge_names_its_effects_in_order() {
    let (mut env, facts) = (env(), with_totp());
    let step = after_password(Request::default(), None, &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-otp-challenge");
    assert_eq!(step.next.accepts(), [Accepts::Code, Accepts::Remember], "there is no other method");
    let step = step.next.answer(Answer::Code { code: "005924".into(), remember: true }, &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)));
    let names: Vec<&str> = step
        .effects
        .iter()
        .map(|e| match e {
            Effect::Spend { .. } => "spend",
            Effect::ClearFailures(_) => "clear",
            Effect::Log { code, .. } => code,
            Effect::RememberBrowser(_) => "remember",
            Effect::Decided(_) => "decided",
            Effect::SaveSession { .. } => "session",
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(names, ["spend", "clear", "gd_auth_succeed", "remember", "decided", "session"]);
}

#[test]
fn what_is_typed_wrong_has_its_own_words() {
    let (mut env, facts) = (env(), with_totp());
    let mut login = after_password(Request::default(), None, &facts, &mut env).next;
    for (typed, problem, counted) in [
        ("", Problem::NoCode, false),
        ("12ab", Problem::InvalidOtpFormat, false),
        ("٠٠٥٩٢٤", Problem::InvalidOtpFormat, false),
        ("000000", Problem::InvalidCode, true),
    ] {
        let step = login.answer(code(typed), &facts, &mut env);
        assert_eq!(step.problem, Some(problem), "{typed}");
        assert_eq!(!step.effects.is_empty(), counted, "{typed}");
        login = step.next;
    }
    let step = login.too_many_failures();
    assert_eq!((step.problem, screen(&step.next)), (Some(Problem::TooManyFailures), "mfa-otp-challenge"));
    assert!(logged(&step, "gd_otp_rate_limit_exceed"));
}

#[test]
fn the_remember_box_ticked_where_it_is_not_offered_does_nothing() {
    let (mut env, facts) = (env(), with_totp());
    let request = asking(Asks { acr_mfa: true, ..Asks::default() });
    let step = after_password(request, None, &facts, &mut env);
    assert_eq!(step.next.accepts(), [Accepts::Code]);
    let step = step.next.answer(Answer::Code { code: "005924".into(), remember: true }, &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)));
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::RememberBrowser(_))));
}

#[test]
fn who_has_two_apps_may_use_either() {
    let mut env = env();
    let other = app_with("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "dev_fedcba9876543210");
    let facts = Facts { held: vec![app_with(SEED_A, "dev_0123456789abcdef"), other.clone()], ..facts() };
    let login = after_password(Request::default(), None, &facts, &mut env).next;
    let app = AuthenticatorApp::scan("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").unwrap();
    let step = login.answer(code(&app.code_at(env.now)), &facts, &mut env);
    assert!(
        matches!(&step.next, Login::LoggedIn(e) if matches!(e.mfa(), MfaOutcome::Passed(r) if *r.authenticator() == other.id))
    );
}

#[test]
fn the_recovery_code_is_behind_another_method_and_is_replaced_at_once() {
    let (mut env, mut facts) = (env(), with_totp());
    let fresh = recovery_code::replacement(&ana(), &mut env).unwrap();
    facts.held.push(fresh.authenticator.clone());
    let step = after_password(Request::default(), None, &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-otp-challenge", "never the default");
    let challenge = step.next.clone();
    let step = step.next.answer(Answer::TryAnother, &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-login-options");
    let back = step.next.clone().answer(Answer::Back, &facts, &mut env);
    assert_eq!(back.next, challenge, "back leads to the challenge as it was");
    assert!(back.effects.is_empty());

    let step = step.next.answer(Answer::Pick(FactorKind::RecoveryCode), &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-recovery-code-challenge");
    assert!(!step.next.accepts().contains(&Accepts::Remember));
    let step = step.next.answer(code(&"A".repeat(24)), &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::InvalidCode));
    assert!(logged(&step, "gd_recovery_failed"));
    let step = step.next.answer(code("short"), &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::InvalidRecoveryFormat));
    let step = step.next.answer(code(&fresh.code.to_lowercase()), &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-recovery-code-challenge-new-code");
    let replaced = step.effects.iter().find_map(|e| match e {
        Effect::ReplaceRecoveryCode { old, new } => Some((old.clone(), new.clone())),
        _ => None,
    });
    let (old, new) = replaced.expect("the new code is saved in the step that used the old one");
    assert_eq!(old, fresh.authenticator.id);
    assert!(!format!("{:?}", step.next).contains(match &step.next {
        Login::ShowNewRecoveryCode(s) => s.code(),
        _ => panic!(),
    }));
    facts.held.retain(|a| a.id != old);
    facts.held.push(new);
    let step = step.next.answer(Answer::Saved { ticked: true }, &facts, &mut env);
    assert!(matches!(&step.next, Login::LoggedIn(e) if matches!(e.mfa(), MfaOutcome::Passed(_))));
}

#[test]
fn a_step_up_asks_the_second_factor_only_and_adds_to_the_session() {
    let (mut env, facts) = (env(), Facts { policy_always: false, ..with_totp() });
    let request = asking(Asks { acr_mfa: true, ..Asks::default() });
    let login = begin(request, Some(session(&env, false)), env.now);
    let Login::Deciding(deciding) = login else { panic!("the session will do: {login:?}") };
    let step = deciding.decide(&facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-otp-challenge");
    let step = step.next.answer(code("005924"), &facts, &mut env);
    let Login::LoggedIn(end) = &step.next else { panic!("{:?}", step.next) };
    assert_eq!(end.auth_time(), env.now);
    assert_eq!(end.methods().iter().count(), 2);
    assert!(step.effects.iter().any(|e| matches!(e, Effect::SaveSession { new_login: false, .. })));
}

#[test]
fn a_session_that_will_do_ends_at_once_and_writes_no_session() {
    let (mut env, facts) = (env(), with_totp());
    let login = begin(Request::default(), Some(session(&env, true)), env.now);
    let Login::Deciding(deciding) = login else { panic!("{login:?}") };
    let step = deciding.decide(&facts, &mut env);
    let Login::LoggedIn(end) = &step.next else { panic!("{:?}", step.next) };
    assert_eq!(end.mfa(), &MfaOutcome::NotNeeded(NotNeeded::AlreadyProven));
    assert_eq!(end.auth_time(), env.now - Span::minutes(10), "not moved by single sign-on");
    assert!(matches!(step.effects.as_slice(), [Effect::Decided(_)]));
}

#[test]
fn max_age_zero_asks_both_factors_once_and_says_why() {
    let (mut env, facts) = (env(), with_totp());
    let request = asking(Asks { acr_mfa: true, max_age: Some(Span::ZERO), ..Asks::default() });
    let step = after_password(request, Some(session(&env, true)), &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-otp-challenge");
    env.now = env.now + Span::minutes(4);
    let app = AuthenticatorApp::scan(SEED_A).unwrap();
    let step = step.next.answer(code(&app.code_at(env.now)), &facts, &mut env);
    let Login::LoggedIn(end) = &step.next else { panic!("asked again: {:?}", step.next) };
    assert_eq!(end.auth_time(), env.now);
    assert!(
        end.decision().explain()[0]
            .starts_with("The first factor was asked for: the login was 10 minutes old")
    );
}

#[test]
fn a_new_password_forgets_the_mfa_of_the_old_session() {
    let (mut env, facts) = (env(), Facts { policy_always: false, ..with_totp() });
    let request = asking(Asks { prompt: Prompt::Login, ..Asks::default() });
    let step = after_password(request, Some(session(&env, true)), &facts, &mut env);
    let Login::LoggedIn(end) = &step.next else { panic!("{:?}", step.next) };
    assert!(end.methods().iter().all(|m| m.name == MethodName::Pwd));
}

#[test]
fn prompt_none_answers_and_never_shows_a_page() {
    let env = &mut env();
    let silently = |asks: Asks| asking(Asks { prompt: Prompt::None, ..asks });
    let acr = || Asks { acr_mfa: true, ..Asks::default() };
    let zero = || Asks { max_age: Some(Span::ZERO), ..acr() };
    let old = || Asks { max_age: Some(Span::seconds(60)), ..Asks::default() };
    let consent = |facts: Facts| Facts { consent_needed: true, ..facts };
    #[rustfmt::skip]
    let rows: Vec<(Asks, Option<bool>, Facts, Refusal)> = vec![
        (Asks::default(), None, with_totp(), Refusal::LoginRequired),
        (acr(), None, with_totp(), Refusal::LoginRequired),
        (Asks::default(), Some(false), with_totp(), Refusal::MfaRequired),
        (Asks::default(), Some(false), facts(), Refusal::MfaRequired),
        (old(), Some(true), with_totp(), Refusal::LoginRequired),
        (zero(), Some(true), with_totp(), Refusal::MfaRequired),
        (Asks::default(), Some(true), consent(with_totp()), Refusal::ConsentRequired),
        (acr(), Some(false), Facts { enabled: vec![], ..with_totp() }, Refusal::UnmetAuthenticationRequirements),
    ];
    for (asks, mfa, facts, refusal) in rows {
        let row = format!("{asks:?} session {mfa:?}");
        let login = match begin(silently(asks), mfa.map(|mfa| session(env, mfa)), env.now) {
            Login::Deciding(deciding) => deciding.decide(&facts, env).next,
            other => other,
        };
        assert_eq!(login, Login::Refused(Refused { why: refusal }), "{row}");
        assert_eq!(login.screen(), None, "{row}");
    }
}

#[test]
fn without_an_enabled_factor_the_person_or_the_client_is_told() {
    let mut env = env();
    let facts = Facts { enabled: vec![], ..with_totp() };
    let step = after_password(Request::default(), None, &facts, &mut env);
    assert_eq!(screen(&step.next), "status");
    assert!(logged(&step, "mfar"));
    let step = after_password(asking(Asks { acr_mfa: true, ..Asks::default() }), None, &facts, &mut env);
    assert_eq!(step.next, refuse(Refusal::UnmetAuthenticationRequirements));
}

#[test]
fn consent_comes_last_and_who_declines_has_logged_in_nevertheless() {
    let (mut env, facts) = (env(), Facts { consent_needed: true, policy_always: false, ..with_totp() });
    let step = after_password(Request::default(), None, &facts, &mut env);
    assert_eq!(screen(&step.next), "consent");
    assert!(step.effects.iter().any(|e| matches!(e, Effect::SaveSession { .. })));
    let declined = step.next.clone().answer(Answer::Consent { accepted: false }, &facts, &mut env);
    assert_eq!(declined.next, refuse(Refusal::ConsentDeclined));
    let accepted = step.next.answer(Answer::Consent { accepted: true }, &facts, &mut env);
    assert!(matches!(accepted.next, Login::LoggedIn(_)));
    assert_eq!(accepted.effects.first(), Some(&Effect::SaveConsent));
    assert!(!accepted.effects.iter().any(|e| matches!(e, Effect::SaveSession { .. })), "saved once");
}

#[test]
fn a_policy_switched_on_meanwhile_counts_on_the_consent_page() {
    let (mut env, mut facts) = (env(), Facts { consent_needed: true, policy_always: false, ..with_totp() });
    let step = after_password(Request::default(), None, &facts, &mut env);
    facts.policy_always = true;
    let step = step.next.answer(Answer::Consent { accepted: true }, &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-otp-challenge");
}

#[test]
fn enrolled_in_another_tab_meanwhile_means_a_challenge_not_a_second_enrolment() {
    let (mut env, facts) = (env(), facts());
    let step = after_password(Request::default(), None, &facts, &mut env);
    let Login::Enrol(page) = &step.next else { panic!("{:?}", step.next) };
    let Some(Ok(Shown::Totp { uri, .. })) = page.enrolment().shown() else { panic!("a seed is shown") };
    let right = AuthenticatorApp::scan(&uri).unwrap().code_at(env.now);
    let step = step.next.answer(code(&right), &with_totp(), &mut env);
    assert_eq!((screen(&step.next), step.problem), ("mfa-otp-challenge", Some(Problem::UserAlreadyEnrolled)));
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::SaveAuthenticator(_))));
}

#[test]
fn an_authenticator_removed_or_switched_off_meanwhile_is_not_asked_any_longer() {
    let mut env = env();
    let login = after_password(Request::default(), None, &with_totp(), &mut env).next;
    let removed = login.clone().answer(code("005924"), &facts(), &mut env);
    assert_eq!(screen(&removed.next), "mfa-otp-enrollment-qr");
    let off = Facts { enabled: vec![], ..with_totp() };
    assert_eq!(screen(&login.answer(code("005924"), &off, &mut env).next), "status");
}

#[test]
fn answers_that_do_not_fit_and_facts_of_somebody_else_lead_nowhere() {
    let (mut env, facts) = (env(), with_totp());
    let login = after_password(Request::default(), None, &facts, &mut env).next;
    for odd in [
        Answer::Saved { ticked: true },
        Answer::Consent { accepted: true },
        Answer::Pick(FactorKind::RecoveryCode),
        Answer::TryAnother,
        Answer::Back,
    ] {
        let step = login.clone().answer(odd, &facts, &mut env);
        assert!(step.next == login && step.effects.is_empty());
    }
    let again = FirstAnswer::Password {
        identifier: "b".into(),
        check: PasswordCheck::Right(UserId::trusted("auth0|ben")),
    };
    assert_eq!(login.clone().first_factor(again, env.now).next, login, "a password page of another tab");
    let of_ben = Facts { user: UserId::trusted("auth0|ben"), ..facts };
    assert_eq!(login.answer(code("005924"), &of_ben, &mut env).next, refuse(Refusal::Internal));
}

#[test]
fn the_first_pages_lead_to_each_other_and_keep_the_identifier() {
    let env = env();
    let request = Request { identifier_first: true, ..Request::default() };
    let login = begin(request, None, env.now);
    assert_eq!(screen(&login), "login-id");
    let login = login.first_factor(FirstAnswer::Identifier("ana@example.com".into()), env.now).next;
    assert_eq!((screen(&login), login.identifier()), ("login-password", Some("ana@example.com")));
    let edited = login.clone().first_factor(FirstAnswer::EditIdentifier, env.now).next;
    assert_eq!((screen(&edited), edited.identifier()), ("login-id", Some("ana@example.com")));
    let signup = login.clone().first_factor(FirstAnswer::GoToSignup, env.now).next;
    assert_eq!((screen(&signup), signup.identifier()), ("signup", Some("ana@example.com")));
    assert_eq!(screen(&signup.first_factor(FirstAnswer::GoToLogin, env.now).next), "login-id");
    for (check, problem) in
        [(PasswordCheck::Wrong, Problem::WrongCredentials), (PasswordCheck::Blocked, Problem::UserBlocked)]
    {
        let answer = FirstAnswer::Password { identifier: "ana@example.com".into(), check };
        let step = login.clone().first_factor(answer, env.now);
        assert_eq!((&step.next, step.problem), (&login, Some(problem)));
    }
    // A session that is too old fills the form.
    let stale = begin(
        asking(Asks { max_age: Some(Span::ZERO), ..Asks::default() }),
        Some(session(&env, true)),
        env.now,
    );
    assert_eq!((screen(&stale), stale.identifier()), ("login", Some("ana@example.com")));
}
