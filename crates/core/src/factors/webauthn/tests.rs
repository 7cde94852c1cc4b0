//! The cases that are about keys alone: each single thing that an answer may be wrong in, and what is kept of a right one.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};

use super::device::{DeviceError, Model, Signing, VirtualKey};
use super::*;
use crate::assurance::MethodName;
use crate::crypto::cbor::Cbor;
use crate::crypto::digest::sha256;
use crate::env::Issuer;
use crate::factors::{self, Passed, Verdict};
use crate::ids::{AuthenticatorId, UserId};
use crate::random::SeededRng;

const HERE: &str = "https://lockstep.test";
const CHALLENGED: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;

/// Fay, her key, and the server that she enrols it at.
struct Story {
    env: Env,
    keys: Keys,
    profile: Profile,
    key: VirtualKey,
    on: Authenticator,
}

fn keys(id: &str, origins: &[&str], user_verification: UserVerification) -> Keys {
    let relying_party = RelyingParty::parse(id, origins).unwrap();
    let rules = KeyRules { relying_party, user_verification };
    let platform = Some(KeyRules { user_verification: UserVerification::Required, ..rules.clone() });
    Keys { roaming: Some(rules), platform }
}

fn fay() -> UserId {
    UserId::trusted("auth0|fay")
}

fn env() -> Env {
    let now = Timestamp::from_secs(1_234_567_890);
    let mut env = Env::new(now, Issuer::parse("https://lockstep.test/").unwrap());
    env.rng = Box::new(SeededRng::new(1));
    env
}

fn begin(kind: FactorKind, keys: &Keys, held: &[Authenticator], env: &mut Env) -> Draft {
    let ask = EnrolAsk {
        user: fay(),
        issuer: "Acme".into(),
        account: "fay@example.com".into(),
        profile: Profile::Faithful,
        reach: None,
        key: KeyAsks::new(keys, Some(&UserHandle::trusted("ZmF5LXJhbmRvbQ")), held, None).of(kind).cloned(),
    };
    factors::begin_enrolment(kind, &ask, env).unwrap().0
}

fn creation_options(draft: &Draft) -> Value {
    let Ok(Shown::PublicKey(options)) = factors::shown(draft) else { panic!("options are shown") };
    options
}

impl Story {
    fn of(model: Model) -> Self {
        Self::with(model, keys("lockstep.test", &[HERE], UserVerification::Preferred))
    }

    fn with(model: Model, keys: Keys) -> Self {
        let mut env = env();
        let kind = if model.roaming { FactorKind::WebauthnRoaming } else { FactorKind::WebauthnPlatform };
        let draft = begin(kind, &keys, &[], &mut env);
        let mut key = VirtualKey::new(model);
        let credential = key.create(&creation_options(&draft), HERE, env.rng()).unwrap();
        let enrolled = factors::confirm(&draft, &Input::Key(credential.to_string()), &mut env).unwrap();
        Self { env, keys, profile: Profile::Faithful, key, on: enrolled.authenticator }
    }

    fn ask(&mut self) -> Challenge {
        let ask = ChallengeAsk { user: fay(), channel: None, profile: self.profile, keys: self.keys.clone() };
        factors::begin_challenge(&[&self.on], &ask, &mut self.env).unwrap().0
    }

    /// Answers a challenge, with a last change to what is signed.
    fn answer(&mut self, asked: &Challenge, change: &mut dyn FnMut(&mut Signing)) -> Value {
        self.key.get_but(&request_options(asked).unwrap(), HERE, change).unwrap()
    }

    fn judge(&self, asked: &Challenge, answer: &Value) -> Verdict {
        factors::verify([&self.on], asked, &Input::Key(answer.to_string()), &self.env)
    }

    /// Logs in, and does what the store does with a success.
    fn log_in(&mut self) -> Verdict {
        self.log_in_but(&mut |_| {})
    }

    fn log_in_but(&mut self, change: &mut dyn FnMut(&mut Signing)) -> Verdict {
        let asked = self.ask();
        let answer = self.answer(&asked, change);
        let verdict = self.judge(&asked, &answer);
        if let Verdict::Passed(passed) = &verdict {
            let Some(Spend::Counter { count, data }) = passed.spend() else { panic!("a counter is spent") };
            self.on.spent_step = Some(*count);
            self.on.data = data.0.clone();
        }
        verdict
    }

    fn stored(&self, name: &str) -> Value {
        self.on.data[name].clone()
    }
}

fn passed(verdict: Verdict) -> Passed {
    match verdict {
        Verdict::Passed(passed) => passed,
        other => panic!("{other:?}"),
    }
}

fn flags(flags: u8) -> impl FnMut(&mut Signing) {
    move |signing| signing.authenticator_data[32] = flags
}

fn part(answer: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(answer["response"][name].as_str().unwrap()).unwrap()
}

