//! Logins with keys.

use super::*;
use crate::assurance::{Detail, Kept};
use crate::factors::webauthn::device::{Model, VirtualKey};
use crate::factors::{
    self, EnrolAsk, Input, KeyAsks, KeyRules, Place, RelyingParty, Spend, UserHandle, UserVerification,
    recovery_code,
};
use crate::login::offer::{Leave, OfferKind};
use crate::model::settings::Profile;

const HERE: &str = "https://lockstep.test";

fn keys(id: &str, origin: &str) -> Keys {
    let relying_party = RelyingParty::parse(id, &[origin]).unwrap();
    let rules = KeyRules { relying_party, user_verification: UserVerification::Preferred };
    Keys { roaming: Some(rules.clone()), platform: Some(rules) }
}

fn handle() -> UserHandle {
    UserHandle::trusted("aGFuZGxl")
}

fn enrolled(kind: FactorKind, keys: &Keys, origin: &str, env: &mut Env) -> (Authenticator, VirtualKey) {
    enrolled_at(None, kind, keys, origin, env)
}

fn enrolled_at(
    place: Option<&Place>,
    kind: FactorKind,
    keys: &Keys,
    origin: &str,
    env: &mut Env,
) -> (Authenticator, VirtualKey) {
    let ask = EnrolAsk {
        user: ana(),
        issuer: "Acme".into(),
        account: "ana@example.com".into(),
        profile: Profile::Faithful,
        reach: None,
        key: KeyAsks::new(keys, Some(&handle()), &[], place).of(kind).cloned(),
    };
    let (draft, _) = factors::begin_enrolment(kind, &ask, env).unwrap();
    let Ok(Shown::PublicKey(options)) = factors::shown(&draft) else { panic!("options are shown") };
    let roaming = kind == FactorKind::WebauthnRoaming;
    let mut key = VirtualKey::new(if roaming { Model::SECURITY_KEY } else { Model::DEVICE });
    let credential = key.create(&options, origin, env.rng()).unwrap();
    let enrolled = factors::confirm(&draft, &Input::Key(credential.to_string()), env).unwrap();
    (enrolled.authenticator, key)
}

/// Ana's facts with keys switched on, and these authenticators.
fn facts_with(held: Vec<Authenticator>) -> Facts {
    Facts {
        enabled: vec![
            FactorKind::WebauthnPlatform,
            FactorKind::WebauthnRoaming,
            FactorKind::Totp,
            FactorKind::RecoveryCode,
        ],
        held,
        keys: keys("lockstep.test", HERE),
        user_handle: Some(handle()),
        ..facts()
    }
}

fn options(login: &Login) -> serde_json::Value {
    match login {
        Login::ChallengeFactor(s) => s.key_options().unwrap().unwrap(),
        Login::Enrol(s) => match s.enrolment().shown() {
            Some(Ok(Shown::PublicKey(options))) => options,
            _ => panic!("no key is enrolled"),
        },
        other => panic!("no key is asked for: {other:?}"),
    }
}

fn says(credential: &serde_json::Value) -> Answer {
    Answer::Key { credential: credential.to_string(), remember: false }
}

fn log_in(facts: &Facts, env: &mut Env) -> Login {
    after_password(Request::default(), None, facts, env).next
}

#[test]
fn a_security_key_comes_before_an_app_and_its_flags_are_in_the_evidence() {
    let mut env = env();
    let (on, mut key) = enrolled(FactorKind::WebauthnRoaming, &keys("lockstep.test", HERE), HERE, &mut env);
    let facts = facts_with(vec![app_with(SEED_A, "dev_0123456789abcdef"), on.clone()]);
    let login = log_in(&facts, &mut env);
    assert_eq!(screen(&login), "mfa-webauthn-roaming-challenge");
    assert_eq!(login.accepts(), [Accepts::Key, Accepts::Remember, Accepts::TryAnother]);
    let credential = key.get(&options(&login), HERE).unwrap();
    let step =
        login.answer(Answer::Key { credential: credential.to_string(), remember: true }, &facts, &mut env);
    let Login::LoggedIn(end) = &step.next else { panic!("{:?} {:?}", step.next, step.problem) };
    let proof = end.methods().iter().last().unwrap();
    assert_eq!(proof.kind, Some(crate::assurance::FactorType::WebauthnRoaming));
    assert_eq!(proof.detail, Some(Detail::Key { kept: Kept::Hardware, user_verified: true }));
    let spent = step.effects.iter().find_map(|e| match e {
        Effect::Spend { authenticator, spend: Some(Spend::Counter { count, .. }), .. } => {
            Some((authenticator, *count))
        }
        _ => None,
    });
    assert_eq!(spent, Some((&on.id, 2)));
    assert!(step.effects.iter().any(|e| matches!(e, Effect::RememberBrowser(_))));
}

