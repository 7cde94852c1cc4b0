//! What is kept of a secret that the server drew itself: a salted SHA-256.
//!
//! Enough for codes that are long (recovery) or dead within minutes and after a few guesses (sent codes); a password is neither.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::env::Env;

/// A salted hash of a code.
#[derive(Serialize, Deserialize)]
pub(super) struct SaltedHash {
    salt: String,
    sha256: String,
}

impl SaltedHash {
    /// Hashes a code with a new salt.
    pub(super) fn of(code: &str, env: &mut Env) -> Self {
        let salt = BASE64.encode(&env.rng().bytes::<16>());
        let sha256 = digest(&salt, code);
        Self { salt, sha256 }
    }

    /// Returns whether it is of this code, in constant time.
    pub(super) fn fits(&self, code: &str) -> bool {
        digest(&self.salt, code).as_bytes().ct_eq(self.sha256.as_bytes()).into()
    }
}

fn digest(salt: &str, code: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(salt.as_bytes());
    context.update(b":");
    context.update(code.as_bytes());
    BASE64.encode(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Issuer;
    use crate::time::Timestamp;

    #[test]
    fn equal_codes_leave_different_marks() {
        let mut env = Env::new(Timestamp::from_secs(1), Issuer::parse("https://lockstep.test/").unwrap());
        let (a, b) = (SaltedHash::of("123456", &mut env), SaltedHash::of("123456", &mut env));
        assert_ne!(a.sha256, b.sha256);
        assert!(a.fits("123456") && b.fits("123456") && !a.fits("123457"));
    }
}
