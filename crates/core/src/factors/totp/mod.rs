//! Authenticator apps: time-based one-time passwords (RFC 6238).
//!
//! - A step is spent once, for good: only steps above the highest spent one count, whatever the clock says now.
//! - One step either side of the present one is accepted (the phone's clock drifts); in the `assured` profile none.
//! - Codes are texts of exactly the configured length. Spaces and dashes in between are ignored. Only the ASCII digits
//!   count: digits of other scripts are refused as malformed, everywhere.

mod algorithm;
pub mod device;
pub mod seed;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::{
    Begun, Challenge, ChallengeAsk, Confirmed, Draft, EnrolAsk, Factor, FactorError, FactorKind, Finding,
    Input, Shown, Spend, digits, read, write,
};
use crate::assurance::{FactorType, Method};
use crate::env::Env;
use crate::ids::{AuthenticatorId, UserId};
use crate::model::authenticator::Authenticator;
use crate::model::settings::Profile;
use crate::time::Timestamp;

pub use algorithm::Algorithm;
pub use seed::{Seed, SeedError};

/// The parameters of one authenticator app entry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// The shared secret.
    pub secret: Seed,
    /// The hash.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// The length of a code: 6 or 8.
    #[serde(default = "six")]
    pub digits: u32,
    /// The length of a step in seconds.
    #[serde(default = "thirty")]
    pub period: i64,
}

const fn six() -> u32 {
    6
}

const fn thirty() -> i64 {
    30
}

impl Parameters {
    /// Returns the parameters that every app understands: SHA-1, six digits, thirty seconds.
    pub const fn usual(secret: Seed) -> Self {
        Self { secret, algorithm: Algorithm::Sha1, digits: 6, period: 30 }
    }

    /// Returns the number of the step at that moment.
    pub fn step_at(&self, at: Timestamp) -> i64 {
        at.as_secs().div_euclid(self.period.max(1))
    }

    /// Returns the code of a step.
    pub fn code(&self, step: i64) -> String {
        algorithm::code(self.algorithm, self.secret.bytes(), step, self.digits)
    }

    /// Returns the `otpauth://` URI that a QR code carries. The label is `issuer:account`.
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let (issuer, account) = (encode(issuer), encode(account));
        format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm={}&digits={}&period={}",
            self.secret.base32(),
            self.algorithm.name(),
            self.digits,
            self.period
        )
    }

    fn read(data: &Value) -> Result<Self, FactorError> {
        read(data)
    }
}

/// Returns an authenticator made from a known seed, already confirmed: imports and the Management API.
pub fn imported(
    id: AuthenticatorId,
    user: UserId,
    parameters: &Parameters,
    name: Option<String>,
    now: Timestamp,
) -> Result<Authenticator, FactorError> {
    Ok(Authenticator {
        id,
        user,
        kind: FactorKind::Totp,
        confirmed: true,
        name,
        data: write(parameters)?,
        spent_step: None,
        created_at: now,
        enrolled_at: Some(now),
        last_auth_at: None,
        link_id: None,
    })
}

/// Returns whether an authenticator app entry holds this seed: a second one with it would be the same thing twice.
pub fn holds_seed(on: &Authenticator, seed: &Seed) -> bool {
    on.kind == FactorKind::Totp
        && Parameters::read(&on.data).is_ok_and(|p| bool::from(p.secret.bytes().ct_eq(seed.bytes())))
}

pub(super) struct Totp;

impl Factor for Totp {
    fn begin_enrolment(&self, _ask: &EnrolAsk, env: &mut Env) -> Result<Begun, FactorError> {
        write(&Parameters::usual(Seed::generate(env.rng()))).map(Begun::with)
    }

    fn shown(&self, draft: &Draft) -> Result<Shown, FactorError> {
        let parameters = Parameters::read(&draft.data)?;
        Ok(Shown::Totp {
            secret: parameters.secret.base32(),
            manual_key: parameters.secret.grouped(),
            uri: parameters.uri(&draft.issuer, &draft.account),
        })
    }

    fn confirm(&self, draft: &Draft, input: &Input, env: &mut Env) -> Result<Confirmed, FactorError> {
        let parameters = Parameters::read(&draft.data)?;
        match check(&parameters, None, draft.profile, input, env.now) {
            Finding::Right { method, spend, .. } => {
                Ok(Confirmed { data: draft.data.clone(), proof: Some((method, spend)) })
            }
            Finding::Malformed => Err(FactorError::Malformed),
            Finding::Wrong | Finding::Replayed | Finding::Copied => Err(FactorError::Wrong),
        }
    }

    fn begin_challenge(
        &self,
        on: &[&Authenticator],
        _ask: &ChallengeAsk,
        _env: &mut Env,
    ) -> Result<Begun, FactorError> {
        // One app that cannot be read does not take the others along.
        let readable = on.iter().any(|on| Parameters::read(&on.data).is_ok());
        if readable { Ok(Begun::with(Value::Null)) } else { Err(FactorError::Broken) }
    }

    fn verify(&self, on: &Authenticator, asked: &Challenge, input: &Input, env: &Env) -> Finding {
        match Parameters::read(&on.data) {
            Ok(parameters) => check(&parameters, on.spent_step, asked.profile, input, env.now),
            Err(_) => Finding::Wrong,
        }
    }
}

/// Finds the step whose code was typed. All candidates are compared, each in constant time.
fn check(
    parameters: &Parameters,
    spent: Option<i64>,
    profile: Profile,
    input: &Input,
    now: Timestamp,
) -> Finding {
    let Some(typed) = digits(input, parameters.digits) else { return Finding::Malformed };
    let window = match profile {
        Profile::Faithful => 1,
        Profile::Assured => 0,
    };
    let present = parameters.step_at(now);
    let matching: Vec<i64> = (present - window..=present + window)
        .filter(|step| bool::from(parameters.code(*step).as_bytes().ct_eq(typed.as_bytes())))
        .collect();
    // Two steps may share a code (one in a million); the older unspent one is taken.
    match matching.iter().find(|step| spent.is_none_or(|spent| **step > spent)) {
        Some(step) => Finding::Right {
            method: Method::second(FactorType::Otp, now),
            spend: Some(Spend::Step(*step)),
            remark: None,
        },
        None if matching.is_empty() => Finding::Wrong,
        None => Finding::Replayed,
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters: a blank becomes `%20`, never `+`, which apps show as it is.
fn encode(text: &str) -> String {
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests;
