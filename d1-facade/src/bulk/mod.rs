//! Many changes at once: a stream of requests in, a stream of what became of each out.

mod offload;
#[warn(clippy::wildcard_enum_match_arm)] // A new operation or kind must be decided about.
mod pace;
mod run;
mod window;

use std::fmt;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::watch;

pub(crate) use pace::Pace;
use run::Run;

use crate::card::{Change, Receipt};
use crate::client::Client;
use crate::error::{Error, InvalidInput};

/// How many requests are under way at once at most, unless said otherwise.
const CONCURRENCY: usize = 64;

/// Makes many changes: takes a stream of requests, each with a key of the caller's, and gives a stream
/// of what became of them, by their keys.
///
/// - It begins with a few requests at once and goes up to [`concurrency`](Self::concurrency) as long as
///   D1 keeps up. It halves when D1 says 429, is not reachable or fails, and waits for as long as D1
///   asks; it takes a tenth away when successes take more than twice as long as they did at best.
/// - It reads the input only when it has room for another request, and gives the outcomes as they
///   come, in any order: its memory does not grow with the length of the stream.
/// - Requests for the same card run in any order, also at the same time. Where the order counts, put the
///   next request for a card into the stream when the outcome of the one before is known to be done.
/// - An item that fails stops none of the others. Whoever wants to end early has a [`BulkStop`].
/// - Each request is retried, and reported, as if it had been awaited alone: see
///   [`retry`](crate::retry) and [`Error::outcome`].
///
/// It runs its requests as tasks of the tokio runtime in which the outcomes are polled, and encrypts
/// card credentials on that runtime's blocking threads.
///
/// ```no_run
/// # async fn f(d1: d1_facade::Client, lost: Vec<d1_facade::CardId>) -> Result<(), Box<dyn std::error::Error>> {
/// use d1_facade::{Outcome, ReasonCode};
/// use futures_util::{StreamExt as _, stream};
///
/// let requests = stream::iter(lost).map(|id| {
///     let request = d1.card(id.clone()).suspend().reason_code(ReasonCode::CardLost);
///     (id, request)
/// });
/// let mut outcomes = d1.bulk().concurrency(32).rate_limit(100.0).run(requests)?;
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

/// What became of one request of a [`Bulk`].
#[derive(Debug)]
#[non_exhaustive]
pub struct BulkOutcome<K> {
    /// The key that came with the request.
    pub key: K,
    /// Done, or an error that tells whether it was not sent, was refused, or may have been done.
    pub result: Result<Receipt, Error>,
}

/// Ends a [`Bulk`] early. Clones end the same one.
#[derive(Clone)]
pub struct BulkStop(watch::Sender<Stage>);

/// How far a bulk is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Stopping,
    Abandoned,
}

impl Client {
    /// Many changes at once, of any cards: see [`Bulk`]. Nothing is sent until its outcomes are polled.
    pub fn bulk(&self) -> Bulk {
        Bulk::new()
    }
}

impl Bulk {
    pub(crate) fn new() -> Self {
        Self {
            concurrency: CONCURRENCY,
            rate: None,
            stop: BulkStop(watch::Sender::new(Stage::Running)),
        }
    }

    /// How many requests may be under way at once; 64 unless said otherwise.
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// How many requests may be sent per second, those that are sent again included; no limit unless
    /// said otherwise.
    pub fn rate_limit(mut self, per_second: f64) -> Self {
        self.rate = Some(per_second);
        self
    }

    /// What ends it early.
    #[must_use]
    pub fn stop(&self) -> BulkStop {
        self.stop.clone()
    }

    /// The outcomes of `requests`. Nothing is sent until they are polled.
    ///
    /// Give `&mut requests` to have what was not read of it after an early end. Dropping the outcomes
    /// drops the requests under way, whose outcome nobody learns then: end it by [`BulkStop`] instead.
    ///
    /// # Errors
    /// When the concurrency or the rate is nothing.
    ///
    /// # Panics
    /// When the outcomes are polled outside of a tokio runtime.
    pub fn run<'a, K, S>(
        self,
        requests: S,
    ) -> Result<impl Stream<Item = BulkOutcome<K>> + Send + Unpin + use<'a, K, S>, InvalidInput>
    where
        K: Send + 'a,
        S: Stream<Item = (K, Change)> + Send + 'a,
    {
        if self.concurrency == 0 {
            return Err(InvalidInput::new("concurrency", "must be at least 1"));
        }
        if self
            .rate
            .is_some_and(|rate| !(MIN_RATE..=MAX_RATE).contains(&rate))
        {
            return Err(InvalidInput::new(
                "rate_limit",
                "must be a number of requests per second from 0.001 to 1000000",
            ));
        }
        let pace = Pace::new(self.concurrency, self.rate, self.stop.0);
        Ok(Run::new(requests, Arc::new(pace)))
    }
}

const MIN_RATE: f64 = 0.001;
const MAX_RATE: f64 = 1_000_000.0;

impl BulkStop {
    /// Takes no further requests; those under way are ended as they would be otherwise. The outcomes
    /// end with the last of them.
    pub fn stop(&self) {
        self.advance(Stage::Stopping);
    }

    /// Takes no further requests and gives up those under way: each is reported as an error of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled), whose outcome is *not sent*, *refused* or *unknown*;
    /// an unknown one can be [reconciled](crate::Client::reconcile).
    pub fn abandon(&self) {
        self.advance(Stage::Abandoned);
    }

    fn advance(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let goes_on = *stage < to;
            *stage = to.max(*stage);
            goes_on
        });
    }
}

impl fmt::Debug for BulkStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BulkStop").field(&*self.0.borrow()).finish()
    }
}
