//! The published table: which evidence gives which `amr` values, and what follows for `acr` and NIST's levels.
//!
//! | Evidence | as first factor | as second factor |
//! |---|---|---|
//! | password | `pwd` | |
//! | social, enterprise | `fed` | |
//! | code by text message | `sms` | `sms` |
//! | code by call | `tel` | `tel` |
//! | code or link by email | `email` | `email` |
//! | passkey, security key, device authenticator | `pop` and `hwk` (device-bound) or `swk` (synced) | the same |
//! | authenticator app, or the Guardian app's code | | `otp` |
//! | push notification | | `swk`, `mca` |
//! | recovery code | | nothing but `mfa` |
//! | remembered browser, method recorded by an Action | nothing | nothing |
//!
//! `mfa` stands between first and second factors, exactly when a second factor was verified; `acr` is [`PAPE`] exactly
//! when `mfa` is there. RFC 8176 registers these values except `fed`, `email` (Auth0's) and `pop` (OpenID EAP).

use serde::{Deserialize, Serialize};

use super::PAPE;
use super::evidence::{Detail, FactorType, Kept, Method, MethodName, Methods};
use crate::model::settings::Profile;
use crate::time::Timestamp;

/// What tokens say about an authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assurance {
    /// The `acr` claim; `None` leaves it out.
    pub acr: Option<&'static str>,
    /// The `amr` claim: unique values, first factors first.
    pub amr: Vec<&'static str>,
    /// The `auth_time` claim, in seconds: when the last interactive ceremony ended.
    pub auth_time: i64,
    /// NIST's level. In decision records only, never in a token.
    pub aal: Aal,
}

/// Where deployments differ in what counts as multi-factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// In `assured`, email never raises the level (NIST SP 800-63B-4 3.1.3: email is no out-of-band channel).
    pub profile: Profile,
    /// Whether a passkey with user verification counts as multi-factor by itself. Auth0 says no.
    pub passkey_satisfies_mfa: bool,
}

/// An authentication assurance level of NIST SP 800-63B-4.
///
/// There is no third level: it needs a non-exportable key whose hardware was attested, and we ask for no attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aal {
    /// Nothing that NIST knows was proven here.
    None,
    /// One factor.
    Aal1,
    /// Two distinct factors: something known and something held, or a key that verified its user.
    Aal2,
}

/// Computes what tokens say about this evidence. `auth_time` is when the last interactive ceremony ended.
pub fn claims(methods: &Methods, auth_time: Timestamp, rules: Rules) -> Assurance {
    let mut amr = Vec::new();
    let mut add = |values: &[&'static str]| {
        for value in values {
            if !amr.contains(value) {
                amr.push(*value);
            }
        }
    };
    for method in methods.iter().filter(|m| m.name != MethodName::Mfa) {
        add(first_factor(method));
    }
    let multi_factor = multi_factor(methods, rules);
    if multi_factor {
        add(&["mfa"]);
    }
    for method in methods.iter().filter(|m| m.name == MethodName::Mfa) {
        add(second_factor(method));
    }
    Assurance { acr: multi_factor.then_some(PAPE), amr, auth_time: auth_time.as_secs(), aal: aal(methods) }
}

/// Returns whether this evidence is multi-factor: the only test behind `mfa` and `acr`.
pub fn multi_factor(methods: &Methods, rules: Rules) -> bool {
    methods.iter().any(|m| counts_as_mfa(m, rules))
}

/// Returns the last time that multi-factor was proven.
pub fn multi_factor_at(methods: &Methods, rules: Rules) -> Option<Timestamp> {
    methods.iter().filter(|m| counts_as_mfa(m, rules)).map(|m| m.at).max()
}

fn counts_as_mfa(method: &Method, rules: Rules) -> bool {
    match (&method.name, method.kind) {
        (MethodName::Mfa, Some(FactorType::Email)) => rules.profile == Profile::Faithful,
        (MethodName::Mfa, _) => true,
        (MethodName::Passkey, _) => rules.passkey_satisfies_mfa && user_verified(method),
        _ => false,
    }
}

