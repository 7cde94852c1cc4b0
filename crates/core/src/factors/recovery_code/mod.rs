//! The recovery code: one code, written down, that stands in for a lost factor once.
//!
//! 24 characters of `[A-Z0-9]` from the system's generator: 124 bits. Kept as a salted SHA-256. NIST SP 800-63B-4 3.1.2
//! asks for a slow password hash only where a look-up secret has fewer than 112 bits: at 124 nobody tries them all,
//! however fast the hash.
//!
//! A success spends the authenticator for good; [`replacement`] draws the one that takes its place in the same commit.

use serde_json::Value;

use super::salted_hash::SaltedHash;
use super::{
    Begun, Challenge, ChallengeAsk, Confirmed, Draft, EnrolAsk, Factor, FactorError, FactorKind, Finding,
    Input, Shown, Spend, grouped, read, write,
};
use crate::assurance::{FactorType, Method};
use crate::env::Env;
use crate::ids::{AuthenticatorId, UserId};
use crate::model::authenticator::Authenticator;

/// The length of a code.
pub const LENGTH: usize = 24;

/// A drawn code and the authenticator that accepts it. The code is shown once and then forgotten.
pub struct Fresh {
    /// The code.
    pub code: String,
    /// The authenticator, confirmed, to be saved in place of an older one.
    pub authenticator: Authenticator,
}

impl Fresh {
    /// Returns the code in groups of four.
    pub fn grouped(&self) -> String {
        grouped(&self.code)
    }
}

/// Draws a user's new code: after a success, on regeneration by an administrator, or by the user.
///
/// It is active at once, even if the page that shows it is never answered; the older one must die in the same commit.
pub fn replacement(user: &UserId, env: &mut Env) -> Result<Fresh, FactorError> {
    let code = env.rng().upper_alphanumeric(LENGTH);
    let authenticator = Authenticator {
        id: AuthenticatorId::new(env.rng()),
        user: user.clone(),
        kind: FactorKind::RecoveryCode,
        confirmed: true,
        name: None,
        data: write(&SaltedHash::of(&code, env))?,
        spent_step: None,
        created_at: env.now,
        enrolled_at: Some(env.now),
        last_auth_at: None,
        link_id: None,
    };
    Ok(Fresh { code, authenticator })
}

pub(super) struct RecoveryCode;

impl Factor for RecoveryCode {
    fn begin_enrolment(&self, _ask: &EnrolAsk, env: &mut Env) -> Result<Begun, FactorError> {
        Ok(Begun::with(Value::String(env.rng().upper_alphanumeric(LENGTH))))
    }

    fn shown(&self, draft: &Draft) -> Result<Shown, FactorError> {
        drawn(draft).map(|code| Shown::RecoveryCode(code.to_owned()))
    }

    /// The tick "I have saved it" confirms; it shows no possession, so there is no proof.
    fn confirm(&self, draft: &Draft, input: &Input, env: &mut Env) -> Result<Confirmed, FactorError> {
        match input {
            Input::Saved => Ok(Confirmed { data: write(&SaltedHash::of(drawn(draft)?, env))?, proof: None }),
            Input::Code(_) | Input::Key(_) => Err(FactorError::Malformed),
        }
    }

    fn begin_challenge(
        &self,
        on: &[&Authenticator],
        _ask: &ChallengeAsk,
        _env: &mut Env,
    ) -> Result<Begun, FactorError> {
        on.iter().try_for_each(|on| stored(on).map(|_| ()))?;
        Ok(Begun::with(Value::Null))
    }

    fn verify(&self, on: &Authenticator, _asked: &Challenge, input: &Input, env: &Env) -> Finding {
        let Some(code) = normalise(input) else { return Finding::Malformed };
        match stored(on) {
            Ok(hash) if hash.fits(&code) => Finding::Right {
                method: Method::second(FactorType::RecoveryCode, env.now),
                spend: Some(Spend::Once),
                remark: None,
            },
            _ => Finding::Wrong,
        }
    }
}

