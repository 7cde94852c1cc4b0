//! Who asks for a key, and how: what the browser and the key are told of us.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Host, Url};

use super::super::FactorKind;
use crate::env::Issuer;
use crate::model::settings::Guardian;
use crate::random::Rng;

/// Who asks for a key. A key belongs to one relying party for good: it answers to no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelyingParty {
    id: String,
    origins: Vec<String>,
}

/// Why something is no relying party.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelyingPartyError {
    /// The identifier is no domain name in its normal spelling.
    #[error("{0:?} is not a domain name in lower case, such as login.example.org")]
    Id(String),
    /// A page that asks is no origin, or not a secure one.
    #[error("{0:?} is not an origin such as https://login.example.org")]
    Origin(String),
    /// No browser lets this page use that identifier.
    #[error("pages of {origin:?} cannot use keys of {id:?}: it is neither their domain nor above it")]
    OtherDomain {
        /// The identifier.
        id: String,
        /// The page.
        origin: String,
    },
    /// It is neither a page elsewhere nor an application that could ask.
    #[error(
        "{0:?} is no related origin: write an https origin whose host is a domain, such as https://shop.example.net, or an Android \
         application, android:apk-key-hash: and the SHA-256 of its signing certificate in base64url without padding"
    )]
    Related(String),
    /// There is no page that could ask.
    #[error("a relying party needs at least one origin")]
    NoOrigin,
}

impl RelyingParty {
    /// Parses a relying party: its identifier (a domain), and the origins of the pages that may ask.
    pub fn parse(id: &str, origins: &[&str]) -> Result<Self, RelyingPartyError> {
        Self::with_related(id, origins, &RelatedOrigins::default())
    }

    /// Parses a relying party some of whose origins may lie elsewhere: those that are named as related, and no others.
    pub fn with_related(
        id: &str,
        origins: &[&str],
        related: &RelatedOrigins,
    ) -> Result<Self, RelyingPartyError> {
        if !is_domain(id) {
            return Err(RelyingPartyError::Id(id.to_owned()));
        }
        if origins.is_empty() {
            return Err(RelyingPartyError::NoOrigin);
        }
        for origin in origins.iter().filter(|origin| !related.has(origin)) {
            let host = secure_host(origin).ok_or_else(|| RelyingPartyError::Origin((*origin).to_owned()))?;
            let below = host.strip_suffix(id).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            if !below {
                let (id, origin) = (id.to_owned(), (*origin).to_owned());
                return Err(RelyingPartyError::OtherDomain { id, origin });
            }
        }
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Ok(Self { id: id.to_owned(), origins })
    }

    /// Returns the relying party of a server: its own domain, or the one that is named, if its pages may ask for that.
    pub fn at(issuer: &Issuer, named: Option<&str>) -> Result<Self, RelyingPartyError> {
        Self::parse(named.unwrap_or(issuer.host()), &[issuer.origin()])
    }

    /// Returns the identifier: the domain whose keys are asked for.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns whether pages of this origin may ask. Compared whole: no prefix, suffix, port or letter case is forgiven.
    pub fn has_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == origin)
    }
}

/// Origins outside of the domain whose pages and applications may ask for its keys all the same, because the operator says so.
///
/// Browsers let a web page do so if the domain serves a list of such pages (WebAuthn Level 3 section 5.11). An Android application proves
/// itself by `assetlinks.json`; its origin is `android:apk-key-hash:` and the hash of the certificate that signed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelatedOrigins(Vec<String>);

/// What the origin of an Android application begins with.
const ANDROID: &str = "android:apk-key-hash:";

impl RelatedOrigins {
    /// Parses a list, each in its only spelling. One that stands twice counts once.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, RelyingPartyError> {
        let mut all = Vec::new();
        for origin in list {
            let fits = match origin.strip_prefix(ANDROID) {
                Some(hash) => URL_SAFE_NO_PAD.decode(hash).is_ok_and(|hash| hash.len() == 32),
                None => {
                    origin.starts_with("https://") && secure_host(origin).is_some_and(|host| is_domain(&host))
                }
            };
            if !fits {
                return Err(RelyingPartyError::Related(origin.to_owned()));
            }
            if !all.iter().any(|known| known == origin) {
                all.push(origin.to_owned());
            }
        }
        Ok(Self(all))
    }

    /// Returns whether an origin is one of them. Compared whole.
    pub fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|known| known == origin)
    }

    /// Returns the web pages, which the domain has to name to browsers.
    pub fn pages(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|origin| !origin.starts_with(ANDROID))
    }

    /// Returns the applications.
    pub fn applications(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|origin| origin.starts_with(ANDROID))
    }
}