fn put(answer: &mut Value, name: &str, bytes: &[u8]) {
    answer["response"][name] = URL_SAFE_NO_PAD.encode(bytes).into();
}

#[test]
fn every_kind_of_authenticator_and_algorithm_enrols_and_logs_in() {
    let models = [Model::SECURITY_KEY, Model::TOUCH_ONLY, Model::DEVICE, Model::SYNCED];
    for (model, alg) in models.into_iter().flat_map(|m| [-7, -257, -8].map(|alg| (m, alg))) {
        for self_attests in [false, true] {
            let mut story = Story::of(Model { only: Some(alg), self_attests, ..model });
            let passed = passed(story.log_in());
            let kept = if model.backup_eligible { Kept::Software } else { Kept::Hardware };
            assert_eq!(passed.method().name, MethodName::Mfa);
            assert_eq!(
                passed.method().detail,
                Some(Detail::Key { kept, user_verified: model.verifies_user }),
                "{model:?}"
            );
            assert_eq!(passed.remark(), None);
            let format = if self_attests { "packed" } else { "none" };
            assert_eq!(story.stored("attestation_format"), format);
        }
    }
}

#[test]
fn what_is_stored_of_a_key_is_all_there_from_the_first_day() {
    let story = Story::of(Model::SYNCED);
    for (name, value) in [
        ("relying_party_identifier", json!("lockstep.test")),
        ("origin", json!(HERE)),
        ("credential_device_type", json!("multi_device")),
        ("credential_backed_up", json!(true)),
        ("transports", json!(["internal"])),
        ("aaguid", json!("00000000-0000-0000-0000-000000000000")),
        ("user_handle", json!("ZmF5LXJhbmRvbQ")),
        ("user_verified", json!(true)),
        ("attestation_format", json!("none")),
    ] {
        assert_eq!(story.stored(name), value, "{name}");
    }
    assert_eq!(story.on.spent_step, Some(0));
    assert!(bytes(story.stored("public_key").as_str().unwrap()).is_some());
    assert_eq!(Story::of(Model::SECURITY_KEY).on.spent_step, Some(1));
}

#[test]
fn the_browser_is_told_what_the_contract_says() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let draft = begin(FactorKind::WebauthnRoaming, &story.keys, &[story.on.clone()], &mut story.env);
    let options = creation_options(&draft);
    assert_eq!(options["rp"], json!({"id": "lockstep.test", "name": "Acme"}));
    assert_eq!(
        options["user"],
        json!({"id": "ZmF5LXJhbmRvbQ", "name": "fay@example.com", "displayName": "fay@example.com"})
    );
    let algs: Vec<_> =
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|param| param["alg"].clone()).collect();
    assert_eq!(algs, [-7, -257, -8]);
    assert_eq!((&options["timeout"], &options["attestation"]), (&json!(60_000), &json!("none")));
    assert_eq!(options["authenticatorSelection"]["authenticatorAttachment"], "cross-platform");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "preferred");
    let mine = json!([{"type": "public-key", "id": story.stored("key_id"), "transports": ["usb"]}]);
    assert_eq!(options["excludeCredentials"], mine);
    assert_eq!(story.key.create(&options, HERE, story.env.rng()), Err(DeviceError::InvalidState));
    // The same key enrols for both kinds or for none.
    let draft = begin(FactorKind::WebauthnPlatform, &story.keys, &[story.on.clone()], &mut story.env);
    let options = creation_options(&draft);
    assert_eq!(options["excludeCredentials"], mine);
    assert_eq!(options["authenticatorSelection"]["authenticatorAttachment"], "platform");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");

    let options = request_options(&story.ask()).unwrap();
    assert_eq!((&options["rpId"], &options["timeout"]), (&json!("lockstep.test"), &json!(60_000)));
    assert_eq!((&options["allowCredentials"], &options["userVerification"]), (&mine, &json!("preferred")));
}

