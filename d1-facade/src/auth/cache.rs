//! Keeps one token for all calls, and lets one of them renew it for the others.
//!
//! Nothing runs in the background: the call that finds no token obtains one, those that come
//! meanwhile wait for the same exchange, and each of them drives it, so that a caller who gives up
//! stops nobody. When all give up, the exchange is dropped with them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::{Instant, timeout};

use super::renewal::{self, Early};
use super::token::LONGEST_LIFETIME;
use super::{AccessToken, TokenSource};
use crate::api_operation::ApiOperation;
use crate::error::{Error, ErrorBuilder, ErrorKind, Outcome};

/// How long an early renewal is waited for while the old token serves; at most a quarter of the time
/// that the call has left.
const REFRESH_PATIENCE: Duration = Duration::from_secs(3);

/// How long the token endpoint is left alone after its first failure; twice as long after each further
/// one, and never longer than [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a token is left in its place that came for a refused one and is refused as well: what D1
/// dislikes then is not the token.
const REPLACEMENT_STANDS: Duration = Duration::from_secs(10);

/// How long the endpoint itself can ask to be left alone (`Retry-After`).
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// How long a source may take: one that never answers must not hold up those who come later.
const LONGEST_FETCH: Duration = Duration::from_secs(60);

type Fetch = BoxFuture<'static, Result<Arc<CachedToken>, Error>>;

/// A token with the times that matter.
#[derive(Debug)]
pub(crate) struct CachedToken {
    token: AccessToken,
    obtained_at: Instant,
    expires_at: Instant,
    /// Whether it came because D1 had refused another one.
    is_replacement: bool,
}

impl CachedToken {
    pub(crate) fn token(&self) -> &AccessToken {
        &self.token
    }

    /// The token with what is left of its life time.
    pub(crate) fn remaining(&self) -> AccessToken {
        let left = self.expires_at.saturating_duration_since(Instant::now());
        self.token.living_for(left)
    }
}

#[derive(Clone)]
pub(crate) struct TokenCache {
    source: Arc<dyn TokenSource>,
    state: Arc<Mutex<State>>,
    fresh: Arc<RwLock<Option<Fresh>>>,
    early: Early,
}

/// A token that asks for nothing to be done. It stands beside the state so that calls that come together
/// do not queue for the state's lock: readers hinder nobody, and a writer comes once in a token's life.
struct Fresh {
    token: Arc<CachedToken>,
    until: Instant,
}

#[derive(Default)]
struct State {
    current: Option<Arc<CachedToken>>,
    /// Whether the last token was forgotten because D1 refused it.
    was_refused: bool,
    refresh_at: Option<Instant>,
    fetching: Option<WeakShared<Fetch>>,
    /// The last failure, and until when everybody gets it without asking D1 again.
    failure: Option<(Error, Instant)>,
    failures: u32,
}

impl TokenCache {
    pub(crate) fn new(source: Arc<dyn TokenSource>) -> Self {
        Self::renewing(source, renewal::spread)
    }

    /// A cache that renews so early.
    pub(super) fn renewing(source: Arc<dyn TokenSource>, early: Early) -> Self {
        Self {
            source,
            state: Arc::default(),
            fresh: Arc::default(),
            early,
        }
    }

    /// The token, where it needs no renewal yet. None also where it is being replaced this very moment.
    pub(crate) fn fresh(&self) -> Option<Arc<CachedToken>> {
        let fresh = self.fresh.try_read().ok()?;
        let fresh = fresh.as_ref()?;
        (Instant::now() < fresh.until).then(|| fresh.token.clone())
    }

    /// A token that is good now, for a call that has `remaining` time left.
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
                // Another call renews it; the old one serves meanwhile.
                (Some(token), Some(_), _) => return Ok(token),
                (None, Some(fetch), _) => (None, fetch),
                // The endpoint is left alone for a while; an old token serves, an old failure too.
                (Some(token), None, Some(_)) => return Ok(token),
                (None, None, Some(failure)) => return Err(failure),
                (old, None, None) => {
                    let fetch = self.fetch();
                    state.fetching = fetch.downgrade();
                    // Whatever becomes of this renewal, the next one is not the next call's.
                    state.refresh_at = Some(now + LONGEST_PAUSE);
                    (old, fetch)
                }
            }
        };
        let Some(old) = old else {
            return fetch.await;
        };
        // The old token serves: nobody waits long for another one.
        let renewed = timeout(REFRESH_PATIENCE.min(remaining / 4), fetch.clone()).await;
        let still_good = Instant::now() < old.expires_at;
        match renewed {
            Ok(Err(_)) | Err(_) if still_good => Ok(old),
            Ok(result) => result,
            Err(_) => fetch.await,
        }
    }

    /// Forgets a token that D1 refused, and only it: another call may have put a newer one in its
    /// place. False where asking with another token is not worth it.
    pub(crate) fn refused(&self, token: &Arc<CachedToken>) -> bool {
        self.source.refused(token.token());
        let mut state = lock(&self.state);
        let is_current = state
            .current
            .as_ref()
            .is_some_and(|t| Arc::ptr_eq(t, token));
        if !is_current {
            return true;
        }
        if token.is_replacement && token.obtained_at.elapsed() < REPLACEMENT_STANDS {
            return false;
        }
        state.current = None;
        state.was_refused = true;
        replace(&self.fresh, None);
        true
    }

    /// A fetch that anybody can wait for.
    fn fetch(&self) -> Shared<Fetch> {
        let (source, state, early) = (self.source.clone(), self.state.clone(), self.early);
        let fresh = self.fresh.clone();
        let fetch: Fetch = Box::pin(async move {
            // The life time counts from before the request: the answer may have been long on its way.
            let asked_at = Instant::now();
            let fetched = match timeout(LONGEST_FETCH, source.fetch()).await {
                Ok(fetched) => fetched,
                Err(_) => Err(never_answered()),
            };
            let mut state = lock(&state);
            // From here on it is the result that counts: a waiter that is never polled again must not
            // keep this fetch in the place of the next one.
            state.fetching = None;
            let token = match fetched {
                Ok(token) => token,
                Err(error) => return Err(state.fail(error)),
            };
            let lifetime = token.lifetime().min(LONGEST_LIFETIME);
            // A start, a refusal or a failure that is over: what other instances have just seen as well.
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
    /// Remembers a failure for those who ask next, and tells them how long it stands.
    fn fail(&mut self, error: Error) -> Error {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_PAUSE);
        // The endpoint itself knows better, within reason.
        let asked = error.retry_after().unwrap_or_default();
        let pause = pause.max(asked.min(LONGEST_ASKED));
        self.failures = self.failures.saturating_add(1);
        let error = error.with_pause(pause);
        self.failure = Some((error.clone(), Instant::now() + pause));
        error
    }

    /// The failure that still stands.
    fn failing(&self, now: Instant) -> Option<Error> {
        let (error, until) = self.failure.as_ref()?;
        (now < *until).then(|| error.clone())
    }
}

fn never_answered() -> Error {
    ErrorBuilder::new(ApiOperation::GetToken, ErrorKind::Timeout, Outcome::NotSent).build()
}

/// Only while the state is locked: whoever finds nothing fresh sees a state that is as new.
fn replace(fresh: &RwLock<Option<Fresh>>, with: Option<Fresh>) {
    *fresh.write().unwrap_or_else(PoisonError::into_inner) = with;
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "cache_tests/mod.rs"]
mod tests;
