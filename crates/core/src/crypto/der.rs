//! Just enough DER (X.690) to find the fields of a certificate: definite and shortest lengths, tags of one byte.

/// The tags that certificates are made of.
pub mod tag {
    /// BOOLEAN
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER
    pub const INTEGER: u8 = 0x02;
    /// OCTET STRING
    pub const OCTETS: u8 = 0x04;
    /// OBJECT IDENTIFIER
    pub const OID: u8 = 0x06;
    /// SEQUENCE
    pub const SEQUENCE: u8 = 0x30;
    /// SET
    pub const SET: u8 = 0x31;
}

/// A row of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Returns the values that these bytes hold.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes the next value: its tag and its content.
    pub fn value(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, short], rest) = self.0.split_first_chunk::<2>()?;
        // A tag of several bytes stands in no certificate.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            // 0x80 would be an open end.
            0x81 => {
                let (&[n], rest) = rest.split_first_chunk::<1>()?;
                (usize::from(n), rest)
            }
            0x82 => {
                let (n, rest) = rest.split_first_chunk::<2>()?;
                (u16::from_be_bytes(*n).into(), rest)
            }
            _ => return None,
        };
        let least = match short {
            0x81 => 0x80,
            0x82 => 0x100,
            _ => 0,
        };
        if length < least {
            return None;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// Takes the content of the next value, which must have this tag.
    pub fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.value().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Takes the next value if it has this tag.
    pub fn take_if(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.take(tag) } else { None }
    }

    /// Takes the values within the next one, which must have this tag.
    pub fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }

    /// Returns whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_one_form_only() {
        let mut all = Der::new(&[0x30, 3, 2, 1, 5, 1, 1, 0xff]);
        let mut inner = all.enter(tag::SEQUENCE).unwrap();
        assert_eq!(inner.take(tag::INTEGER), Some(&[5][..]));
        assert!(inner.is_empty() && !all.is_empty());
        assert_eq!(all.take_if(tag::OCTETS), None);
        assert_eq!(all.take_if(tag::BOOLEAN), Some(&[0xff][..]));
        assert!(all.is_empty());
        let long = [&[4, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(Der::new(&long).take(tag::OCTETS).unwrap().len(), 0x80);
        let longer = [&[4, 0x82, 1, 0][..], &[7; 0x100]].concat();
        assert_eq!(Der::new(&longer).take(tag::OCTETS).unwrap().len(), 0x100);
        for (bytes, why) in [
            (&[4, 0x81, 1, 0][..], "a length that is longer than it has to be"),
            (&[4, 0x82, 0, 1, 0], "the same"),
            (&[4, 0x80, 0, 0], "an open end"),
            (&[4, 0x83, 0, 0, 1, 0], "more than any certificate has"),
            (&[0x1f, 0x1f, 0], "a tag of several bytes"),
            (&[4, 2, 0], "an end in the middle"),
            (&[4], "the same"),
            (&[], "nothing"),
        ] {
            assert_eq!(Der::new(bytes).value(), None, "{why}");
        }
    }
}
