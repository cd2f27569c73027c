//! How many requests may be under way, by how D1 takes them.

use std::collections::HashMap;
use std::time::Duration;

use d1_facade::ApiOperation;
use tokio::time::Instant;

/// The limit at the start.
const INITIAL: f64 = 4.0;

/// What is left of the limit after a sign that D1 is overloaded.
const AFTER_OVERLOAD: f64 = 0.5;

/// What is left of the limit after a round of slow responses.
const AFTER_SLOWNESS: f64 = 0.9;

/// Responses are slow that take longer than this many times the best time, and these seconds more.
const SLOW_FACTOR: f64 = 2.0;
const SLOW_MARGIN: f64 = 0.010;

/// By how much of its distance to the average of a round the best time grows: what D1 can do changes over a day.
const FORGETTING: f64 = 0.02;

/// A limit that grows by one with each round of responses in time (doubles, until the first bad sign) and shrinks by
/// a factor. A round is as many responses as the limit.
pub(crate) struct ConcurrencyLimit {
    limit: f64,
    max: f64,
    /// Whether it still doubles.
    is_starting: bool,
    /// Failures of requests that were sent before this were followed by a cut already.
    cut_at: Option<Instant>,
    /// The best average of a round, in seconds.
    best: HashMap<ApiOperation, f64>,
    round: HashMap<ApiOperation, (u32, f64)>,
    responses: f64,
    /// Whether the limit held a request back in this round.
    was_reached: bool,
}

impl ConcurrencyLimit {
    /// Makes a limit that never exceeds `max`.
    pub(crate) fn new(max: usize) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "no program has 2^52 requests under way"
        )]
        let max = max as f64;
        Self {
            limit: INITIAL.min(max),
            max,
            is_starting: true,
            cut_at: None,
            best: HashMap::new(),
            round: HashMap::new(),
            responses: 0.0,
            was_reached: false,
        }
    }

    /// Returns how many requests may be under way now, at least one.
    pub(crate) fn current(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 to max"
        )]
        let current = self.limit as usize;
        current.max(1)
    }

    /// Notes that the limit held a request back.
    pub(crate) fn was_reached(&mut self) {
        self.was_reached = true;
    }

    /// Notes a request that succeeded, and how long it took.
    pub(crate) fn succeeded(&mut self, operation: ApiOperation, took: Duration) {
        let (count, sum) = self.round.entry(operation).or_default();
        *count += 1;
        *sum += took.as_secs_f64();
        self.responses += 1.0;
        if self.responses >= self.limit.floor() {
            self.end_round();
        }
    }

    /// Notes that a request that was sent at `sent_at` found D1 overloaded, failing or out of reach.
    pub(crate) fn overloaded(&mut self, sent_at: Instant) {
        if self.cut_at.is_some_and(|cut| sent_at < cut) {
            return;
        }
        self.cut_at = Some(Instant::now());
        self.shrink(AFTER_OVERLOAD);
    }

    fn end_round(&mut self) {
        let (mut actual, mut allowed) = (0.0, 0.0);
        for (operation, (count, sum)) in self.round.drain() {
            let average = sum / f64::from(count);
            let best = self.best.entry(operation).or_insert(average);
            actual += sum;
            allowed += f64::from(count) * (*best * SLOW_FACTOR + SLOW_MARGIN);
            *best = average.min(*best + (average - *best) * FORGETTING);
        }
        if actual > allowed {
            self.shrink(AFTER_SLOWNESS);
        } else if self.was_reached {
            let more = if self.is_starting { self.limit } else { 1.0 };
            self.limit = (self.limit + more).min(self.max);
        }
        self.responses = 0.0;
        self.was_reached = false;
    }

    fn shrink(&mut self, factor: f64) {
        self.is_starting = false;
        self.limit = (self.limit * factor).max(1.0);
    }
}
