//! The tables of contract/step-up-and-claims.md 7, 8 and 12, row by row.

use super::*;
use crate::assurance::{FactorType, Method};
use crate::model::settings::Profile;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn with_totp() -> Means {
    let held =
        Held { kind: FactorKind::Totp, confirmed: true, here: true, this_device: false, last_auth_at: None };
    Means { held: vec![held], enabled: vec![FactorKind::Totp, FactorKind::RecoveryCode] }
}

fn without_factor() -> Means {
    Means { held: vec![], ..with_totp() }
}

/// A session whose first factor is that old and, if any, its second.
fn session(first: i64, second: Option<i64>) -> Proven {
    let ago = |secs| NOW - Span::seconds(secs);
    let mut methods = Methods::begin(Method::first(MethodName::Pwd, ago(first)));
    if let Some(second) = second {
        methods.record(Method::second(FactorType::Otp, ago(second)));
    }
    Proven::by_session(methods, ago(second.unwrap_or(first)))
}

fn situation(asks: Asks, proven: Option<Proven>, means: Means) -> Situation {
    Situation {
        now: NOW,
        rules: Rules::default(),
        asks,
        proven,
        means,
        remembered: false,
        remember_display: true,
    }
}

fn pape(prompt: Prompt, max_age: Option<i64>) -> Asks {
    Asks { acr_mfa: true, prompt, max_age: max_age.map(Span::seconds), ..Asks::default() }
}

fn always() -> Asks {
    Asks { policy_always: true, ..Asks::default() }
}

fn challenge() -> Demand {
    Demand::Challenge { allowed: vec![FactorKind::Totp] }
}

fn enrol() -> Demand {
    Demand::Enrol { allowed: vec![FactorKind::Totp] }
}

const PROVEN: Demand = Demand::NotNeeded(NotNeeded::AlreadyProven);

/// Browser state by name and as evidence, prompt, max_age; then: password asked?, what, what prompt=none would say.
type Row<'a> = (&'static str, Option<&'a Proven>, Prompt, Option<i64>, bool, Demand, Option<Silent>);

#[test]
fn step_up_by_acr_values_follows_the_table() {
    use Prompt::{Absent, Login, None as Silently};
    let (no_mfa, old, mfa) = (session(100, None), session(9000, None), session(9000, Some(100)));
    #[rustfmt::skip]
    let rows: Vec<Row<'_>> = vec![
        ("no session", None, Absent, None, true, challenge(), Some(Silent::LoginRequired)),
        ("no session", None, Absent, Some(0), true, challenge(), Some(Silent::LoginRequired)),
        ("no session", None, Silently, None, true, challenge(), Some(Silent::LoginRequired)),
        ("session, no MFA", Some(&no_mfa), Absent, None, false, challenge(), Some(Silent::MfaRequired)),
        ("session, no MFA", Some(&no_mfa), Absent, Some(0), true, challenge(), Some(Silent::MfaRequired)),
        ("session, no MFA", Some(&no_mfa), Login, None, true, challenge(), Some(Silent::MfaRequired)),
        ("session, no MFA", Some(&no_mfa), Absent, Some(3600), false, challenge(), Some(Silent::MfaRequired)),
        ("stale session, no MFA", Some(&old), Absent, Some(3600), true, challenge(), Some(Silent::MfaRequired)),
        ("session, no MFA", Some(&no_mfa), Silently, None, false, challenge(), Some(Silent::MfaRequired)),
        ("session with MFA", Some(&mfa), Absent, None, false, PROVEN, None),
        ("session with MFA", Some(&mfa), Silently, None, false, PROVEN, None),
        ("session with MFA", Some(&mfa), Absent, Some(0), true, challenge(), Some(Silent::MfaRequired)),
        ("session with MFA", Some(&mfa), Login, None, true, challenge(), Some(Silent::MfaRequired)),
        ("session with MFA", Some(&mfa), Absent, Some(3600), false, PROVEN, None),
        ("session with MFA", Some(&mfa), Silently, Some(3600), false, PROVEN, None),
        ("session with stale MFA", Some(&mfa), Absent, Some(60), true, challenge(), Some(Silent::MfaRequired)),
        ("session with stale MFA", Some(&mfa), Silently, Some(60), true, challenge(), Some(Silent::MfaRequired)),
    ];
    for (state, proven, prompt, max_age, password, demand, silent) in rows {
        let decision = decide(&situation(pape(prompt, max_age), proven.cloned(), with_totp()));
        let row = format!("{state}, {prompt:?}, max_age {max_age:?}: {:#?}", decision.explain());
        assert_eq!(decision.reauthenticate_first_factor, password, "{row}");
        assert_eq!(decision.demand, demand, "{row}");
        assert_eq!(decision.silent, silent, "{row}");
        assert!(!decision.remember_offered, "no remember box on screens caused by acr_values: {row}");
        // A user without factor enrols wherever the others are challenged.
        if demand == challenge() {
            let decision = decide(&situation(pape(prompt, max_age), proven.cloned(), without_factor()));
            assert_eq!((decision.demand, decision.silent), (enrol(), silent), "{row}");
            // A remembered browser changes nothing.
            let remembered = Situation {
                remembered: true,
                ..situation(pape(prompt, max_age), proven.cloned(), with_totp())
            };
            assert_eq!(decide(&remembered).demand, demand, "{row}");
        }
    }
}

