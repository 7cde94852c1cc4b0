use super::super::input::KeyFailure;
use super::*;
use crate::env::Issuer;
use crate::random::SeededRng;
use crate::time::Span;

fn env() -> Env {
    let mut env =
        Env::new(Timestamp::from_secs(1_234_567_890), Issuer::parse("https://lockstep.test/").unwrap());
    env.rng = Box::new(SeededRng::new(1));
    env
}

fn who(channels: &[Channel]) -> Enrolling {
    Enrolling {
        user: UserId::trusted("auth0|ana"),
        issuer: "Acme".into(),
        account: "ana@example.com".into(),
        profile: Profile::Faithful,
        channels: channels.to_vec(),
        key_first: false,
        show_options: true,
        keys: KeyAsks::default(),
    }
}

fn going(turn: Turn) -> Enrolment {
    let After::Going(enrolment) = turn.next else { panic!("{turn:?}") };
    enrolment
}

fn number(text: &str) -> Answer {
    Answer::Number { number: text.into(), region: Some("US".into()), channel: None }
}

fn code(text: &str) -> Answer {
    Answer::Code { code: text.into(), remember: false }
}

const BOTH: &[Channel] = &[Channel::Sms, Channel::Voice];

#[test]
fn the_choice_is_shown_where_there_is_one_and_the_tenant_wants_it() {
    let both = || vec![FactorKind::Totp, FactorKind::Phone];
    let begun = |options, who: &Enrolling| going(Enrolment::begin(options, who, &mut env()));
    assert_eq!(begun(both(), &who(BOTH)).screen().name, "mfa-begin-enroll-options");
    let straight = Enrolling { show_options: false, ..who(BOTH) };
    assert_eq!(begun(both(), &straight).screen().name, "mfa-otp-enrollment-qr");
    assert_eq!(begun(vec![FactorKind::Phone], &who(BOTH)).screen().name, "mfa-phone-enrollment");
    assert_eq!(begun(vec![FactorKind::Phone], &who(&[Channel::Sms])).screen().name, "mfa-sms-enrollment");
    assert_eq!(begun(vec![FactorKind::Phone], &who(&[Channel::Voice])).screen().name, "mfa-voice-enrollment");
    assert!(matches!(Enrolment::begin(vec![], &who(BOTH), &mut env()).next, After::Broken));
}

#[test]
fn a_telephone_is_enrolled_by_the_code_that_reached_it() {
    let (mut env, who) = (env(), who(BOTH));
    let page = going(Enrolment::begin(vec![FactorKind::Phone], &who, &mut env));
    let turn = page.answer(number("(202) 555-0143"), &who, &mut env);
    let sent = turn.send.clone().expect("a code is sent");
    assert_eq!((sent.to.as_str(), sent.channel), ("+12025550143", Channel::Sms));
    let page = going(turn);
    assert_eq!(page.screen().name, "mfa-sms-challenge");

    let wrong = if sent.code == "000000" { "000001" } else { "000000" };
    let turn = page.answer(code(wrong), &who, &mut env);
    assert_eq!((turn.problem, turn.missed), (Some(Problem::InvalidCode), Some(FactorKind::Phone)));
    let After::Done(done) = going(turn).answer(code(&sent.code), &who, &mut env).next else {
        panic!("right")
    };
    let phone = done.authenticator;
    assert_eq!(factors::phone::number(&phone).unwrap().as_str(), "+12025550143");
    assert_eq!(factors::phone::preferred(&phone), Some(Channel::Sms));
    assert!(phone.confirmed && done.passed.is_some());
}

#[test]
fn only_the_newest_code_counts_and_another_one_takes_half_a_minute() {
    let (mut env, who) = (env(), who(BOTH));
    let page = going(Enrolment::begin(vec![FactorKind::Phone], &who, &mut env));
    let first = page.answer(number("+12025550143"), &who, &mut env);
    let old = first.send.clone().unwrap().code;
    let turn = going(first).answer(Answer::Resend, &who, &mut env);
    assert!(turn.send.is_none(), "the first is on its way still");
    env.now = env.now + Span::seconds(30);
    let turn = going(turn).answer(Answer::Resend, &who, &mut env);
    let new = turn.send.clone().expect("another code").code;
    assert_ne!(old, new);
    let turn = going(turn).answer(code(&old), &who, &mut env);
    assert_eq!(turn.problem, Some(Problem::InvalidCode));
    // A call may be asked for at once: perhaps texts do not arrive here.
    let turn = going(turn).answer(Answer::By(Channel::Voice), &who, &mut env);
    assert_eq!(turn.send.as_ref().map(|send| send.channel), Some(Channel::Voice));
    let page = going(turn);
    assert_eq!(page.screen().name, "mfa-voice-challenge");
    assert_eq!(page.answer(code(&new), &who, &mut env).problem, Some(Problem::InvalidCode));
}

