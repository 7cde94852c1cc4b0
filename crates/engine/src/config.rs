//! Every setting of the server, with its meaning and default: [`settings`] is the table, [`server`] reads file and environment.

pub mod server;
pub mod settings;
mod values;

use std::fmt;
use std::sync::Arc;

use lockstep_core::assurance::Rules;
use lockstep_core::crypto::hasher::HashParams;
use lockstep_core::env::Issuer;
use lockstep_core::factors::RelatedOrigins;
use lockstep_core::factors::webauthn::attestation::Models;
use lockstep_core::model::settings::Profile;
use lockstep_core::time::Span;

/// What an [`crate::app::App`] has to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are on the wire, `https://login.example.org/`. Links and tokens take it from here, never from a request.
    pub issuer: Issuer,
    /// Which behaviour counts where Auth0 and the standards disagree.
    pub profile: Profile,
    /// Whether a passkey that verified its user is multi-factor by itself; none: as the profile has it.
    pub passkey_satisfies_mfa: Option<bool>,
    /// Pages and applications elsewhere that may ask for passkeys of this domain.
    pub related_origins: RelatedOrigins,
    /// The models of keys that may be enrolled; none: all, and no key has to prove its model.
    pub key_models: Option<Arc<Models>>,
    /// The host of a former issuer whose people's keys are given up.
    pub abandoned_domain: Option<String>,
    /// Whether the Management API lists the issuer's host as a custom domain that is ready.
    pub expose_primary_domain: bool,
    /// How costly password hashes are.
    pub hashing: HashParams,
    /// How many passwords are hashed at a time.
    pub hashing_threads: usize,
    /// How many may wait for that before an answer of 503.
    pub hashing_queue: usize,
    /// How long tenant logs are kept.
    pub log_retention: Span,
    /// The countries that messages and calls may go to; empty: all.
    pub phone_countries: Vec<String>,
    /// How many messages and calls are sent in a day.
    pub phone_messages_per_day: i64,
    /// Who carries them.
    pub providers: ProvidersConfig,
    /// Whether this is the twin: `/_dev/` is there, and the clock can be set.
    pub dev: bool,
}

/// What those who carry messages need of the server.
#[derive(Clone, Debug)]
pub struct ProvidersConfig {
    /// Twilio's API.
    pub twilio_url: String,
    /// Where mail providers with an HTTP API are, instead of at their own addresses.
    pub mail_api_url: Option<String>,
    /// The operator's own hook.
    pub hook_url: Option<String>,
    /// What its calls are signed with.
    pub hook_secret: Option<String>,
    /// The operator's account at Amazon SNS.
    pub sns: Option<SnsConfig>,
    /// Whether providers may be in private networks.
    pub private_networks: bool,
}

/// An account at Amazon SNS.
#[derive(Clone)]
pub struct SnsConfig {
    /// The region that messages are sent from.
    pub region: String,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The name that people see as the sender, where their country allows one.
    pub sender_id: Option<String>,
    /// Where SNS is, instead of at its own address.
    pub api_url: Option<String>,
}

/// Without the key.
impl fmt::Debug for SnsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnsConfig").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Default for ProvidersConfig {
    fn default() -> Self {
        Self {
            twilio_url: "https://api.twilio.com".to_owned(),
            mail_api_url: None,
            hook_url: None,
            hook_secret: None,
            sns: None,
            private_networks: false,
        }
    }
}

impl Config {
    /// Returns the defaults for an issuer.
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            profile: Profile::Faithful,
            passkey_satisfies_mfa: None,
            related_origins: RelatedOrigins::default(),
            key_models: None,
            abandoned_domain: None,
            expose_primary_domain: false,
            hashing: HashParams::default(),
            hashing_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            hashing_queue: 256,
            log_retention: Span::days(30),
            phone_countries: Vec::new(),
            phone_messages_per_day: 10_000,
            providers: ProvidersConfig::default(),
            dev: false,
        }
    }

    /// Returns what counts as multi-factor here. Auth0 asks for MFA after a passkey too; NIST SP 800-63B-4 (2.2.1) counts a key that verified
    /// its user as two factors.
    pub fn rules(&self) -> Rules {
        let passkey_satisfies_mfa = self.passkey_satisfies_mfa.unwrap_or(self.profile == Profile::Assured);
        Rules { profile: self.profile, passkey_satisfies_mfa }
    }
}
