//! Password hashes of other systems, as the import of users describes them (`custom_password_hash`; Auth0 docs, "Bulk User Import Database
//! Schema"). They are verified once: the login that finds one right stores the password under argon2id.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Digest as _;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::hasher::{StoredHash, UnusableHash};

/// The work that a stored hash may demand.
const MAX_ITERATIONS: u32 = 1_000_000;
const MAX_KEY_BYTES: usize = 256;
/// N × r × p of scrypt; 128 bytes of memory belong to each N × r.
const MAX_SCRYPT_WORK: u64 = 1 << 21;
const MAX_TEXT: usize = 2048;

/// What stands in front of a stored one.
pub(super) const PREFIX: &str = "$imported$";

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Md4,
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Does something with the type of a function.
macro_rules! with {
    ($function:expr, $type:ident => $body:expr) => {
        match $function {
            Function::Md4 => {
                type $type = md4::Md4;
                $body
            }
            Function::Md5 => {
                type $type = md5::Md5;
                $body
            }
            Function::Sha1 => {
                type $type = sha1::Sha1;
                $body
            }
            Function::Sha224 => {
                type $type = sha2::Sha224;
                $body
            }
            Function::Sha256 => {
                type $type = sha2::Sha256;
                $body
            }
            Function::Sha384 => {
                type $type = sha2::Sha384;
                $body
            }
            Function::Sha512 => {
                type $type = sha2::Sha512;
                $body
            }
        }
    };
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "md4" => Self::Md4,
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        with!(self, D => D::digest(data).to_vec())
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        with!(self, D => {
            let mut mac = Hmac::<D>::new_from_slice(key).expect("HMAC takes a key of any length");
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        })
    }

    fn pbkdf2(self, password: &[u8], salt: &[u8], rounds: u32, out: &mut [u8]) {
        with!(self, D => pbkdf2::pbkdf2_hmac::<D>(password, salt, rounds, out));
    }
}

/// How the bytes of a password come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16Le,
    /// One byte for each unit: what is above 255 loses its upper part, as it did where the hash was made.
    Latin1,
}

impl Encoding {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "utf8" => Self::Utf8,
            "utf16le" | "ucs2" => Self::Utf16Le,
            "latin1" | "binary" | "ascii" => Self::Latin1,
            _ => return None,
        })
    }

    fn bytes(self, password: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => password.as_bytes().to_vec(),
            Self::Utf16Le => password.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Latin1 => password.encode_utf16().map(|unit| unit.to_le_bytes()[0]).collect(),
        }
    }
}

/// What was done with password and salt.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Digest(Function),
    Hmac(Function, Vec<u8>),
    Pbkdf2(Function, u32),
    Scrypt { log_n: u8, r: u32, p: u32 },
}

/// A hash that was made elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportedHash {
    kind: Kind,
    hash: Vec<u8>,
    salt: Vec<u8>,
    salt_first: bool,
    encoding: Encoding,
    text: String,
}

/// Without the hash.
impl std::fmt::Debug for ImportedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ImportedHash(..)")
    }
}

impl ImportedHash {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads what [`Self::as_str`] gave.
    pub(super) fn parse(text: &str) -> Result<Self, UnusableHash> {
        let json = text.strip_prefix(PREFIX).ok_or(UnusableHash::Format)?;
        let Ok(Value::Object(map)) = serde_json::from_str(json) else { return Err(UnusableHash::Format) };
        Self::read(&map)
    }