fn drawn(draft: &Draft) -> Result<&str, FactorError> {
    draft.data.as_str().ok_or(FactorError::Broken)
}

fn stored(on: &Authenticator) -> Result<SaltedHash, FactorError> {
    read(&on.data)
}

/// Reads a typed code: any case, blanks and dashes ignored, then exactly 24 of `[A-Z0-9]`.
fn normalise(input: &Input) -> Option<String> {
    let Input::Code(text) = input else { return None };
    if text.len() > 4 * LENGTH {
        return None;
    }
    let code: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\t' | '\u{a0}')).collect();
    (code.len() == LENGTH && code.bytes().all(|b| b.is_ascii_alphanumeric()))
        .then(|| code.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Issuer;
    use crate::factors::{self, Keys, Verdict};
    use crate::model::settings::Profile;
    use crate::time::Timestamp;

    fn env() -> Env {
        Env::new(Timestamp::from_secs(1_234_567_890), Issuer::parse("https://lockstep.test/").unwrap())
    }

    fn ana() -> UserId {
        UserId::trusted("auth0|ana")
    }

    fn answer(on: &Authenticator, code: &str) -> Verdict {
        let mut env = env();
        let ask =
            ChallengeAsk { user: ana(), channel: None, profile: Profile::Faithful, keys: Keys::default() };
        let asked = factors::begin_challenge(&[on], &ask, &mut env).unwrap().0;
        factors::verify(Some(on), &asked, &Input::code(code), &env)
    }

    #[test]
    fn codes_are_unpredictable_and_differ() {
        let mut env = env();
        let codes: Vec<String> = (0..500).map(|_| replacement(&ana(), &mut env).unwrap().code).collect();
        assert_eq!(codes.iter().collect::<std::collections::BTreeSet<_>>().len(), 500);
        for code in &codes {
            assert!(code.len() == 24 && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        }
        for position in 0..24 {
            let first = codes[0].as_bytes()[position];
            assert!(codes.iter().any(|c| c.as_bytes()[position] != first), "position {position} is constant");
        }
    }

    #[test]
    fn the_code_itself_is_not_stored() {
        let fresh = replacement(&ana(), &mut env()).unwrap();
        assert!(!fresh.authenticator.data.to_string().contains(&fresh.code));
    }

    #[test]
    fn case_blanks_and_dashes_do_not_matter() {
        let fresh = replacement(&ana(), &mut env()).unwrap();
        let dashed = fresh.grouped().replace(' ', "-");
        for code in
            [&fresh.code, &fresh.code.to_lowercase(), &fresh.grouped(), &dashed, &format!(" {} ", fresh.code)]
        {
            assert!(matches!(answer(&fresh.authenticator, code), Verdict::Passed(_)), "{code}");
        }
    }

    #[test]
    fn wrong_codes_are_wrong_and_odd_ones_malformed() {
        let fresh = replacement(&ana(), &mut env()).unwrap();
        let mut off_by_one = fresh.code.clone();
        off_by_one.replace_range(23..24, if fresh.code.ends_with('A') { "B" } else { "A" });
        for code in ["A".repeat(24), off_by_one] {
            assert!(matches!(answer(&fresh.authenticator, &code), Verdict::Wrong), "{code}");
        }
        for code in [&fresh.code[..23], &"A".repeat(4096), "", &"ä".repeat(12)] {
            assert!(matches!(answer(&fresh.authenticator, code), Verdict::Malformed), "{code}");
        }
    }

    #[test]
    fn a_success_spends_the_code_for_good() {
        let fresh = replacement(&ana(), &mut env()).unwrap();
        let Verdict::Passed(passed) = answer(&fresh.authenticator, &fresh.code) else {
            panic!("the code is right")
        };
        assert_eq!(passed.spend(), Some(&Spend::Once));
        let next = replacement(&ana(), &mut env()).unwrap();
        assert_ne!(next.authenticator.id, fresh.authenticator.id);
        assert!(matches!(answer(&next.authenticator, &fresh.code), Verdict::Wrong));
    }
}
