//! What the requests of a bulk share: how many may be under way, when the next may be sent, and
//! whether to give up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Stage;
use super::offload::Offload;
use super::window::Window;
use crate::api_operation::ApiOperation;
use crate::error::{Error, ErrorKind};
use crate::limiter::Limiter;

/// What D1 can ask for at most (`Retry-After`).
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// How long nothing is sent after a failure while only one request at a time is left; twice as long
/// after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How late a sending may be and the next still be on time: clocks have a grain.
const GRAIN: Duration = Duration::from_millis(10);

/// What the requests of a bulk share.
pub(crate) struct Pace {
    state: Mutex<State>,
    /// The time from one sending to the next.
    interval: Option<Duration>,
    stage: watch::Sender<Stage>,
    offload: Offload,
}

struct State {
    window: Window,
    next_at: Option<Instant>,
    paused_until: Option<Instant>,
    failures: u32,
}

impl Pace {
    pub(super) fn new(concurrency: usize, rate: Option<f64>, stage: watch::Sender<Stage>) -> Self {
        Self {
            state: Mutex::new(State {
                window: Window::new(concurrency),
                next_at: None,
                paused_until: None,
                failures: 0,
            }),
            interval: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            stage,
            offload: Offload::new(),
        }
    }

    /// Whether another request may be under way beside so many.
    pub(super) fn has_room(&self, under_way: usize) -> bool {
        let mut state = self.lock();
        let has_room = under_way < state.window.size();
        if !has_room {
            state.window.is_full();
        }
        has_room
    }

    /// Whether one more request may be sent at once, and nobody asked for a pace.
    pub(super) fn is_free(&self) -> bool {
        self.interval.is_none() && self.lock().paused_until.is_none()
    }

    /// Ends when the bulk takes no further requests.
    pub(super) async fn stopped(self: Arc<Self>) {
        self.reached(Stage::Stopping).await;
    }

    /// Runs `work` where it blocks no I/O. `None` where the runtime is shut down.
    pub(super) async fn off_the_reactor<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.offload.run(work).await
    }

    async fn reached(&self, stage: Stage) {
        let mut receiver = self.stage.subscribe();
        // It cannot fail: the sender is in `self`.
        let _ = receiver.wait_for(|now| *now >= stage).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiter for Pace {
    fn acquire(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
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
        })
    }

    fn succeeded(&self, operation: ApiOperation, sent_at: Instant) {
        let mut state = self.lock();
        state.failures = 0;
        state.window.answered(operation, sent_at.elapsed());
    }

    fn failed(&self, sent_at: Instant, error: &Error) {
        if !is_everybodys(error) {
            return;
        }
        let mut state = self.lock();
        state.window.overloaded(sent_at);
        let mut pause = error.retry_after().unwrap_or_default().min(LONGEST_ASKED);
        if state.window.is_least() {
            let own = FIRST_PAUSE.saturating_mul(1 << state.failures.min(16));
            pause = pause.max(own.min(LONGEST_PAUSE));
            state.failures += 1;
        }
        let until = Instant::now() + pause;
        state.paused_until = state.paused_until.max(Some(until));
    }

    fn cancelled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.reached(Stage::Abandoned))
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

/// Whether the next request is likely to fail the same way, whatever it asks for.
fn is_everybodys(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::RateLimited
        | ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::Transport
        | ErrorKind::TokenUnavailable => true,
        // A 500 may be about the card.
        ErrorKind::ServerError => matches!(error.status(), Some(502..=504)),
        ErrorKind::InvalidInput
        | ErrorKind::Crypto
        | ErrorKind::TokenRejected
        | ErrorKind::InvalidRequest
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::UnknownCard
        | ErrorKind::UnknownOperation
        | ErrorKind::UnexpectedStatus
        | ErrorKind::InvalidResponse
        | ErrorKind::ResponseTooLarge
        | ErrorKind::Cancelled => error.operation() == ApiOperation::GetToken,
    }
}
