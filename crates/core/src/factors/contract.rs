//! The cases that every factor must pass. A new factor adds one [`Sample`].

use std::cell::RefCell;

use super::webauthn::device::{Model, VirtualKey};
use super::*;
use crate::env::Issuer;

/// What the cases need of one factor.
struct Sample {
    kind: FactorKind,
    /// Enrols a user; returns the authenticator and a device that answers a challenge at a moment.
    enrol: fn(&UserId, &mut Env) -> (Authenticator, Device),
    /// Makes a wrong answer, of the right form, out of the right one.
    wrong: fn(Input) -> Input,
}

/// What a person answers with: what the device shows at that moment, or the message that has come.
type Device = Box<dyn Fn(Timestamp, &Asked) -> Input>;

/// A challenge, and the message that went with it.
struct Asked {
    challenge: Challenge,
    message: Option<CodeToSend>,
}

const SAMPLES: &[Sample] = &[
    Sample { kind: FactorKind::WebauthnPlatform, enrol: laptop, wrong: unsigned },
    Sample { kind: FactorKind::WebauthnRoaming, enrol: security_key, wrong: unsigned },
    Sample { kind: FactorKind::Totp, enrol: totp_app, wrong: |_| Input::code("000000") },
    Sample { kind: FactorKind::Phone, enrol: telephone, wrong: |_| Input::code("000000") },
    Sample { kind: FactorKind::Email, enrol: mailbox, wrong: |_| Input::code("000000") },
    Sample {
        kind: FactorKind::RecoveryCode,
        enrol: written_down,
        wrong: |_| Input::code("AAAAAAAAAAAAAAAAAAAAAAAA"),
    },
];

const ORIGIN: &str = "https://lockstep.test";

fn keys() -> Keys {
    let relying_party = RelyingParty::parse("lockstep.test", &[ORIGIN]).unwrap();
    let rules = |user_verification| KeyRules { relying_party: relying_party.clone(), user_verification };
    Keys {
        roaming: Some(rules(UserVerification::Discouraged)),
        platform: Some(rules(UserVerification::Required)),
    }
}

fn begin(kind: FactorKind, user: &UserId, env: &mut Env) -> (Draft, Shown, Option<CodeToSend>) {
    let reach = match kind {
        FactorKind::Phone => {
            let number = PhoneNumber::parse("+12025550143").unwrap();
            Some(Reach::Phone { number, channel: Channel::Voice })
        }
        FactorKind::Email => Some(Reach::Email("ana@example.com".into())),
        FactorKind::WebauthnPlatform
        | FactorKind::WebauthnRoaming
        | FactorKind::Totp
        | FactorKind::RecoveryCode => None,
    };
    let handle = UserHandle::trusted(user.as_str().replace('|', "_"));
    let ask = EnrolAsk {
        user: user.clone(),
        issuer: "Acme".into(),
        account: "ana@example.com".into(),
        profile: Profile::Faithful,
        reach,
        key: KeyAsks::new(&keys(), Some(&handle), &[], None).of(kind).cloned(),
    };
    let (draft, message) = begin_enrolment(kind, &ask, env).unwrap();
    let shown = shown(&draft).unwrap();
    (draft, shown, message)
}

fn telephone(user: &UserId, env: &mut Env) -> (Authenticator, Device) {
    reached(FactorKind::Phone, user, env)
}

fn mailbox(user: &UserId, env: &mut Env) -> (Authenticator, Device) {
    reached(FactorKind::Email, user, env)
}

fn reached(kind: FactorKind, user: &UserId, env: &mut Env) -> (Authenticator, Device) {
    let (draft, shown, message) = begin(kind, user, env);
    let message = message.expect("a code is sent");
    assert!(matches!(shown, Shown::Sent { to, .. } if to != message.to), "the page masks where to");
    assert_eq!(confirm(&draft, &Input::code("000000"), env).unwrap_err(), FactorError::Wrong);
    let enrolled = confirm(&draft, &Input::code(&message.code), env).unwrap();
    assert!(enrolled.passed.is_some());
    let to = message.to;
    let read = move |_: Timestamp, asked: &Asked| {
        let message = asked.message.as_ref().expect("a code is sent");
        assert_eq!(message.to, to);
        Input::code(&message.code)
    };
    (enrolled.authenticator, Box::new(read))
}

