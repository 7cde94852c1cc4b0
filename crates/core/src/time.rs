//! Points in time and the clock that tells them.

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the point that many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the point that many seconds after the Unix epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch, rounded down: the form of JWT dates (RFC 7519, NumericDate).
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the time since `earlier`; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Returns the Management API's form, `2026-01-15T09:30:12.345Z`.
    pub fn to_iso(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => format!("{t:.3}"),
            // Outside the years that the calendar library knows; the number is at least unambiguous.
            Err(_) => self.0.to_string(),
        }
    }

    /// Parses an ISO 8601 date or date-time; a plain date means its first moment, UTC.
    pub fn parse_iso(text: &str) -> Option<Self> {
        if let Ok(t) = text.parse::<jiff::Timestamp>() {
            return Some(Self(t.as_millisecond()));
        }
        let date: jiff::civil::Date = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok().map(|t| Self(t.as_millisecond()))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// A length of time in milliseconds. Signed, because clocks do jump back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Returns that many milliseconds.
    pub const fn millis(n: i64) -> Self {
        Self(n)
    }
    /// Returns that many seconds.
    pub const fn seconds(n: i64) -> Self {
        Self(n.saturating_mul(1000))
    }
    /// Returns that many minutes.
    pub const fn minutes(n: i64) -> Self {
        Self::seconds(n.saturating_mul(60))
    }
    /// Returns that many hours.
    pub const fn hours(n: i64) -> Self {
        Self::minutes(n.saturating_mul(60))
    }
    /// Returns that many days of 24 hours.
    pub const fn days(n: i64) -> Self {
        Self::hours(n.saturating_mul(24))
    }
    /// Returns the length in milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
    /// Returns the length in whole seconds, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// Tells the time. The server reads it once per request and passes the value on.
pub trait Clock: Send + Sync {
    /// Returns the present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_form_has_milliseconds_and_z() {
        let t = Timestamp::from_millis(1_768_469_412_345);
        assert_eq!(t.to_iso(), "2026-01-15T09:30:12.345Z");
        assert_eq!(Timestamp::parse_iso("2026-01-15T09:30:12.345Z"), Some(t));
        assert_eq!(
            Timestamp::parse_iso("2026-01-15").map(Timestamp::to_iso).as_deref(),
            Some("2026-01-15T00:00:00.000Z")
        );
        assert_eq!(Timestamp::from_secs(0).to_iso(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::parse_iso("yesterday"), None);
    }

    #[test]
    fn a_clock_that_jumped_back_gives_a_negative_span() {
        assert_eq!(Timestamp::from_secs(5).since(Timestamp::from_secs(9)), Span::seconds(-4));
        assert_eq!(Timestamp::from_millis(-1).as_secs(), -1);
    }
}
