//! How many requests may be under way, by how D1 takes them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::api_operation::ApiOperation;

/// With how many it begins.
const FIRST: f64 = 4.0;

/// What is left after a sign that D1 has too much to do.
const AFTER_OVERLOAD: f64 = 0.5;

/// What is left after a round of slow answers.
const AFTER_SLOWNESS: f64 = 0.9;

/// How much longer than at best answers may take: so many times, and so much.
const SLOW_FACTOR: f64 = 2.0;
const SLOW_MARGIN: f64 = 0.010;

/// How much of what the best time lacks to the present one it is raised by with each round: what D1
/// can do changes over a day.
const FORGETTING: f64 = 0.02;

/// A limit that goes up by one with each round of answers in time (doubles, until the first bad sign)
/// and down by a factor. A round is as many answers as the limit.
pub(super) struct Window {
    limit: f64,
    most: f64,
    /// Whether it doubles still.
    is_starting: bool,
    /// Signs from requests that were sent before this are of what was answered already.
    cut_at: Option<Instant>,
    /// The best average of a round, in seconds.
    best: HashMap<ApiOperation, f64>,
    round: HashMap<ApiOperation, (u32, f64)>,
    answers: f64,
    /// Whether the limit held anything back in this round.
    was_full: bool,
}

impl Window {
    pub(super) fn new(most: usize) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "nobody has 2^52 requests under way"
        )]
        let most = most as f64;
        Self {
            limit: FIRST.min(most),
            most,
            is_starting: true,
            cut_at: None,
            best: HashMap::new(),
            round: HashMap::new(),
            answers: 0.0,
            was_full: false,
        }
    }

    /// The limit.
    pub(super) fn size(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 to most"
        )]
        let size = self.limit as usize;
        size.max(1)
    }

    /// Whether it cannot go down any further.
    pub(super) fn is_least(&self) -> bool {
        self.size() == 1
    }

    /// As many as are allowed are under way.
    pub(super) fn is_full(&mut self) {
        self.was_full = true;
    }

    /// A change was made, in so much time.
    pub(super) fn answered(&mut self, operation: ApiOperation, took: Duration) {
        let (count, sum) = self.round.entry(operation).or_default();
        *count += 1;
        *sum += took.as_secs_f64();
        self.answers += 1.0;
        if self.answers >= self.limit.floor() {
            self.end_round();
        }
    }

    /// A request that was sent at `sent_at` found D1 overloaded, failing or out of reach.
    pub(super) fn overloaded(&mut self, sent_at: Instant) {
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
        } else if self.was_full {
            let more = if self.is_starting { self.limit } else { 1.0 };
            self.limit = (self.limit + more).min(self.most);
        }
        self.answers = 0.0;
        self.was_full = false;
    }

    fn shrink(&mut self, factor: f64) {
        self.is_starting = false;
        self.limit = (self.limit * factor).max(1.0);
    }
}
