//! Randomness: one trait, so that tests can repeat a run exactly.

use aws_lc_rs::digest;

/// A source of random bytes.
pub trait Rng: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&mut self, out: &mut [u8]);
}

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER_ALPHANUMERIC: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl dyn Rng + '_ {
    /// Returns `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// Returns `len` characters of `[A-Za-z0-9]`.
    pub fn alphanumeric(&mut self, len: usize) -> String {
        self.of(ALPHANUMERIC, len)
    }

    /// Returns `len` characters of `[A-Z0-9]`.
    pub fn upper_alphanumeric(&mut self, len: usize) -> String {
        self.of(UPPER_ALPHANUMERIC, len)
    }

    /// Returns `len` characters of `[A-Za-z0-9_-]`: 6 bits of randomness each.
    pub fn url_safe(&mut self, len: usize) -> String {
        self.of(URL_SAFE, len)
    }

    /// Returns `len` decimal digits, leading zeros included.
    pub fn digits(&mut self, len: usize) -> String {
        self.of(b"0123456789", len)
    }

    /// Returns `len` lower-case hexadecimal digits.
    pub fn hex(&mut self, len: usize) -> String {
        self.of(b"0123456789abcdef", len)
    }

    /// Draws each character without bias: bytes past the last whole multiple of the alphabet's length are drawn again.
    fn of(&mut self, alphabet: &[u8], len: usize) -> String {
        let limit = 256 - 256 % alphabet.len();
        let mut out = String::with_capacity(len);
        while out.len() < len {
            for byte in self.bytes::<32>() {
                if usize::from(byte) < limit && out.len() < len {
                    out.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
                }
            }
        }
        out
    }
}

/// The system's cryptographic generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&mut self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("the system's random generator does not fail once it is seeded");
    }
}

/// A repeatable generator for tests: SHA-256 of seed and counter. Never use it for a secret.
#[derive(Clone, Debug)]
pub struct SeededRng {
    seed: u64,
    counter: u64,
}

impl SeededRng {
    /// Returns the generator of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl Rng for SeededRng {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            self.counter += 1;
            let mut block = [0u8; 16];
            block[..8].copy_from_slice(&self.seed.to_be_bytes());
            block[8..].copy_from_slice(&self.counter.to_be_bytes());
            let hash = digest::digest(&digest::SHA256, &block);
            chunk.copy_from_slice(&hash.as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_come_from_the_alphabet_and_all_of_them_come() {
        let rng: &mut dyn Rng = &mut SeededRng::new(1);
        let text = rng.upper_alphanumeric(5000);
        assert!(text.bytes().all(|b| UPPER_ALPHANUMERIC.contains(&b)));
        assert!(UPPER_ALPHANUMERIC.iter().all(|b| text.contains(char::from(*b))));
    }

    #[test]
    fn equal_seeds_repeat_and_others_do_not() {
        let draw = |seed| (&mut SeededRng::new(seed) as &mut dyn Rng).url_safe(40);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
