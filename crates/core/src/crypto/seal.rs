//! Secrets at rest: AES-256-GCM under a ring of master keys.
//!
//! A sealed value carries the id of its key, so keys rotate while the server runs: the first key of the ring seals, each of them opens, and
//! [`MasterKeys::needs_reseal`] finds what still lies under an older one. The associated data names the place (`table:column:rowid`), so a
//! value that was copied into another row does not open there.
//!
//! Layout: version (1) ‖ length of key id ‖ key id ‖ nonce (12) ‖ ciphertext and tag. All before the nonce is authenticated too.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::random::Rng;

const VERSION: u8 = 1;
const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;
const MAX_ID_LEN: usize = 32;

/// The master keys, in order. The first is the current one; the others only open what they once sealed.
pub struct MasterKeys {
    current: MasterKey,
    older: Vec<MasterKey>,
}

/// Why a text is no ring of master keys. It never quotes key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// There is no key in it.
    #[error("there is no master key; write one line ID:BASE64, with 32 random bytes in base64")]
    Empty,
    /// A line has no colon.
    #[error("line {line} of the master keys is not of the form ID:BASE64")]
    Line {
        /// The line, counted from 1.
        line: usize,
    },
    /// A key id is empty, too long, or has strange characters.
    #[error("line {line} of the master keys: an id has 1 to 32 characters of A-Z a-z 0-9 - _")]
    Id {
        /// The line, counted from 1.
        line: usize,
    },
    /// A key is not 32 bytes of base64.
    #[error("line {line} of the master keys: the key must be 32 bytes in base64")]
    Key {
        /// The line, counted from 1.
        line: usize,
    },
    /// Two keys have the same id.
    #[error("two master keys have the id {id:?}")]
    Twice {
        /// The id that occurs twice.
        id: String,
    },
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed under a key that is not in the ring.
    #[error("the value is sealed with the master key {id:?}, which is not among the configured ones")]
    UnknownKey {
        /// The id of the missing key.
        id: String,
    },
    /// It is not in our layout, or of a later version.
    #[error("the value is not in the sealed format")]
    Malformed,
    /// It was changed, comes from another place, or the key bytes are others than those that sealed it.
    #[error("the sealed value does not open: wrong key, wrong place or changed content")]
    Refused,
    /// What was inside is not the JSON that was expected.
    #[error("the sealed value opened, but holds other JSON than expected")]
    NotTheJson,
}