    fn read(map: &Map<String, Value>) -> Result<Self, UnusableHash> {
        let text = |value: &Value, name: &str| -> Option<String> {
            value.get(name)?.as_str().filter(|text| text.len() <= MAX_TEXT).map(str::to_owned)
        };
        let whole = Value::Object(map.clone());
        let number = |name: &str, default: u64| map.get(name).map_or(Some(default), Value::as_u64);
        let algorithm = text(&whole, "algorithm").ok_or(UnusableHash::Format)?;
        let value = text(&whole["hash"], "value").ok_or(UnusableHash::Format)?;
        let encoding = text(&whole["hash"], "encoding");
        let hash = || decoded(&value, encoding.as_deref().unwrap_or("hex")).ok_or(UnusableHash::Format);
        let salt = match whole.get("salt") {
            None | Some(Value::Null) => Vec::new(),
            Some(salt) => {
                let value = text(salt, "value").ok_or(UnusableHash::Format)?;
                let encoding = text(salt, "encoding").unwrap_or_else(|| "utf8".to_owned());
                decoded(&value, &encoding).ok_or(UnusableHash::Format)?
            }
        };
        let mut read = Self {
            kind: Kind::Digest(Function::Sha256),
            hash: Vec::new(),
            salt,
            salt_first: text(&whole["salt"], "position").as_deref() == Some("prefix"),
            encoding: Encoding::named(text(&whole["password"], "encoding").as_deref().unwrap_or("utf8"))
                .ok_or(UnusableHash::Format)?,
            text: format!("{PREFIX}{whole}"),
        };
        match algorithm.as_str() {
            "hmac" => {
                let digest = text(&whole["hash"], "digest").and_then(|name| Function::named(&name));
                let key = &whole["hash"]["key"];
                let encoding = text(key, "encoding").unwrap_or_else(|| "utf8".to_owned());
                let key = text(key, "value").and_then(|value| decoded(&value, &encoding));
                let (Some(function), Some(key)) = (digest, key) else { return Err(UnusableHash::Format) };
                read.kind = Kind::Hmac(function, key);
                read.hash = hash()?;
                read.check_length(function)?;
            }
            "pbkdf2" => {
                let (function, rounds, salt, hash) = pbkdf2_text(&value).ok_or(UnusableHash::Format)?;
                if rounds > MAX_ITERATIONS {
                    return Err(UnusableHash::TooCostly);
                }
                (read.kind, read.salt, read.hash) = (Kind::Pbkdf2(function, rounds), salt, hash);
            }
            "scrypt" => {
                let parameters =
                    (number("cost", 16_384), number("blockSize", 8), number("parallelization", 1));
                let (Some(n), Some(r), Some(p)) = parameters else { return Err(UnusableHash::Format) };
                if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
                    return Err(UnusableHash::Format);
                }
                if n.saturating_mul(r).saturating_mul(p) > MAX_SCRYPT_WORK {
                    return Err(UnusableHash::TooCostly);
                }
                read.hash = hash()?;
                let keylen = number("keylen", read.hash.len() as u64);
                if read.salt.is_empty() || keylen != Some(read.hash.len() as u64) {
                    return Err(UnusableHash::Format);
                }
                // Both fit: their product does.
                let (r, p) = (r as u32, p as u32);
                read.kind = Kind::Scrypt { log_n: n.trailing_zeros() as u8, r, p };
            }
            "ldap" => {
                let (function, hash, salt) = ldap_text(&value).ok_or(UnusableHash::Format)?;
                (read.kind, read.hash, read.salt, read.salt_first) =
                    (Kind::Digest(function), hash, salt, false);
            }
            simple => {
                let function = Function::named(simple).ok_or(UnusableHash::Format)?;
                read.kind = Kind::Digest(function);
                read.hash = hash()?;
                read.check_length(function)?;
            }
        }
        if read.hash.len() < 10 || read.hash.len() > MAX_KEY_BYTES {
            return Err(UnusableHash::Format);
        }
        Ok(read)
    }

    /// A hash of another length than its function gives matches nothing: better to say so at the import.
    fn check_length(&self, function: Function) -> Result<(), UnusableHash> {
        if self.hash.len() == function.digest(&[]).len() { Ok(()) } else { Err(UnusableHash::Format) }
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        let password = self.encoding.bytes(password);
        let made = match &self.kind {
            Kind::Digest(function) => function.digest(&self.salted(&password)),
            Kind::Hmac(function, key) => function.hmac(key, &self.salted(&password)),
            Kind::Pbkdf2(function, rounds) => {
                let mut out = vec![0; self.hash.len()];
                function.pbkdf2(&password, &self.salt, *rounds, &mut out);
                out
            }
            Kind::Scrypt { log_n, r, p } => {
                let mut out = vec![0; self.hash.len()];
                let Ok(parameters) = scrypt::Params::new(*log_n, *r, *p) else { return false };
                if scrypt::scrypt(&password, &self.salt, &parameters, &mut out).is_err() {
                    return false;
                }
                out
            }
        };
        made.ct_eq(&self.hash).into()
    }

    fn salted(&self, password: &[u8]) -> Vec<u8> {
        if self.salt_first { [&self.salt, password].concat() } else { [password, &self.salt].concat() }
    }
}