#[test]
fn each_wrong_answer_ends_what_the_key_was_asked() {
    let mut env = env();
    let (on, mut key) = enrolled(FactorKind::WebauthnRoaming, &keys("lockstep.test", HERE), HERE, &mut env);
    let facts = facts_with(vec![on]);
    let login = log_in(&facts, &mut env);
    let good = key.get(&options(&login), HERE).unwrap();
    let mut forged = good.clone();
    forged["response"]["signature"] = forged["response"]["authenticatorData"].clone();
    for (answer, counted) in
        [(says(&forged), true), (says(&serde_json::json!({})), false), (code("005924"), false)]
    {
        let before = options(&login)["challenge"].clone();
        let step = login.clone().answer(answer, &facts, &mut env);
        assert_eq!(step.problem, Some(Problem::KeyRefused(FactorKind::WebauthnRoaming)));
        let counts = step.effects.contains(&Effect::CountFailure(FactorKind::WebauthnRoaming));
        assert_eq!((counts, logged(&step, "gd_auth_failed")), (counted, counted));
        assert_ne!(options(&step.next)["challenge"], before, "asked anew");
        // The good answer to the challenge that is over.
        let step = step.next.answer(says(&good), &facts, &mut env);
        assert!(matches!(step.next, Login::ChallengeFactor(_)));
        let again = key.get(&options(&step.next), HERE).unwrap();
        let step = step.next.answer(says(&again), &facts, &mut env);
        assert!(matches!(step.next, Login::LoggedIn(_)), "a new challenge works");
    }
    // A page that was open for too long is asked anew too, and that is no failure.
    env.now = env.now + Span::minutes(5) + Span::millis(1);
    let step = login.answer(says(&good), &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::KeyRefused(FactorKind::WebauthnRoaming)));
    assert!(step.effects.is_empty());
    let step = step.next.too_many_failures();
    assert_eq!(step.problem, Some(Problem::TooManyKeyFailures));
}

#[test]
fn a_copied_key_is_refused_and_its_owner_told() {
    let mut env = env();
    let (on, mut key) = enrolled(FactorKind::WebauthnRoaming, &keys("lockstep.test", HERE), HERE, &mut env);
    let mut copy = key.clone();
    let mut facts = facts_with(vec![on.clone()]);
    let login = log_in(&facts, &mut env);
    let credential = key.get(&options(&login), HERE).unwrap();
    let step = login.answer(says(&credential), &facts, &mut env);
    let Some(Effect::Spend { spend: Some(Spend::Counter { count, data }), .. }) = step.effects.first() else {
        panic!("{:?}", step.effects)
    };
    (facts.held[0].spent_step, facts.held[0].data) = (Some(*count), data.0.clone());
    let login = log_in(&facts, &mut env);
    let before = options(&login);
    let credential = copy.get(&before, HERE).unwrap();
    let step = login.answer(says(&credential), &facts, &mut env);
    assert_ne!(options(&step.next)["challenge"], before["challenge"], "asked anew");
    assert_eq!(step.problem, Some(Problem::KeyCopied));
    assert!(step.effects.contains(&Effect::TellOfCopy(on.id.clone())));
    assert!(step.effects.contains(&Effect::CountFailure(FactorKind::WebauthnRoaming)));
    let told = step.effects.iter().any(|e| {
        matches!(e, Effect::Log { code: "gd_auth_failed", authenticator: Some(id), note: Some(_), .. } if *id == on.id)
    });
    assert!(told, "{:?}", step.effects);
}