fn first_factor(method: &Method) -> &'static [&'static str] {
    match (&method.name, method.detail) {
        (MethodName::Pwd, _) => &["pwd"],
        (MethodName::Federated, _) => &["fed"],
        (MethodName::Sms | MethodName::PhoneNumber, Some(Detail::Voice)) => &["tel"],
        (MethodName::Sms | MethodName::PhoneNumber, _) => &["sms"],
        (MethodName::Email, _) => &["email"],
        (MethodName::Passkey, detail) => key(detail),
        (MethodName::Mfa | MethodName::Custom(_), _) => &[],
    }
}

fn second_factor(method: &Method) -> &'static [&'static str] {
    match (method.kind, method.detail) {
        (Some(FactorType::Otp), _) | (Some(FactorType::PushNotification), Some(Detail::Otp)) => &["otp"],
        (Some(FactorType::Phone), Some(Detail::Voice)) => &["tel"],
        (Some(FactorType::Phone), _) => &["sms"],
        (Some(FactorType::Email), _) => &["email"],
        (Some(FactorType::PushNotification), _) => &["swk", "mca"],
        (Some(FactorType::WebauthnRoaming | FactorType::WebauthnPlatform), detail) => key(detail),
        (Some(FactorType::RecoveryCode) | None, _) => &[],
    }
}

/// A key whose flags are unknown is claimed as the weaker kind. RFC 8176 has no value for "verified by PIN or biometric":
/// `user` means presence only, so the UV flag adds nothing.
fn key(detail: Option<Detail>) -> &'static [&'static str] {
    match detail {
        Some(Detail::Key { kept: Kept::Hardware, .. }) => &["pop", "hwk"],
        _ => &["pop", "swk"],
    }
}

fn user_verified(method: &Method) -> bool {
    matches!(method.detail, Some(Detail::Key { user_verified: true, .. }))
}

/// NIST SP 800-63B-4 2.2: AAL2 is two distinct factors, or a multi-factor authenticator.
fn aal(methods: &Methods) -> Aal {
    let known = methods.iter().any(|m| m.name == MethodName::Pwd);
    let held = methods.iter().any(something_held);
    let both_in_one = methods.iter().any(|m| {
        let a_key = m.name == MethodName::Passkey
            || matches!(m.kind, Some(FactorType::WebauthnRoaming | FactorType::WebauthnPlatform));
        a_key && user_verified(m)
    });
    if both_in_one || (known && held) {
        Aal::Aal2
    } else if known || held {
        Aal::Aal1
    } else {
        Aal::None
    }
}

