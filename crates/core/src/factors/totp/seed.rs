//! The shared secret of an authenticator app entry.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::random::Rng;

/// A shared secret. Stored as base32, wiped from memory when dropped, never in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed(Zeroizing<Vec<u8>>);

/// Why a text is no seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// A character outside `A-Z2-7`, once case, blanks, dashes and padding are set aside.
    #[error("a TOTP secret is base32: only the letters A to Z and the digits 2 to 7")]
    NotBase32,
    /// Less than one byte.
    #[error("a TOTP secret cannot be empty")]
    Empty,
    /// More than 256 characters.
    #[error("a TOTP secret has at most 256 characters")]
    TooLong,
}

impl Seed {
    /// Draws a seed of 20 bytes: the 160 bits that RFC 4226 recommends, the output length of SHA-1.
    pub fn generate(rng: &mut dyn Rng) -> Self {
        Self(Zeroizing::new(rng.bytes::<20>().to_vec()))
    }

    /// Returns the seed of these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Parses a seed from elsewhere: any case, with or without padding, blanks or dashes, and of any length.
    ///
    /// Short ones of old systems are taken (they may be imported, not generated). Bits that fill no byte are dropped, as
    /// authenticator apps do.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        if text.len() > 256 {
            return Err(SeedError::TooLong);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 5 / 8));
        let (mut bits, mut count) = (0u32, 0);
        for c in text.trim_end_matches(['=', ' ']).bytes().filter(|c| !matches!(c, b' ' | b'-')) {
            let value = match c.to_ascii_uppercase() {
                c @ b'A'..=b'Z' => c - b'A',
                c @ b'2'..=b'7' => c - b'2' + 26,
                _ => return Err(SeedError::NotBase32),
            };
            bits = (bits << 5 | u32::from(value)) & 0xfff;
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
        if bytes.is_empty() { Err(SeedError::Empty) } else { Ok(Self(bytes)) }
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns unpadded base32.
    pub fn base32(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// Returns base32 in groups of four, for a person to type.
    pub fn grouped(&self) -> String {
        super::super::grouped(&self.base32())
    }
}

impl TryFrom<String> for Seed {
    type Error = SeedError;
    fn try_from(text: String) -> Result<Self, SeedError> {
        Self::parse(&text)
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        seed.base32()
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}
