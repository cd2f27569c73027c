//! What time it is, by the clock of this host and by D1's.
//!
//! Two hosts can compare the times that they recorded only where both are times of one clock. All hosts of a service
//! see one: D1 writes the time into the `Date` of each response. This module decides between which times D1's clock is
//! now, and which of the two clocks a time is known by.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How exact the `Date` of a response is.
const DATE_PRECISION: Duration = Duration::from_secs(1);

/// A moment, by each clock that it is known by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The wall clock of the host that recorded it.
    pub(crate) host: SystemTime,
    pub(crate) d1: Option<SystemTime>,
    /// The monotonic clock of this process, where this process recorded it.
    pub(crate) process: Option<Instant>,
}

impl Moment {
    /// Returns a moment that only the clock of a host has recorded.
    pub(crate) fn of_host(time: SystemTime) -> Self {
        Self {
            host: time,
            d1: None,
            process: None,
        }
    }

    /// Returns the present moment, by the clocks of this host.
    pub(crate) fn now() -> Self {
        Self {
            process: Some(Instant::now()),
            ..Self::of_host(SystemTime::now())
        }
    }

    pub(crate) fn earlier_by(self, time: Duration) -> Self {
        Self {
            host: self.host.checked_sub(time).unwrap_or(self.host),
            d1: self.d1.and_then(|at| at.checked_sub(time)),
            process: self.process.and_then(|at| at.checked_sub(time)),
        }
    }

    pub(crate) fn later_by(self, time: Duration) -> Self {
        Self {
            host: self.host.checked_add(time).unwrap_or(self.host),
            d1: self.d1.and_then(|at| at.checked_add(time)),
            process: self.process.and_then(|at| at.checked_add(time)),
        }
    }

    /// Returns how long it is until `later`, by the best clock that both are known by: that of this process, which no
    /// one sets, then D1's, then those of the hosts, which must agree. `None` where `later` comes first.
    pub(crate) fn until(self, later: Self) -> Option<Duration> {
        if let (Some(from), Some(to)) = (self.process, later.process) {
            return to.checked_duration_since(from);
        }
        let (from, to) = match (self.d1, later.d1) {
            (Some(from), Some(to)) => (from, to),
            (Some(_) | None, Some(_) | None) => (self.host, later.host),
        };
        to.duration_since(from).ok()
    }
}

/// Returns by how many seconds one time is ahead of another; negative where it is behind.
pub(crate) fn seconds_ahead(time: SystemTime, of: SystemTime) -> i64 {
    let seconds = |distance: Duration| i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(of) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

/// D1's clock, by the last response of D1.
#[derive(Debug, Default)]
pub(crate) struct D1Clock(Mutex<Option<Reading>>);

#[derive(Debug, Clone, Copy)]
struct Reading {
    date: SystemTime,
    /// When the request was sent.
    asked: Moment,
    /// How long it took until the response arrived.
    took: Duration,
}

impl D1Clock {
    /// Notes the `Date` of a response that has just arrived, and when its request was sent.
    pub(crate) fn set(&self, date: SystemTime, asked: Moment) {
        let took = asked.until(Moment::now()).unwrap_or_default();
        let reading = Reading { date, asked, took };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }

    /// Returns by how many seconds the clock of this host was ahead of D1's at the last reading.
    pub(crate) fn offset(&self) -> Option<i64> {
        let reading = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Reading { date, asked, took } = reading?;
        let host = asked.host.checked_add(took / 2)?;
        Some(seconds_ahead(host, date))
    }

    /// Returns the present moment, with the earliest and with the latest time that D1's clock can show.
    pub(crate) fn now(&self) -> (Moment, Moment) {
        let reading = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Moment::now();
        let Some(Reading { date, asked, took }) = reading else {
            return (now, now);
        };
        // One clock of this host stands still while the host sleeps, the other one may be set.
        let monotonic = asked.until(now).unwrap_or_default();
        let wall = now.host.duration_since(asked.host).unwrap_or_default();
        // D1 wrote the date between the request and the response, and cut it to whole seconds.
        let least = monotonic.min(wall).saturating_sub(took);
        let most = monotonic.max(wall).saturating_add(DATE_PRECISION);
        let by_d1 = |since: Duration| Moment {
            d1: date.checked_add(since),
            ..now
        };
        (by_d1(least), by_d1(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_was_not_read_is_not_known() {
        let (earliest, latest) = D1Clock::default().now();
        assert_eq!((earliest.d1, latest.d1), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_d1_is_known_to_the_second_and_to_the_duration_of_the_request() {
        let date = SystemTime::UNIX_EPOCH + 1_000 * SECOND;
        let since_epoch =
            |time: Option<SystemTime>| time?.duration_since(SystemTime::UNIX_EPOCH).ok();
        // While the paused clock runs for ten seconds, the wall clock stands still or is set an hour ahead.
        for (set_by, least, most) in [(0, 1_000, 1_011), (3_600, 1_007, 4_601)] {
            let clock = D1Clock::default();
            let mut asked = Moment::now();
            tokio::time::advance(3 * SECOND).await;
            asked.host -= set_by * SECOND;
            clock.set(date, asked);
            tokio::time::advance(7 * SECOND).await;
            // The date is of 1970.
            assert!(clock.offset().is_some_and(|seconds| seconds > 0));
            let (earliest, latest) = clock.now();
            let earliest = since_epoch(earliest.d1).unwrap_or_default().as_secs();
            let latest = since_epoch(latest.d1).unwrap_or_default().as_secs();
            // The test itself takes its time, by the wall clock.
            assert!((least..=1_007).contains(&earliest), "{earliest}");
            assert!((most..).contains(&latest), "{latest}");
        }
    }

    #[test]
    fn the_clocks_of_two_hosts_are_compared_only_where_no_better_clock_is_known() {
        let now = Instant::now();
        let at = |host, d1: Option<u32>, process: Option<u32>| Moment {
            host: SystemTime::UNIX_EPOCH + host * SECOND,
            d1: d1.map(|d1| SystemTime::UNIX_EPOCH + d1 * SECOND),
            process: process.map(|seconds| now + seconds * SECOND),
        };
        for (from, to, seconds) in [
            (
                at(900, Some(90), Some(1)),
                at(400, Some(50), Some(8)),
                Some(7),
            ),
            (
                at(900, Some(50), None),
                at(400, Some(80), Some(8)),
                Some(30),
            ),
            (at(900, Some(80), None), at(990, Some(50), None), None),
            (at(400, None, Some(1)), at(430, Some(0), None), Some(30)),
            (at(400, Some(0), None), at(429, None, Some(1)), Some(29)),
            (at(400, None, None), at(399, None, None), None),
        ] {
            let until = from.until(to).map(|time| time.as_secs());
            assert_eq!(until, seconds, "{from:?} {to:?}");
        }
    }

    #[test]
    fn a_moment_is_moved_by_every_clock_that_it_is_known_by() {
        let now = Moment {
            d1: Some(SystemTime::UNIX_EPOCH + 50 * SECOND),
            ..Moment::now()
        };
        let later = now.later_by(20 * SECOND);
        let back = later.earlier_by(20 * SECOND);
        assert_eq!(
            (back.host, back.d1, back.process),
            (now.host, now.d1, now.process)
        );
        assert_eq!(now.until(later), Some(20 * SECOND));
        assert_eq!(now.d1.map(|at| at + 20 * SECOND), later.d1);
        assert_eq!(now.host + 20 * SECOND, later.host);
    }
}