fn totp_app(user: &UserId, env: &mut Env) -> (Authenticator, Device) {
    let (draft, shown, _) = begin(FactorKind::Totp, user, env);
    let Shown::Totp { uri, .. } = shown else { panic!("shows a QR code") };
    let app = totp::device::AuthenticatorApp::scan(&uri).unwrap();
    let enrolled = confirm(&draft, &Input::code(app.code_at(env.now)), env).unwrap();
    (enrolled.authenticator, Box::new(move |now, _| Input::code(app.code_at(now))))
}

fn security_key(user: &UserId, env: &mut Env) -> (Authenticator, Device) {
    key(FactorKind::WebauthnRoaming, Model::SECURITY_KEY, user, env)
}

/// A laptop that copies its keys to others: without a counter.
fn laptop(user: &UserId, env: &mut Env) -> (Authenticator, Device) {
    key(FactorKind::WebauthnPlatform, Model::SYNCED, user, env)
}

fn key(kind: FactorKind, model: Model, user: &UserId, env: &mut Env) -> (Authenticator, Device) {
    let (draft, shown, _) = begin(kind, user, env);
    let Shown::PublicKey(options) = shown else { panic!("shows options") };
    let mut key = VirtualKey::new(model);
    let credential = key.create(&options, ORIGIN, env.rng()).unwrap();
    let enrolled = confirm(&draft, &Input::Key(credential.to_string()), env).unwrap();
    let key = RefCell::new(key);
    let touch = move |_: Timestamp, asked: &Asked| {
        let mut options = webauthn::request_options(&asked.challenge).unwrap();
        // Whoever holds another key answers with that one.
        options["allowCredentials"] = Value::Array(Vec::new());
        Input::Key(key.borrow_mut().get(&options, ORIGIN).unwrap().to_string())
    };
    (enrolled.authenticator, Box::new(touch))
}

/// The same answer with another's signature.
fn unsigned(right: Input) -> Input {
    let Input::Key(right) = right else { panic!("an answer of a key") };
    let mut answer: Value = serde_json::from_str(&right).unwrap();
    answer["response"]["signature"] = answer["response"]["authenticatorData"].clone();
    Input::Key(answer.to_string())
}

fn written_down(user: &UserId, env: &mut Env) -> (Authenticator, Device) {
    let (draft, shown, _) = begin(FactorKind::RecoveryCode, user, env);
    let Shown::RecoveryCode(code) = shown else { panic!("shows the code") };
    let enrolled = confirm(&draft, &Input::Saved, env).unwrap();
    (enrolled.authenticator, Box::new(move |_, _| Input::code(code.clone())))
}

fn env() -> Env {
    let mut env =
        Env::new(Timestamp::from_secs(1_234_567_890), Issuer::parse("https://lockstep.test/").unwrap());
    // The same draws in each run: no drawn seed happens to make the wrong answer right.
    env.rng = Box::new(crate::random::SeededRng::new(1));
    env
}

fn user(name: &str) -> UserId {
    UserId::trusted(format!("auth0|{name}"))
}

/// Runs a case for each factor, with Ana enrolled and five minutes gone by.
fn each(case: impl Fn(&Sample, Authenticator, Device, Env)) {
    for sample in SAMPLES {
        let mut env = env();
        let (on, device) = (sample.enrol)(&user("ana"), &mut env);
        env.now = env.now + Span::minutes(5);
        case(sample, on, device, env);
    }
}

fn ask(on: &Authenticator, env: &mut Env) -> Asked {
    let (challenge, message) = begin_challenge(&[on], &by(of(on)), env).unwrap();
    Asked { challenge, message }
}

fn by(name: &str) -> ChallengeAsk {
    ChallengeAsk { keys: keys(), user: user(name), channel: None, profile: Profile::Faithful }
}

fn of(on: &Authenticator) -> &str {
    on.user.as_str().trim_start_matches("auth0|")
}

#[test]
fn every_factor_has_a_sample() {
    assert!(ALL.iter().all(|kind| SAMPLES.iter().any(|sample| sample.kind == *kind)));
}

#[test]
fn the_right_answer_passes_for_its_user() {
    each(|sample, on, device, mut env| {
        let asked = ask(&on, &mut env);
        let Verdict::Passed(passed) = verify(Some(&on), &asked.challenge, &device(env.now, &asked), &env)
        else {
            panic!("{} refuses the right answer", sample.kind)
        };
        assert_eq!((passed.user(), passed.authenticator()), (&user("ana"), &on.id));
        assert_eq!(passed.method().kind, Some(sample.kind.factor_type()));
        assert_eq!(passed.method().at, env.now);
    });
}