#[test]
fn only_the_mfa_is_stale_so_only_mfa_is_asked() {
    // auth_time moved after the MFA, by a login through the passwordless API.
    let proven = Proven { auth_time: NOW - Span::seconds(10), ..session(9000, Some(8000)) };
    let decision = decide(&situation(pape(Prompt::Absent, Some(3600)), Some(proven), with_totp()));
    assert_eq!((decision.reauthenticate_first_factor, decision.demand), (false, challenge()));
}

#[test]
fn max_age_zero_ends_once_both_factors_were_given_for_this_request() {
    for prompt in [Prompt::Absent, Prompt::Login] {
        for max_age in [None, Some(0), Some(1)] {
            let asks = Asks { policy_always: true, ..pape(prompt, max_age) };
            let after_password = Proven { first_here: true, ..session(300, None) };
            let decision = decide(&situation(asks.clone(), Some(after_password), with_totp()));
            assert_eq!((decision.reauthenticate_first_factor, decision.demand), (false, challenge()));
            // The second factor took five minutes.
            let after_both = Proven { first_here: true, second_here: true, ..session(300, Some(200)) };
            let decision = decide(&situation(asks, Some(after_both), with_totp()));
            assert_eq!((decision.reauthenticate_first_factor, decision.demand), (false, PROVEN));
        }
    }
}

#[test]
fn mfa_of_another_transaction_does_not_count_where_it_must_be_of_this_one() {
    // The machine begins a new list with the first factor; a caller that hands in an older list gains nothing by it.
    for asks in [pape(Prompt::Login, None), pape(Prompt::Absent, Some(0))] {
        let proven = Proven { first_here: true, ..session(10, Some(5)) };
        let decision = decide(&situation(asks, Some(proven), with_totp()));
        assert_eq!(decision.demand, challenge());
        assert_eq!(decision.reasons[0].finding, Finding::MfaDoesNotCount { at: NOW - Span::seconds(5) });
        assert_eq!(decision.would_suffice, [Sufficient::Mfa(Wants::InTransaction)]);
    }
}

#[test]
fn the_sources_are_met_by_what_the_table_says() {
    let mfa_api = Asks { mfa_audience: true, ..Asks::default() };
    let client = Asks { minimum: Some(Minimum::Client), ..Asks::default() };
    let never = Asks::default();
    let (plain, mfa_long_ago, mfa_lately) =
        (session(9000, None), session(9000, Some(8000)), session(9000, Some(500)));
    let nothing = Demand::NotNeeded(NotNeeded::NothingAsks);
    let by_cookie = Demand::NotNeeded(NotNeeded::RememberedBrowser);
    // Asked, session, user has a factor, browser remembered; then what.
    #[rustfmt::skip]
    let rows: Vec<(&Asks, &Proven, bool, bool, Demand)> = vec![
        (&never, &plain, true, false, nothing.clone()),
        (&never, &plain, false, false, nothing.clone()),
        (&mfa_api, &plain, true, false, challenge()),
        (&mfa_api, &plain, true, true, challenge()),
        (&mfa_api, &mfa_long_ago, true, false, challenge()),
        (&mfa_api, &mfa_lately, true, false, PROVEN),
        (&mfa_api, &plain, false, false, nothing),
        (&client, &plain, true, true, challenge()),
        (&client, &mfa_long_ago, true, false, PROVEN),
        (&client, &plain, false, false, enrol()),
    ];
    for (asks, proven, has_factor, remembered, demand) in rows {
        let means = if has_factor { with_totp() } else { without_factor() };
        let decision =
            decide(&Situation { remembered, ..situation(asks.clone(), Some(proven.clone()), means) });
        assert_eq!(decision.demand, demand, "{asks:?} {:#?}", decision.explain());
        assert!(!decision.remember_offered, "{asks:?}");
    }
    #[rustfmt::skip]
    let policy: Vec<(&Proven, bool, bool, Demand)> = vec![
        (&plain, true, false, challenge()),
        (&plain, true, true, by_cookie),
        (&mfa_long_ago, true, false, PROVEN),
        (&mfa_long_ago, true, true, PROVEN),
        (&plain, false, false, enrol()),
        // The factor that earned the cookie is gone: enrol, and prove it.
        (&plain, false, true, enrol()),
    ];
    for (proven, has_factor, remembered, demand) in policy {
        let means = if has_factor { with_totp() } else { without_factor() };
        let decision = decide(&Situation { remembered, ..situation(always(), Some(proven.clone()), means) });
        assert_eq!(decision.demand, demand, "policy always: {:#?}", decision.explain());
        assert_eq!(decision.remember_offered, demand == challenge());
    }
}