/// Returns whether a text is a domain name in its normal spelling.
pub(super) fn is_domain(text: &str) -> bool {
    let domain = matches!(Host::parse(text), Ok(Host::Domain(domain)) if domain == text);
    // The parser of URLs lets more pass than is in any name, stars among it.
    let named = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    domain && named && !text.starts_with('.') && !text.ends_with('.')
}

/// Returns the host of an origin in its normal spelling. Browsers offer WebAuthn on `https` and on the machine itself only.
fn secure_host(origin: &str) -> Option<String> {
    let url = Url::parse(origin).ok()?;
    if url.origin().ascii_serialization() != origin {
        return None;
    }
    let host = url.host_str()?.to_owned();
    let local = host == "localhost" || host.ends_with(".localhost");
    (url.scheme() == "https" || (url.scheme() == "http" && local)).then_some(host)
}

/// Whether a key has to verify its user by PIN, fingerprint or face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserVerification {
    /// It should not bother them.
    Discouraged,
    /// It should if it can.
    Preferred,
    /// It must: an answer without is refused.
    Required,
}

impl UserVerification {
    /// What a fresh tenant asks of security keys.
    pub const UNSET: Self = Self::Required;

    /// Parses the name that settings and browsers use.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "discouraged" => Some(Self::Discouraged),
            "preferred" => Some(Self::Preferred),
            "required" => Some(Self::Required),
            _ => None,
        }
    }

    /// Returns the name that settings and browsers use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discouraged => "discouraged",
            Self::Preferred => "preferred",
            Self::Required => "required",
        }
    }
}

/// How keys of one kind are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRules {
    /// Who asks.
    pub relying_party: RelyingParty,
    /// Whether the user has to be verified.
    pub user_verification: UserVerification,
}

/// How keys of both kinds are asked for; none where there is no domain that could ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Security keys.
    pub roaming: Option<KeyRules>,
    /// The device's own.
    pub platform: Option<KeyRules>,
}

impl Keys {
    /// Returns how a tenant asks for keys: for its own domain, unless it has named another that its pages may ask for.
    pub fn of(issuer: &Issuer, guardian: &Guardian) -> Self {
        // Asked at each login, and a domain is parsed for it: once, as long as nobody names another.
        let own = RelyingParty::at(issuer, None).ok();
        let rules = |factor: &str, user_verification: Option<UserVerification>| {
            let settings = guardian.other.get(&format!("{factor}.settings"));
            let setting = |name: &str| settings.and_then(|settings| settings.get(name));
            let overrides = setting("overrideRelyingParty").and_then(Value::as_bool) == Some(true);
            let named = setting("relyingPartyIdentifier").and_then(Value::as_str).filter(|_| overrides);
            let relying_party = match named {
                Some(_) => RelyingParty::at(issuer, named).ok()?,
                None => own.clone()?,
            };
            let set = setting("userVerification").and_then(Value::as_str).and_then(UserVerification::parse);
            let user_verification = user_verification.or(set).unwrap_or(UserVerification::UNSET);
            Some(KeyRules { relying_party, user_verification })
        };
        Self {
            roaming: rules("webauthn-roaming", None),
            // What unlocks the device is the very point of it.
            platform: rules("webauthn-platform", Some(UserVerification::Required)),
        }
    }

    /// Returns how keys of a kind are asked for.
    pub const fn rules(&self, kind: FactorKind) -> Option<&KeyRules> {
        match kind {
            FactorKind::WebauthnRoaming => self.roaming.as_ref(),
            FactorKind::WebauthnPlatform => self.platform.as_ref(),
            FactorKind::Totp | FactorKind::Phone | FactorKind::Email | FactorKind::RecoveryCode => None,
        }
    }
}

/// The name under which a person's keys know them: random, so that a key that is found tells nothing, and the same for as long as the
/// account is there, so that a key that enrols again replaces its own entry (WebAuthn section 14.6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserHandle(String);

impl UserHandle {
    /// Draws a new one: 32 bytes in base64url.
    pub fn new(rng: &mut dyn Rng) -> Self {
        Self(URL_SAFE_NO_PAD.encode(rng.bytes::<32>()))
    }

