//! What an error says of the call that it ended, however many attempts, tokens and reason codes the call
//! went through.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use d1_facade::auth::{AccessToken, TokenSource};
use d1_facade::retry::{ExponentialBackoff, RetryPolicy};
use d1_facade::{
    Card, ClientBuilder, Error, ErrorKind, Inconclusive, Outcome, ReasonCode, ReasonCodeFallback,
    Reconciliation,
};
use d1_tests::{CARD, builder_for};
use serde_json::json;
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A server that gives these statuses one after the other, the last one for ever.
async fn answering_in_turn(statuses: &[u16]) -> MockServer {
    let server = MockServer::start().await;
    let (last, first) = statuses.split_last().unwrap();
    for status in first {
        let once = Mock::given(any()).respond_with(ResponseTemplate::new(*status));
        once.up_to_n_times(1).mount(&server).await;
    }
    let always = Mock::given(any()).respond_with(ResponseTemplate::new(*last));
    always.mount(&server).await;
    server
}

fn card(builder: ClientBuilder) -> Card {
    builder.build().unwrap().card(CARD.parse().unwrap())
}

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn eager() -> ExponentialBackoff {
    ExponentialBackoff::default().initial_delay(Duration::from_millis(1))
}

#[tokio::test]
async fn a_reason_code_falls_back_only_where_nothing_was_done_before() {
    let falling_back = |server: &MockServer| {
        let builder = builder_for(server).retry(eager());
        card(builder.reason_code_fallback(ReasonCodeFallback::IssuerDecision))
    };
    // The first attempt may have been carried out: the refusal of the second does not undo it.
    let server = answering_in_turn(&[503, 403, 204]).await;
    let suspend = falling_back(&server).suspend();
    let suspend = suspend.reason_code(ReasonCode::Fraud).retry_if_unknown();
    let error = suspend.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome(), sent(&server).await),
        (ErrorKind::Forbidden, Outcome::Unknown, 2)
    );

    let server = answering_in_turn(&[403, 204]).await;
    let suspend = falling_back(&server).suspend();
    let receipt = suspend.reason_code(ReasonCode::Fraud).await.unwrap();
    assert_eq!(*receipt.reason_code(), ReasonCode::IssuerDecision);
    assert_eq!(receipt.attempts(), 2, "both requests are one call");
}

#[tokio::test]
async fn the_refusal_before_a_fallback_is_not_lost_when_that_fails_too() {
    for (status, kind, outcome) in [
        (403, ErrorKind::Forbidden, Outcome::Refused),
        (500, ErrorKind::ServerError, Outcome::Unknown),
    ] {
        let server = answering_in_turn(&[403, status]).await;
        let suspend = card(builder_for(&server)).suspend();
        let error = suspend
            .reason_code(ReasonCode::Fraud)
            .reason_code_fallback(ReasonCodeFallback::IssuerDecision)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome(), error.attempts()),
            (kind, outcome, 2)
        );
        let before = error.refused_before().unwrap();
        assert_eq!(
            (before.kind(), before.outcome()),
            (ErrorKind::Forbidden, Outcome::Refused)
        );
        assert_eq!(before.correlation_id(), error.correlation_id());
        assert_eq!(sent(&server).await, 2);
    }
}

/// A source of tokens that fails from the n-th on, and counts.
struct Source {
    fetches: Arc<AtomicUsize>,
    good: usize,
    lifetime: Duration,
}

impl TokenSource for Source {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        if self.fetches.fetch_add(1, Ordering::SeqCst) >= self.good {
            return Err(Error::token_unavailable(std::io::Error::other("no more")));
        }
        Ok(AccessToken::new("token", self.lifetime).unwrap())
    }
}

