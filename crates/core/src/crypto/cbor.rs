//! Just enough CBOR (RFC 8949) to take apart what a security key says: definite and shortest lengths, whole numbers, no tags.
//!
//! That is the form that CTAP2 prescribes for authenticators, except that the order of a map's keys is left to them. Whatever could be read
//! in two ways (a key that stands twice, a number that is longer than it has to be) is refused.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cbor<'a> {
    /// A whole number.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A text.
    Text(&'a str),
    /// A list.
    Array(Vec<Self>),
    /// Keys and values, in the order in which they stand.
    Map(Vec<(Self, Self)>),
    /// True or false.
    Bool(bool),
    /// Nothing.
    Null,
}

/// How deep values may lie in each other. Attestations take five levels.
const DEEPEST: usize = 8;
/// How many elements a list or map may have. Attestations take ten.
const MOST: u64 = 64;

impl<'a> Cbor<'a> {
    /// Reads a value that must be all there is.
    pub fn only(bytes: &'a [u8]) -> Option<Self> {
        let (value, rest) = Self::first(bytes)?;
        rest.is_empty().then_some(value)
    }

    /// Reads a value, and returns what follows it.
    pub fn first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader(bytes);
        let value = reader.value(DEEPEST)?;
        Some((value, reader.0))
    }

    /// Returns the value of a text key.
    pub fn at(&self, key: &str) -> Option<&Self> {
        self.get(&Cbor::Text(key))
    }

    /// Returns the value of a number key.
    pub fn number(&self, key: i64) -> Option<&Self> {
        self.get(&Cbor::Int(key))
    }

    /// Returns the keys and values of a map.
    pub fn entries(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Returns a whole number.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// Returns bytes.
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns a text.
    pub const fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Appends the value as bytes, keys in the order in which they stand.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(n @ 0..) => head(0, n.unsigned_abs(), out),
            Self::Int(n) => head(1, n.unsigned_abs() - 1, out),
            Self::Bytes(bytes) => {
                head(2, bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                head(3, text.len() as u64, out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Array(all) => {
                head(4, all.len() as u64, out);
                all.iter().for_each(|value| value.write(out));
            }
            Self::Map(entries) => {
                head(5, entries.len() as u64, out);
                for (key, value) in entries {
                    key.write(out);
                    value.write(out);
                }
            }
            Self::Bool(false) => out.push(0xf4),
            Self::Bool(true) => out.push(0xf5),
            Self::Null => out.push(0xf6),
        }
    }

    /// Returns the value as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn get(&self, key: &Cbor<'_>) -> Option<&Self> {
        self.entries()?.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }
}