impl MasterKeys {
    /// Parses the lines `ID:BASE64` of a key file. Empty lines and lines that begin with `#` are skipped.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (index, row) in text.lines().enumerate() {
            let (line, row) = (index + 1, row.trim());
            if row.is_empty() || row.starts_with('#') {
                continue;
            }
            let (id, encoded) = row.split_once(':').ok_or(MasterKeyError::Line { line })?;
            if !is_key_id(id) {
                return Err(MasterKeyError::Id { line });
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(MasterKeyError::Twice { id: id.to_owned() });
            }
            let bytes = STANDARD
                .decode(encoded)
                .map(Zeroizing::new)
                .ok()
                .and_then(|decoded| <[u8; KEY_LEN]>::try_from(decoded.as_slice()).ok())
                .map(Zeroizing::new)
                .ok_or(MasterKeyError::Key { line })?;
            keys.push(MasterKey::new(id.to_owned(), bytes));
        }
        if keys.is_empty() {
            return Err(MasterKeyError::Empty);
        }
        let current = keys.remove(0);
        Ok(Self { current, older: keys })
    }

    /// Draws a ring of one new key.
    pub fn generate(rng: &mut dyn Rng) -> Self {
        Self { current: MasterKey::generate(rng), older: Vec::new() }
    }

    /// Returns the ring with a newly drawn key in front: from now on that one seals.
    #[must_use]
    pub fn rotated(self, rng: &mut dyn Rng) -> Self {
        let mut older = vec![self.current];
        older.extend(self.older);
        Self { current: MasterKey::generate(rng), older }
    }

    /// Returns the text of the key file, which [`MasterKeys::parse`] reads.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity((1 + self.older.len()) * 80));
        for key in self.all() {
            let encoded = Zeroizing::new(STANDARD.encode(key.bytes.as_slice()));
            text.push_str(&key.id);
            text.push(':');
            text.push_str(&encoded);
            text.push('\n');
        }
        text
    }

    /// Returns the id of the key that seals.
    pub fn current_id(&self) -> &str {
        &self.current.id
    }

    /// Returns the ids of all keys, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.all().map(|key| key.id.as_str())
    }

    /// Seals a value for the place that `aad` names.
    pub fn seal(&self, plaintext: &[u8], aad: &str) -> Vec<u8> {
        let key = &self.current;
        // The nonce never comes from Env: a repeated run with a seeded generator would use one twice, and that breaks AES-GCM.
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce)
            .expect("the system's random generator does not fail once it is seeded");

        let mut out = Vec::with_capacity(2 + key.id.len() + NONCE_LEN + plaintext.len() + TAG_LEN);
        out.push(VERSION);
        out.push(u8::try_from(key.id.len()).expect("is_key_id bounds the length to 32"));
        out.extend_from_slice(key.id.as_bytes());
        let aad = Aad::from([out.as_slice(), aad.as_bytes()].concat());
        out.extend_from_slice(&nonce);
        let body = out.len();
        out.extend_from_slice(plaintext);
        let tag = key
            .cipher
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut out[body..])
            .expect("AES-GCM refuses only values of more than 64 GiB");
        out.extend_from_slice(tag.as_ref());
        out
    }

    /// Opens a value that was sealed for the place that `aad` names.
    pub fn open(&self, sealed: &[u8], aad: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let parts = Parts::split(sealed)?;
        let key = self
            .all()
            .find(|key| key.id == parts.key_id)
            .ok_or_else(|| SealError::UnknownKey { id: parts.key_id.to_owned() })?;
        let aad = Aad::from([parts.prefix, aad.as_bytes()].concat());
        let mut body = Zeroizing::new(parts.body.to_vec());
        let length = key
            .cipher
            .open_in_place(Nonce::assume_unique_for_key(parts.nonce), aad, &mut body)
            .map_err(|_| SealError::Refused)?
            .len();
        body.truncate(length);
        Ok(body)
    }

    /// Seals a value as JSON.
    pub fn seal_json(&self, value: &impl Serialize, aad: &str) -> Result<Vec<u8>, serde_json::Error> {
        let text = Zeroizing::new(serde_json::to_vec(value)?);
        Ok(self.seal(&text, aad))
    }

    /// Opens a value that was sealed as JSON.
    pub fn open_json<T: DeserializeOwned>(&self, sealed: &[u8], aad: &str) -> Result<T, SealError> {
        let text = self.open(sealed, aad)?;
        // The parser's message may quote what was inside, so it is dropped.
        serde_json::from_slice(&text).map_err(|_| SealError::NotTheJson)
    }

    /// Tells whether a value lies under another key than the current one, or in another layout.
    pub fn needs_reseal(&self, sealed: &[u8]) -> bool {
        Parts::split(sealed).map_or(true, |parts| parts.key_id != self.current.id)
    }

    fn all(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

struct MasterKey {
    id: String,
    bytes: Zeroizing<[u8; KEY_LEN]>,
    cipher: LessSafeKey,
}

impl MasterKey {
    fn new(id: String, bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).expect("the key has AES-256's 32 bytes");
        Self { id, bytes, cipher: LessSafeKey::new(key) }
    }

    fn generate(rng: &mut dyn Rng) -> Self {
        let id = format!("k{}", rng.hex(8));
        Self::new(id, Zeroizing::new(rng.bytes()))
    }
}

struct Parts<'a> {
    prefix: &'a [u8],
    key_id: &'a str,
    nonce: [u8; NONCE_LEN],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(sealed: &'a [u8]) -> Result<Self, SealError> {
        let [VERSION, id_len, ..] = *sealed else { return Err(SealError::Malformed) };
        let (prefix, rest) = sealed.split_at_checked(2 + usize::from(id_len)).ok_or(SealError::Malformed)?;
        let key_id =
            std::str::from_utf8(&prefix[2..]).ok().filter(|id| is_key_id(id)).ok_or(SealError::Malformed)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Malformed)?;
        if body.len() < TAG_LEN {
            return Err(SealError::Malformed);
        }
        Ok(Self { prefix, key_id, nonce: *nonce, body })
    }
}