#[test]
fn two_options_never_have_the_same_challenge_and_each_has_32_bytes() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let challenges: std::collections::BTreeSet<String> = (0..200)
        .map(|_| request_options(&story.ask()).unwrap()["challenge"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(challenges.len(), 200);
    assert!(challenges.iter().all(|text| URL_SAFE_NO_PAD.decode(text).unwrap().len() == 32));
}

#[test]
fn origin_and_relying_party_are_compared_whole() {
    let mut story = Story::of(Model::SECURITY_KEY);
    for origin in [
        "https://lockstep.test:8443",
        "http://lockstep.test",
        "https://evil-lockstep.test",
        "https://lockstep.test.evil.example",
        "https://LOCKSTEP.test",
        "https://lockstep.test/",
        "https://sub.lockstep.test",
        "null",
        "",
        "android:apk-key-hash:abcdef",
    ] {
        let verdict = story.log_in_but(&mut |signing| signing.client_data["origin"] = origin.into());
        assert!(matches!(verdict, Verdict::Wrong), "{origin}: {verdict:?}");
    }
    let hash = sha256(b"evil.example");
    let verdict = story.log_in_but(&mut |signing| signing.authenticator_data[..32].copy_from_slice(&hash));
    assert!(matches!(verdict, Verdict::Wrong));
    let verdict = story.log_in_but(&mut |signing| {
        signing.client_data["crossOrigin"] = true.into();
        signing.client_data["topOrigin"] = "https://evil.example".into();
    });
    assert!(matches!(verdict, Verdict::Wrong));
    for change in [json!({"crossOrigin": true}), json!({"topOrigin": HERE})] {
        let (name, value) = change.as_object().unwrap().iter().next().unwrap();
        let verdict = story.log_in_but(&mut |signing| signing.client_data[name] = value.clone());
        assert!(matches!(verdict, Verdict::Wrong), "{change}");
    }
    let _ = passed(story.log_in());
}

#[test]
fn a_key_of_another_domain_is_neither_offered_nor_accepted() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let custom = keys("id.example.com", &["https://id.example.com"], UserVerification::Preferred);
    let ask = ChallengeAsk { user: fay(), channel: None, profile: Profile::Faithful, keys: custom.clone() };
    let unreachable = factors::begin_challenge(&[&story.on], &ask, &mut story.env);
    assert_eq!(unreachable, Err(FactorError::Unreachable));
    // Two keys, one for each domain: here only the one is named, and the other's signature does not count.
    let draft = begin(FactorKind::WebauthnRoaming, &custom, &[story.on.clone()], &mut story.env);
    let options = creation_options(&draft);
    assert_eq!(options["excludeCredentials"], json!([]));
    let credential = story.key.create(&options, "https://id.example.com", story.env.rng()).unwrap();
    let other =
        factors::confirm(&draft, &Input::Key(credential.to_string()), &mut story.env).unwrap().authenticator;
    let ask = ChallengeAsk { keys: story.keys.clone(), ..ask };
    let asked = factors::begin_challenge(&[&story.on, &other], &ask, &mut story.env).unwrap().0;
    let options = request_options(&asked).unwrap();
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(options["allowCredentials"][0]["id"], story.stored("key_id"));
    let mut there = options.clone();
    (there["rpId"], there["allowCredentials"]) = (json!("id.example.com"), json!([]));
    let mut pretend = |signing: &mut Signing| {
        signing.client_data["origin"] = HERE.into();
        signing.authenticator_data[..32].copy_from_slice(&sha256(b"lockstep.test"));
    };
    let answer = story.key.get_but(&there, "https://id.example.com", &mut pretend).unwrap();
    let verdict = factors::verify([&story.on, &other], &asked, &Input::Key(answer.to_string()), &story.env);
    assert!(matches!(verdict, Verdict::Wrong), "{verdict:?}");
}

#[test]
fn a_challenge_is_answered_once_in_its_own_login_within_five_minutes() {
    let mut story = Story::of(Model::SYNCED);
    let asked = story.ask();
    let good = story.answer(&asked, &mut |_| {});
    // In another login, with that one's challenge beside it in the body.
    let other = story.ask();
    let mut beside = good.clone();
    beside["challenge"] = request_options(&other).unwrap()["challenge"].clone();
    beside["response"]["challenge"] = beside["challenge"].clone();
    assert!(matches!(story.judge(&other, &beside), Verdict::Wrong));
    // Late.
    story.env.now = story.env.now + Span::minutes(5) + Span::millis(1);
    assert!(matches!(story.judge(&asked, &good), Verdict::Expired));
    story.env.now = story.env.now - Span::millis(1);
    let _ = passed(story.judge(&asked, &good));
    // After one bad try the good answer comes too late; a new challenge works.
    let mut missed = asked.clone();
    missed.miss();
    assert!(matches!(story.judge(&missed, &good), Verdict::Expired));
    let _ = passed(story.log_in());
}

#[test]
fn an_answer_of_the_other_ceremony_does_not_count() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let verdict = story.log_in_but(&mut |signing| signing.client_data["type"] = "webauthn.create".into());
    assert!(matches!(verdict, Verdict::Wrong));
    let verdict = story.log_in_but(&mut |signing| signing.client_data["type"] = "payment.get".into());
    assert!(matches!(verdict, Verdict::Wrong));
    let draft = begin(FactorKind::WebauthnRoaming, &story.keys, &[], &mut story.env);
    let options = creation_options(&draft);
    let mut get = |signing: &mut Signing| signing.client_data["type"] = "webauthn.get".into();
    let credential = story.key.create_but(&options, HERE, story.env.rng(), &mut get).unwrap();
    let refused = factors::confirm(&draft, &Input::Key(credential.to_string()), &mut story.env);
    assert_eq!(refused.unwrap_err(), FactorError::Wrong);
    // A whole assertion where a new key is wanted.
    let asked = story.ask();
    let assertion = story.answer(&asked, &mut |_| {});
    let refused = factors::confirm(&draft, &Input::Key(assertion.to_string()), &mut story.env);
    assert_eq!(refused.unwrap_err(), FactorError::Malformed);
}

