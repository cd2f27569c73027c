//! Keeps one token for all calls, and lets one of them refresh it for the others.
//!
//! Nothing runs in the background. The call that finds no token starts a fetch, and calls that follow wait for the
//! same fetch. Each of them drives it, so that a caller who stops waiting does not stop the others. When the last
//! caller stops waiting, the fetch is dropped.
//!
//! This module decides when a token is fetched and for how long a failure is kept. When a token is refreshed before its
//! end is decided in `refresh`.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::{Instant, timeout};

use super::refresh::{self, Early};
use super::token::LONGEST_LIFETIME;
use super::{AccessToken, AnyTokenSource};
use crate::error::{Error, ErrorKind, Fault, Outcome};
use crate::values::ApiOperation;

/// How long a call waits for an early refresh while the old token serves; at most a quarter of the time
/// that the call has left.
const REFRESH_PATIENCE: Duration = Duration::from_secs(3);

/// How long the source is not called after its first failure; twice as long after each further one, and never longer
/// than [`MAX_DELAY`].
const INITIAL_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// How long a token that replaced a refused one is kept although it is refused as well: the reason is not the token
/// then.
const REPLACEMENT_KEPT: Duration = Duration::from_secs(10);

/// The longest pause that the token endpoint can ask for (`Retry-After`).
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long a source may take: one that never returns must not delay later calls.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

type Fetch = BoxFuture<'static, Result<Arc<CachedToken>, Error>>;

/// A token with the times that matter.
#[derive(Debug)]
pub(crate) struct CachedToken {
    token: AccessToken,
    obtained_at: Instant,
    expires_at: Instant,
    /// Whether it replaced one that D1 had refused.
    is_replacement: bool,
}

impl CachedToken {
    pub(crate) fn token(&self) -> &AccessToken {
        &self.token
    }

    /// Returns the token with what is left of its lifetime.
    pub(crate) fn remaining(&self) -> AccessToken {
        let left = self.expires_at.saturating_duration_since(Instant::now());
        self.token.living_for(left)
    }
}

/// The state of the token, for [`Health`](crate::Health).
pub(crate) struct TokenHealth {
    pub(crate) age: Option<Duration>,
    pub(crate) expires_in: Option<Duration>,
    /// Why the last fetch failed.
    pub(crate) failure: Option<ErrorKind>,
}

/// The token of a client. Clones share it.
#[derive(Clone)]
pub(crate) struct TokenCache {
    source: Arc<dyn AnyTokenSource>,
    state: Arc<Mutex<State>>,
    fresh: Arc<RwLock<Option<Fresh>>>,
    early: Early,
}

/// A token that needs no refresh yet. It is kept beside the state so that concurrent calls do not wait for the state's
/// lock: readers do not exclude each other, and there is one write in a token's lifetime.
struct Fresh {
    token: Arc<CachedToken>,
    until: Instant,
}

/// What is known of the current token, and of the next one.
#[derive(Default)]
struct State {
    current: Option<Arc<CachedToken>>,
    /// Whether the last token was forgotten because D1 refused it.
    was_refused: bool,
    /// When the next call fetches another token.
    refresh_at: Option<Instant>,
    /// The fetch that is under way, as long as a call waits for it.
    fetching: Option<WeakShared<Fetch>>,
    /// The last failure, and until when calls get it without another fetch.
    failure: Option<(Error, Instant)>,
    /// How many fetches in a row have failed.
    failures: u32,
}

impl TokenCache {
    /// Returns a cache that has no token yet.
    pub(crate) fn new(source: Arc<dyn AnyTokenSource>) -> Self {
        Self::refreshing(source, refresh::spread)
    }

    /// Returns a cache that refreshes as early as `early` says.
    pub(super) fn refreshing(source: Arc<dyn AnyTokenSource>, early: Early) -> Self {
        Self {
            source,
            state: Arc::default(),
            fresh: Arc::default(),
            early,
        }
    }

    /// Returns the token where it needs no refresh yet; `None` also while it is being replaced.
    pub(crate) fn fresh(&self) -> Option<Arc<CachedToken>> {
        let fresh = self.fresh.try_read().ok()?;
        let fresh = fresh.as_ref()?;
        (Instant::now() < fresh.until).then(|| fresh.token.clone())
    }

    pub(crate) fn health(&self) -> TokenHealth {
        let state = lock(&self.state);
        let token = state.current.as_ref();
        TokenHealth {
            age: token.map(|token| token.obtained_at.elapsed()),
            expires_in: token.map(|token| token.remaining().lifetime()),
            failure: state.failure.as_ref().map(|(error, _)| error.kind()),
        }
    }

    /// Returns what tells the age of the token, and `None` where there is none or the cache is gone.
    #[cfg(feature = "metrics")]
    pub(crate) fn age(&self) -> impl Fn() -> Option<Duration> + Send + Sync + use<> {
        let state = Arc::downgrade(&self.state);
        move || {
            let state = state.upgrade()?;
            let state = lock(&state);
            state
                .current
                .as_ref()
                .map(|token| token.obtained_at.elapsed())
        }
    }