#[tokio::test]
async fn a_failed_exchange_keeps_the_id_of_each_call_that_waited_for_it() {
    let server = answering_in_turn(&[400]).await;
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = openssl::ec::EcKey::generate(&group).unwrap();
    let key = d1_facade::SigningKey::from_pem(key.private_key_to_pem().unwrap(), "kid").unwrap();
    let environment = d1_facade::Environment::Custom(server.uri());
    let builder = d1_facade::Client::builder(environment, d1_tests::ISSUER.parse().unwrap())
        .signer(key)
        .allow_plain_loopback();
    let card = card(builder);
    let call = |id: &str| {
        card.suspend()
            .correlation_id(id.parse().unwrap())
            .into_future()
    };
    let (first, second) = futures_util::join!(call("first"), call("second"));
    let (first, second) = (first.unwrap_err(), second.unwrap_err());
    let id = |e: &Error| e.correlation_id().unwrap().to_string();
    assert_eq!((id(&first), id(&second)), ("first".into(), "second".into()));
    assert!(first.token_correlation_id().is_some());
    assert_eq!(first.token_correlation_id(), second.token_correlation_id());
    let tokens = &server.received_requests().await.unwrap();
    assert_eq!(tokens.len(), 1, "one exchange for both");
    assert_eq!(
        tokens[0].headers["x-correlation-id"].to_str().unwrap(),
        first.token_correlation_id().unwrap().as_str()
    );
    // The call was not sent, whatever D1 said to the assertion.
    assert!(!first.was_sent());
    assert_eq!(first.kind(), ErrorKind::TokenUnavailable);
}

#[tokio::test]
async fn a_token_that_cannot_be_had_does_not_make_an_unknown_change_harmless() {
    let server = answering_in_turn(&[503]).await;
    let source = Source {
        fetches: Arc::default(),
        good: 1,
        lifetime: Duration::ZERO,
    };
    let card = card(builder_for(&server).token_source(source).retry(eager()));
    let error = card.suspend().retry_if_unknown().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::TokenUnavailable, Outcome::Unknown)
    );
    assert_eq!(error.operation(), d1_facade::ApiOperation::SuspendCard);
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_token_that_is_always_refused_costs_one_exchange_and_not_two_a_call() {
    let server = answering_in_turn(&[401]).await;
    let fetches = Arc::<AtomicUsize>::default();
    let source = Source {
        fetches: fetches.clone(),
        good: usize::MAX,
        lifetime: Duration::from_secs(900),
    };
    let card = card(builder_for(&server).token_source(source));
    let error = card.suspend().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::TokenRejected, 2)
    );
    for _ in 0..10 {
        let error = card.suspend().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::TokenRejected, 1)
        );
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 2);
}

/// A policy that keeps every error that it is shown.
struct Collector(Arc<Mutex<Vec<Error>>>);

impl RetryPolicy for Collector {
    fn delay(&self, error: &Error, _: u32) -> Option<Duration> {
        self.0.lock().unwrap().push(error.clone());
        None
    }
}

#[tokio::test]
async fn an_error_that_others_hold_too_can_be_reconciled_all_the_same() {
    let server = MockServer::start().await;
    let list = ResponseTemplate::new(200).set_body_json(json!({"operations": []}));
    let get = Mock::given(method("GET")).respond_with(list);
    get.mount(&server).await;
    let post = Mock::given(method("POST")).respond_with(ResponseTemplate::new(500));
    post.mount(&server).await;
    let seen = Arc::<Mutex<Vec<Error>>>::default();
    let builder = builder_for(&server).retry(Collector(seen.clone()));
    let client = builder.build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let error = card.suspend().retry_if_unknown().await.unwrap_err();
    assert_eq!(seen.lock().unwrap().len(), 1, "the policy holds it as well");
    let verdict = client
        .reconcile(error.pending_change().unwrap())
        .settle(Duration::ZERO)
        .await
        .unwrap();
    assert!(matches!(verdict, Reconciliation::NotDone(_)), "{verdict:?}");
    let verdict = client
        .reconcile(error.pending_change().unwrap())
        .await
        .unwrap();
    assert!(matches!(
        verdict,
        Reconciliation::Inconclusive(Inconclusive::TooEarly)
    ));
}

