//! What is sent again, and what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use d1_facade::retry::{ExponentialBackoff, RetryPolicy};
use d1_facade::{Card, Error, ErrorKind, Outcome, Renewal};
use d1_tests::{CARD, answering, builder_for};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Three attempts without a pause to speak of.
fn eager() -> ExponentialBackoff {
    ExponentialBackoff::default().initial_delay(Duration::from_millis(1))
}

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

async fn always(status: u16) -> (MockServer, Card) {
    let server = answering(ResponseTemplate::new(status)).await;
    let client = builder_for(&server).retry(eager()).build().unwrap();
    (server, client.card(CARD.parse().unwrap()))
}

#[tokio::test]
async fn reads_are_sent_again_where_that_may_help() {
    for (status, attempts) in [
        (400, 1),
        (403, 1),
        (404, 1),
        (408, 1),
        (418, 1),
        (501, 1),
        (505, 1),
        (429, 3),
        (500, 3),
        (502, 3),
        (503, 3),
        (504, 3),
    ] {
        let (server, card) = always(status).await;
        let error = card.operations().await.unwrap_err();
        assert_eq!(
            (error.attempts(), sent(&server).await),
            (attempts, attempts as usize),
            "{status}"
        );
        let ids: Vec<_> = server.received_requests().await.unwrap();
        let first = &ids[0].headers["x-correlation-id"];
        assert!(
            ids.iter().all(|r| r.headers["x-correlation-id"] == first),
            "one correlation id"
        );
    }
}

#[tokio::test]
async fn changes_are_sent_again_only_where_nothing_was_done() {
    for (status, attempts) in [
        (400, 1),
        (403, 1),
        (404, 1),
        (408, 1),
        (500, 1),
        (502, 1),
        (503, 1),
        (504, 1),
        (302, 1),
        (429, 3),
    ] {
        let (server, card) = always(status).await;
        for error in [
            card.suspend().await.unwrap_err(),
            card.renew(Renewal::same_card()).await.unwrap_err(),
        ] {
            assert_eq!(error.attempts(), attempts, "{status}");
        }
        assert_eq!(sent(&server).await, 2 * attempts as usize, "{status}");
    }
}

#[tokio::test]
async fn a_caller_may_call_a_change_harmless() {
    let (server, card) = always(503).await;
    let error = card.suspend().retry_if_unknown().await.unwrap_err();
    assert_eq!((error.attempts(), sent(&server).await), (3, 3));
    card.suspend()
        .retry_if_unknown()
        .retry(ExponentialBackoff::default().max_attempts(1))
        .await
        .unwrap_err();
    assert_eq!(
        sent(&server).await,
        4,
        "the policy has the last word on whether"
    );
}

#[tokio::test]
async fn the_last_attempt_does_not_hide_what_an_earlier_one_may_have_done() {
    let server = MockServer::start().await;
    let failing = Mock::given(any()).respond_with(ResponseTemplate::new(503));
    failing.up_to_n_times(1).mount(&server).await;
    let refusing = Mock::given(any()).respond_with(ResponseTemplate::new(403));
    refusing.mount(&server).await;
    let client = builder_for(&server).retry(eager()).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let error = card.suspend().retry_if_unknown().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Forbidden, 2));
    assert_eq!(
        error.outcome(),
        Outcome::Unknown,
        "the first one may have been carried out"
    );
}

/// Says yes to everything, and counts how often it is asked.
struct Insistent(Arc<AtomicU32>);

impl RetryPolicy for Insistent {
    fn delay(&self, _: &Error, attempts: u32) -> Option<Duration> {
        self.0.fetch_add(1, Ordering::SeqCst);
        (attempts < 5).then_some(Duration::ZERO)
    }
}

#[tokio::test]
async fn no_policy_can_have_an_unknown_change_sent_again() {
    let (server, card) = always(500).await;
    let asked = Arc::new(AtomicU32::new(0));
    let error = card
        .delete()
        .retry(Insistent(asked.clone()))
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(
        (asked.load(Ordering::SeqCst), sent(&server).await),
        (0, 1),
        "it was not even asked"
    );
    card.operations()
        .retry(Insistent(asked.clone()))
        .await
        .unwrap_err();
    assert_eq!((asked.load(Ordering::SeqCst), sent(&server).await), (5, 6));
}

#[tokio::test]
async fn a_call_that_succeeds_at_last_says_how_often_it_was_sent() {
    let server = MockServer::start().await;
    let busy = Mock::given(any()).respond_with(ResponseTemplate::new(429));
    busy.up_to_n_times(2).mount(&server).await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    let client = builder_for(&server).retry(eager()).build().unwrap();
    let receipt = client.card(CARD.parse().unwrap()).suspend().await.unwrap();
    assert_eq!(receipt.attempts(), 3);
}

#[tokio::test]
async fn a_wait_that_d1_asks_for_beyond_the_timeout_is_not_waited_for() {
    let slow_down = ResponseTemplate::new(429).insert_header("retry-after", "9");
    let server = answering(slow_down).await;
    let builder = builder_for(&server)
        .retry(eager())
        .timeout(Duration::from_secs(5));
    let card = builder.build().unwrap().card(CARD.parse().unwrap());
    let error = card.suspend().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    assert_eq!(
        (error.kind(), sent(&server).await),
        (ErrorKind::RateLimited, 1)
    );
}