/// Returns the hash that a `custom_password_hash` describes.
pub fn custom(map: &Map<String, Value>) -> Result<StoredHash, UnusableHash> {
    let algorithm = map.get("algorithm").and_then(Value::as_str).unwrap_or_default();
    let value = map.get("hash").and_then(|hash| hash["value"].as_str()).unwrap_or_default();
    match algorithm {
        "argon2" | "bcrypt" => {
            let stored = StoredHash::parse(value)?;
            let fits = matches!(
                (&stored, algorithm),
                (StoredHash::Argon2(_), "argon2") | (StoredHash::Bcrypt(_), "bcrypt")
            );
            // Only what we would hash the same way can be verified as it is.
            let plain = map.get("password").and_then(|p| p["encoding"].as_str()).unwrap_or("utf8");
            if fits && ["utf8", "ascii"].contains(&plain) { Ok(stored) } else { Err(UnusableHash::Format) }
        }
        _ => ImportedHash::read(map).map(StoredHash::Imported),
    }
}

fn decoded(text: &str, encoding: &str) -> Option<Vec<u8>> {
    match encoding {
        "utf8" => Some(text.as_bytes().to_vec()),
        "hex" => data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok(),
        "base64" => STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok(),
        _ => None,
    }
}

/// Reads `$pbkdf2-sha256$i=27500,l=32$salt$hash` (PHC), base64 without padding.
fn pbkdf2_text(text: &str) -> Option<(Function, u32, Vec<u8>, Vec<u8>)> {
    let mut parts = text.strip_prefix("$pbkdf2-")?.split('$');
    let function = Function::named(parts.next()?)?;
    let (mut rounds, mut length) = (None, None);
    for parameter in parts.next()?.split(',') {
        match parameter.split_once('=')? {
            ("i", n) => rounds = Some(n.parse::<u32>().ok()?),
            ("l", n) => length = Some(n.parse::<usize>().ok()?),
            _ => return None,
        }
    }
    let b64 = |text: &str| STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let (salt, hash) = (b64(parts.next()?)?, b64(parts.next()?)?);
    let right = parts.next().is_none() && length.is_none_or(|l| l == hash.len()) && rounds? > 0;
    right.then_some((function, rounds?, salt, hash))
}