#[test]
fn the_remember_box_is_not_shown_where_it_would_not_count_or_is_off() {
    let asks = Asks { acr_mfa: true, ..always() };
    assert!(!decide(&situation(asks, Some(session(10, None)), with_totp())).remember_offered);
    let hidden =
        Situation { remember_display: false, ..situation(always(), Some(session(10, None)), with_totp()) };
    assert!(!decide(&hidden).remember_offered);
}

#[test]
fn without_any_enabled_factor_nobody_gets_through() {
    let means = Means { enabled: vec![FactorKind::RecoveryCode], ..with_totp() };
    let demand = |asks: Asks| decide(&situation(asks, Some(session(10, None)), means.clone())).demand;
    assert_eq!(demand(always()), Demand::Impossible(Impossible::MfaRequiredStatus));
    let unmet = Demand::Impossible(Impossible::UnmetAuthenticationRequirements);
    assert_eq!(demand(pape(Prompt::Absent, None)), unmet);
    assert_eq!(demand(Asks { acr_mfa: true, ..always() }), unmet);
    let silently = pape(Prompt::None, None);
    assert_eq!(decide(&situation(silently, Some(session(10, None)), means)).silent, Some(Silent::Unmet));
}

#[test]
fn the_recovery_code_is_never_the_default_and_never_an_enrolment_by_itself() {
    let held = |kind, at: i64| Held {
        kind,
        confirmed: true,
        here: true,
        this_device: false,
        last_auth_at: Some(Timestamp::from_secs(at)),
    };
    let means =
        Means { held: vec![held(FactorKind::RecoveryCode, 500), held(FactorKind::Totp, 1)], ..with_totp() };
    assert_eq!(means.usable(), [FactorKind::Totp, FactorKind::RecoveryCode]);
    let alone = Means { held: vec![held(FactorKind::RecoveryCode, 500)], ..with_totp() };
    assert_eq!(decide(&situation(always(), Some(session(1, None)), alone)).demand, enrol());
    let unconfirmed =
        Means { held: vec![Held { confirmed: false, ..held(FactorKind::Totp, 1) }], ..with_totp() };
    assert_eq!(decide(&situation(always(), Some(session(1, None)), unconfirmed)).demand, enrol());
    let switched_off = Means { enabled: vec![FactorKind::Totp], ..means };
    assert_eq!(switched_off.usable(), [FactorKind::Totp]);
}

#[test]
fn a_second_factor_by_email_does_not_meet_anything_in_the_assured_profile() {
    let methods = [Method::first(MethodName::Pwd, NOW), Method::second(FactorType::Email, NOW)];
    let proven = Proven::by_session(methods.into_iter().collect(), NOW);
    let faithful = situation(pape(Prompt::Absent, None), Some(proven), with_totp());
    assert_eq!(decide(&faithful).demand, PROVEN);
    let rules = Rules { profile: Profile::Assured, ..Rules::default() };
    assert_eq!(decide(&Situation { rules, ..faithful }).demand, challenge());
}

