//! How a bulk is set up.

use std::ops::RangeInclusive;

use d1_facade::{Change, InvalidInput};
use futures_util::Stream;

use crate::limiter::BulkLimiter;
use crate::run::{BulkOutcome, Run};
use crate::stop::BulkStop;

/// How many requests are under way at once at most, unless set.
const CONCURRENCY: usize = 64;

/// The rates that can be set, in requests per second.
const RATES: RangeInclusive<f64> = 0.001..=1_000_000.0;

/// Sends many changes: takes a stream of changes, each with a key of the caller's, and returns a stream of their
/// outcomes by these keys.
///
/// - It begins with a few requests at once and goes up to [`concurrency`](Self::concurrency) as long as D1 keeps
///   up. It halves when D1 responds with 429, cannot be reached or fails, and waits for as long as D1 asks; it takes
///   a tenth away when successes take more than twice as long as they did at best.
/// - It reads the input only when it has room for another request, and returns outcomes as they come, in any order:
///   its memory does not grow with the length of the stream.
/// - Changes of the same card run in any order, also at the same time. Where the order counts, put the next change
///   of a card into the stream when the outcome of the one before is known to be done; [`CardOrder`](crate::CardOrder)
///   says when.
/// - A change that fails stops none of the others. A [`BulkStop`] ends the bulk early.
/// - Each change is retried, and reported, as if it had been awaited alone: see [`retry`](d1_facade::retry) and
///   [`Error::outcome`](d1_facade::Error::outcome). What limits or cancels it alone still does.
///
/// It runs the changes as tasks of the tokio runtime in which the outcomes are polled, and encrypts card credentials
/// on that runtime's blocking threads.
///
/// ```no_run
/// # async fn f(d1: d1_facade::Client, lost: Vec<d1_facade::CardId>) -> Result<(), Box<dyn std::error::Error>> {
/// use d1_bulk::Bulk;
/// use d1_facade::{Outcome, ReasonCode};
/// use futures_util::{StreamExt as _, stream};
///
/// let changes = stream::iter(lost).map(|id| {
///     let change = d1.card(id.clone()).suspend().reason_code(ReasonCode::CardLost);
///     (id, change)
/// });
/// let mut outcomes = Bulk::new().concurrency(32).rate_limit(100.0).run(changes)?;
/// while let Some(item) = outcomes.next().await {
///     match item.result {
///         Ok(_) => println!("{}: suspended", item.key),
///         Err(error) if error.outcome() == Outcome::Unknown => {
///             println!("{}: {:?}", item.key, error.pending_change());
///         }
///         Err(error) => println!("{}: {error}", item.key),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until its outcomes are polled"]
pub struct Bulk {
    concurrency: usize,
    rate: Option<f64>,
    stop: BulkStop,
}

impl Default for Bulk {
    fn default() -> Self {
        Self::new()
    }
}

impl Bulk {
    /// Makes a bulk. Nothing is sent until its outcomes are polled.
    pub fn new() -> Self {
        Self {
            concurrency: CONCURRENCY,
            rate: None,
            stop: BulkStop::new(),
        }
    }

    /// Sets how many requests may be under way at once; 64 unless set.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Sets how many requests may be sent per second, those that are sent again included; no limit unless set.
    pub fn rate_limit(mut self, per_second: f64) -> Self {
        self.rate = Some(per_second);
        self
    }

    /// Returns what ends the bulk early.
    #[must_use]
    pub fn stop(&self) -> BulkStop {
        self.stop.clone()
    }

    /// Returns the outcomes of `changes`. Nothing is sent until they are polled.
    ///
    /// Give `&mut changes` to keep what was not read of it after an early end. Dropping the outcomes drops the
    /// changes under way, whose outcomes are then in the log alone: end the bulk by [`BulkStop`] instead.
    ///
    /// # Errors
    /// When the concurrency is zero, or the rate is not from 0.001 to 1,000,000.
    ///
    /// # Panics
    /// When the outcomes are polled outside of a tokio runtime.
    pub fn run<'a, K, S>(
        self,
        changes: S,
    ) -> Result<impl Stream<Item = BulkOutcome<K>> + Send + Unpin + use<'a, K, S>, InvalidInput>
    where
        K: Send + 'a,
        S: Stream<Item = (K, Change)> + Send + 'a,
    {
        if self.concurrency == 0 {
            return Err(InvalidInput::new("concurrency", "must be at least 1"));
        }
        if self.rate.is_some_and(|rate| !RATES.contains(&rate)) {
            return Err(InvalidInput::new(
                "rate_limit",
                "must be a number of requests per second from 0.001 to 1000000",
            ));
        }
        let limiter = BulkLimiter::new(self.concurrency, self.rate);
        Ok(Run::new(changes, limiter, self.stop))
    }
}
