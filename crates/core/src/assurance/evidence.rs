//! What a person has proven: the list that sessions, codes and refresh tokens carry.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// The name of a proof, as Actions see it in `event.authentication.methods[].name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodName {
    /// A password.
    Pwd,
    /// A social or enterprise identity provider.
    Federated,
    /// A passkey as first factor.
    Passkey,
    /// A code by text message (or call, see [`Detail::Voice`]) as first factor.
    Sms,
    /// A code or link by email as first factor.
    Email,
    /// A code sent to the phone number that is the user's identifier, as first factor.
    PhoneNumber,
    /// A second factor; [`Method::kind`] says which.
    Mfa,
    /// A URL that an Action recorded. Seen by Actions only, never in a token.
    #[serde(untagged)]
    Custom(String),
}

/// The kind of a second factor, as in `event.authentication.methods[].type` and `mfa_requirements`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactorType {
    /// A one-time password of an authenticator app.
    Otp,
    /// A code by text message or call.
    Phone,
    /// A push notification to the Guardian app.
    PushNotification,
    /// A code by email.
    Email,
    /// A security key.
    WebauthnRoaming,
    /// The device's own authenticator.
    WebauthnPlatform,
    /// The recovery code.
    RecoveryCode,
}

impl FactorType {
    /// Returns the name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Phone => "phone",
            Self::PushNotification => "push-notification",
            Self::Email => "email",
            Self::WebauthnRoaming => "webauthn-roaming",
            Self::WebauthnPlatform => "webauthn-platform",
            Self::RecoveryCode => "recovery-code",
        }
    }
}

impl fmt::Display for FactorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the private key of a WebAuthn credential lives, by its backup-eligible flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Bound to one device: backup-eligible flag 0.
    Hardware,
    /// Synced between devices: backup-eligible flag 1.
    Software,
}

/// How a method was carried out, where its name does not say so. Never exposed, only read by the claims table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// By text message.
    Sms,
    /// By telephone call.
    Voice,
    /// By a typed code although the factor is push.
    Otp,
    /// By a WebAuthn credential.
    Key {
        /// Where the private key lives.
        kept: Kept,
        /// Whether the authenticator verified the user (PIN, fingerprint, face): the UV flag.
        user_verified: bool,
    },
}

/// One proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// What was proven.
    pub name: MethodName,
    /// Which second factor; only with [`MethodName::Mfa`].
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FactorType>,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
    /// When it succeeded.
    pub at: Timestamp,
}

impl Method {
    /// Returns the proof of a first factor.
    pub const fn first(name: MethodName, at: Timestamp) -> Self {
        Self { name, kind: None, detail: None, at }
    }

    /// Returns the proof of a second factor.
    pub const fn second(kind: FactorType, at: Timestamp) -> Self {
        Self { name: MethodName::Mfa, kind: Some(kind), detail: None, at }
    }

    /// Returns the same proof with how it was carried out.
    #[must_use]
    pub const fn with(mut self, detail: Detail) -> Self {
        self.detail = Some(detail);
        self
    }
}

/// The proofs of a session or grant, oldest first, one for each (name, type).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// Starts a new list with a first factor: what an earlier ceremony proved is forgotten.
    pub fn begin(first: Method) -> Self {
        Self(vec![first])
    }

    /// Adds a proof at the end. A repeated (name, type) replaces its entry, so that `at` tells the last time.
    ///
    /// The order is that of the events, not of their times: a clock that jumped back changes nothing.
    pub fn record(&mut self, method: Method) {
        self.0.retain(|m| m.name != method.name || m.kind != method.kind);
        self.0.push(method);
    }

    /// Returns the proofs, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        self.0.iter()
    }

    /// Returns whether nothing was proven.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How far a proof may lie in the future and still be fresh: nodes of one cluster disagree by about so much.
const CLOCK_SKEW: Span = Span::seconds(5);

/// Returns whether `at` is no longer than `age` before `now`.
///
/// A time in the future is not fresh (the clock jumped back): it says nothing about when it really happened.
pub fn within(at: Timestamp, age: Span, now: Timestamp) -> bool {
    let elapsed = now.since(at);
    elapsed <= age && elapsed.as_millis() >= -CLOCK_SKEW.as_millis()
}

impl FromIterator<Method> for Methods {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        let mut list = Self::default();
        for method in methods {
            list.record(method);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn a_repeated_method_moves_its_time_and_stays_one_entry() {
        let mut methods = Methods::begin(Method::first(MethodName::Pwd, T));
        methods.record(Method::second(FactorType::Otp, T + Span::seconds(5)));
        methods.record(Method::second(FactorType::Otp, T + Span::hours(1)));
        assert_eq!(methods.iter().count(), 2);
        assert_eq!(methods.iter().last().map(|m| m.at), Some(T + Span::hours(1)));
        methods.record(Method::second(FactorType::RecoveryCode, T + Span::hours(2)));
        assert_eq!(methods.iter().count(), 3);
    }

    #[test]
    fn stored_lists_read_back_and_their_shape_does_not_change() {
        let methods: Methods = [
            Method::first(MethodName::Pwd, T),
            Method::second(FactorType::Phone, T).with(Detail::Voice),
            Method::second(FactorType::WebauthnRoaming, T)
                .with(Detail::Key { kept: Kept::Hardware, user_verified: true }),
            Method::first(MethodName::Custom("https://a.example/m".into()), T),
        ]
        .into_iter()
        .collect();
        let json = serde_json::to_string(&methods).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"[{"name":"pwd","at":1000000000},"#,
                r#"{"name":"mfa","type":"phone","detail":"voice","at":1000000000},"#,
                r#"{"name":"mfa","type":"webauthn-roaming","detail":{"key":{"kept":"hardware","user_verified":true}},"at":1000000000},"#,
                r#"{"name":"https://a.example/m","at":1000000000}]"#
            )
        );
        assert_eq!(serde_json::from_str::<Methods>(&json).unwrap(), methods);
    }

    #[test]
    fn a_proof_from_the_future_is_not_fresh() {
        assert!(within(T, Span::seconds(60), T + Span::seconds(60)));
        assert!(!within(T, Span::seconds(60), T + Span::seconds(61)));
        assert!(!within(T, Span::seconds(60), T - Span::hours(1)));
    }
}
