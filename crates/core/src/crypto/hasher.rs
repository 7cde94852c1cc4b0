//! Passwords: argon2id for new ones, and the formats that were imported (contract/management-api.md, import of users).
//!
//! Hashing is slow on purpose: call it on the bounded blocking pool and never while holding a database connection.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

use super::imported_hash::{self, ImportedHash};
use crate::random::Rng;

/// The longest password in bytes. Longer ones are refused rather than cut.
pub const MAX_PASSWORD_BYTES: usize = 4096;

/// bcrypt reads no more than this of a password.
const BCRYPT_BYTES: usize = 72;
const SALT_LEN: usize = 16;
const OUTPUT_LEN: usize = 32;

/// The work that a stored hash may demand; an import must not hand us one that takes minutes.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_ARGON2_PASSES: u32 = 16;
const MAX_ARGON2_LANES: u32 = 16;
const MAX_BCRYPT_COST: u32 = 16;

/// How much work one argon2id hash takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl HashParams {
    /// The least work that argon2 knows. For tests and invented users only: it takes microseconds to guess at.
    pub const WEAKEST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    /// Returns the parameters; `None` when argon2 does not know them or they are more than a login may cost.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let bounded =
            memory_kib <= MAX_MEMORY_KIB && passes <= MAX_ARGON2_PASSES && lanes <= MAX_ARGON2_LANES;
        (bounded && Params::new(memory_kib, passes, lanes, Some(OUTPUT_LEN)).is_ok()).then_some(Self {
            memory_kib,
            passes,
            lanes,
        })
    }

    fn argon2(self) -> Argon2<'static> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(OUTPUT_LEN))
            .expect("HashParams::new has tried these values, and the constants are in argon2's range");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }
}

impl Default for HashParams {
    /// The recommendation of OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

/// Why a password was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It has more than [`MAX_PASSWORD_BYTES`].
    #[error("the password is longer than {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    /// The memory for it could not be had.
    #[error("argon2 could not work, most likely for lack of memory")]
    OutOfMemory,
}

/// A text that is no password hash we can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    /// Its format is not known.
    #[error("the format of this password hash is not supported")]
    Format,
    /// Verifying it would take too long or too much memory.
    #[error("this password hash demands more work than a login may cost")]
    TooCostly,
}

/// A password hash as it is stored. A further imported format is a further variant.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredHash {
    /// A PHC string of the argon2 family: ours, or imported.
    Argon2(String),
    /// An imported bcrypt hash, `$2a$`, `$2b$` or `$2y$`. Verified, never made.
    Bcrypt(String),
    /// What another system made, described in Auth0's words. Verified, never made.
    Imported(ImportedHash),
}

impl StoredHash {
    /// Parses a stored or imported hash.
    pub fn parse(text: &str) -> Result<Self, UnusableHash> {
        if text.starts_with("$argon2") {
            check_argon2(text).map(|()| Self::Argon2(text.to_owned()))
        } else if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            check_bcrypt(text).map(|()| Self::Bcrypt(text.to_owned()))
        } else if text.starts_with(imported_hash::PREFIX) {
            ImportedHash::parse(text).map(Self::Imported)
        } else {
            Err(UnusableHash::Format)
        }
    }

    /// Returns a hash that no password matches, and that costs as much to try as a real one: for users who do not exist.
    pub fn dummy(params: HashParams) -> Self {
        let HashParams { memory_kib, passes, lanes } = params;
        // The output was not computed but chosen; somebody who found a password for it would have broken argon2id.
        Self::Argon2(format!(
            "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}$bG9ja3N0ZXAtZHVtbXk${}",
            "A".repeat(43)
        ))
    }

    /// Returns the text to store.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Argon2(text) | Self::Bcrypt(text) => text,
            Self::Imported(hash) => hash.as_str(),
        }
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argon2(_) => "StoredHash::Argon2(..)",
            Self::Bcrypt(_) => "StoredHash::Bcrypt(..)",
            Self::Imported(_) => "StoredHash::Imported(..)",
        })
    }
}

/// What came out of trying a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Match {
        /// The stored hash is of another format or strength than new ones: hash the password again and store that.
        rehash: bool,
    },
    /// It is another password.
    Mismatch,
}