#[test]
fn presence_is_always_wanted_and_verification_by_setting() {
    let mut story = Story::of(Model::SECURITY_KEY);
    assert!(matches!(story.log_in_but(&mut flags(0)), Verdict::Wrong));
    assert!(matches!(story.log_in_but(&mut flags(VERIFIED)), Verdict::Wrong));
    let touched = passed(story.log_in_but(&mut flags(CHALLENGED)));
    assert_eq!(touched.method().detail, Some(Detail::Key { kept: Kept::Hardware, user_verified: false }));
    let required = keys("lockstep.test", &[HERE], UserVerification::Required);
    let mut strict = Story::with(Model::SECURITY_KEY, required);
    assert!(matches!(strict.log_in_but(&mut flags(CHALLENGED)), Verdict::Wrong));
    let _ = passed(strict.log_in());
    // At an enrolment too.
    let draft = begin(FactorKind::WebauthnRoaming, &strict.keys, &[], &mut strict.env);
    let options = creation_options(&draft);
    let mut unverified = |signing: &mut Signing| signing.authenticator_data[32] &= !VERIFIED;
    let credential = strict.key.create_but(&options, HERE, strict.env.rng(), &mut unverified).unwrap();
    let refused = factors::confirm(&draft, &Input::Key(credential.to_string()), &mut strict.env);
    assert_eq!(refused.unwrap_err(), FactorError::Wrong);
    assert_eq!(
        VirtualKey::new(Model::TOUCH_ONLY).create(&options, HERE, strict.env.rng()),
        Err(DeviceError::NotAllowed)
    );
}

#[test]
fn a_changed_backup_flag_does_not_lock_the_owner_out() {
    let (up_uv, eligible, backed_up) = (CHALLENGED | VERIFIED, ELIGIBLE, BACKED_UP);
    let now = |story: &Story| (story.stored("credential_device_type"), story.stored("credential_backed_up"));
    // A key that says it late.
    let mut late = Story::of(Model::SECURITY_KEY);
    assert_eq!(now(&late), (json!("single_device"), json!(false)));
    let first = passed(late.log_in_but(&mut flags(up_uv | eligible | backed_up)));
    assert_eq!(first.remark(), Some(Remark::BackupEligible));
    assert_eq!(first.method().detail, Some(Detail::Key { kept: Kept::Software, user_verified: true }));
    assert_eq!(now(&late), (json!("multi_device"), json!(true)));
    assert_eq!(passed(late.log_in_but(&mut flags(up_uv | eligible | backed_up))).remark(), None);
    // One that was copied and then was not.
    let mut synced = Story::of(Model { backed_up: false, ..Model::SYNCED });
    let _ = passed(synced.log_in_but(&mut flags(up_uv | eligible | backed_up)));
    let _ = passed(synced.log_in_but(&mut flags(up_uv | eligible)));
    assert_eq!(now(&synced), (json!("multi_device"), json!(false)));
    // One that takes it back: told, accepted by default, and never taken for hardware again.
    let back = passed(synced.log_in_but(&mut flags(up_uv)));
    assert_eq!(back.remark(), Some(Remark::NotBackupEligible));
    assert_eq!(back.method().detail, Some(Detail::Key { kept: Kept::Software, user_verified: true }));
    assert_eq!(now(&synced), (json!("single_device"), json!(false)));
    // In the assured profile that is refused.
    let mut assured = Story::of(Model::SYNCED);
    assured.profile = Profile::Assured;
    assert!(matches!(assured.log_in_but(&mut flags(up_uv)), Verdict::Wrong));
    let _ = passed(assured.log_in());
    // Backed up, and cannot be.
    for mut story in [late, assured] {
        assert!(matches!(story.log_in_but(&mut flags(up_uv | backed_up)), Verdict::Wrong));
    }
}

#[test]
fn an_imported_key_learns_what_it_was_not_told() {
    let mut story = Story::of(Model::SYNCED);
    let cose = bytes(story.stored("public_key").as_str().unwrap()).unwrap();
    let id = bytes(story.stored("key_id").as_str().unwrap()).unwrap();
    story.on.spent_step = None;
    for (key_id, public_key) in [
        (URL_SAFE_NO_PAD.encode(&id), STANDARD.encode(&cose)),
        (STANDARD.encode(&id), URL_SAFE_NO_PAD.encode(&cose)),
        (URL_SAFE.encode(&id), STANDARD_NO_PAD.encode(&cose)),
    ] {
        story.on.data = json!({
            "key_id": key_id, "public_key": public_key, "relying_party_identifier": "lockstep.test",
        });
        let asked = story.ask();
        let answer = story.answer(&asked, &mut flags(CHALLENGED | VERIFIED | ELIGIBLE | BACKED_UP));
        assert_eq!(passed(story.judge(&asked, &answer)).remark(), None);
        let _ = passed(story.log_in_but(&mut flags(CHALLENGED | VERIFIED | ELIGIBLE | BACKED_UP)));
        assert_eq!(story.stored("credential_device_type"), "multi_device");
        assert_eq!(story.on.spent_step, Some(0));
        story.on.spent_step = None;
    }
}

