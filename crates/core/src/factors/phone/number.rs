//! Telephone numbers: one spelling for each (E.164), and which of them nobody should pay to reach.
//!
//! Plausibility, regions and premium ranges come from libphonenumber's tables in the `phonenumber` crate; what may be typed around the
//! digits is decided here, before those tables see it.

use std::fmt;

use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, Type, country};
use serde::{Deserialize, Serialize};

/// The longest text that is looked at: fifteen digits with a separator after each.
const LONGEST: usize = 40;

/// Calling codes that belong to no country and cost more than anybody expects: satellites, international networks and premium numbers.
const NOWHERE: &[u16] = &[870, 878, 881, 882, 883, 888, 979];

/// A telephone number in E.164: `+`, country, national number; no other character.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// Why a text is no number that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Characters that no number has, or no country.
    #[error("the phone number is not written as +, country code and number")]
    Format,
    /// It looks like a number, and no country has such.
    #[error("no country has such a phone number")]
    Implausible,
}

impl PhoneNumber {
    /// Reads a number that begins with `+` and its country.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        Self::parse_in(text, None)
    }

    /// Reads a number as it is dialled in a region (ISO 3166, `US`); one with `+` names its own.
    ///
    /// Blanks, dashes, dots and brackets may stand between the digits. Only ASCII digits count: a number has one spelling.
    pub fn parse_in(text: &str, region: Option<&str>) -> Result<Self, PhoneError> {
        let text = text.trim_matches(' ');
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}');
        if digits.is_empty() || text.len() > LONGEST || !digits.chars().all(fits) {
            return Err(PhoneError::Format);
        }
        let region = match region {
            _ if text.starts_with('+') => None,
            None => return Err(PhoneError::Format),
            Some(region) => Some(region.parse::<country::Id>().map_err(|_| PhoneError::Format)?),
        };
        let clean: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        let number = phonenumber::parse(region, clean).map_err(|_| PhoneError::Implausible)?;
        if !number.is_valid() {
            return Err(PhoneError::Implausible);
        }
        Self::stored(&number.format().mode(Mode::E164).to_string()).ok_or(PhoneError::Implausible)
    }

    /// Takes a number that was checked before or comes from an administrator: only its form counts.
    pub fn stored(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let fits = (2..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// Returns the number, `+12025550143`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns it with all but the last four digits hidden, the plus sign too: `XXXXXXXX0143`.
    pub fn masked(&self) -> String {
        let hidden = self.0.len().saturating_sub(4);
        self.0.char_indices().map(|(n, c)| if n < hidden { 'X' } else { c }).collect()
    }

    /// Returns whether a tenant's list of countries has it. An entry is a calling code (`1`: the United States, Canada and all others
    /// under +1) or a region (`US`). An empty list has every country.
    pub fn is_in(&self, countries: &[String]) -> bool {
        if countries.is_empty() {
            return true;
        }
        let Ok(number) = phonenumber::parse(None, &self.0) else { return false };
        let code = number.code().value().to_string();
        let region = number.country().id();
        countries
            .iter()
            .map(|entry| entry.trim_start_matches('+'))
            .any(|entry| entry == code || region.is_some_and(|id| id.as_ref().eq_ignore_ascii_case(entry)))
    }

    /// Returns whether a message or call to it earns somebody money: premium and shared-cost ranges, satellites, numbers of no country.
    pub fn is_premium(&self) -> bool {
        let Ok(number) = phonenumber::parse(None, &self.0) else { return true };
        NOWHERE.contains(&number.code().value())
            || matches!(number.number_type(&DATABASE), Type::PremiumRate | Type::SharedCost)
    }
}

/// Masked: debug output ends in logs.
impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = PhoneError;
    fn try_from(text: String) -> Result<Self, PhoneError> {
        Self::stored(&text).ok_or(PhoneError::Format)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, PhoneError> {
        PhoneNumber::parse(text).map(String::from)
    }

    #[test]
    fn a_number_has_one_spelling() {
        for text in
            ["+12025550143", "+1 202 555 0143", "+1-202-555-0143", "+1(202)5550143", " +1 (202) 555.0143 "]
        {
            assert_eq!(parsed(text).as_deref(), Ok("+12025550143"), "{text}");
        }
        for text in
            ["＋12025550143", "+12025550143;ext=1", "+١٢٠٢٥٥٥٠١٤٣", "12025550143", "+", "", "+1x", "++1202"]
        {
            assert_eq!(parsed(text), Err(PhoneError::Format), "{text}");
        }
        for text in ["+1202", "+999123456789", "+120255501431234"] {
            assert_eq!(parsed(text), Err(PhoneError::Implausible), "{text}");
        }
        let slow = format!("+{}x", "1".repeat(100_000));
        assert_eq!(parsed(&slow), Err(PhoneError::Format));
    }

    #[test]
    fn a_national_number_is_read_in_its_region() {
        let german = PhoneNumber::parse_in("0151 23456789", Some("DE")).unwrap();
        assert_eq!(german.as_str(), "+4915123456789");
        assert_eq!(PhoneNumber::parse_in("+1 202 555 0143", Some("DE")).unwrap().as_str(), "+12025550143");
        assert_eq!(PhoneNumber::parse_in("202", Some("<b>")), Err(PhoneError::Format));
    }

    #[test]
    fn numbers_that_cost_the_caller_are_known() {
        for text in ["+88213000000", "+979123456789", "+19005550143"] {
            assert!(PhoneNumber::stored(text).unwrap().is_premium(), "{text}");
        }
        for text in ["+12025550143", "+4915123456789", "+447700900123"] {
            assert!(!PhoneNumber::stored(text).unwrap().is_premium(), "{text}");
        }
    }

    #[test]
    fn a_list_names_calling_codes_or_regions() {
        let list = |entries: &[&str]| entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>();
        let is_in = |text: &str, entries: &[&str]| PhoneNumber::stored(text).unwrap().is_in(&list(entries));
        assert!(is_in("+12025550143", &["1", "49"]) && is_in("+4915123456789", &["1", "+49"]));
        assert!(is_in("+18765550143", &["1"]), "a calling code has all its countries");
        assert!(!is_in("+18765550143", &["US"]) && is_in("+12025550143", &["us"]));
        assert!(!is_in("+447700900123", &["1", "49"]) && is_in("+447700900123", &[]));
    }

    #[test]
    fn it_is_masked_where_it_is_shown_and_never_in_debug_output() {
        let number = PhoneNumber::stored("+12025550143").unwrap();
        assert_eq!(number.masked(), "XXXXXXXX0143");
        assert!(!format!("{number:?}").contains("202"));
    }
}