#[test]
fn whose_keys_are_all_of_another_domain_cannot_enrol_one_here() {
    let mut env = env();
    let there = "https://id.example.com";
    let (on, _) = enrolled(FactorKind::WebauthnRoaming, &keys("id.example.com", there), there, &mut env);
    let facts = facts_with(vec![on.clone()]);
    let step = after_password(Request::default(), None, &facts, &mut env);
    let Login::Refused(refused) = step.next else { panic!("{:?}", step.next) };
    assert_eq!(refused.why, Refusal::NoFactorAvailable);
    // The other factors stay.
    let facts = facts_with(vec![on.clone(), app_with(SEED_A, "dev_0123456789abcdef")]);
    let login = log_in(&facts, &mut env);
    assert_eq!(screen(&login), "mfa-otp-challenge");
    assert!(!login.accepts().contains(&Accepts::TryAnother), "no dead prompt");
    let fresh = recovery_code::replacement(&ana(), &mut env).unwrap();
    let login = log_in(&facts_with(vec![on, fresh.authenticator]), &mut env);
    assert_eq!(screen(&login), "mfa-recovery-code-challenge");
}

#[test]
fn the_devices_own_key_is_asked_for_beside_another_factor_only() {
    let mut env = env();
    let (on, mut key) = enrolled(FactorKind::WebauthnPlatform, &keys("lockstep.test", HERE), HERE, &mut env);
    let step = after_password(Request::default(), None, &facts_with(vec![on.clone()]), &mut env);
    assert_eq!(screen(&step.next), "mfa-webauthn-roaming-enrollment", "alone it is no enrolment");
    let facts = facts_with(vec![on, app_with(SEED_A, "dev_0123456789abcdef")]);
    let login = log_in(&facts, &mut env);
    assert_eq!(screen(&login), "mfa-otp-challenge", "nobody knows which device this is");
    let step = login.answer(Answer::TryAnother, &facts, &mut env);
    let step = step.next.answer(Answer::Pick(FactorKind::WebauthnPlatform), &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-webauthn-platform-challenge");
    let credential = key.get(&options(&step.next), HERE).unwrap();
    let step = step.next.answer(says(&credential), &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)));
}