#[test]
fn a_public_key_may_be_imported_as_subject_public_key_info() {
    for alg in [-7, -257, -8] {
        let mut story = Story::of(Model { only: Some(alg), ..Model::SECURITY_KEY });
        let cose = bytes(story.stored("public_key").as_str().unwrap()).unwrap();
        let cbor = Cbor::only(&cose).unwrap();
        let number = |label| cbor.number(label).and_then(Cbor::as_bytes).unwrap();
        let spki = match alg {
            -8 => ParsedPublicKey::new(&ED25519, number(-2)).unwrap().as_der().unwrap().as_ref().to_vec(),
            -7 => {
                let point = [&[4], number(-2), number(-3)].concat();
                let key = ParsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1, point).unwrap();
                key.as_der().unwrap().as_ref().to_vec()
            }
            _ => {
                let parts = aws_lc_rs::signature::RsaPublicKeyComponents { n: number(-1), e: number(-2) };
                let key = parts.to_parsed_public_key(&aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256);
                key.unwrap().as_der().unwrap().as_ref().to_vec()
            }
        };
        story.on.data["public_key"] = STANDARD.encode(spki).into();
        let _ = passed(story.log_in());
    }
}

#[test]
fn a_counter_only_grows_and_a_copy_is_told_apart_from_a_mistake() {
    for profile in [Profile::Faithful, Profile::Assured] {
        let mut story = Story::of(Model::SECURITY_KEY);
        story.profile = profile;
        let mut copy = story.key.clone();
        let _ = passed(story.log_in());
        let _ = passed(story.log_in());
        assert_eq!(story.on.spent_step, Some(3));
        // The copy stands where the key stood when it was made.
        std::mem::swap(&mut story.key, &mut copy);
        let verdict = story.log_in();
        assert!(matches!(&verdict, Verdict::Copied(id) if *id == story.on.id), "{verdict:?}");
        assert_eq!(story.on.spent_step, Some(3));
        // The same count as last time is no growth either, and a wrong signature tells nothing of copies.
        let counted = |count: u32| {
            move |signing: &mut Signing| {
                signing.authenticator_data[33..37].copy_from_slice(&count.to_be_bytes());
            }
        };
        assert!(matches!(story.log_in_but(&mut counted(3)), Verdict::Copied(_)));
        assert!(matches!(story.log_in_but(&mut counted(0)), Verdict::Copied(_)));
        let asked = story.ask();
        let mut forged = story.answer(&asked, &mut counted(1));
        put(&mut forged, "signature", &[0; 70]);
        assert!(matches!(story.judge(&asked, &forged), Verdict::Wrong));
        let _ = passed(story.log_in_but(&mut counted(u32::MAX)));
        assert_eq!(story.on.spent_step, Some(u32::MAX.into()));
    }
}

#[test]
fn a_key_without_a_counter_says_zero_again_and_again() {
    let mut story = Story::of(Model::SYNCED);
    for _ in 0..3 {
        let _ = passed(story.log_in());
    }
    // One that begins to count later.
    let mut one = |signing: &mut Signing| signing.authenticator_data[36] = 1;
    let _ = passed(story.log_in_but(&mut one));
    assert!(matches!(story.log_in(), Verdict::Copied(_)));
}

#[test]
fn any_key_of_the_person_may_answer_and_nobody_elses() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let draft = begin(FactorKind::WebauthnRoaming, &story.keys, &[story.on.clone()], &mut story.env);
    let mut second = VirtualKey::new(Model::TOUCH_ONLY);
    let credential = second.create(&creation_options(&draft), HERE, story.env.rng()).unwrap();
    let enrolled = factors::confirm(&draft, &Input::Key(credential.to_string()), &mut story.env).unwrap();
    let other = enrolled.authenticator;
    let ask =
        ChallengeAsk { user: fay(), channel: None, profile: Profile::Faithful, keys: story.keys.clone() };
    let asked = factors::begin_challenge(&[&story.on, &other], &ask, &mut story.env).unwrap().0;
    let options = request_options(&asked).unwrap();
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 2);
    let held = [story.on.clone(), other.clone()];
    for (key, on) in [(&mut story.key, &held[0]), (&mut second, &held[1])] {
        let answer = Input::Key(key.get(&options, HERE).unwrap().to_string());
        assert_eq!(passed(factors::verify(&held, &asked, &answer, &story.env)).authenticator(), &on.id);
    }
    // A key that was removed meanwhile.
    let answer = Input::Key(second.get(&options, HERE).unwrap().to_string());
    assert!(matches!(factors::verify(&held[..1], &asked, &answer, &story.env), Verdict::Wrong));
    // One that was not asked.
    let unasked = Authenticator { id: AuthenticatorId::trusted("dev_aaaaaaaaaaaaaaaa"), ..other };
    assert!(matches!(factors::verify([&unasked], &asked, &answer, &story.env), Verdict::Denied));
    // A key that knows another user by this entry.
    let asked = story.ask();
    let mut answer = story.answer(&asked, &mut |_| {});
    answer["response"]["userHandle"] = "aGFs".into();
    assert!(matches!(story.judge(&asked, &answer), Verdict::Wrong));
    // Security keys that keep no entry say nothing, in one way or the other.
    for none in [Value::Null, json!("")] {
        answer["response"]["userHandle"] = none;
        let _ = passed(story.judge(&asked, &answer));
    }
}

