//! The one clock of a sandbox: the machine's time, moved by jumps, or one that a seed makes the same in
//! every run.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// When a sandbox with a seed begins.
const SEEDED_START: OffsetDateTime = datetime!(2026-01-01 00:00:00 UTC);

/// The clock of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// How many seconds it is ahead of the machine's.
    offset: AtomicI64,
    /// With a seed, how many operations there were: each of them takes a second.
    ticks: Option<AtomicU64>,
}

/// What a later sandbox needs for its clock to continue.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClockState {
    offset_seconds: i64,
    ticks: Option<u64>,
}

impl Clock {
    pub(crate) fn new(seed: Option<u64>, earlier: ClockState) -> Self {
        Self {
            offset: AtomicI64::new(earlier.offset_seconds),
            ticks: seed.map(|_| AtomicU64::new(earlier.ticks.unwrap_or(0))),
        }
    }

    pub(crate) fn state(&self) -> ClockState {
        let ticks = self.ticks.as_ref();
        ClockState {
            offset_seconds: self.offset(),
            ticks: ticks.map(|ticks| ticks.load(Ordering::Relaxed)),
        }
    }

    /// Returns the time by which assertions and tokens are judged, and operations and responses are dated.
    pub(crate) fn now(&self) -> OffsetDateTime {
        let time = match &self.ticks {
            None => OffsetDateTime::now_utc(),
            Some(ticks) => {
                let ticks = i64::try_from(ticks.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
                SEEDED_START.saturating_add(Duration::seconds(ticks))
            }
        };
        time.saturating_add(Duration::seconds(self.offset()))
    }

    /// Returns the time of the next operation.
    pub(crate) fn tick(&self) -> OffsetDateTime {
        if let Some(ticks) = &self.ticks {
            ticks.fetch_add(1, Ordering::Relaxed);
        }
        self.now()
    }

    /// Sets how many seconds the clock is ahead of the machine's, or behind if negative.
    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::Relaxed);
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }
}

/// Writes a time in UTC with milliseconds, as the documentation's examples have it.
pub(crate) fn timestamp(time: OffsetDateTime) -> String {
    let (date, clock) = (time.to_utc().date(), time.to_utc().time());
    let (hour, minute, second, millisecond) = clock.as_hms_milli();
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_moves_the_time_and_can_be_taken_back() {
        let clock = Clock::new(None, ClockState::default());
        let before = clock.now();
        clock.set_offset(3600);
        let ahead = clock.now() - before;
        assert!(ahead >= Duration::hours(1) && ahead < Duration::hours(2));
        clock.set_offset(0);
        assert!(clock.now() - before < Duration::hours(1));
        clock.set_offset(i64::MAX);
        let _ = clock.now();
    }

    #[test]
    fn a_seeded_clock_counts_operations_alone() {
        let clock = Clock::new(Some(7), ClockState::default());
        assert_eq!(clock.now(), SEEDED_START);
        assert_eq!(clock.now(), SEEDED_START);
        assert_eq!(clock.tick(), SEEDED_START + Duration::SECOND);
    }

    #[test]
    fn times_are_written_as_documented() {
        let time = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_655_360_882_492);
        assert_eq!(timestamp(time), "2022-06-16T06:28:02.492Z");
    }
}
