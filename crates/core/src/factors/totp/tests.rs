use super::device::AuthenticatorApp;
use super::*;
use crate::env::Issuer;
use crate::factors::{self, Keys, Passed, Verdict};
use crate::random::{Rng, SeededRng};

const SEED_A: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn env(secs: i64) -> Env {
    let mut env = Env::new(Timestamp::from_secs(secs), Issuer::parse("https://lockstep.test/").unwrap());
    env.rng = Box::new(SeededRng::new(secs.unsigned_abs()));
    env
}

fn ana() -> UserId {
    UserId::trusted("auth0|ana")
}

fn with_seed(seed: &str) -> Authenticator {
    let id = AuthenticatorId::trusted("dev_0123456789abcdef");
    let parameters = Parameters::usual(Seed::parse(seed).unwrap());
    imported(id, ana(), &parameters, None, Timestamp::from_secs(0)).unwrap()
}

fn answer(on: &Authenticator, code: &str, secs: i64, profile: Profile) -> Verdict {
    let mut env = env(secs);
    let ask = ChallengeAsk { user: ana(), channel: None, profile, keys: Keys::default() };
    let asked = factors::begin_challenge(&[on], &ask, &mut env).unwrap().0;
    factors::verify(Some(on), &asked, &Input::code(code), &env)
}

fn passes(on: &Authenticator, code: &str, secs: i64) -> Option<Passed> {
    match answer(on, code, secs, Profile::Faithful) {
        Verdict::Passed(passed) => Some(passed),
        _ => None,
    }
}

/// Does what the store does with a success.
fn spend(on: &mut Authenticator, passed: &Passed) {
    let Some(Spend::Step(step)) = passed.spend() else { panic!("a code spends its step") };
    assert!(on.spent_step.is_none_or(|spent| spent < *step));
    on.spent_step = Some(*step);
}

#[test]
fn the_vectors_of_rfc_6238_appendix_b_hold() {
    let seed = |len: usize| Seed::from_bytes(&b"1234567890".repeat(7)[..len]);
    let rows = [
        (59, "94287082", "46119246", "90693936"),
        (1_111_111_109, "07081804", "68084774", "25091201"),
        (1_111_111_111, "14050471", "67062674", "99943326"),
        (1_234_567_890, "89005924", "91819424", "93441116"),
        (2_000_000_000, "69279037", "90698825", "38618901"),
        (20_000_000_000, "65353130", "77737706", "47863826"),
    ];
    for (secs, sha1, sha256, sha512) in rows {
        for (algorithm, len, code) in
            [(Algorithm::Sha1, 20, sha1), (Algorithm::Sha256, 32, sha256), (Algorithm::Sha512, 64, sha512)]
        {
            let parameters = Parameters { secret: seed(len), algorithm, digits: 8, period: 30 };
            assert_eq!(
                parameters.code(parameters.step_at(Timestamp::from_secs(secs))),
                code,
                "{secs} {algorithm:?}"
            );
        }
    }
}

#[test]
fn seed_a_gives_the_codes_of_the_test_bench() {
    let app = AuthenticatorApp::scan(SEED_A).unwrap();
    for (secs, code) in [
        (1_234_567_830, "186057"),
        (1_234_567_860, "980357"),
        (1_234_567_890, "005924"),
        (1_234_567_920, "590587"),
        (1_234_567_950, "240500"),
        (1_111_111_109, "081804"),
        (1_483_228_799, "021503"),
        (1_483_228_800, "132510"),
    ] {
        assert_eq!(app.code_at(Timestamp::from_secs(secs)), code);
        assert!(passes(&with_seed(SEED_A), code, secs).is_some());
    }
}

#[test]
fn a_server_clock_that_jumps_back_re_opens_no_code() {
    let mut on = with_seed(SEED_A);
    let passed = passes(&on, "590587", 1_234_567_920).unwrap();
    spend(&mut on, &passed);
    for code in ["005924", "590587"] {
        assert!(matches!(answer(&on, code, 1_234_567_890, Profile::Faithful), Verdict::Replayed), "{code}");
    }
    // Before 1970 nothing panics either.
    assert!(matches!(answer(&on, "590587", -100, Profile::Faithful), Verdict::Wrong));
    assert!(passes(&on, "240500", 1_234_567_950).is_some());
}

#[test]
fn one_step_either_side_counts_and_in_the_assured_profile_none() {
    for (code, faithful, assured) in [
        ("186057", false, false),
        ("980357", true, false),
        ("005924", true, true),
        ("590587", true, false),
        ("240500", false, false),
    ] {
        let right =
            |profile| matches!(answer(&with_seed(SEED_A), code, 1_234_567_890, profile), Verdict::Passed(_));
        assert_eq!((right(Profile::Faithful), right(Profile::Assured)), (faithful, assured), "{code}");
    }
}

#[test]
fn the_previous_steps_code_is_dead_once_the_present_one_was_spent() {
    let mut on = with_seed(SEED_A);
    let passed = passes(&on, "005924", 1_234_567_890).unwrap();
    spend(&mut on, &passed);
    assert!(matches!(answer(&on, "980357", 1_234_567_890, Profile::Faithful), Verdict::Replayed));
}

#[test]
fn leading_zeros_are_part_of_the_code() {
    let on = with_seed(SEED_A);
    assert!(matches!(answer(&on, "5924", 1_234_567_890, Profile::Faithful), Verdict::Malformed));
    assert!(matches!(answer(&on, "81804", 1_111_111_109, Profile::Faithful), Verdict::Malformed));
    assert!(matches!(answer(&on, "0005924", 1_234_567_890, Profile::Faithful), Verdict::Malformed));
    assert!(passes(&on, "081804", 1_111_111_109).is_some());
}