/// Writes a type and its number in the shortest form.
fn head(kind: u8, n: u64, out: &mut Vec<u8>) {
    let kind = kind << 5;
    match n {
        0..24 => out.push(kind | n as u8),
        24..0x100 => out.extend([kind | 24, n as u8]),
        0x100..0x1_0000 => {
            out.push(kind | 25);
            out.extend((n as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(kind | 26);
            out.extend((n as u32).to_be_bytes());
        }
        _ => {
            out.push(kind | 27);
            out.extend(n.to_be_bytes());
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Cbor<'a>> {
        let depth = depth.checked_sub(1)?;
        let first = self.take(1)?[0];
        let (kind, short) = (first >> 5, first & 0x1f);
        if kind == 7 {
            return match short {
                20 => Some(Cbor::Bool(false)),
                21 => Some(Cbor::Bool(true)),
                22 => Some(Cbor::Null),
                _ => None,
            };
        }
        let n = self.argument(short)?;
        Some(match kind {
            0 => Cbor::Int(i64::try_from(n).ok()?),
            1 => Cbor::Int(-1 - i64::try_from(n).ok()?),
            2 => Cbor::Bytes(self.take(n)?),
            3 => Cbor::Text(std::str::from_utf8(self.take(n)?).ok()?),
            4 if n <= MOST => Cbor::Array((0..n).map(|_| self.value(depth)).collect::<Option<_>>()?),
            5 if n <= MOST => {
                let mut entries: Vec<(Cbor<'a>, Cbor<'a>)> = Vec::new();
                for _ in 0..n {
                    let key = self.value(depth)?;
                    let fits = matches!(key, Cbor::Int(_) | Cbor::Text(_));
                    if !fits || entries.iter().any(|(other, _)| *other == key) {
                        return None;
                    }
                    entries.push((key, self.value(depth)?));
                }
                Cbor::Map(entries)
            }
            _ => return None,
        })
    }

    /// Reads the number behind a type. One that would fit into fewer bytes is refused, and so is an open end.
    fn argument(&mut self, short: u8) -> Option<u64> {
        let (bytes, least) = match short {
            0..24 => return Some(short.into()),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return None,
        };
        let n = self.take(bytes)?.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        (n >= least).then_some(n)
    }

    fn take(&mut self, n: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(n).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    #[test]
    fn the_examples_of_rfc_8949_are_read_and_written() {
        for (hex, value) in [
            ("00", Cbor::Int(0)),
            ("17", Cbor::Int(23)),
            ("1818", Cbor::Int(24)),
            ("1903e8", Cbor::Int(1000)),
            ("1a000f4240", Cbor::Int(1_000_000)),
            ("1b000000e8d4a51000", Cbor::Int(1_000_000_000_000)),
            ("20", Cbor::Int(-1)),
            ("3863", Cbor::Int(-100)),
            ("3903e7", Cbor::Int(-1000)),
            ("f4", Cbor::Bool(false)),
            ("f5", Cbor::Bool(true)),
            ("f6", Cbor::Null),
            ("4401020304", Cbor::Bytes(&[1, 2, 3, 4])),
            ("62c3bc", Cbor::Text("ü")),
            ("83010203", Cbor::Array(vec![Cbor::Int(1), Cbor::Int(2), Cbor::Int(3)])),
            ("a201020304", Cbor::Map(vec![(Cbor::Int(1), Cbor::Int(2)), (Cbor::Int(3), Cbor::Int(4))])),
        ] {
            let read = bytes(hex);
            assert_eq!(Cbor::only(&read), Some(value.clone()), "{hex}");
            assert_eq!(value.to_bytes(), read, "{hex}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (hex, why) in [
            ("1817", "a number that is longer than it has to be"),
            ("190018", "the same"),
            ("1a00000100", "the same"),
            ("1b0000000000000001", "the same"),
            ("5f42010243030405ff", "an open end"),
            ("9fff", "the same"),
            ("bf01ff", "the same"),
            ("a201020103", "a key that stands twice"),
            ("a1810102", "a list as key"),
            ("c074", "a tag"),
            ("f93c00", "a fraction"),
            ("f7", "undefined"),
            ("f818", "a simple value"),
            ("1bffffffffffffffff", "a number that no i64 holds"),
            ("62c328", "no UTF-8"),
            ("0000", "more than one value"),
            ("", "nothing"),
            ("19", "an end in the middle"),
            ("44010203", "the same"),
            ("8201", "the same"),
            ("5bffffffffffffffff00", "a length without its bytes"),
            ("9b00000000ffffffff00", "the same"),
        ] {
            assert_eq!(Cbor::only(&bytes(hex)), None, "{hex}: {why}");
        }
    }

    #[test]
    fn deep_and_wide_values_are_refused_before_they_cost_anything() {
        assert!(Cbor::only(&[vec![0x81; 7], vec![0]].concat()).is_some());
        assert!(Cbor::only(&[vec![0x81; 8], vec![0]].concat()).is_none());
        assert!(Cbor::only(&vec![0x81; 1_000_000]).is_none());
        let wide = |n: usize| [vec![0x98, n as u8], vec![0; n]].concat();
        assert!(Cbor::only(&wide(64)).is_some());
        assert!(Cbor::only(&wide(65)).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_back_as_they_were_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some((value, rest)) = Cbor::first(&bytes) {
                prop_assert_eq!(value.to_bytes(), &bytes[..bytes.len() - rest.len()]);
            }
        }
    }
}