#[test]
fn a_wrong_answer_does_not_pass() {
    each(|sample, on, device, mut env| {
        let asked = ask(&on, &mut env);
        let wrong = (sample.wrong)(device(env.now, &asked));
        assert!(matches!(verify(Some(&on), &asked.challenge, &wrong, &env), Verdict::Wrong));
        assert!(matches!(
            verify(Some(&on), &asked.challenge, &Input::Key("{}".into()), &env),
            Verdict::Malformed
        ));
        assert!(matches!(verify(Some(&on), &asked.challenge, &Input::code(""), &env), Verdict::Malformed));
        assert!(matches!(verify(Some(&on), &asked.challenge, &Input::Saved, &env), Verdict::Malformed));
    });
}

#[test]
fn an_answer_counts_once() {
    each(|sample, mut on, device, mut env| {
        let asked = ask(&on, &mut env);
        let answer = device(env.now, &asked);
        let Verdict::Passed(passed) = verify(Some(&on), &asked.challenge, &answer, &env) else {
            panic!("right")
        };
        // What the store does with it; a factor that spends nothing may be answered twice.
        let left = match passed.spend() {
            Some(Spend::Step(step)) => {
                on.spent_step = Some(*step);
                Some(&on)
            }
            Some(Spend::Counter { count, data }) => {
                assert!(*count == 0 || on.spent_step.is_some_and(|spent| spent < *count));
                on.spent_step = Some(*count);
                on.data = data.0.clone();
                if *count > 0 {
                    let again = verify(Some(&on), &asked.challenge, &answer, &env);
                    assert!(matches!(again, Verdict::Copied(_)), "{}: {again:?}", sample.kind);
                }
                let next = ask(&on, &mut env);
                let again = verify(Some(&on), &next.challenge, &answer, &env);
                assert!(matches!(again, Verdict::Wrong), "{}: {again:?}", sample.kind);
                return;
            }
            Some(Spend::Once) => None,
            // The challenge is forgotten: the answer can only be tried on the next one.
            Some(Spend::Challenge) => {
                let next = ask(&on, &mut env);
                let again = verify(Some(&on), &next.challenge, &answer, &env);
                assert!(matches!(again, Verdict::Wrong), "{}: {again:?}", sample.kind);
                return;
            }
            None => panic!("{} spends nothing", sample.kind),
        };
        let again = verify(left, &asked.challenge, &answer, &env);
        assert!(matches!(again, Verdict::Replayed | Verdict::Denied), "{}: {again:?}", sample.kind);
    });
}

#[test]
fn a_challenge_ends() {
    each(|_, on, device, mut env| {
        let asked = ask(&on, &mut env);
        env.now = asked.challenge.expires_at + Span::millis(1);
        assert!(matches!(
            verify(Some(&on), &asked.challenge, &device(env.now, &asked), &env),
            Verdict::Expired
        ));
    });
}

#[test]
fn another_users_authenticator_does_not_pass() {
    each(|sample, on, device, mut env| {
        assert_eq!(begin_challenge(&[&on], &by("ben"), &mut env), Err(FactorError::Unusable));
        let (of_ben, device_of_ben) = (sample.enrol)(&user("ben"), &mut env);
        env.now = env.now + Span::minutes(5);
        let asked = ask(&on, &mut env);
        let answer_of_ben = if sample.kind.authenticator_type() == "oob" {
            Input::code(ask(&of_ben, &mut env).message.expect("a code is sent").code)
        } else {
            device_of_ben(env.now, &asked)
        };
        // Ben answers Ana's challenge: with his own authenticator, or with his code on hers.
        assert!(matches!(verify(Some(&of_ben), &asked.challenge, &answer_of_ben, &env), Verdict::Denied));
        assert!(matches!(verify(Some(&on), &asked.challenge, &answer_of_ben, &env), Verdict::Wrong));
        // An authenticator that changed hands since.
        let moved = Authenticator { user: user("ben"), ..on };
        assert!(matches!(
            verify(Some(&moved), &asked.challenge, &device(env.now, &asked), &env),
            Verdict::Denied
        ));
    });
}

#[test]
fn an_unconfirmed_authenticator_never_passes() {
    each(|_, on, device, mut env| {
        let asked = ask(&on, &mut env);
        let pending = Authenticator { confirmed: false, ..on };
        assert!(matches!(
            verify(Some(&pending), &asked.challenge, &device(env.now, &asked), &env),
            Verdict::Denied
        ));
        assert!(begin_challenge(&[&pending], &by("ana"), &mut env).is_err());
    });
}