#[test]
fn a_country_is_chosen_on_a_page_of_its_own_and_what_was_typed_is_kept() {
    let (mut env, who) = (env(), who(&[Channel::Sms]));
    let page = going(Enrolment::begin(vec![FactorKind::Totp, FactorKind::Phone], &who, &mut env));
    let page = going(page.answer(Answer::Pick(FactorKind::Phone), &who, &mut env));
    let list = going(page.answer(Answer::ListCountries { typed: "0151 23456789".into() }, &who, &mut env));
    assert_eq!((list.screen().name, list.can_try_another()), ("mfa-country-codes", false));
    // No such country: the choice is what it was.
    for (id, region) in [("??", None), ("DE", Some("DE"))] {
        let page = going(list.clone().answer(Answer::PickCountry(id.into()), &who, &mut env));
        let Stage::Number { of, .. } = page.stage() else { panic!("{page:?}") };
        assert_eq!((of.region.as_deref(), of.typed.as_str()), (region, "0151 23456789"));
    }
    assert_eq!(going(list.clone().answer(Answer::Back, &who, &mut env)).screen().name, "mfa-sms-enrollment");
    let page = going(list.answer(Answer::PickCountry("DE".into()), &who, &mut env));
    let bare = |number: &str| Answer::Number { number: number.into(), region: None, channel: None };
    let sent = page.clone().answer(bare("0151 23456789"), &who, &mut env).send.expect("a code is sent");
    assert_eq!(sent.to, "+4915123456789");
    let sent = page.clone().answer(bare("+1 202 555 0143"), &who, &mut env).send.expect("a code is sent");
    assert_eq!(sent.to, "+12025550143", "a leading + counts more than the country");
    let wrong = going(page.answer(number("12"), &who, &mut env));
    let Stage::Number { of, .. } = wrong.stage() else { panic!("{wrong:?}") };
    assert_eq!(of.region.as_deref(), Some("US"), "what the form said stays");
}

#[test]
fn a_dead_code_leaves_the_page_standing_for_another_one() {
    let (mut env, who) = (env(), who(&[Channel::Sms]));
    let page = going(Enrolment::begin(vec![FactorKind::Phone], &who, &mut env));
    let turn = page.answer(number("+12025550143"), &who, &mut env);
    let sent = turn.send.clone().unwrap();
    let mut page = going(turn);
    env.now = env.now + Span::minutes(3);
    page.looked_at(env.now);
    env.now = env.now + Span::minutes(3);
    let turn = page.answer(code(&sent.code), &who, &mut env);
    assert_eq!((turn.problem, turn.missed), (Some(Problem::CodeDied), None));
    let turn = going(turn).answer(Answer::Resend, &who, &mut env);
    let fresh = turn.send.clone().expect("another code").code;
    assert!(matches!(going(turn).answer(code(&fresh), &who, &mut env).next, After::Done(_)));
}

#[test]
fn a_number_that_cannot_be_used_says_why_and_sends_nothing() {
    let (mut env, who) = (env(), who(&[Channel::Sms]));
    let page = going(Enrolment::begin(vec![FactorKind::Phone], &who, &mut env));
    for (typed, problem) in [
        ("", Problem::NoPhone),
        ("two zero two", Problem::InvalidPhoneFormat),
        ("+1202", Problem::InvalidPhone),
    ] {
        let turn = page.clone().answer(number(typed), &who, &mut env);
        assert_eq!((turn.problem, turn.send.is_none()), (Some(problem), true), "{typed}");
    }
    // A channel that the tenant has not enabled is not used, whatever a form says.
    let by_call =
        Answer::Number { number: "+12025550143".into(), region: None, channel: Some(Channel::Voice) };
    assert_eq!(page.answer(by_call, &who, &mut env).send.unwrap().channel, Channel::Sms);
}