#[tokio::test]
async fn a_lost_deletion_is_done_only_where_d1_says_that_it_knows_no_such_card() {
    for (body, done) in [
        (json!({"error": "x", "errorCode": "UNKNOWN_CARD"}), true),
        (json!({"error": "x"}), false),
        (json!({"error": "x", "errorCode": "SOMETHING_NEW"}), false),
    ] {
        let server = MockServer::start().await;
        let not_found = ResponseTemplate::new(404).set_body_json(body.clone());
        let get = Mock::given(method("GET")).respond_with(not_found);
        get.mount(&server).await;
        let post = Mock::given(method("POST")).respond_with(ResponseTemplate::new(500));
        post.mount(&server).await;
        let client = builder_for(&server).build().unwrap();
        let error = client.card(CARD.parse().unwrap()).delete().await;
        let verdict = client.reconcile(error.unwrap_err().pending_change().unwrap());
        match verdict.settle(Duration::ZERO).await.unwrap() {
            Reconciliation::Done(None) => assert!(done, "{body}"),
            Reconciliation::Inconclusive(Inconclusive::UnknownCard) => assert!(!done, "{body}"),
            other => unreachable!("{body}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_look_at_what_became_of_a_change_can_be_told_what_any_call_can() {
    let server = answering_in_turn(&[500, 404]).await;
    let client = builder_for(&server).build().unwrap();
    let error = client.card(CARD.parse().unwrap()).suspend().await;
    let look = client.reconcile(error.unwrap_err().pending_change().unwrap());
    look.correlation_id("look 1".parse().unwrap())
        .timeout(Duration::MAX)
        .header("x-trace", "1")
        .await
        .unwrap();
    let requests = server.received_requests().await.unwrap();
    let last = &requests.last().unwrap().headers;
    assert_eq!(
        (&last["x-correlation-id"], &last["x-trace"]),
        (&"look 1".parse().unwrap(), &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn a_timeout_without_end_is_a_long_one() {
    let server = answering_in_turn(&[204]).await;
    let builder = builder_for(&server)
        .timeout(Duration::MAX)
        .connect_timeout(Duration::MAX)
        .read_timeout(Duration::MAX);
    card(builder)
        .suspend()
        .timeout(Duration::MAX)
        .await
        .unwrap();
    /// Waits for ever.
    struct Patient;
    impl RetryPolicy for Patient {
        fn delay(&self, _: &Error, _: u32) -> Option<Duration> {
            Some(Duration::MAX)
        }
    }
    let server = answering_in_turn(&[429]).await;
    let error = card(builder_for(&server).retry(Patient)).suspend().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::RateLimited);
}

#[tokio::test]
async fn a_change_is_not_sent_again_with_no_time_left_for_its_answer() {
    /// Leaves next to nothing of the call's time.
    struct Late;
    impl RetryPolicy for Late {
        fn delay(&self, _: &Error, _: u32) -> Option<Duration> {
            Some(Duration::from_millis(59_500))
        }
    }
    let server = answering_in_turn(&[429, 204]).await;
    let builder = builder_for(&server)
        .retry(Late)
        .timeout(Duration::from_secs(60));
    let error = card(builder).suspend().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome(), sent(&server).await),
        (ErrorKind::RateLimited, Outcome::Refused, 1)
    );
}

#[tokio::test]
async fn fields_of_an_error_that_are_not_known_are_the_callers_to_read() {
    let server = MockServer::start().await;
    let body = json!({"error": "no card 4111 1111 1111 1111", "errorCode": "NEW", "traceId": "t-1",
        "card": {"pan": "4111 1111 1111 1111", "number": 4_111_111_111_111_111_u64, "n": 5}});
    let refusal = ResponseTemplate::new(400).set_body_json(body);
    Mock::given(any())
        .respond_with(refusal)
        .mount(&server)
        .await;
    let error = card(builder_for(&server)).suspend().await.unwrap_err();
    assert_eq!(
        serde_json::to_value(error.unknown_fields()).unwrap(),
        json!({"traceId": "t-1", "card": {"pan": "[redacted]", "number": "[digits]", "n": 5}})
    );
    assert_eq!(error.troubleshooting_text(), Some("no card [digits]"));
    assert!(!format!("{error} {error:?}").contains("t-1"));
    assert!(!format!("{error} {error:?}").contains("no card"));
}

#[tokio::test]
async fn a_client_of_the_services_own_that_follows_a_redirect_is_found_out() {
    let elsewhere = answering_in_turn(&[200]).await;
    let server = MockServer::start().await;
    let moved = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    Mock::given(any()).respond_with(moved).mount(&server).await;
    let own = d1_tests::plain_http_client(|builder| builder);
    let error = card(d1_tests::bare_builder_for(&server.uri()).http_client(own))
        .suspend()
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome(), error.status()),
        (ErrorKind::UnexpectedStatus, Outcome::Unknown, Some(200))
    );
    assert!(error.to_string().contains("redirect"), "{error}");
}
