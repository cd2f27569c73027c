//! The token cache under paused time: who fetches, who waits, who gets what.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::*;
use crate::auth::TokenSource;

#[path = "cache_lifetime_tests.rs"]
mod lifetimes;

/// What a call has left that is in no hurry.
const AMPLE: Duration = Duration::from_secs(30);

/// A source that takes a second and counts; fails while the test wants it to.
#[derive(Default)]
struct Source {
    fetches: AtomicUsize,
    failing: std::sync::atomic::AtomicBool,
}

impl TokenSource for Arc<Source> {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        let n = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
        if self.failing.load(Ordering::SeqCst) {
            return Err(Error::token_unavailable(std::io::Error::other("down")));
        }
        Ok(AccessToken::new(format!("token-{n}"), Duration::from_secs(900)).unwrap())
    }
}

fn cache() -> (Arc<Source>, TokenCache) {
    let source = Arc::new(Source::default());
    (source.clone(), TokenCache::new(Arc::new(source)))
}

/// Renews every token as one that came early, the first one included.
const SETTLED: Early = |lifetime, _| refresh::spread(lifetime, false);

fn fetches(source: &Source) -> usize {
    source.fetches.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_cold_calls_make_one_exchange() {
    let (source, cache) = cache();
    let tokens = join_all((0..1000).map(|_| cache.get(AMPLE))).await;
    assert!(tokens.iter().all(Result::is_ok));
    assert_eq!(fetches(&source), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_by_those_who_waited_and_not_kept() {
    let (source, cache) = cache();
    source.failing.store(true, Ordering::SeqCst);
    let results = join_all((0..100).map(|_| cache.get(AMPLE))).await;
    assert!(results.iter().all(Result::is_err));
    assert_eq!(fetches(&source), 1);
    source.failing.store(false, Ordering::SeqCst);
    tokio::time::advance(INITIAL_DELAY).await;
    assert!(cache.get(AMPLE).await.is_ok());
    assert_eq!(fetches(&source), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_is_down_is_left_alone_longer_and_longer() {
    let (source, cache) = cache();
    source.failing.store(true, Ordering::SeqCst);
    for (calls, pause) in [
        (1, 100),
        (2, 200),
        (3, 400),
        (4, 800),
        (5, 1600),
        (6, 3200),
        (7, 5000),
        (8, 5000),
    ] {
        let error = cache.get(AMPLE).await.unwrap_err();
        assert_eq!(fetches(&source), calls);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(pause)));
        // Every caller during that time gets the same error, and D1 is not asked.
        tokio::time::advance(Duration::from_millis(pause - 1)).await;
        let again = join_all((0..100).map(|_| cache.get(AMPLE))).await;
        assert!(again.iter().all(Result::is_err));
        assert_eq!(fetches(&source), calls);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_stops_no_other_caller_and_blocks_nothing() {
    let (source, cache) = cache();
    let mut given_up = Box::pin(cache.get(AMPLE));
    assert!((&mut given_up).now_or_never().is_none());
    let mut waiting = Box::pin(cache.get(AMPLE));
    assert!((&mut waiting).now_or_never().is_none());
    drop(given_up);
    assert!(waiting.await.is_ok());
    assert_eq!(fetches(&source), 1);

    let (source, cache) = self::cache();
    let mut alone = Box::pin(cache.get(AMPLE));
    assert!((&mut alone).now_or_never().is_none());
    drop(alone);
    assert!(
        cache.get(AMPLE).await.is_ok(),
        "the next caller starts anew"
    );
    assert_eq!(fetches(&source), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_until_shortly_before_its_end() {
    let source = Arc::new(Source::default());
    let cache = TokenCache::refreshing(Arc::new(source.clone()), SETTLED);
    cache.get(AMPLE).await.unwrap();
    // A renewal is due 60 to 90 seconds before the end; the fetch took one.
    tokio::time::advance(Duration::from_secs(808)).await;
    cache.get(AMPLE).await.unwrap();
    assert_eq!(fetches(&source), 1);
    tokio::time::advance(Duration::from_secs(33)).await;
    cache.get(AMPLE).await.unwrap();
    assert_eq!(fetches(&source), 2);
}

#[tokio::test(start_paused = true)]
async fn an_early_renewal_that_fails_is_ignored_until_the_token_ends() {
    let (source, cache) = cache();
    let first = cache.get(AMPLE).await.unwrap();
    source.failing.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(845)).await;
    let kept = cache.get(AMPLE).await.unwrap();
    assert!(Arc::ptr_eq(&first, &kept));
    assert_eq!(fetches(&source), 2);
    // Not one attempt a call.
    cache.get(AMPLE).await.unwrap();
    assert_eq!(fetches(&source), 2);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(
        cache.get(AMPLE).await.is_err(),
        "the old token has ended, and the new failure is reported"
    );
}

/// A source that gives a token at once the first time, and never again.
struct Hanging(AtomicUsize);

impl TokenSource for Arc<Hanging> {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        Ok(AccessToken::new("token", Duration::from_secs(900)).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_renewal_that_hangs_delays_no_call_for_long() {
    let source = Arc::new(Hanging(AtomicUsize::new(0)));
    let cache = TokenCache::new(Arc::new(source.clone()));
    let first = cache.get(AMPLE).await.unwrap();
    tokio::time::advance(Duration::from_secs(845)).await;
    let asked = Instant::now();
    assert!(Arc::ptr_eq(&first, &cache.get(AMPLE).await.unwrap()));
    // Paused time: this is what the cache waited, not what the machine took.
    assert_eq!(asked.elapsed(), REFRESH_PATIENCE);
    let asked = Instant::now();
    assert!(Arc::ptr_eq(&first, &cache.get(AMPLE).await.unwrap()));
    assert_eq!(asked.elapsed(), Duration::ZERO, "not once a call");
    assert_eq!(source.0.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_refused_token_is_forgotten() {
    let (source, cache) = cache();
    let first = cache.get(AMPLE).await.unwrap();
    assert!(cache.invalidate(&first));
    let second = cache.get(AMPLE).await.unwrap();
    assert_eq!(fetches(&source), 2);
    // A late 401 for the first one.
    assert!(cache.invalidate(&first), "the second one may do");
    assert!(Arc::ptr_eq(&second, &cache.get(AMPLE).await.unwrap()));
    assert_eq!(fetches(&source), 2);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_never_polled_again_keeps_no_old_token_alive() {
    let (source, cache) = cache();
    let mut leads = Box::pin(cache.get(AMPLE));
    let mut forgotten = Box::pin(cache.get(AMPLE));
    assert!((&mut leads).now_or_never().is_none());
    assert!((&mut forgotten).now_or_never().is_none());
    let first = leads.await.unwrap();
    assert!(cache.invalidate(&first));
    let second = cache.get(AMPLE).await.unwrap();
    assert!(
        !Arc::ptr_eq(&first, &second),
        "not the result of the old fetch"
    );
    assert_eq!(fetches(&source), 2);
    drop(forgotten);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_a_hurry_is_not_held_up_by_an_early_renewal() {
    let source = Arc::new(Hanging(AtomicUsize::new(0)));
    let cache = TokenCache::new(Arc::new(source.clone()));
    let first = cache.get(AMPLE).await.unwrap();
    tokio::time::advance(Duration::from_secs(845)).await;
    let asked = Instant::now();
    let hurry = Duration::from_millis(400);
    assert!(Arc::ptr_eq(&first, &cache.get(hurry).await.unwrap()));
    assert_eq!(asked.elapsed(), hurry / 4);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_an_early_renewal_leaves_the_token_in_use() {
    let source = Arc::new(Hanging(AtomicUsize::new(0)));
    let cache = TokenCache::new(Arc::new(source.clone()));
    let first = cache.get(AMPLE).await.unwrap();
    tokio::time::advance(Duration::from_secs(845)).await;
    let mut gives_up = Box::pin(cache.get(AMPLE));
    assert!((&mut gives_up).now_or_never().is_none());
    drop(gives_up);
    let asked = Instant::now();
    assert!(Arc::ptr_eq(&first, &cache.get(AMPLE).await.unwrap()));
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_replaced_a_refused_one_stays_for_a_while() {
    let (source, cache) = cache();
    let first = cache.get(AMPLE).await.unwrap();
    assert!(cache.invalidate(&first));
    let second = cache.get(AMPLE).await.unwrap();
    assert!(
        !cache.invalidate(&second),
        "what D1 dislikes is not the token"
    );
    assert!(Arc::ptr_eq(&second, &cache.get(AMPLE).await.unwrap()));
    assert_eq!(fetches(&source), 2);
    tokio::time::advance(REPLACEMENT_KEPT).await;
    assert!(cache.invalidate(&second));
    cache.get(AMPLE).await.unwrap();
    assert_eq!(fetches(&source), 3);
}

/// A source that learns which tokens D1 refused.
#[derive(Default)]
struct Told(Mutex<Vec<bool>>);

impl TokenSource for Arc<Told> {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        Ok(AccessToken::new("told", Duration::from_secs(900)).unwrap())
    }

    fn invalidate(&self, token: &AccessToken) {
        self.0
            .lock()
            .unwrap()
            .push(token.is("told") && !token.is("tolt") && !token.is("tol"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_hears_of_the_token_that_was_refused() {
    let source = Arc::new(Told::default());
    let cache = TokenCache::new(Arc::new(source.clone()));
    let token = cache.get(AMPLE).await.unwrap();
    cache.invalidate(&token);
    assert_eq!(*source.0.lock().unwrap(), [true]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answers_is_given_up_and_asked_anew() {
    let source = Arc::new(Hanging(AtomicUsize::new(1)));
    let cache = TokenCache::new(Arc::new(source.clone()));
    let asked = Instant::now();
    let error = cache.get(AMPLE).await.unwrap_err();
    assert_eq!(
        (error.kind(), asked.elapsed()),
        (ErrorKind::Timeout, FETCH_TIMEOUT)
    );
    tokio::time::advance(INITIAL_DELAY).await;
    let _ = cache.get(AMPLE).await;
    assert_eq!(source.0.load(Ordering::SeqCst), 3, "somebody asks again");
}

#[test]
fn an_endpoint_that_asks_for_patience_is_given_it_within_reason() {
    for (asked, pause) in [(0, 100), (30_000, 30_000), (3_600_000, 60_000)] {
        let error = Error::token_unavailable(std::io::Error::other("busy"));
        let error = error.with_pause(Duration::from_millis(asked));
        let mut state = State::default();
        let before = Instant::now();
        state.fail(error);
        let (_, until) = state.failure.unwrap();
        let left = until.duration_since(before);
        assert!(
            left >= Duration::from_millis(pause) && left < Duration::from_millis(pause + 5_000)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_failed_is_tried_again_when_its_pause_is_over() {
    let (source, cache) = cache();
    assert!(cache.get(AMPLE).await.is_ok());
    source.failing.store(true, Ordering::SeqCst);
    let second = Duration::from_secs(1);
    tokio::time::advance(Duration::from_secs(870)).await;
    assert!(cache.get(AMPLE).await.is_ok(), "the old token serves");
    assert_eq!(fetches(&source), 2);
    // The failure came a second after the pause had begun.
    let millisecond = Duration::from_millis(1);
    tokio::time::advance(MAX_DELAY - second - millisecond).await;
    assert!(cache.get(AMPLE).await.is_ok());
    assert_eq!(fetches(&source), 2);
    tokio::time::advance(millisecond).await;
    assert!(cache.get(AMPLE).await.is_ok());
    assert_eq!(fetches(&source), 3);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_others_obtained_at_the_same_moment_is_known() {
    /// In step after half its life, else after three quarters.
    const TOLD: Early = |lifetime, in_step| lifetime / if in_step { 2 } else { 4 };
    let source = Arc::new(Source::default());
    let cache = TokenCache::refreshing(Arc::new(source.clone()), TOLD);
    // How long the token is kept that comes now, from when it was asked for; asking takes a second.
    let kept = async || {
        let before = fetches(&source);
        let asked = Instant::now();
        cache.get(AMPLE).await.unwrap();
        assert_eq!(fetches(&source), before + 1);
        let refresh_at = lock(&cache.state).refresh_at.unwrap();
        (refresh_at - asked).as_secs()
    };
    assert_eq!(kept().await, 450, "the first one");
    tokio::time::advance(Duration::from_secs(450)).await;
    assert_eq!(kept().await, 675, "one that came early");
    let current = cache.get(AMPLE).await.unwrap();
    assert!(cache.invalidate(&current));
    assert_eq!(kept().await, 450, "one for a refused one");
    tokio::time::advance(Duration::from_secs(900)).await;
    assert_eq!(kept().await, 450, "one after the end of the last");
    source.failing.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(450)).await;
    cache.get(AMPLE).await.unwrap();
    source.failing.store(false, Ordering::SeqCst);
    tokio::time::advance(MAX_DELAY).await;
    assert_eq!(kept().await, 450, "one after a failure");
}

#[tokio::test]
async fn calls_that_find_a_fresh_token_wait_for_no_lock() {
    let token = AccessToken::new("token", Duration::from_secs(900)).unwrap();
    let cache = TokenCache::new(Arc::new(Once(Mutex::new(Some(token)))));
    cache.get(AMPLE).await.unwrap();

    // A caller that locks the state now would wait until the test ends; a reader does not block others.
    let _state = lock(&cache.state);
    let _reader = cache.fresh.read().unwrap();
    let hits: Vec<_> = std::thread::scope(|threads| {
        let hit = || cache.fresh().is_some();
        let threads: Vec<_> = (0..64).map(|_| threads.spawn(hit)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(hits, [true; 64]);
}

/// A source that has a single token to give.
struct Once(Mutex<Option<AccessToken>>);

impl TokenSource for Once {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        let token = self.0.lock().unwrap().take();
        token.ok_or_else(|| Error::token_unavailable(std::io::Error::other("gone")))
    }
}