#[test]
fn the_number_can_be_edited_and_another_factor_tried() {
    let (mut env, who) = (env(), who(&[Channel::Sms]));
    let page = going(Enrolment::begin(vec![FactorKind::Totp, FactorKind::Phone], &who, &mut env));
    let page = going(page.answer(Answer::Pick(FactorKind::Phone), &who, &mut env));
    let page = going(page.answer(number("+12025550143"), &who, &mut env));
    let page = going(page.answer(Answer::Edit, &who, &mut env));
    assert_eq!(page.screen().name, "mfa-sms-enrollment");
    let page = going(page.answer(Answer::TryAnother, &who, &mut env));
    assert_eq!(page.screen().name, "mfa-begin-enroll-options");
    // What was not offered cannot be picked.
    let page = going(page.answer(Answer::Pick(FactorKind::Email), &who, &mut env));
    assert_eq!(page.screen().name, "mfa-begin-enroll-options");
}

mod keys {
    use super::*;
    use crate::factors::webauthn::device::{Model, VirtualKey};
    use crate::factors::webauthn::{Keys, UserHandle};
    use crate::model::settings::Guardian;

    const ORIGIN: &str = "https://lockstep.test";

    fn begun(env: &mut Env) -> (Enrolment, Enrolling) {
        let keys = Keys::of(&env.issuer, &Guardian::default());
        let handle = UserHandle::new(env.rng());
        let who = Enrolling { keys: KeyAsks::new(&keys, Some(&handle), &[], None), ..who(BOTH) };
        let page = going(Enrolment::begin(vec![FactorKind::WebauthnRoaming], &who, env));
        (page, who)
    }

    fn answered(page: Enrolment, who: &Enrolling, env: &mut Env) -> Enrolment {
        let Some(Ok(Shown::PublicKey(options))) = page.shown() else { panic!("options") };
        let mut key = VirtualKey::new(Model::SECURITY_KEY);
        let credential = key.create(&options, ORIGIN, &mut SeededRng::new(2)).unwrap().to_string();
        going(page.answer(Answer::Key { credential, remember: false }, who, env))
    }

    #[test]
    fn a_key_is_enrolled_with_its_name_and_as_of_the_moment_when_it_answered() {
        let mut env = env();
        let (page, who) = begun(&mut env);
        let mut page = answered(page, &who, &mut env);
        assert_eq!(page.screen().name, "mfa-webauthn-change-key-nickname");
        assert!(!page.can_try_another());
        let then = env.now;
        for (name, problem) in [("  ", Problem::NoNickname), (&"é".repeat(21), Problem::NicknameTooLong)] {
            env.now = env.now + Span::minutes(4);
            page.looked_at(env.now);
            let turn = page.answer(Answer::Name(name.into()), &who, &mut env);
            assert_eq!(turn.problem, Some(problem));
            page = going(turn);
        }
        let turn = page.answer(Answer::Name(format!(" {} ", "é".repeat(20))), &who, &mut env);
        let After::Done(done) = turn.next else { panic!("named") };
        assert_eq!(done.authenticator.name, Some("é".repeat(20)));
        assert_eq!(done.authenticator.enrolled_at, Some(then));
        assert_eq!(done.passed.unwrap().method().at, then);
        assert_eq!(env.now, then + Span::minutes(8), "the clock was put back");
    }

    #[test]
    fn a_key_that_is_left_without_a_name_has_to_answer_anew() {
        let mut env = env();
        let (page, who) = begun(&mut env);
        let page = answered(page, &who, &mut env);
        env.now = env.now + Span::minutes(6);
        let turn = page.answer(Answer::Name("Blue".into()), &who, &mut env);
        assert_eq!(turn.problem, Some(Problem::TransactionNotFound));
        assert_eq!(going(turn).screen().name, "mfa-webauthn-roaming-enrollment");
    }

    #[test]
    fn a_name_is_asked_of_nobody_whose_key_has_not_answered() {
        let mut env = env();
        let (page, who) = begun(&mut env);
        let turn = page.answer(Answer::Name("Blue".into()), &who, &mut env);
        assert_eq!(going(turn).screen().name, "mfa-webauthn-roaming-enrollment");
    }

    #[test]
    fn what_a_browser_says_is_kept_apart_from_wrong_answers() {
        let mut env = env();
        let (page, who) = begun(&mut env);
        let turn = page.answer(Answer::KeyFailed(KeyFailure::NotAllowed), &who, &mut env);
        assert_eq!(turn.problem, Some(Problem::KeyFailed(KeyFailure::NotAllowed)));
        assert_eq!(turn.failed, Some((FactorKind::WebauthnRoaming, "NotAllowedError")));
        assert!(turn.missed.is_none() && turn.begun.is_none());
    }
}
