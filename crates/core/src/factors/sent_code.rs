//! Codes that are sent: drawn here, kept as a hash, compared in constant time. Shared by all factors that reach a person.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::salted_hash::SaltedHash;
use super::{Confirmed, FactorError, Finding, Input, Spend, digits};
use crate::assurance::Method;
use crate::env::Env;
use crate::model::message::{Channel, CodeToSend, Purpose};
use crate::time::Span;

/// Digits of a code (contract/universal-login.md 12).
pub(super) const DIGITS: u32 = 6;
/// How long a code works.
pub(super) const LIFE: Span = Span::minutes(5);
/// Wrong answers after which a code is dead, whatever comes then.
pub(super) const GUESSES: u8 = 5;
/// How long to wait before another one may be asked for.
pub const RESEND_AFTER: Span = Span::seconds(30);

/// What is kept of a code that was sent.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SentCode(SaltedHash);

impl SentCode {
    /// Draws a code. The caller sends it in the commit that stores this.
    pub(super) fn draw(channel: Channel, to: &str, purpose: Purpose, env: &mut Env) -> (Self, CodeToSend) {
        Self::draw_for(LIFE, channel, to, purpose, env)
    }

    /// Draws a code that works for so long.
    pub(crate) fn draw_for(
        life: Span,
        channel: Channel,
        to: &str,
        purpose: Purpose,
        env: &mut Env,
    ) -> (Self, CodeToSend) {
        let code = env.rng().digits(DIGITS as usize);
        let hash = Self(SaltedHash::of(&code, env));
        let send = CodeToSend { channel, to: to.to_owned(), code, purpose, expires_at: env.now + life };
        (hash, send)
    }

    /// Compares an answer. The proof is made only for the right one.
    pub(crate) fn check(&self, input: &Input, proof: impl FnOnce() -> Method) -> Finding {
        let Some(typed) = digits(input, DIGITS) else { return Finding::Malformed };
        if self.0.fits(&typed) {
            Finding::Right { method: proof(), spend: Some(Spend::Challenge), remark: None }
        } else {
            Finding::Wrong
        }
    }
}

/// Returns what a confirmed enrolment keeps, or why it is none.
pub(super) fn confirmed(finding: Finding, data: Value) -> Result<Confirmed, FactorError> {
    match finding {
        Finding::Right { method, spend, .. } => Ok(Confirmed { data, proof: Some((method, spend)) }),
        Finding::Malformed => Err(FactorError::Malformed),
        Finding::Wrong | Finding::Replayed | Finding::Copied => Err(FactorError::Wrong),
    }
}
