//! What the changes of a bulk share: how many requests may be under way, and when the next may be sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use d1_facade::limiter::{Limiter, Permit};
use d1_facade::{ApiOperation, Error};
use tokio::time::{Instant, sleep_until};

use crate::concurrency_limit::ConcurrencyLimit;

/// The longest delay that D1 can ask for (`Retry-After`).
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long nothing is sent after a failure while only one request at a time is left; twice as long after each
/// further one.
const INITIAL_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// How late a request may be sent and the next still be on time: clocks have a grain.
const GRAIN: Duration = Duration::from_millis(10);

/// Limits the requests of all changes of a bulk.
pub(crate) struct BulkLimiter {
    state: Mutex<State>,
    /// The time from one request to the next.
    interval: Option<Duration>,
}

struct State {
    limit: ConcurrencyLimit,
    next_at: Option<Instant>,
    paused_until: Option<Instant>,
    failures: u32,
}

impl BulkLimiter {
    pub(crate) fn new(concurrency: usize, rate: Option<f64>) -> Self {
        Self {
            state: Mutex::new(State {
                limit: ConcurrencyLimit::new(concurrency),
                next_at: None,
                paused_until: None,
                failures: 0,
            }),
            interval: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
        }
    }

    /// Returns whether another request may be under way beside `under_way` others.
    pub(crate) fn has_room(&self, under_way: usize) -> bool {
        let mut state = self.lock();
        let has_room = under_way < state.limit.current();
        if !has_room {
            state.limit.was_reached();
        }
        has_room
    }

    /// Returns whether a request may be sent at once: there is no rate, and nothing has failed.
    pub(crate) fn is_free(&self) -> bool {
        self.interval.is_none() && self.lock().paused_until.is_none()
    }

    /// Waits until one more request may be sent.
    pub(crate) async fn acquire(&self) {
        let at = self.lock().book(self.interval);
        if let Some(at) = at {
            sleep_until(at).await;
        }
        loop {
            let paused_until = self.lock().paused_until;
            match paused_until {
                Some(until) if Instant::now() < until => sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn succeeded(&self, operation: ApiOperation, sent_at: Instant) {
        let mut state = self.lock();
        state.failures = 0;
        state.limit.succeeded(operation, sent_at.elapsed());
    }

    fn failed(&self, sent_at: Instant, error: &Error) {
        if !error.affects_all_calls() {
            return;
        }
        let mut state = self.lock();
        state.limit.overloaded(sent_at);
        let mut delay = error.retry_after().unwrap_or_default().min(MAX_RETRY_AFTER);
        if state.limit.current() == 1 {
            let own = INITIAL_DELAY.saturating_mul(1 << state.failures.min(16));
            delay = delay.max(own.min(MAX_DELAY));
            state.failures += 1;
        }
        let until = Instant::now() + delay;
        state.paused_until = state.paused_until.max(Some(until));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the next time to send at.
    fn book(&mut self, interval: Option<Duration>) -> Option<Instant> {
        let interval = interval?;
        let now = Instant::now();
        let earliest = now.checked_sub(GRAIN).unwrap_or(now);
        let at = self.next_at.map_or(now, |next| next.max(earliest));
        self.next_at = Some(at + interval);
        Some(at)
    }
}

/// Limits the requests of one change. The bulk has acquired the first of them before it took the change, so that the
/// wait does not count against the timeout of the change.
pub(crate) struct ChangeLimiter {
    bulk: Arc<BulkLimiter>,
    has_acquired: AtomicBool,
}

impl ChangeLimiter {
    pub(crate) fn new(bulk: Arc<BulkLimiter>) -> Self {
        Self {
            bulk,
            has_acquired: AtomicBool::new(true),
        }
    }
}

impl Limiter for ChangeLimiter {
    async fn acquire(&self) -> Box<dyn Permit> {
        if !self.has_acquired.swap(false, Ordering::Relaxed) {
            self.bulk.acquire().await;
        }
        Box::new(RequestPermit {
            bulk: self.bulk.clone(),
            acquired_at: Instant::now(),
        })
    }
}

/// The permit of one request.
struct RequestPermit {
    bulk: Arc<BulkLimiter>,
    acquired_at: Instant,
}

impl Permit for RequestPermit {
    fn succeeded(self: Box<Self>, operation: ApiOperation) {
        self.bulk.succeeded(operation, self.acquired_at);
    }

    fn failed(self: Box<Self>, error: &Error) {
        self.bulk.failed(self.acquired_at, error);
    }
}