/// What NIST counts as possession. Email is none (3.1.3), nor is a push that is only approved (3.1.3: the secret must be
/// transferred). What an identity provider proved is not ours to claim. The recovery code is a look-up secret (3.1.2).
fn something_held(method: &Method) -> bool {
    match (&method.name, method.kind) {
        (MethodName::Passkey | MethodName::Sms | MethodName::PhoneNumber, _) => true,
        (MethodName::Mfa, Some(FactorType::Email)) => false,
        (MethodName::Mfa, Some(FactorType::PushNotification)) => method.detail == Some(Detail::Otp),
        (MethodName::Mfa, Some(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_millis(1_234_567_890_999);
    const SYNCED: Detail = Detail::Key { kept: Kept::Software, user_verified: true };
    const BOUND: Detail = Detail::Key { kept: Kept::Hardware, user_verified: false };

    fn first(name: MethodName) -> Method {
        Method::first(name, T)
    }

    fn second(kind: FactorType) -> Method {
        Method::second(kind, T)
    }

    fn says(methods: impl IntoIterator<Item = Method>) -> Assurance {
        claims(&methods.into_iter().collect(), T, Rules::default())
    }

    #[test]
    fn every_row_of_the_published_table_holds() {
        use FactorType::{
            Email, Otp, Phone, PushNotification, RecoveryCode, WebauthnPlatform, WebauthnRoaming,
        };
        use MethodName::{Federated, Passkey, PhoneNumber, Pwd, Sms};
        let pwd = || first(Pwd);
        #[rustfmt::skip]
        let rows: Vec<(Vec<Method>, &[&str], Aal)> = vec![
            (vec![pwd()], &["pwd"], Aal::Aal1),
            (vec![first(Federated)], &["fed"], Aal::None),
            (vec![first(Sms)], &["sms"], Aal::Aal1),
            (vec![first(PhoneNumber).with(Detail::Voice)], &["tel"], Aal::Aal1),
            (vec![first(MethodName::Email)], &["email"], Aal::None),
            (vec![first(Passkey).with(BOUND)], &["pop", "hwk"], Aal::Aal1),
            (vec![first(Passkey).with(SYNCED)], &["pop", "swk"], Aal::Aal2),
            (vec![pwd(), second(Otp)], &["pwd", "mfa", "otp"], Aal::Aal2),
            (vec![pwd(), second(Phone).with(Detail::Sms)], &["pwd", "mfa", "sms"], Aal::Aal2),
            (vec![pwd(), second(Phone).with(Detail::Voice)], &["pwd", "mfa", "tel"], Aal::Aal2),
            (vec![pwd(), second(Email)], &["pwd", "mfa", "email"], Aal::Aal1),
            (vec![pwd(), second(PushNotification)], &["pwd", "mfa", "swk", "mca"], Aal::Aal1),
            (vec![pwd(), second(PushNotification).with(Detail::Otp)], &["pwd", "mfa", "otp"], Aal::Aal2),
            (vec![pwd(), second(WebauthnRoaming).with(BOUND)], &["pwd", "mfa", "pop", "hwk"], Aal::Aal2),
            (vec![pwd(), second(WebauthnPlatform).with(SYNCED)], &["pwd", "mfa", "pop", "swk"], Aal::Aal2),
            (vec![pwd(), second(RecoveryCode)], &["pwd", "mfa"], Aal::Aal2),
            (vec![first(MethodName::Email), second(Phone)], &["email", "mfa", "sms"], Aal::Aal1),
            (vec![pwd(), second(Phone), second(PushNotification)], &["pwd", "mfa", "sms", "swk", "mca"], Aal::Aal2),
            // The second factor's value is already there as the first's: it is said once.
            (vec![first(Sms), second(Phone), second(Otp)], &["sms", "mfa", "otp"], Aal::Aal1),
            (vec![pwd(), first(MethodName::Custom("https://a.example/m".into()))], &["pwd"], Aal::Aal1),
            (vec![], &[], Aal::None),
        ];
        for (methods, amr, aal) in rows {
            let said = says(methods.clone());
            assert_eq!((said.amr.as_slice(), said.aal), (amr, aal), "{methods:?}");
            assert_eq!(said.acr, amr.contains(&"mfa").then_some(PAPE), "acr exactly with mfa: {methods:?}");
            assert_eq!(said.auth_time, 1_234_567_890);
        }
    }

    #[test]
    fn email_never_reaches_the_mfa_level_in_the_assured_profile() {
        let methods = [first(MethodName::Pwd), second(FactorType::Email)].into_iter().collect();
        let said = claims(&methods, T, Rules { profile: Profile::Assured, ..Rules::default() });
        assert_eq!((said.acr, said.amr.as_slice()), (None, ["pwd", "email"].as_slice()));
    }

    #[test]
    fn a_passkey_is_mfa_only_by_setting_and_only_with_user_verification() {
        let rules = Rules { passkey_satisfies_mfa: true, ..Rules::default() };
        let verified = Methods::begin(first(MethodName::Passkey).with(SYNCED));
        assert_eq!(claims(&verified, T, rules).amr, ["pop", "swk", "mfa"]);
        assert_eq!(claims(&verified, T, Rules::default()).acr, None);
        let touched = Methods::begin(first(MethodName::Passkey).with(BOUND));
        assert_eq!(claims(&touched, T, rules).acr, None);
    }
}