#[test]
fn refreshes_follow_the_table() {
    let refresh = |asks: Asks, mfa: Option<i64>, means: Means, policy_means| {
        decide_refresh(&RefreshSituation {
            now: NOW,
            rules: Rules::default(),
            policy_means,
            asks,
            proven: session(9000, mfa),
            means,
        })
        .demand
    };
    let nothing = Demand::NotNeeded(NotNeeded::NothingAsks);
    let with_max_age = |asks: Asks| Asks { max_age: Some(Span::ZERO), prompt: Prompt::Login, ..asks };
    let mfa_api = Asks { mfa_audience: true, ..Asks::default() };
    #[rustfmt::skip]
    let rows = [
        ("policy never", Asks::default(), None, true, nothing.clone()),
        ("policy always, grant has mfa", always(), Some(8000), true, PROVEN),
        ("policy always, grant lacks mfa", always(), None, true, challenge()),
        ("policy always, grant lacks mfa, no factor", always(), None, false, enrol()),
        ("acr_values, grant lacks mfa", pape(Prompt::Absent, None), None, true, challenge()),
        ("acr_values, grant has mfa", pape(Prompt::Absent, None), Some(8000), true, PROVEN),
        ("max_age is ignored", with_max_age(Asks::default()), None, true, nothing.clone()),
        ("max_age is ignored beside acr_values", with_max_age(pape(Prompt::Absent, None)), Some(8000), true, PROVEN),
        ("MFA API, grant has mfa", mfa_api.clone(), Some(8000), true, PROVEN),
        ("MFA API, no factor", mfa_api.clone(), None, false, nothing),
        ("MFA API, grant lacks mfa", mfa_api, None, true, challenge()),
    ];
    for (row, asks, mfa, has_factor, demand) in rows {
        let means = if has_factor { with_totp() } else { without_factor() };
        assert_eq!(refresh(asks, mfa, means, RefreshMfa::Grant), demand, "{row}");
    }
    assert_eq!(refresh(always(), Some(8000), with_totp(), RefreshMfa::Always), challenge());
    let passed_now = Proven { second_here: true, ..session(9000, Some(0)) };
    let decision = decide_refresh(&RefreshSituation {
        now: NOW,
        rules: Rules::default(),
        policy_means: RefreshMfa::Always,
        asks: always(),
        proven: passed_now,
        means: with_totp(),
    });
    assert_eq!(decision.not_needed(), Some(NotNeeded::AlreadyProven));
}

#[test]
fn a_decision_explains_itself_and_can_be_stored() {
    let asks = Asks { policy_always: true, ..pape(Prompt::Absent, Some(300)) };
    let decision = decide(&situation(asks, Some(session(9000, Some(4000))), with_totp()));
    assert_eq!(
        decision.explain(),
        [
            "The first factor was asked for: the login was 66 minutes old, and the request allows 5 minutes (max_age).",
            "MFA was asked for, with an authenticator app.",
            "The request asks for multi-factor (acr_values): not met: no MFA was done.",
            "The tenant's policy is to ask for MFA always (all-applications): not met: no MFA was done.",
            "Enough would have been: a login within 5 minutes, and MFA within 5 minutes.",
        ]
    );
    let stored = serde_json::to_string(&decision).unwrap();
    assert_eq!(serde_json::from_str::<Decision>(&stored).unwrap(), decision);

    let plain = decide(&situation(always(), Some(session(60, None)), with_totp()));
    assert_eq!(
        plain.explain(),
        [
            "MFA was asked for, with an authenticator app.",
            "The tenant's policy is to ask for MFA always (all-applications): not met: no MFA was done.",
            "Enough would have been: MFA in this session or a remembered browser.",
            "The page offered to remember this browser.",
        ]
    );
}

#[test]
fn a_factor_of_the_first_factors_channel_proves_nothing_new() {
    let every = [FactorKind::Totp, FactorKind::Phone, FactorKind::Email];
    let usable = |first: MethodName, profile: Profile| {
        let held = every.iter().map(|kind| Held {
            kind: *kind,
            confirmed: true,
            here: true,
            this_device: false,
            last_auth_at: None,
        });
        let proven = Methods::begin(Method::first(first, Timestamp::from_secs(0)));
        Means::new(held, &every, &proven, Rules { profile, ..Rules::default() }).usable()
    };
    use FactorKind::{Email, Phone, Totp};
    assert_eq!(usable(MethodName::Pwd, Profile::Faithful), [Totp, Phone, Email]);
    assert_eq!(usable(MethodName::Email, Profile::Faithful), [Totp, Phone]);
    assert_eq!(usable(MethodName::Sms, Profile::Faithful), [Totp, Email]);
    // Mail raises no level in this profile: a challenge by it would lead nowhere.
    assert_eq!(usable(MethodName::Pwd, Profile::Assured), [Totp, Phone]);
    // Mail alone is no enrolment, however one logged in.
    let held = [Held { kind: Email, confirmed: true, here: true, this_device: false, last_auth_at: None }];
    let proven = Methods::begin(Method::first(MethodName::Pwd, Timestamp::from_secs(0)));
    let alone = Means::new(held.into_iter(), &every, &proven, Rules::default());
    assert!(alone.usable().is_empty());
    assert_eq!(alone.enrollable(), [Totp, Phone]);
}