/// Reads `{SSHA}…` and its kin (RFC 2307 section 5.3): base64 of the digest and the salt behind it.
fn ldap_text(text: &str) -> Option<(Function, Vec<u8>, Vec<u8>)> {
    let (scheme, rest) = text.strip_prefix('{')?.split_once('}')?;
    let (function, salted) = match scheme.to_ascii_uppercase().as_str() {
        "MD5" => (Function::Md5, false),
        "SMD5" => (Function::Md5, true),
        "SHA" => (Function::Sha1, false),
        "SSHA" => (Function::Sha1, true),
        "SHA256" => (Function::Sha256, false),
        "SSHA256" => (Function::Sha256, true),
        "SHA384" => (Function::Sha384, false),
        "SSHA384" => (Function::Sha384, true),
        "SHA512" => (Function::Sha512, false),
        "SSHA512" => (Function::Sha512, true),
        _ => return None,
    };
    let mut hash = STANDARD.decode(rest).ok()?;
    let length = function.digest(&[]).len();
    if hash.len() < length || (hash.len() > length) != salted {
        return None;
    }
    let salt = hash.split_off(length);
    Some((function, hash, salt))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::hasher::{HashParams, Verdict, verify};

    fn described(algorithm: &str, hash: &str, encoding: &str) -> Value {
        json!({"algorithm": algorithm, "hash": {"value": hash, "encoding": encoding}})
    }

    fn check(described: &Value, password: &str) {
        let stored = custom(described.as_object().unwrap()).unwrap_or_else(|e| panic!("{described}: {e}"));
        let again = StoredHash::parse(stored.as_str()).unwrap();
        let weak = HashParams::WEAKEST;
        assert_eq!(verify(password, &again, weak), Verdict::Match { rehash: true }, "{described}");
        assert_eq!(verify(&format!("{password}x"), &again, weak), Verdict::Mismatch, "{described}");
        assert!(!format!("{again:?}").contains("value"));
    }

    #[test]
    fn plain_digests_match_their_published_vectors() {
        // RFC 1320, RFC 1321, FIPS 180-4.
        for (algorithm, hash) in [
            ("md4", "a448017aaf21d8525fc10ae87aa6729d"),
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "sha512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            check(&described(algorithm, hash, "hex"), "abc");
            check(&described(algorithm, &hash.to_uppercase(), "hex"), "abc");
        }
        check(&described("md5", "kAFQmDzST7DWlj99KOF/cg==", "base64"), "abc");
    }

    #[test]
    fn salts_stand_on_either_side_and_passwords_have_encodings() {
        // "abc" again, in two pieces.
        let mut hash = described("md5", "900150983cd24fb0d6963f7d28e17f72", "hex");
        hash["salt"] = json!({"value": "c", "position": "suffix"});
        check(&hash, "ab");
        hash["salt"] = json!({"value": "61", "encoding": "hex", "position": "prefix"});
        check(&hash, "bc");
        // The NT hash of "password".
        let mut nt = described("md4", "8846f7eaee8fb117ad06bdd830b7586c", "hex");
        nt["password"] = json!({"encoding": "utf16le"});
        check(&nt, "password");
    }

    #[test]
    fn hmac_pbkdf2_scrypt_and_ldap_match_their_published_vectors() {
        // RFC 4231 test case 2.
        let mut hmac =
            described("hmac", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "hex");
        hmac["hash"]["digest"] = json!("sha256");
        hmac["hash"]["key"] = json!({"value": "Jefe", "encoding": "utf8"});
        check(&hmac, "what do ya want for nothing?");
        // RFC 6070: "password", "salt", 4096.
        let b64 = |hex: &str| STANDARD_NO_PAD.encode(data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap());
        let text =
            format!("$pbkdf2-sha1$i=4096,l=20$c2FsdA${}", b64("4b007901b765489abead49d926f721d065a429c1"));
        check(&described("pbkdf2", &text, "utf8"), "password");
        // RFC 7914 section 12.
        let mut scrypt = described(
            "scrypt",
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
            "hex",
        );
        scrypt["salt"] = json!({"value": "NaCl"});
        (scrypt["keylen"], scrypt["cost"], scrypt["parallelization"]) = (json!(64), json!(1024), json!(16));
        check(&scrypt, "password");
        let ssha = [Function::Sha1.digest(b"secretsalt"), b"salt".to_vec()].concat();
        check(&described("ldap", &format!("{{SSHA}}{}", STANDARD.encode(ssha)), "utf8"), "secret");
        check(
            &described("bcrypt", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "utf8"),
            "U*U",
        );
    }

    #[test]
    fn what_cannot_be_verified_or_costs_too_much_is_refused() {
        let refused = |described: Value| custom(described.as_object().unwrap()).unwrap_err();
        for hash in [
            json!({"algorithm": "rot13", "hash": {"value": "00"}}),
            json!({"algorithm": "md5", "hash": {"value": "9001", "encoding": "hex"}}),
            json!({"algorithm": "md5", "hash": {"value": "no hex", "encoding": "hex"}}),
            json!({"algorithm": "md5", "hash": {"value": "x".repeat(10_000), "encoding": "utf8"}}),
            json!({"algorithm": "hmac", "hash": {"value": "5bdcc146bf60754e6a042426089575c7", "encoding": "hex"}}),
            json!({"algorithm": "pbkdf2", "hash": {"value": "$pbkdf2-sha1$i=0,l=20$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE"}}),
            json!({"algorithm": "argon2", "hash": {"value": "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}}),
            json!({"algorithm": "ldap", "hash": {"value": "{CRYPT}x"}}),
            json!({"algorithm": "ldap", "hash": {"value": "{SHA}AAAA"}}),
            json!({}),
        ] {
            assert_eq!(refused(hash.clone()), UnusableHash::Format, "{hash}");
        }
        let slow = "$pbkdf2-sha1$i=4000000000,l=20$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE";
        assert_eq!(refused(described("pbkdf2", slow, "utf8")), UnusableHash::TooCostly);
        let mut big = described("scrypt", &"00".repeat(32), "hex");
        big["salt"] = json!({"value": "NaCl"});
        big["cost"] = json!(1_u64 << 40);
        assert_eq!(refused(big), UnusableHash::TooCostly);
    }
}