fn is_key_id(text: &str) -> bool {
    (1..=MAX_ID_LEN).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRng;

    const PLACE: &str = "authenticators:secret:7";

    fn ring(seed: u64) -> MasterKeys {
        MasterKeys::generate(&mut SeededRng::new(seed))
    }

    #[test]
    fn what_is_sealed_opens_and_never_looks_the_same_twice() {
        let keys = ring(1);
        let sealed = keys.seal(b"JBSWY3DPEHPK3PXP", PLACE);
        assert_eq!(keys.open(&sealed, PLACE).unwrap().as_slice(), b"JBSWY3DPEHPK3PXP");
        assert_ne!(sealed, keys.seal(b"JBSWY3DPEHPK3PXP", PLACE));
        assert!(!sealed.windows(4).any(|w| w == b"JBSW"));
        assert_eq!(keys.open(&keys.seal(b"", PLACE), PLACE).unwrap().as_slice(), b"");
    }

    #[test]
    fn a_value_copied_into_another_row_does_not_open() {
        let keys = ring(1);
        let sealed = keys.seal(b"secret", PLACE);
        assert_eq!(keys.open(&sealed, "authenticators:secret:8").unwrap_err(), SealError::Refused);
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let keys = ring(1);
        let sealed = keys.seal(b"secret", PLACE);
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(keys.open(&changed, PLACE).is_err(), "byte {index}");
        }
        for length in 0..sealed.len() {
            assert!(keys.open(&sealed[..length], PLACE).is_err(), "first {length} bytes");
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        let sealed = ring(1).seal(b"secret", PLACE);
        let id = ring(1).current_id().to_owned();
        assert_eq!(ring(2).open(&sealed, PLACE).unwrap_err(), SealError::UnknownKey { id });
    }

    #[test]
    fn same_id_with_other_bytes_is_refused() {
        let one = MasterKeys::parse(&format!("a:{}", STANDARD.encode([1; 32]))).unwrap();
        let two = MasterKeys::parse(&format!("a:{}", STANDARD.encode([2; 32]))).unwrap();
        assert_eq!(two.open(&one.seal(b"x", PLACE), PLACE).unwrap_err(), SealError::Refused);
    }

    #[test]
    fn after_rotation_old_values_open_and_ask_to_be_sealed_again() {
        let old = ring(1);
        let sealed = old.seal(b"secret", PLACE);
        assert!(!old.needs_reseal(&sealed));
        let keys = old.rotated(&mut SeededRng::new(2));
        assert_eq!(keys.open(&sealed, PLACE).unwrap().as_slice(), b"secret");
        assert!(keys.needs_reseal(&sealed));
        assert!(!keys.needs_reseal(&keys.seal(b"secret", PLACE)));
        assert!(keys.needs_reseal(b"plain text from before"));
    }

    #[test]
    fn the_file_reads_back_in_order_and_debug_shows_ids_only() {
        let keys = ring(1).rotated(&mut SeededRng::new(2));
        let text = keys.to_text();
        let again = MasterKeys::parse(&format!("# newest first\n\n{}", *text)).unwrap();
        assert_eq!(keys.ids().collect::<Vec<_>>(), again.ids().collect::<Vec<_>>());
        assert!(again.open(&keys.seal(b"x", PLACE), PLACE).is_ok());
        let ids: Vec<_> = keys.ids().collect();
        assert_eq!(format!("{keys:?}"), format!("{ids:?}"));
    }

    #[test]
    fn a_bad_key_file_says_where_and_never_what() {
        let good = STANDARD.encode([1; 32]);
        let error = |text: &str| MasterKeys::parse(text).unwrap_err();
        assert_eq!(error("# nothing\n"), MasterKeyError::Empty);
        assert_eq!(error(&good), MasterKeyError::Line { line: 1 });
        assert_eq!(error(&format!("\n:{good}")), MasterKeyError::Id { line: 2 });
        assert_eq!(error(&format!("a b:{good}")), MasterKeyError::Id { line: 1 });
        assert_eq!(error("a:c2hvcnQ="), MasterKeyError::Key { line: 1 });
        assert_eq!(error(&format!("a:{good}\na:{good}")), MasterKeyError::Twice { id: "a".to_owned() });
        assert!(!error("a:c2hvcnQ=").to_string().contains("c2hvcnQ"));
    }

    #[test]
    fn json_goes_in_and_out_and_errors_quote_nothing() {
        let keys = ring(1);
        let sealed = keys.seal_json(&serde_json::json!({"seed": "hunter2"}), PLACE).unwrap();
        let value: serde_json::Value = keys.open_json(&sealed, PLACE).unwrap();
        assert_eq!(value["seed"], "hunter2");
        let error = keys.open_json::<Vec<u8>>(&sealed, PLACE).unwrap_err();
        assert_eq!(error, SealError::NotTheJson);
        assert!(!error.to_string().contains("hunter2"));
    }
}
