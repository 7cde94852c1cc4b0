//! The twin's clock: runs with the machine's, ahead of it, behind it, or stands still.

use std::sync::Mutex;

use lockstep_core::time::{Clock, Span, SystemClock, Timestamp};
use serde::{Deserialize, Serialize};

/// A clock that can be set.
#[derive(Debug, Default)]
pub struct TwinClock(Mutex<Setting>);

#[derive(Clone, Copy, Debug)]
enum Setting {
    Running { ahead: Span },
    Frozen { at: Timestamp },
}

impl Default for Setting {
    fn default() -> Self {
        Self::Running { ahead: Span::ZERO }
    }
}

/// What somebody wants of the clock. Several wishes are carried out in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockChange {
    /// Go with the machine's clock again.
    #[serde(default)]
    pub reset: bool,
    /// A point in time to jump to: ISO 8601, or milliseconds since 1970.
    pub set: Option<Moment>,
    /// Milliseconds to move on, or back if negative.
    pub advance_ms: Option<i64>,
    /// Stand still (true), or run on from here (false).
    pub freeze: Option<bool>,
}

/// A point in time in one of the two forms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Moment {
    /// Milliseconds since 1970, UTC.
    Millis(i64),
    /// ISO 8601.
    Iso(String),
}

/// What the clock shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The time, ISO 8601.
    pub now: String,
    /// The time in milliseconds since 1970.
    pub now_ms: i64,
    /// How far it is ahead of the machine's clock.
    pub ahead_ms: i64,
    /// Whether it stands still.
    pub frozen: bool,
}

/// The wish cannot be met: the time was not understood or lies outside the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"set\" must be an ISO 8601 date such as 2026-03-01T12:00:00Z, or milliseconds since 1970, between the years 1970 and 9999"
)]
pub struct BadMoment;

impl TwinClock {
    /// Returns what the clock shows.
    pub fn read(&self) -> Reading {
        let setting = *self.0.lock().expect("no code panics while it holds this lock");
        let system = SystemClock.now();
        let now = setting.at(system);
        Reading {
            now: now.to_iso(),
            now_ms: now.as_millis(),
            ahead_ms: now.since(system).as_millis(),
            frozen: matches!(setting, Setting::Frozen { .. }),
        }
    }

    /// Goes with the machine's clock again.
    pub fn reset(&self) {
        *self.0.lock().expect("no code panics while it holds this lock") = Setting::default();
    }

    /// Changes the clock, all or nothing.
    pub fn change(&self, change: &ClockChange) -> Result<(), BadMoment> {
        let mut held = self.0.lock().expect("no code panics while it holds this lock");
        let system = SystemClock.now();
        let mut setting = if change.reset { Setting::default() } else { *held };
        if let Some(moment) = &change.set {
            let to = match moment {
                Moment::Millis(millis) => Timestamp::from_millis(*millis),
                Moment::Iso(text) => Timestamp::parse_iso(text.trim()).ok_or(BadMoment)?,
            };
            setting = setting.moved(to.since(setting.at(system)));
        }
        if let Some(millis) = change.advance_ms {
            setting = setting.moved(Span::millis(millis));
        }
        match change.freeze {
            Some(true) => setting = Setting::Frozen { at: setting.at(system) },
            Some(false) => setting = Setting::Running { ahead: setting.at(system).since(system) },
            None => {}
        }
        // Outside of it neither calendars nor clients can follow.
        if !(0..253_402_300_800_000).contains(&setting.at(system).as_millis()) {
            return Err(BadMoment);
        }
        *held = setting;
        Ok(())
    }
}

impl Clock for TwinClock {
    fn now(&self) -> Timestamp {
        let setting = *self.0.lock().expect("no code panics while it holds this lock");
        setting.at(SystemClock.now())
    }
}

impl Setting {
    fn at(self, system: Timestamp) -> Timestamp {
        match self {
            Self::Running { ahead } => system + ahead,
            Self::Frozen { at } => at,
        }
    }

    fn moved(self, by: Span) -> Self {
        match self {
            Self::Running { ahead } => {
                Self::Running { ahead: Span::millis(ahead.as_millis().saturating_add(by.as_millis())) }
            }
            Self::Frozen { at } => Self::Frozen { at: at + by },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> ClockChange {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = TwinClock::default();
        clock.change(&change(r#"{"set": "2026-03-01T12:00:00Z", "freeze": true}"#)).unwrap();
        assert_eq!(clock.read().now, "2026-03-01T12:00:00.000Z");
        clock.change(&change(r#"{"advance_ms": 30000}"#)).unwrap();
        assert_eq!(clock.read().now, "2026-03-01T12:00:30.000Z");
        clock.change(&change(r#"{"advance_ms": -60000}"#)).unwrap();
        assert_eq!(clock.read().now, "2026-03-01T11:59:30.000Z");
        assert!(clock.read().frozen);
        clock.change(&change(r#"{"set": 0}"#)).unwrap();
        assert_eq!(clock.now(), Timestamp::from_millis(0));
    }

    #[test]
    fn a_reset_clock_goes_with_the_machine() {
        let clock = TwinClock::default();
        clock.change(&change(r#"{"advance_ms": 3600000}"#)).unwrap();
        assert!(clock.read().ahead_ms > 3_590_000);
        clock.change(&change(r#"{"reset": true}"#)).unwrap();
        assert_eq!((clock.read().ahead_ms, clock.read().frozen), (0, false));
    }

    #[test]
    fn an_impossible_time_changes_nothing() {
        let clock = TwinClock::default();
        clock.change(&change(r#"{"set": "2026-03-01", "freeze": true}"#)).unwrap();
        for bad in [r#"{"set": "tomorrow"}"#, r#"{"set": -1}"#, r#"{"advance_ms": 9223372036854775807}"#] {
            assert_eq!(clock.change(&change(bad)), Err(BadMoment), "{bad}");
        }
        assert_eq!(clock.read().now, "2026-03-01T00:00:00.000Z");
        assert!(serde_json::from_str::<ClockChange>(r#"{"advance": 5}"#).is_err(), "a typing error is told");
    }
}