/// Hashes a password with a new salt.
pub fn hash(password: &str, params: HashParams, rng: &mut dyn Rng) -> Result<StoredHash, HashError> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(HashError::TooLong);
    }
    let salt: [u8; SALT_LEN] = rng.bytes();
    let phc = params
        .argon2()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| HashError::OutOfMemory)?;
    Ok(StoredHash::Argon2(phc.to_string()))
}

/// Tries a password against a stored hash. `params` are those of new hashes, to tell whether the stored one is outdated.
///
/// A password of more than [`MAX_PASSWORD_BYTES`] matches nothing, since none could be set.
pub fn verify(password: &str, stored: &StoredHash, params: HashParams) -> Verdict {
    if password.len() > MAX_PASSWORD_BYTES {
        return Verdict::Mismatch;
    }
    match stored {
        StoredHash::Argon2(text) => verify_argon2(password, text, params),
        StoredHash::Bcrypt(text) => verify_bcrypt(password, text),
        StoredHash::Imported(hash) if hash.matches(password) => Verdict::Match { rehash: true },
        StoredHash::Imported(_) => Verdict::Mismatch,
    }
}

fn verify_argon2(password: &str, text: &str, params: HashParams) -> Verdict {
    let Ok(parsed) = PasswordHash::new(text) else { return Verdict::Mismatch };
    // Algorithm and parameters are those of the stored hash, not those of this Argon2 value.
    if params.argon2().verify_password(password.as_bytes(), &parsed).is_err() {
        return Verdict::Mismatch;
    }
    let current = parsed.algorithm == Algorithm::Argon2id.ident()
        && parsed.version == Some(Version::V0x13.into())
        && parsed.salt.is_some_and(|salt| salt.len() >= SALT_LEN)
        && Params::try_from(&parsed).is_ok_and(|p| {
            (p.m_cost(), p.t_cost(), p.p_cost()) == (params.memory_kib, params.passes, params.lanes)
        });
    Verdict::Match { rehash: !current }
}

fn verify_bcrypt(password: &str, text: &str) -> Verdict {
    match bcrypt::verify(password, text) {
        // bcrypt did not look past byte 72, so a longer password is not proven: storing it could fix a typing error for good.
        Ok(true) => Verdict::Match { rehash: password.len() <= BCRYPT_BYTES },
        Ok(false) | Err(_) => Verdict::Mismatch,
    }
}

fn check_argon2(text: &str) -> Result<(), UnusableHash> {
    let parsed = PasswordHash::new(text).map_err(|_| UnusableHash::Format)?;
    Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| UnusableHash::Format)?;
    if parsed.salt.is_none() || parsed.hash.is_none() {
        return Err(UnusableHash::Format);
    }
    let params = Params::try_from(&parsed).map_err(|_| UnusableHash::Format)?;
    HashParams::new(params.m_cost(), params.t_cost(), params.p_cost()).ok_or(UnusableHash::TooCostly)?;
    Ok(())
}

