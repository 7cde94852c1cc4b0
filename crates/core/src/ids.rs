//! Typed identifiers in Auth0's shapes (contract/management-api.md 1.10).
//!
//! Two of them never get mixed up, since each is a type of its own; `new` draws one, `parse` takes one from outside.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::random::Rng;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind} id")]
pub struct InvalidId {
    /// The kind of identifier that was expected.
    pub kind: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, |$rng:ident| $make:expr, |$text:ident| $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Draws a new identifier.
            pub fn new($rng: &mut dyn Rng) -> Self {
                Self($make)
            }

            /// Parses an identifier that came from outside.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let $text = text.as_str();
                if $valid { Ok(Self(text)) } else { Err(InvalidId { kind: $kind }) }
            }

            /// Takes an identifier from our own storage, where only valid ones are written.
            pub fn trusted(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn prefixed(text: &str, prefix: &str, len: usize) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == len && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Printable, without control characters, and short enough for a column and a log line.
fn printable(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= max && !text.chars().any(char::is_control)
}

/// Draws a UUID of version 4 (RFC 9562 section 5.4).
fn uuid(rng: &mut dyn Rng) -> String {
    let mut bytes: [u8; 16] = rng.bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Of any version: imported ones need not be ours.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

id!(
    /// A user: `auth0|` and 24 hexadecimal digits, or `provider|anything` for others.
    UserId, "user", |rng| format!("auth0|{}", rng.hex(24)), |t| printable(t, 1024) && t.contains('|')
);
id!(
    /// An application: 32 characters of `[A-Za-z0-9]`. Imported ones may be shorter.
    ClientId, "client", |rng| rng.alphanumeric(32), |t| printable(t, 64)
);
id!(
    /// A connection: `con_` and 16 characters.
    ConnectionId, "connection", |rng| format!("con_{}", rng.alphanumeric(16)), |t| prefixed(t, "con_", 16)
);
id!(
    /// A client grant: `cgr_` and 16 characters.
    ClientGrantId, "client grant", |rng| format!("cgr_{}", rng.alphanumeric(16)), |t| prefixed(t, "cgr_", 16)
);
id!(
    /// An API (resource server): 24 hexadecimal digits.
    ResourceServerId, "resource server", |rng| rng.hex(24), |t| hex(t, 24)
);
id!(
    /// An enrolled authenticator: `dev_` and 16 characters (95 bits), the same as its Guardian enrolment id.
    AuthenticatorId, "authenticator", |rng| format!("dev_{}", rng.alphanumeric(16)), |t| prefixed(t, "dev_", 16)
);
id!(
    /// An enrolment ticket: `gten_` and 24 hexadecimal digits.
    TicketId, "ticket", |rng| format!("gten_{}", rng.hex(24)), |t| t.strip_prefix("gten_").is_some_and(|r| hex(r, 24))
);
id!(
    /// A browser session, the `sid` claim: 24 URL-safe characters. Not the cookie: that is a separate secret handle.
    SessionId, "session", |rng| rng.alphanumeric(24), |t| printable(t, 64)
);
id!(
    /// A login transaction: the `state` of a Universal Login page, 192 bits.
    TransactionId, "transaction", |rng| rng.url_safe(32), |t| t.len() == 32 && printable(t, 32)
);
id!(
    /// A stored consent: 24 hexadecimal digits.
    ConsentId, "grant", |rng| rng.hex(24), |t| hex(t, 24)
);
id!(
    /// A refresh-token family: 24 hexadecimal digits.
    GrantId, "refresh token", |rng| rng.hex(24), |t| hex(t, 24)
);
id!(
    /// A signing key's `kid`: 21 URL-safe characters.
    KeyId, "key", |rng| rng.url_safe(21), |t| printable(t, 64)
);
id!(
    /// A tenant log record: 56 digits that grow with insertion (contract/log-events.md 1).
    LogId, "log", |rng| rng.digits(56), |t| t.len() == 56 && t.bytes().all(|b| b.is_ascii_digit())
);
id!(
    /// An outbox message: 24 hexadecimal digits.
    MessageId, "message", |rng| rng.hex(24), |t| hex(t, 24)
);
id!(
    /// A remembered browser: 24 hexadecimal digits.
    RememberedBrowserId, "remembered browser", |rng| rng.hex(24), |t| hex(t, 24)
);
id!(
    /// A role: `rol_` and 16 characters.
    RoleId, "role", |rng| format!("rol_{}", rng.alphanumeric(16)), |t| prefixed(t, "rol_", 16)
);
id!(
    /// A job: `job_` and 16 characters.
    JobId, "job", |rng| format!("job_{}", rng.alphanumeric(16)), |t| prefixed(t, "job_", 16)
);
id!(
    /// A client's credential: `cred_` and 22 characters.
    CredentialId, "credential", |rng| format!("cred_{}", rng.alphanumeric(22)), |t| prefixed(t, "cred_", 22)
);
id!(
    /// A public key of a device: `dcr_` and 16 characters.
    DeviceCredentialId, "device credential", |rng| format!("dcr_{}", rng.alphanumeric(16)), |t| prefixed(t, "dcr_", 16)
);
id!(
    /// An Action: a UUID of version 4.
    ActionId, "action", |rng| uuid(rng), |t| is_uuid(t)
);
id!(
    /// A version of an Action: a UUID of version 4.
    ActionVersionId, "action version", |rng| uuid(rng), |t| is_uuid(t)
);
id!(
    /// An Action's place in a trigger: a UUID of version 4.
    BindingId, "binding", |rng| uuid(rng), |t| is_uuid(t)
);
id!(
    /// A module that Actions share: a UUID of version 4.
    ModuleId, "module", |rng| uuid(rng), |t| is_uuid(t)
);
id!(
    /// A version of a module: a UUID of version 4.
    ModuleVersionId, "module version", |rng| uuid(rng), |t| is_uuid(t)
);
id!(
    /// A log stream: `lst_` and 16 digits.
    LogStreamId, "log stream", |rng| format!("lst_{}", rng.digits(16)), |t| {
        t.strip_prefix("lst_").is_some_and(|r| r.len() == 16 && r.bytes().all(|b| b.is_ascii_digit()))
    }
);
id!(
    /// An entry of `keys/encryption`: a UUID of version 4.
    EncryptionKeyId, "encryption key", |rng| uuid(rng), |t| is_uuid(t)
);
id!(
    /// A decision record: 24 hexadecimal digits.
    DecisionId, "decision", |rng| rng.hex(24), |t| hex(t, 24)
);

impl UserId {
    /// Returns the id of a database user with this identity id, `auth0|<id>`.
    pub fn database(identity: &str) -> Result<Self, InvalidId> {
        Self::parse(format!("auth0|{identity}"))
    }

    /// Returns the two parts, provider and identity id: `("auth0", "665f…")`.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('|').unwrap_or(("", &self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRng;

    #[test]
    fn drawn_ids_parse_as_their_kind() {
        let rng: &mut dyn Rng = &mut SeededRng::new(3);
        for _ in 0..100 {
            assert!(UserId::parse(UserId::new(rng).as_str()).is_ok());
            assert!(ConnectionId::parse(ConnectionId::new(rng).as_str()).is_ok());
            assert!(AuthenticatorId::parse(AuthenticatorId::new(rng).as_str()).is_ok());
            assert!(TicketId::parse(TicketId::new(rng).as_str()).is_ok());
            assert!(ResourceServerId::parse(ResourceServerId::new(rng).as_str()).is_ok());
            assert!(LogStreamId::parse(LogStreamId::new(rng).as_str()).is_ok());
            let action = ActionId::new(rng);
            assert!(ActionId::parse(action.as_str()).is_ok());
            assert!(
                action.as_str().as_bytes()[14] == b'4' && b"89ab".contains(&action.as_str().as_bytes()[19])
            );
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        assert!(UserId::parse("{id}").is_err());
        assert!(UserId::parse("auth0|a\u{0}b").is_err());
        assert!(AuthenticatorId::parse("dev_short").is_err());
        assert!(ConnectionId::parse("con_../../../../etc").is_err());
        assert!(ActionId::parse("6f0c2e0e-7a51-4d0f-9c43_2f6f0f3a9b17").is_err());
        assert!(LogStreamId::parse("lst_00000000000000x2").is_err());
    }

    #[test]
    fn the_next_authenticators_id_cannot_be_told_from_the_last() {
        let rng: &mut dyn Rng = &mut crate::random::SystemRng;
        let ids: Vec<_> = (0..1000).map(|_| AuthenticatorId::new(rng).as_str().to_owned()).collect();
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
        let random: Vec<_> =
            ids.iter().map(|id| id.split_once("dev_").map_or(id.as_str(), |(_, r)| r)).collect();
        // 16 letters and digits of 62 are 95 bits.
        assert!(random.iter().all(|r| r.len() >= 16), "{}", ids[0]);
        for place in 0..16 {
            let seen: std::collections::HashSet<_> = random.iter().map(|r| r.as_bytes()[place]).collect();
            assert!(seen.len() > 30, "place {place} is nearly always the same");
        }
        assert!(!ids.is_sorted() && !ids.iter().rev().is_sorted());
    }
}