#[test]
fn each_single_change_to_a_right_assertion_is_refused() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let asked = story.ask();
    let good = story.answer(&asked, &mut |_| {});
    let _ = passed(story.judge(&asked, &good));
    let refused = |what: &str, answer: Value| {
        let verdict = story.judge(&asked, &answer);
        assert!(matches!(verdict, Verdict::Wrong | Verdict::Malformed), "{what}: {verdict:?}");
    };
    for name in ["clientDataJSON", "authenticatorData", "signature"] {
        let right = part(&good, name);
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            let mut answer = good.clone();
            put(&mut answer, name, &wrong);
            refused(&format!("{name}: byte {at}"), answer);
        }
        for (what, wrong) in [
            ("longer", [right.as_slice(), &[0]].concat()),
            ("shorter", right[..right.len() - 1].to_vec()),
            ("empty", Vec::new()),
        ] {
            let mut answer = good.clone();
            put(&mut answer, name, &wrong);
            refused(&format!("{name}: {what}"), answer);
        }
        let mut answer = good.clone();
        answer["response"][name] = format!("{}=", good["response"][name].as_str().unwrap()).into();
        refused(&format!("{name}: padded"), answer);
        let mut answer = good.clone();
        answer["response"].as_object_mut().unwrap().remove(name);
        refused(&format!("{name}: missing"), answer);
    }
    let id = URL_SAFE_NO_PAD.encode([7; 32]);
    for (name, value) in [
        ("id", json!(id)),
        ("rawId", json!(id)),
        ("type", json!("password")),
        ("response", json!({})),
        ("id", Value::Null),
    ] {
        let mut answer = good.clone();
        answer[name] = value;
        refused(name, answer);
    }
    for text in ["", "null", "[]", "{}", "\u{0}", &"[".repeat(100_000), &" ".repeat(70_000)] {
        let verdict = factors::verify([&story.on], &asked, &Input::Key(text.to_owned()), &story.env);
        assert!(matches!(verdict, Verdict::Malformed), "{verdict:?}");
    }
}

#[test]
fn client_data_is_text_in_each_member() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let asked = story.ask();
    let mut answer = story.answer(&asked, &mut |_| {});
    let right = part(&answer, "clientDataJSON");
    let wrong = [&right[..right.len() - 1], b",\"ours\":\"\xff\"}"].concat();
    put(&mut answer, "clientDataJSON", &wrong);
    assert!(matches!(story.judge(&asked, &answer), Verdict::Malformed));
}

#[test]
fn what_the_flags_do_not_announce_must_not_be_there() {
    let mut story = Story::of(Model::SYNCED);
    let up = CHALLENGED | VERIFIED | ELIGIBLE | BACKED_UP;
    let extensions = Cbor::Map(vec![(Cbor::Text("credProtect"), Cbor::Int(2))]).to_bytes();
    let mut cases: Vec<(&str, u8, Vec<u8>)> = vec![
        ("bytes that nothing announces", up, vec![0]),
        ("extensions that nothing announces", up, extensions.clone()),
        ("no extensions", up | 1 << 7, vec![]),
        ("extensions that are no map", up | 1 << 7, vec![0x80]),
        ("more behind the extensions", up | 1 << 7, [extensions.as_slice(), &[0]].concat()),
        ("a key that is not there", up | 1 << 6, vec![]),
    ];
    let key = [[0; 16].as_slice(), &[0, 16], &[1; 16], &Cbor::Map(vec![]).to_bytes()].concat();
    cases.push(("a key in an assertion", up | 1 << 6, key));
    for (what, flags, more) in cases {
        let verdict = story.log_in_but(&mut |signing| {
            signing.authenticator_data[32] = flags;
            signing.authenticator_data.extend(&more);
        });
        assert!(matches!(verdict, Verdict::Malformed), "{what}: {verdict:?}");
    }
    // Extensions that come unasked are passed over.
    let _ = passed(story.log_in_but(&mut |signing| {
        signing.authenticator_data[32] |= 1 << 7;
        signing.authenticator_data.extend(&extensions);
    }));
}