fn check_bcrypt(text: &str) -> Result<(), UnusableHash> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| UnusableHash::Format)?;
    match parts.get_cost() {
        4..=MAX_BCRYPT_COST => Ok(()),
        0..4 => Err(UnusableHash::Format),
        _ => Err(UnusableHash::TooCostly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRng;

    const WEAK: HashParams = HashParams::WEAKEST;

    fn hashed(password: &str) -> StoredHash {
        hash(password, WEAK, &mut SeededRng::new(1)).unwrap()
    }

    #[test]
    fn default_is_argon2id_with_19_mib_two_passes_and_a_salt_of_16_bytes() {
        let stored = hash("correct horse", HashParams::default(), &mut SeededRng::new(1)).unwrap();
        assert!(stored.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.as_str());
        assert_eq!(PasswordHash::new(stored.as_str()).unwrap().salt.unwrap().len(), 16);
        assert_eq!(verify("correct horse", &stored, HashParams::default()), Verdict::Match { rehash: false });
        assert_eq!(verify("correct horsf", &stored, HashParams::default()), Verdict::Mismatch);
    }

    #[test]
    fn a_stored_hash_reads_back() {
        let stored = hashed("x");
        assert_eq!(StoredHash::parse(stored.as_str()).unwrap(), stored);
    }

    #[test]
    fn the_reference_vector_of_argon2id_verifies() {
        // From the test program of the argon2 reference implementation: "password", "somesalt", t=2, m=65536, p=1.
        let stored = StoredHash::parse(
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        )
        .unwrap();
        assert_eq!(verify("password", &stored, WEAK), Verdict::Match { rehash: true });
        assert_eq!(verify("passworD", &stored, WEAK), Verdict::Mismatch);
    }

    #[test]
    fn other_strength_than_new_hashes_asks_for_a_rehash() {
        let stored = hashed("x");
        assert_eq!(verify("x", &stored, WEAK), Verdict::Match { rehash: false });
        let stronger = HashParams::new(16, 1, 1).unwrap();
        assert_eq!(verify("x", &stored, stronger), Verdict::Match { rehash: true });
    }

    #[test]
    fn the_whole_password_counts() {
        let long = "a".repeat(MAX_PASSWORD_BYTES);
        let stored = hashed(&long);
        assert_eq!(verify(&long, &stored, WEAK), Verdict::Match { rehash: false });
        assert_eq!(verify(&long[1..], &stored, WEAK), Verdict::Mismatch);
        let nul = hashed("a\0b");
        assert_eq!(verify("a\0c", &nul, WEAK), Verdict::Mismatch);
    }

    #[test]
    fn a_password_past_the_limit_is_refused_not_cut() {
        let long = "a".repeat(MAX_PASSWORD_BYTES + 1);
        assert_eq!(hash(&long, WEAK, &mut SeededRng::new(1)), Err(HashError::TooLong));
        let stored = hashed(&long[1..]);
        assert_eq!(verify(&long, &stored, WEAK), Verdict::Mismatch);
    }

    #[test]
    fn equal_passwords_of_two_users_look_different() {
        let rng = &mut SeededRng::new(1);
        assert_ne!(hash("x", WEAK, rng), hash("x", WEAK, rng));
    }

    #[test]
    fn the_dummy_is_a_valid_hash_of_the_same_cost_that_nothing_matches() {
        for params in [WEAK, HashParams::default()] {
            let dummy = StoredHash::dummy(params);
            assert_eq!(StoredHash::parse(dummy.as_str()).as_ref(), Ok(&dummy));
            let parsed = PasswordHash::new(dummy.as_str()).unwrap();
            let cost = Params::try_from(&parsed).unwrap();
            assert_eq!((cost.m_cost(), cost.t_cost()), (params.memory_kib, params.passes));
            assert_eq!(parsed.hash.unwrap().len(), OUTPUT_LEN);
            assert_eq!(verify("", &dummy, params), Verdict::Mismatch);
        }
    }

    #[test]
    fn imported_bcrypt_verifies_and_asks_for_a_rehash() {
        // Vectors of the crypt_blowfish test program; for ASCII passwords 2a and 2b are the same function.
        for (text, password) in [
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            ("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
            ("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"),
        ] {
            let stored = StoredHash::parse(text).unwrap();
            assert_eq!(verify(password, &stored, WEAK), Verdict::Match { rehash: true }, "{text}");
            assert_eq!(verify("U*", &stored, WEAK), Verdict::Mismatch);
        }
    }

    #[test]
    fn a_password_that_bcrypt_read_only_in_part_is_not_rehashed() {
        let whole = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let text = bcrypt::hash_with_salt(whole, 4, [7; 16]).unwrap().to_string();
        let stored = StoredHash::parse(&text).unwrap();
        assert_eq!(verify(whole, &stored, WEAK), Verdict::Match { rehash: true });
        assert_eq!(verify(&format!("{whole}typo"), &stored, WEAK), Verdict::Match { rehash: false });
    }

    #[test]
    fn what_we_cannot_verify_is_refused_at_import() {
        for text in [
            "",
            "secret",
            "$1$abc$def",
            "$2a$10$short",
            "$argon2id$v=19$m=8,t=1,p=1",
            "$argon2x$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA",
        ] {
            assert_eq!(StoredHash::parse(text), Err(UnusableHash::Format), "{text}");
        }
        for text in [
            "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=1024,t=100000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            assert_eq!(StoredHash::parse(text), Err(UnusableHash::TooCostly), "{text}");
        }
        assert_eq!(HashParams::new(1, 1, 1), None);
        assert_eq!(HashParams::new(u32::MAX, 1, 1), None);
    }

    #[test]
    fn debug_shows_no_hash() {
        let stored = hashed("x");
        assert_eq!(format!("{stored:?}"), "StoredHash::Argon2(..)");
    }
}