    /// Takes a handle from our own storage.
    pub fn trusted(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the handle in base64url.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://login.example.org";

    #[test]
    fn an_identifier_is_the_domain_of_its_pages_or_one_above_it() {
        for id in ["login.example.org", "example.org"] {
            assert!(RelyingParty::parse(id, &[ORIGIN, "https://login.example.org:8443"]).is_ok());
        }
        for (id, origin) in [
            ("login.example.org", "https://example.org"),
            ("ample.org", ORIGIN),
            ("example.org", "https://evil-example.org"),
            ("example.org", "https://example.org.evil.test"),
        ] {
            let refused = RelyingParty::parse(id, &[origin]);
            assert!(matches!(refused, Err(RelyingPartyError::OtherDomain { .. })), "{id} {origin}");
        }
        assert!(RelyingParty::parse("localhost", &["https://localhost:8443"]).is_ok());
        assert!(RelyingParty::parse("localhost", &["http://localhost:8443"]).is_ok());
        assert_eq!(RelyingParty::parse("example.org", &[]), Err(RelyingPartyError::NoOrigin));
    }

    #[test]
    fn related_origins_are_those_that_are_named_and_in_one_spelling() {
        let app = "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w";
        let related =
            RelatedOrigins::parse(["https://shop.example.net", app, "https://shop.example.net"]).unwrap();
        assert_eq!(related.pages().collect::<Vec<_>>(), ["https://shop.example.net"]);
        assert_eq!(related.applications().collect::<Vec<_>>(), [app]);
        let parse =
            |origin: &str| RelyingParty::with_related("login.example.org", &[ORIGIN, origin], &related);
        for origin in ["https://shop.example.net", app] {
            assert!(parse(origin).unwrap().has_origin(origin));
            assert!(RelyingParty::parse("login.example.org", &[origin]).is_err(), "{origin} is not named");
        }
        for other in [
            "https://shop.example.net:8443",
            "http://shop.example.net",
            "https://shop.example.net/",
            "https://SHOP.example.net",
            "https://a.shop.example.net",
            "https://example.net",
            "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w=",
            "android:apk-key-hash:AAYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w",
        ] {
            assert!(parse(other).is_err(), "{other}");
            assert!(!parse(ORIGIN).unwrap().has_origin(other), "{other}");
        }
        for wrong in [
            "",
            "*",
            "https://*.example.net",
            "shop.example.net",
            "http://shop.example.net",
            "http://localhost",
            "https://shop.example.net/",
            "https://shop.example.net:443",
            "https://SHOP.example.net",
            "https://192.0.2.1",
            "https://u@shop.example.net",
            "android:apk-key-hash:",
            "android:apk-key-hash:abc",
            "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w=",
            "ios:bundle-id:example",
        ] {
            let refused = RelatedOrigins::parse([wrong]);
            assert_eq!(refused, Err(RelyingPartyError::Related(wrong.to_owned())));
        }
    }

    #[test]
    fn a_tenant_asks_for_its_own_domain_or_for_the_one_above_it_that_it_names() {
        let issuer = Issuer::parse("https://login.example.org:8443/").unwrap();
        let keys = |settings: Value| {
            let mut guardian = Guardian::default();
            for name in ["webauthn-roaming.settings", "webauthn-platform.settings"] {
                guardian.other.insert(name.to_owned(), settings.clone());
            }
            Keys::of(&issuer, &guardian)
        };
        let id = |keys: &Keys| keys.roaming.as_ref().map(|rules| rules.relying_party.id().to_owned());
        let fresh = Keys::of(&issuer, &Guardian::default());
        assert_eq!(id(&fresh).as_deref(), Some("login.example.org"));
        let rules = fresh.rules(FactorKind::WebauthnRoaming).unwrap();
        assert_eq!(rules.user_verification, UserVerification::Required);
        assert!(rules.relying_party.has_origin("https://login.example.org:8443"));
        assert!(!rules.relying_party.has_origin("https://login.example.org"));
        let named = |overrides: bool, name: &str| {
            keys(serde_json::json!({
                "userVerification": "discouraged", "overrideRelyingParty": overrides, "relyingPartyIdentifier": name,
            }))
        };
        assert_eq!(id(&named(false, "example.org")).as_deref(), Some("login.example.org"));
        let above = named(true, "example.org");
        assert_eq!(id(&above).as_deref(), Some("example.org"));
        assert_eq!(above.roaming.as_ref().unwrap().user_verification, UserVerification::Discouraged);
        assert_eq!(above.platform.as_ref().unwrap().user_verification, UserVerification::Required);
        assert_eq!(named(true, "elsewhere.test"), Keys::default());
        let by_number = Issuer::parse("https://127.0.0.1:8443/").unwrap();
        assert_eq!(Keys::of(&by_number, &Guardian::default()), Keys::default());
    }

    #[test]
    fn what_is_no_domain_or_no_origin_is_refused() {
        for id in ["", "Example.org", "example.org.", ".org", "127.0.0.1", "[::1]", "a/b", "exämple.org"] {
            let refused = RelyingParty::parse(id, &[ORIGIN]);
            assert!(matches!(refused, Err(RelyingPartyError::Id(_))), "{id}: {refused:?}");
        }
        for origin in [
            "https://login.example.org/",
            "https://LOGIN.example.org",
            "https://login.example.org:443",
            "http://login.example.org",
            "login.example.org",
            "null",
            "android:apk-key-hash:abc",
        ] {
            let refused = RelyingParty::parse("example.org", &[origin]);
            assert!(matches!(refused, Err(RelyingPartyError::Origin(_))), "{origin}: {refused:?}");
        }
    }
}