/// Takes an attestation object apart, lets it be changed, and puts it together.
fn reattest(credential: &Value, change: impl FnOnce(&mut Vec<(Cbor<'_>, Cbor<'_>)>)) -> Value {
    let object = part(credential, "attestationObject");
    let Some(Cbor::Map(mut entries)) = Cbor::only(&object) else { panic!("a map") };
    change(&mut entries);
    let mut changed = credential.clone();
    put(&mut changed, "attestationObject", &Cbor::Map(entries).to_bytes());
    changed
}

#[test]
fn each_single_change_to_a_right_registration_is_refused() {
    let mut env = env();
    let keys = keys("lockstep.test", &[HERE], UserVerification::Preferred);
    let draft = begin(FactorKind::WebauthnRoaming, &keys, &[], &mut env);
    let options = creation_options(&draft);
    let model = Model { self_attests: true, ..Model::SECURITY_KEY };
    let good = VirtualKey::new(model).create(&options, HERE, env.rng()).unwrap();
    let mut judge = |answer: &Value| factors::confirm(&draft, &Input::Key(answer.to_string()), &mut env);
    assert!(judge(&good).is_ok());
    let mut refused = |what: &str, answer: Value| {
        let error = judge(&answer).map(|_| ()).unwrap_err();
        assert!(matches!(error, FactorError::Wrong | FactorError::Malformed), "{what}: {error:?}");
    };
    // A key that signs for itself vouches for each byte of both.
    for name in ["clientDataJSON", "attestationObject"] {
        let right = part(&good, name);
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            let mut answer = good.clone();
            put(&mut answer, name, &wrong);
            refused(&format!("{name}: byte {at}"), answer);
        }
        for length in 0..right.len() {
            let mut answer = good.clone();
            put(&mut answer, name, &right[..length]);
            refused(&format!("{name}: {length} bytes"), answer);
        }
        let mut answer = good.clone();
        put(&mut answer, name, &[right.as_slice(), &[0]].concat());
        refused(&format!("{name}: longer"), answer);
    }
    let packed = |alg: i64, sig: &'static [u8]| {
        Cbor::Map(vec![(Cbor::Text("alg"), Cbor::Int(alg)), (Cbor::Text("sig"), Cbor::Bytes(sig))])
    };
    refused("no signature", reattest(&good, |entries| entries[1].1 = packed(-7, b"")));
    refused(
        "another algorithm",
        reattest(&good, |entries| {
            let Cbor::Map(statement) = &mut entries[1].1 else { panic!("a map") };
            statement[0].1 = Cbor::Int(-257);
        }),
    );
    refused("none, and a statement", reattest(&good, |entries| entries[0].1 = Cbor::Text("none")));
    refused("a format that nobody knows", reattest(&good, |entries| entries[0].1 = Cbor::Text("made-up")));
    refused("no format", reattest(&good, |entries| drop(entries.remove(0))));
    refused("a format twice", reattest(&good, |entries| entries.push(entries[0].clone())));
    refused("a statement that is no map", reattest(&good, |entries| entries[1].1 = Cbor::Null));
    let mut other = good.clone();
    other["id"] = URL_SAFE_NO_PAD.encode([7; 32]).into();
    other["rawId"] = other["id"].clone();
    refused("another key's identifier", other);
    let mut platform = good.clone();
    platform["authenticatorAttachment"] = "platform".into();
    refused("the device's own key where a security key is wanted", platform);
}

#[test]
fn an_attestation_that_nobody_asked_for_proves_nothing_and_harms_nobody() {
    let mut env = env();
    let keys = keys("lockstep.test", &[HERE], UserVerification::Preferred);
    let draft = begin(FactorKind::WebauthnRoaming, &keys, &[], &mut env);
    let good =
        VirtualKey::new(Model::SECURITY_KEY).create(&creation_options(&draft), HERE, env.rng()).unwrap();
    for format in ["fido-u2f", "tpm", "packed"] {
        let answer = reattest(&good, |entries| {
            entries[0].1 = Cbor::Text(format);
            entries[1].1 = Cbor::Map(vec![(Cbor::Text("x5c"), Cbor::Array(vec![Cbor::Bytes(b"no chain")]))]);
        });
        let enrolled = factors::confirm(&draft, &Input::Key(answer.to_string()), &mut env).unwrap();
        assert_eq!(enrolled.authenticator.data["attestation_format"], format);
    }
}