#[test]
fn blanks_and_dashes_are_ignored_and_digits_of_other_scripts_refused() {
    let on = with_seed(SEED_A);
    for code in ["005 924", "005-924", " 005924 ", "0-0-5-9-2-4"] {
        assert!(passes(&on, code, 1_234_567_890).is_some(), "{code}");
    }
    for code in [
        "００５９２４",
        "٠٠٥٩٢٤",
        "۰۰۵۹۲۴",
        "00592④",
        "005924\u{200f}",
        "\u{200e}005924",
        "\u{fffd}\u{fffd}",
        "",
        "+05924",
        "5924e0",
    ] {
        assert!(
            matches!(answer(&on, code, 1_234_567_890, Profile::Faithful), Verdict::Malformed),
            "{code:?}"
        );
    }
    assert!(matches!(answer(&on, &"0".repeat(4096), 1_234_567_890, Profile::Faithful), Verdict::Malformed));
}

fn draft(env: &mut Env) -> Draft {
    let ask = EnrolAsk {
        user: ana(),
        issuer: "Acme Bank".into(),
        account: "ada@example.com".into(),
        profile: Profile::Faithful,
        reach: None,
        key: None,
    };
    factors::begin_enrolment(FactorKind::Totp, &ask, env).unwrap().0
}

#[test]
fn the_code_that_confirms_an_enrolment_cannot_also_log_in() {
    let mut env = env(1_234_567_890);
    let draft = draft(&mut env);
    let Ok(Shown::Totp { uri, secret, manual_key }) = factors::shown(&draft) else {
        panic!("a seed is shown")
    };
    let app = AuthenticatorApp::scan(&uri).unwrap();
    assert_eq!((app.secret(), app.label.as_str()), (secret, "Acme Bank:ada@example.com"));
    assert_eq!(AuthenticatorApp::scan(&manual_key).unwrap().secret(), app.secret());

    let code = app.code_at(env.now);
    let enrolled = factors::confirm(&draft, &Input::code(&code), &mut env).unwrap();
    let on = enrolled.authenticator;
    assert!(on.confirmed && on.spent_step.is_some() && enrolled.passed.is_some());
    assert!(matches!(answer(&on, &code, 1_234_567_890, Profile::Faithful), Verdict::Replayed));
    assert!(passes(&on, &app.code_at(Timestamp::from_secs(1_234_567_920)), 1_234_567_920).is_some());
}

#[test]
fn a_mistyped_code_leaves_the_draft_as_it_was() {
    let mut env = env(1_234_567_890);
    let draft = draft(&mut env);
    let before = draft.clone();
    assert_eq!(factors::confirm(&draft, &Input::code("000000"), &mut env).unwrap_err(), FactorError::Wrong);
    assert!(draft == before && factors::shown(&draft) == factors::shown(&before));
}

#[test]
fn generated_seeds_have_160_bits_and_no_two_are_alike() {
    let rng: &mut dyn Rng = &mut crate::random::SystemRng;
    let seeds: std::collections::BTreeSet<String> = (0..200).map(|_| Seed::generate(rng).base32()).collect();
    assert_eq!(seeds.len(), 200);
    for seed in &seeds {
        assert_eq!(Seed::parse(seed).unwrap().bytes().len(), 20);
        assert!(seed.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)));
    }
}

#[test]
fn seeds_from_elsewhere_are_read_as_apps_read_them() {
    let expected = Seed::parse(SEED_A).unwrap();
    for text in [
        "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
        "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====",
        "gezd-gnbv-gy3t-qojq-gezd-gnbv-gy3t-qojq",
    ] {
        assert_eq!(Seed::parse(text).as_ref(), Ok(&expected), "{text}");
    }
    assert_eq!(Seed::parse("JBSWY3DPEHPK3PXP").unwrap().bytes().len(), 10);
    assert_eq!(Seed::parse("JBSWY3DPEHPK3PX").unwrap().bytes().len(), 9);
    assert_eq!(Seed::parse("JBS").unwrap().bytes(), b"H");
    for text in ["JBSWY3DPEHPK3PX0", "ÄBSWY3DP", "JB=SWY3DP"] {
        assert_eq!(Seed::parse(text), Err(SeedError::NotBase32), "{text}");
    }
    assert_eq!(Seed::parse("=="), Err(SeedError::Empty));
    assert_eq!(Seed::parse(&"A".repeat(257)), Err(SeedError::TooLong));
}

#[test]
fn the_uri_has_the_form_that_sdks_and_apps_expect() {
    let parameters = Parameters::usual(Seed::parse("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").unwrap());
    assert_eq!(
        parameters.uri("Acme Bank", "ada@example.com"),
        "otpauth://totp/Acme%20Bank:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme%20Bank&algorithm=SHA1&digits=6&period=30"
    );
    let odd = Parameters { algorithm: Algorithm::Sha512, digits: 8, period: 60, ..parameters };
    let app = AuthenticatorApp::scan(&odd.uri("A:B/C", "ü|1")).unwrap();
    assert_eq!(app.label, "A:B/C:ü|1");
    let now = Timestamp::from_secs(1_234_567_890);
    assert_eq!(app.code_at(now), odd.code(odd.step_at(now)));
    assert_eq!(app.seconds_left(now), 30);
}