#[test]
fn a_removed_authenticator_never_passes() {
    each(|_, on, device, mut env| {
        let asked = ask(&on, &mut env);
        assert!(matches!(verify(None, &asked.challenge, &device(env.now, &asked), &env), Verdict::Denied));
    });
}

#[test]
fn what_cannot_be_read_never_passes() {
    each(|sample, on, device, mut env| {
        let asked = ask(&on, &mut env);
        for data in
            [Value::Null, serde_json::json!({}), serde_json::json!({"secret": "", "salt": "", "sha256": ""})]
        {
            let broken = Authenticator { data, ..on.clone() };
            // A code that was sent stands in the challenge; what is broken there is tried below.
            if sample.kind.authenticator_type() != "oob" {
                let verdict = verify(Some(&broken), &asked.challenge, &device(env.now, &asked), &env);
                assert!(!matches!(verdict, Verdict::Passed(_)));
            }
            let odd = Challenge { data: broken.data.clone(), ..asked.challenge.clone() };
            if sample.kind.authenticator_type() == "oob" {
                let verdict = verify(Some(&on), &odd, &device(env.now, &asked), &env);
                assert!(!matches!(verdict, Verdict::Passed(_)));
            }
            let empty = verify(Some(&broken), &asked.challenge, &Input::code(""), &env);
            assert!(!matches!(empty, Verdict::Passed(_)));
        }
    });
}

#[test]
fn an_enrolment_left_alone_dies_and_one_that_is_touched_lives() {
    for kind in ALL {
        let mut env = env();
        let (mut draft, before, _) = begin(*kind, &user("ana"), &mut env);
        assert!(!draft.pending().confirmed);
        let nearly = Span::millis(draft.idle().as_millis() * 4 / 5);
        env.now = env.now + nearly;
        draft.touch(env.now);
        env.now = env.now + nearly;
        assert!(!draft.expired(env.now));
        assert!(shown(&draft).unwrap() == before, "{kind}: looking again changes nothing");
        env.now = env.now + nearly;
        draft.touch(env.now);
        assert_eq!(confirm(&draft, &Input::code("000000"), &mut env).unwrap_err(), FactorError::Expired);
    }
}

#[test]
fn drafts_and_challenges_survive_being_stored_and_debug_output_shows_no_secret() {
    each(|sample, on, _, mut env| {
        let (draft, _, message) = begin(sample.kind, &user("ana"), &mut env);
        let secret = draft.data.to_string();
        let stored = serde_json::to_string(&draft).unwrap();
        assert!(serde_json::from_str::<Draft>(&stored).unwrap() == draft);
        assert!(!format!("{draft:?}").contains(&secret));
        let asked = ask(&on, &mut env);
        let stored = serde_json::to_string(&asked.challenge).unwrap();
        assert!(serde_json::from_str::<Challenge>(&stored).unwrap() == asked.challenge);
        for message in message.iter().chain(&asked.message) {
            assert!(!stored.contains(&message.code), "a code is not kept");
            assert!(!format!("{message:?}{asked:?}", asked = asked.challenge).contains(&message.code));
        }
        assert!(!format!("{on:?}").contains(&on.data.to_string()));
    });
}

#[test]
fn a_code_that_was_sent_dies_of_age_and_of_wrong_answers() {
    each(|sample, on, device, mut env| {
        if sample.kind.authenticator_type() != "oob" {
            return;
        }
        let mut asked = ask(&on, &mut env);
        let right = device(env.now, &asked);
        let wrong = (sample.wrong)(right.clone());
        for _ in 0..sent_code::GUESSES {
            assert!(matches!(verify(Some(&on), &asked.challenge, &wrong, &env), Verdict::Wrong));
            asked.challenge.miss();
        }
        assert!(matches!(verify(Some(&on), &asked.challenge, &right, &env), Verdict::Expired));

        let asked = ask(&on, &mut env);
        let right = device(env.now, &asked);
        env.now = env.now + sent_code::LIFE;
        assert!(matches!(verify(Some(&on), &asked.challenge, &right, &env), Verdict::Passed(_)));
        env.now = env.now + Span::millis(1);
        assert!(matches!(verify(Some(&on), &asked.challenge, &right, &env), Verdict::Expired));
    });
}