#[test]
fn a_new_key_must_be_of_an_algorithm_that_was_offered_and_have_a_long_identifier() {
    let mut env = env();
    let keys = keys("lockstep.test", &[HERE], UserVerification::Preferred);
    let draft = begin(FactorKind::WebauthnRoaming, &keys, &[], &mut env);
    let options = creation_options(&draft);
    // ES384, a point off the curve, an algorithm that does not fit the key, a compressed point, and what is no key.
    let point = |kty, alg, crv, x: &[u8], y: Option<&[u8]>| {
        let mut entries = vec![
            (Cbor::Int(1), Cbor::Int(kty)),
            (Cbor::Int(3), Cbor::Int(alg)),
            (Cbor::Int(-1), Cbor::Int(crv)),
            (Cbor::Int(-2), Cbor::Bytes(x)),
        ];
        entries.push((Cbor::Int(-3), y.map_or(Cbor::Bool(true), Cbor::Bytes)));
        Cbor::Map(entries).to_bytes()
    };
    for key in [
        point(2, -35, 2, &[1; 48], Some(&[1; 48])),
        point(2, -7, 1, &[1; 32], Some(&[1; 32])),
        point(2, -8, 1, &[1; 32], Some(&[1; 32])),
        point(2, -7, 1, &[1; 32], None),
        Cbor::Map(vec![]).to_bytes(),
        Cbor::Int(1).to_bytes(),
    ] {
        let mut change = |signing: &mut Signing| {
            signing.authenticator_data.truncate(37 + 16 + 2 + 32);
            signing.authenticator_data.extend(&key);
        };
        let credential =
            VirtualKey::new(Model::SECURITY_KEY).create_but(&options, HERE, env.rng(), &mut change).unwrap();
        let refused = factors::confirm(&draft, &Input::Key(credential.to_string()), &mut env);
        assert_eq!(refused.unwrap_err(), FactorError::Wrong);
    }
    for length in [0usize, 1, 15, 1024] {
        let id = vec![5; length];
        let mut change = |signing: &mut Signing| {
            let key = signing.authenticator_data.split_off(37 + 16 + 2 + 32);
            signing.authenticator_data.truncate(37 + 16);
            signing.authenticator_data.extend(u16::try_from(length).unwrap().to_be_bytes());
            signing.authenticator_data.extend(&id);
            signing.authenticator_data.extend(key);
        };
        let mut key = VirtualKey::new(Model::SECURITY_KEY);
        let mut credential = key.create_but(&options, HERE, env.rng(), &mut change).unwrap();
        credential["id"] = URL_SAFE_NO_PAD.encode(&id).into();
        credential["rawId"] = credential["id"].clone();
        let refused = factors::confirm(&draft, &Input::Key(credential.to_string()), &mut env);
        assert_eq!(refused.unwrap_err(), FactorError::Malformed, "{length}");
    }
}

#[test]
fn a_key_is_enrolled_once_and_its_draft_does_not_live_by_being_looked_at() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let draft = begin(FactorKind::WebauthnRoaming, &story.keys, &[story.on.clone()], &mut story.env);
    let mut options = creation_options(&draft);
    options["excludeCredentials"] = json!([]);
    let credential = story.key.create(&options, HERE, story.env.rng()).unwrap();
    let answer = Input::Key(credential.to_string());
    // Who sends the identifier of a key that is there, with whatever key.
    let enrolled = URL_SAFE_NO_PAD.decode(story.stored("key_id").as_str().unwrap()).unwrap();
    let twice = reattest(&credential, |entries| {
        let Cbor::Bytes(data) = &mut entries[2].1 else { panic!("bytes") };
        let mut changed = data.to_vec();
        changed[37 + 16 + 2..][..32].copy_from_slice(&enrolled);
        *data = Box::leak(changed.into_boxed_slice());
    });
    let mut twice = twice;
    twice["id"] = story.stored("key_id");
    twice["rawId"] = story.stored("key_id");
    let refused = factors::confirm(&draft, &Input::Key(twice.to_string()), &mut story.env);
    assert_eq!(refused.unwrap_err(), FactorError::Wrong);
    // Looked at for longer than a challenge lives.
    let mut draft = draft;
    for _ in 0..2 {
        story.env.now = story.env.now + Span::minutes(3);
        draft.touch(story.env.now);
    }
    assert!(!draft.expired(story.env.now));
    assert_eq!(factors::confirm(&draft, &answer, &mut story.env).unwrap_err(), FactorError::Expired);
}

#[test]
fn without_a_domain_that_asks_there_is_no_key() {
    let mut story = Story::of(Model::SECURITY_KEY);
    let ask = ChallengeAsk { user: fay(), channel: None, profile: Profile::Faithful, keys: Keys::default() };
    let refused = factors::begin_challenge(&[&story.on], &ask, &mut story.env);
    assert_eq!(refused, Err(FactorError::Unreachable));
    let ask = EnrolAsk {
        user: fay(),
        issuer: "Acme".into(),
        account: "fay@example.com".into(),
        profile: Profile::Faithful,
        reach: None,
        key: None,
    };
    let refused = factors::begin_enrolment(FactorKind::WebauthnRoaming, &ask, &mut story.env);
    assert_eq!(refused.unwrap_err(), FactorError::Unreachable);
}