    /// Returns a token that is valid now, for a call that has `remaining` time left.
    pub(crate) async fn get(&self, remaining: Duration) -> Result<Arc<CachedToken>, Error> {
        let (old, fetch) = {
            let mut state = lock(&self.state);
            let now = Instant::now();
            let failing = state.failing(now);
            let old = state.current.clone().filter(|t| now < t.expires_at);
            let running = state.fetching.as_ref().and_then(WeakShared::upgrade);
            match (old, running, failing) {
                (Some(token), _, _) if state.refresh_at.is_some_and(|at| now < at) => {
                    return Ok(token);
                }
                // Another call refreshes it; the old one serves until then.
                (Some(token), Some(_), _) => return Ok(token),
                (None, Some(fetch), _) => (None, fetch),
                // The source is not called for a while; an old token serves, an old failure too.
                (Some(token), None, Some(_)) => return Ok(token),
                (None, None, Some(failure)) => return Err(failure),
                (old, None, None) => {
                    let fetch = self.fetch();
                    state.fetching = fetch.downgrade();
                    // Whatever its result, the next call must not start the next refresh.
                    state.refresh_at = Some(now + MAX_DELAY);
                    (old, fetch)
                }
            }
        };
        let Some(old) = old else {
            return fetch.await;
        };
        // The old token serves, so this call does not wait long for another one.
        let refreshed = timeout(REFRESH_PATIENCE.min(remaining / 4), fetch.clone()).await;
        let still_good = Instant::now() < old.expires_at;
        match refreshed {
            Ok(Err(_)) | Err(_) if still_good => Ok(old),
            Ok(result) => result,
            Err(_) => fetch.await,
        }
    }

    /// Forgets a token that D1 refused, unless another call has already replaced it. Returns whether the call can be made
    /// again with another token.
    pub(crate) fn invalidate(&self, token: &Arc<CachedToken>) -> bool {
        self.source.invalidate(token.token());
        let mut state = lock(&self.state);
        let is_current = state
            .current
            .as_ref()
            .is_some_and(|t| Arc::ptr_eq(t, token));
        if !is_current {
            return true;
        }
        if token.is_replacement && token.obtained_at.elapsed() < REPLACEMENT_KEPT {
            return false;
        }
        state.current = None;
        state.was_refused = true;
        replace(&self.fresh, None);
        true
    }

    /// Returns a fetch that several calls can wait for.
    fn fetch(&self) -> Shared<Fetch> {
        let (source, state, early) = (self.source.clone(), self.state.clone(), self.early);
        let fresh = self.fresh.clone();
        let fetch: Fetch = Box::pin(async move {
            // The lifetime counts from before the request: the response may have taken long.
            let asked_at = Instant::now();
            // A panic would be passed on to every call that waits.
            let fetched = AssertUnwindSafe(async { source.fetch().await }).catch_unwind();
            let fetched = match timeout(FETCH_TIMEOUT, fetched).await {
                Ok(Ok(fetched)) => fetched,
                Ok(Err(_)) => Err(source_panicked()),
                Err(_) => Err(fetch_timed_out()),
            };
            let mut state = lock(&state);
            // The fetch has its result: a waiter that is never polled again must not keep it from being
            // replaced by the next one.
            state.fetching = None;
            let token = match fetched {
                Ok(token) => token,
                Err(error) => return Err(state.fail(error)),
            };
            let lifetime = token.lifetime().min(LONGEST_LIFETIME);
            // After a start, a refusal or a failure, other instances fetch at the same moment.
            let in_use = state.current.as_ref();
            let in_step = state.failures > 0 || in_use.is_none_or(|t| asked_at >= t.expires_at);
            let cached = Arc::new(CachedToken {
                obtained_at: Instant::now(),
                expires_at: asked_at + lifetime,
                is_replacement: std::mem::take(&mut state.was_refused),
                token,
            });
            state.current = Some(cached.clone());
            state.failure = None;
            state.failures = 0;
            let until = asked_at + (lifetime - early(lifetime, in_step));
            state.refresh_at = Some(until);
            let token = cached.clone();
            replace(&fresh, Some(Fresh { token, until }));
            Ok(cached)
        });
        fetch.shared()
    }
}

impl State {
    /// Keeps a failure for the calls that follow, with the time for which it is kept.
    fn fail(&mut self, error: Error) -> Error {
        let pause = INITIAL_DELAY
            .saturating_mul(1 << self.failures.min(16))
            .min(MAX_DELAY);
        // The endpoint itself may ask for more.
        let asked = error.retry_after().unwrap_or_default();
        let pause = pause.max(asked.min(MAX_RETRY_AFTER));
        self.failures = self.failures.saturating_add(1);
        let error = error.with_pause(pause);
        self.failure = Some((error.clone(), Instant::now() + pause));
        error
    }

    /// Returns the failure that is still kept.
    fn failing(&self, now: Instant) -> Option<Error> {
        let (error, until) = self.failure.as_ref()?;
        (now < *until).then(|| error.clone())
    }
}

fn source_panicked() -> Error {
    let kind = ErrorKind::TokenUnavailable;
    Error::new(ApiOperation::GetToken, kind, Outcome::NotSent)
        .with_fault(Fault::TOKEN_SOURCE_PANICKED)
}

fn fetch_timed_out() -> Error {
    Error::new(ApiOperation::GetToken, ErrorKind::Timeout, Outcome::NotSent)
}

/// Must be called while the state is locked, so that a call that finds nothing fresh sees a state that is as new.
fn replace(fresh: &RwLock<Option<Fresh>>, with: Option<Fresh>) {
    *fresh.write().unwrap_or_else(PoisonError::into_inner) = with;
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