#[test]
fn a_first_login_enrols_a_key_and_a_wrong_one_is_asked_anew() {
    let (mut env, facts) = (env(), facts_with(vec![]));
    let login = log_in(&facts, &mut env);
    assert_eq!(screen(&login), "mfa-webauthn-roaming-enrollment");
    assert_eq!(login.accepts(), [Accepts::Key, Accepts::TryAnother]);
    let mut key = VirtualKey::new(Model::SECURITY_KEY);
    let first = options(&login);
    let mut wrong = first.clone();
    wrong["challenge"] = "c29tZXRoaW5nIGVsc2U".into();
    let credential = key.create(&wrong, HERE, env.rng()).unwrap();
    let step = login.answer(says(&credential), &facts, &mut env);
    assert_eq!(step.problem, Some(Problem::KeyNotEnrolled(FactorKind::WebauthnRoaming)));
    assert!(step.effects.contains(&Effect::CountFailure(FactorKind::WebauthnRoaming)));
    assert!(!logged(&step, "gd_start_enroll"), "it has started once");
    assert_ne!(options(&step.next)["challenge"], first["challenge"]);
    let credential = key.create(&options(&step.next), HERE, env.rng()).unwrap();
    let step = step.next.answer(says(&credential), &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-webauthn-change-key-nickname");
    assert!(!logged(&step, "gd_enrollment_complete"), "it has no name yet");
    let step = step.next.answer(Answer::Name("Blue".into()), &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-webauthn-enrollment-success");
    assert_eq!(step.next.accepts(), [Accepts::Continue]);
    assert!(logged(&step, "gd_enrollment_complete"));
    let facts = facts_with(vec![saved(&step).unwrap()]);
    let step = step.next.answer(code(""), &facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-recovery-code-enrollment");
    let step = step.next.answer(Answer::Saved { ticked: true }, &facts, &mut env);
    assert!(matches!(&step.next, Login::LoggedIn(end) if matches!(end.mfa(), MfaOutcome::Passed(_))));
}

#[test]
fn the_key_of_this_device_comes_first_there_and_last_elsewhere() {
    let mut env = env();
    let keys = keys("lockstep.test", HERE);
    let windows = Place::of("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0.0.0 Safari/537.36");
    let mac = Place::of("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/130.0.0.0 Safari/537.36");
    let of = |place: &Option<Place>, env: &mut Env| {
        enrolled_at(place.as_ref(), FactorKind::WebauthnPlatform, &keys, HERE, env).0
    };
    let (laptop, nowhere) = (of(&windows, &mut env), of(&None, &mut env));
    let (roaming, _) = enrolled_at(windows.as_ref(), FactorKind::WebauthnRoaming, &keys, HERE, &mut env);
    let app = Authenticator {
        // Used since, on whatever device.
        last_auth_at: Some(env.now + Span::minutes(5)),
        ..app_with(SEED_A, "dev_0123456789abcdef")
    };
    for (held, place, first) in [
        (vec![app.clone(), laptop.clone()], &windows, "mfa-webauthn-platform-challenge"),
        (vec![app.clone(), laptop.clone(), nowhere.clone()], &windows, "mfa-webauthn-platform-challenge"),
        (vec![app.clone(), laptop.clone()], &mac, "mfa-otp-challenge"),
        (vec![app.clone(), laptop.clone()], &None, "mfa-otp-challenge"),
        (vec![app.clone(), nowhere], &windows, "mfa-otp-challenge"),
        (vec![app.clone(), roaming.clone()], &windows, "mfa-otp-challenge"),
        (vec![roaming, laptop.clone()], &mac, "mfa-webauthn-roaming-challenge"),
    ] {
        let facts = Facts { place: place.clone(), ..facts_with(held) };
        assert_eq!(screen(&log_in(&facts, &mut env)), first, "{place:?}");
    }
    // It is never the only one: without a factor that stands alone nobody is enrolled.
    let facts = Facts { place: windows, ..facts_with(vec![laptop]) };
    assert_eq!(screen(&log_in(&facts, &mut env)), "mfa-webauthn-roaming-enrollment");
}

fn saved(step: &Step) -> Option<Authenticator> {
    step.effects.iter().find_map(|effect| match effect {
        Effect::SaveAuthenticator(new) => Some(new.clone()),
        _ => None,
    })
}

fn laptop() -> Option<Place> {
    Place::of("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0.0.0 Safari/537.36")
}

/// Ana at her laptop, with an app and a recovery code.
fn at_a_laptop(env: &mut Env) -> Facts {
    let written_down = recovery_code::replacement(&ana(), env).unwrap().authenticator;
    let held = vec![app_with(SEED_A, "dev_0123456789abcdef"), written_down];
    Facts { place: laptop(), ..facts_with(held) }
}

/// The step after her app's code.
fn after_her_code(facts: &Facts, env: &mut Env) -> Step {
    let login = log_in(facts, env);
    assert_eq!(screen(&login), "mfa-otp-challenge");
    let app = AuthenticatorApp::scan(SEED_A).unwrap();
    login.answer(code(&app.code_at(env.now)), facts, env)
}

fn declined(step: &Step) -> Option<Timestamp> {
    step.effects.iter().find_map(|effect| match effect {
        Effect::DeclineOffer { kind: OfferKind::DeviceKey, until } => *until,
        _ => None,
    })
}

#[test]
fn after_another_factor_the_key_of_the_device_is_offered_once_and_may_be_left() {
    let mut env = env();
    let facts = at_a_laptop(&mut env);
    let step = after_her_code(&facts, &mut env);
    assert_eq!(screen(&step.next), "mfa-detect-browser-capabilities");
    assert_eq!(step.next.accepts(), [Accepts::Browser]);
    let saves = |step: &Step| step.effects.iter().any(|e| matches!(e, Effect::SaveSession { .. }));
    assert!(saves(&step), "she is logged in whatever she says");
    // Nothing but what the browser says leads on.
    let stays = step.next.clone().answer(Answer::TryAnother, &facts, &mut env);
    assert_eq!(screen(&stays.next), "mfa-detect-browser-capabilities");
    let cannot = step.next.clone().answer(Answer::Browser { platform: false }, &facts, &mut env);
    assert!(matches!(cannot.next, Login::LoggedIn(_)), "a device without an authenticator");
    let offer = step.next.answer(Answer::Browser { platform: true }, &facts, &mut env);
    assert_eq!(screen(&offer.next), "mfa-webauthn-platform-enrollment");
    assert_eq!(offer.next.accepts(), [Accepts::Key, Accepts::Leave]);
    assert!(!saves(&offer), "once");
    for (how, days) in [(Leave::Later, 7), (Leave::Never, 365)] {
        let left = offer.next.clone().answer(Answer::Leave(how), &facts, &mut env);
        assert_eq!(declined(&left), Some(env.now + Span::days(days)));
        let Login::LoggedIn(end) = &left.next else { panic!("{:?}", left.next) };
        assert!(matches!(end.mfa(), MfaOutcome::Passed(receipt) if receipt.kind() == FactorKind::Totp));
    }
    let unable = offer.next.clone().answer(Answer::Leave(Leave::Unable), &facts, &mut env);
    assert!(declined(&unable).is_none() && matches!(unable.next, Login::LoggedIn(_)));
    let failed = offer.next.clone().answer(Answer::KeyFailed(KeyFailure::NotAllowed), &facts, &mut env);
    assert_eq!(failed.problem, Some(Problem::KeyFailed(KeyFailure::NotAllowed)));
    assert_eq!(failed.next.accepts(), offer.next.accepts(), "the page stands as it was");

    let mut key = VirtualKey::new(Model::DEVICE);
    let credential = key.create(&options(&offer.next), HERE, env.rng()).unwrap();
    let named = offer.next.answer(says(&credential), &facts, &mut env);
    assert_eq!(named.next.accepts(), [Accepts::Name], "it has answered: too late to leave");
    let done = named.next.answer(Answer::Name("Laptop".into()), &facts, &mut env);
    assert_eq!(screen(&done.next), "mfa-webauthn-enrollment-success");
    let new = saved(&done).unwrap();
    let facts = facts.and(&new);
    let end = done.next.answer(code(""), &facts, &mut env);
    let Login::LoggedIn(end) = &end.next else { panic!("{:?}", end.next) };
    assert!(
        matches!(end.mfa(), MfaOutcome::Passed(receipt) if receipt.kind() == FactorKind::WebauthnPlatform)
    );
    // Known again, and not offered again.
    let login = log_in(&facts, &mut env);
    assert_eq!(screen(&login), "mfa-webauthn-platform-challenge");
    let credential = key.get(&options(&login), HERE).unwrap();
    let step = login.answer(says(&credential), &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)));
}

#[test]
fn the_key_of_the_device_is_not_offered_to_who_cannot_or_will_not_have_it() {
    let mut env = env();
    let facts = at_a_laptop(&mut env);
    let keys = keys("lockstep.test", HERE);
    let (mine, _) = enrolled_at(laptop().as_ref(), FactorKind::WebauthnPlatform, &keys, HERE, &mut env);
    let phone = Place::of("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148");
    let (of_phone, _) = enrolled_at(phone.as_ref(), FactorKind::WebauthnPlatform, &keys, HERE, &mut env);
    let mac = Place::of("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.1 Safari/605.1.15");
    let off = |kind| facts.enabled.iter().copied().filter(|on| *on != kind).collect();
    let with = |on: &Authenticator, place: &Option<Place>| Facts { place: place.clone(), ..facts.and(on) };
    for (facts, offered) in [
        (facts.clone(), true),
        (with(&of_phone, &laptop()), true),
        // One for each class of device: a Mac is a computer too.
        (with(&mine, &mac), false),
        (with(&mine, &phone), true),
        (Facts { place: None, ..facts.clone() }, false),
        (
            Facts {
                offers: Offers { declined: vec![OfferKind::DeviceKey], ..Offers::default() },
                ..facts.clone()
            },
            false,
        ),
        (Facts { enabled: off(FactorKind::WebauthnPlatform), ..facts.clone() }, false),
        (Facts { user_handle: None, ..facts.clone() }, false),
        (Facts { keys: Keys::default(), ..facts.clone() }, false),
    ] {
        let next = after_her_code(&facts, &mut env).next;
        assert_eq!(matches!(next, Login::DetectBrowser(_)), offered, "{:?} {:?}", facts.place, next.screen());
    }
    // Without a second factor there is nothing that it could be added beside.
    let login = log_in(&Facts { policy_always: false, ..facts.clone() }, &mut env);
    assert!(matches!(login, Login::LoggedIn(_)));
    // It was switched off while the page was open: she goes on.
    let step =
        after_her_code(&facts, &mut env).next.answer(Answer::Browser { platform: true }, &facts, &mut env);
    let credential = VirtualKey::new(Model::DEVICE).create(&options(&step.next), HERE, env.rng()).unwrap();
    let facts = Facts { enabled: off(FactorKind::WebauthnPlatform), ..facts };
    let step = step.next.answer(says(&credential), &facts, &mut env);
    assert!(matches!(step.next, Login::LoggedIn(_)) && step.problem.is_none(), "{:?}", step.problem);
    assert!(saved(&step).is_none());
}
