//! How long a token serves, and when it is renewed.

use super::*;

/// A source whose only token ends when it is obtained.
struct Fleeting(AtomicUsize);

impl TokenSource for Arc<Fleeting> {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
            return Err(Error::token_unavailable(std::io::Error::other("down")));
        }
        Ok(AccessToken::new("token", Duration::ZERO).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_for_the_call_that_obtained_it_and_not_at_its_very_end() {
    let source = Arc::new(Fleeting(AtomicUsize::new(0)));
    let cache = TokenCache::new(Arc::new(source.clone()));
    assert!(cache.get(AMPLE).await.is_ok());
    assert!(
        cache.get(AMPLE).await.is_err(),
        "it has ended, to the instant"
    );
    assert_eq!(source.0.load(Ordering::SeqCst), 2);
}

/// A source whose tokens live so long, and come at once.
struct Lasting {
    lifetime: Duration,
    fetches: AtomicUsize,
}

impl TokenSource for Arc<Lasting> {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        Ok(AccessToken::new("token", self.lifetime).unwrap())
    }
}

fn lasting(lifetime: u64) -> (Arc<Lasting>, TokenCache) {
    let source = Arc::new(Lasting {
        lifetime: Duration::from_secs(lifetime),
        fetches: AtomicUsize::new(0),
    });
    let cache = TokenCache::refreshing(Arc::new(source.clone()), SETTLED);
    (source, cache)
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_while_its_renewal_is_waited_for_is_not_given_out() {
    let source = Arc::new(Hanging(AtomicUsize::new(0)));
    let cache = TokenCache::new(Arc::new(source));
    cache.get(AMPLE).await.unwrap();
    // The patience ends with the token, to the instant.
    tokio::time::advance(Duration::from_secs(900) - REFRESH_PATIENCE).await;
    let waited = timeout(Duration::from_secs(30), cache.get(AMPLE)).await;
    assert!(
        waited.is_err(),
        "it waits for the renewal, which never comes"
    );
}

#[tokio::test(start_paused = true)]
async fn every_token_is_renewed_within_its_last_minute_and_a_half() {
    for (lifetime, early, due) in [(900, 809, 841), (100, 69, 81), (10, 6, 9)] {
        for _ in 0..100 {
            let (source, cache) = lasting(lifetime);
            cache.get(AMPLE).await.unwrap();
            tokio::time::advance(Duration::from_secs(early)).await;
            cache.get(AMPLE).await.unwrap();
            assert_eq!(source.fetches.load(Ordering::SeqCst), 1, "of {lifetime} s");
            tokio::time::advance(Duration::from_secs(due - early)).await;
            cache.get(AMPLE).await.unwrap();
            assert_eq!(source.fetches.load(Ordering::SeqCst), 2, "of {lifetime} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_claims_to_live_for_ever_is_kept_for_a_day() {
    let (source, cache) = lasting(u64::MAX);
    cache.get(AMPLE).await.unwrap();
    tokio::time::advance(Duration::from_secs(86_300)).await;
    cache.get(AMPLE).await.unwrap();
    assert_eq!(source.fetches.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_secs(100)).await;
    cache.get(AMPLE).await.unwrap();
    assert_eq!(source.fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_does_not_serve_at_the_moment_it_expires() {
    let (source, cache) = cache();
    let begun = Instant::now();
    assert!(cache.get(AMPLE).await.is_ok());
    source.failing.store(true, Ordering::SeqCst);
    // Renewals fail until the endpoint is left alone for longer than the token lives.
    let mut at = begun + Duration::from_millis(868_500);
    for renewal in 2..9 {
        tokio::time::advance(at - Instant::now()).await;
        assert!(cache.get(AMPLE).await.is_ok(), "the old token serves");
        assert_eq!(fetches(&source), renewal);
        at += MAX_DELAY;
    }
    // The life time counts from the request.
    let expiry = begun + Duration::from_secs(900);
    let millisecond = Duration::from_millis(1);
    tokio::time::advance(expiry - Instant::now() - millisecond).await;
    assert!(cache.get(AMPLE).await.is_ok());
    tokio::time::advance(millisecond).await;
    assert!(cache.get(AMPLE).await.is_err());
    assert_eq!(fetches(&source), 8);
}
