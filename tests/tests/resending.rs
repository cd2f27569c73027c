//! What is sent again and what is not; what became of it when nobody knows.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use d1_facade::retry::{Attempt, Backoff, NoRetry, RetryPolicy};
use d1_facade::{
    Card, CardCredentials, Confirmation, Doubt, Error, ErrorKind, Outcome, ReasonCode, Renewal,
};
use d1_sandbox::{Fault, Sandbox};
use d1_tests::{CARD, EXPIRY, answering, builder_for, sandbox_client};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Three attempts without a pause to speak of.
fn eager() -> Backoff {
    Backoff::default().first_pause(Duration::from_millis(1))
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
    let error = card.suspend().repeat_if_unknown().await.unwrap_err();
    assert_eq!((error.attempts(), sent(&server).await), (3, 3));
    card.suspend()
        .repeat_if_unknown()
        .retry(NoRetry)
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
    let error = card.suspend().repeat_if_unknown().await.unwrap_err();
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
    fn pause(&self, attempt: &Attempt<'_>) -> Option<Duration> {
        self.0.fetch_add(1, Ordering::SeqCst);
        (attempt.number() < 5).then_some(Duration::ZERO)
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
    assert_eq!(receipt.call().attempts(), 3);
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

// What became of it.

/// A suspension whose answer got lost, after it took effect or before.
async fn lost(took_effect: bool) -> (Sandbox, Card, Error) {
    let sandbox = Sandbox::start().await.unwrap();
    let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
    let fault = Fault::disconnect().operation("suspendCard");
    sandbox.fail_next(if took_effect {
        fault.after_effect()
    } else {
        fault
    });
    let reason = "lost answer 1".parse().unwrap();
    let suspend = card.suspend().reason_code(ReasonCode::Fraud).reason(reason);
    let error = suspend.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Transport, Outcome::Unknown),
        "{error:?}"
    );
    (sandbox, card, error)
}

#[tokio::test]
async fn a_change_that_was_made_is_found() {
    let (sandbox, card, error) = lost(true).await;
    let client = sandbox_client(&sandbox);
    let Confirmation::Done(Some(operation)) = client.confirm(&error).await.unwrap() else {
        unreachable!("it was made");
    };
    assert_eq!(operation.reason(), Some("lost answer 1"));

    // Another one, with another reason or another code, is not it.
    card.suspend()
        .reason_code(ReasonCode::Fraud)
        .reason("other".parse().unwrap())
        .await
        .unwrap();
    card.suspend()
        .reason("lost answer 1".parse().unwrap())
        .await
        .unwrap();
    assert!(matches!(
        client.confirm(&error).await.unwrap(),
        Confirmation::Done(Some(_))
    ));

    // The very same once more: nobody can tell which is which.
    let reason = "lost answer 1".parse().unwrap();
    card.suspend()
        .reason_code(ReasonCode::Fraud)
        .reason(reason)
        .await
        .unwrap();
    let verdict = client.confirm(&error).await.unwrap();
    assert!(
        matches!(verdict, Confirmation::CannotTell(Doubt::SeveralMatch)),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_change_that_was_not_made_is_not_found_once_d1_has_had_its_time() {
    let (sandbox, _, error) = lost(false).await;
    let client = sandbox_client(&sandbox);
    let verdict = client.confirm(&error).await.unwrap();
    assert!(
        matches!(verdict, Confirmation::CannotTell(Doubt::TooEarly)),
        "{verdict:?}"
    );
    let verdict = client.confirm(&error).settle(Duration::ZERO).await.unwrap();
    assert!(matches!(verdict, Confirmation::NotDone), "{verdict:?}");
}

#[tokio::test]
async fn a_lost_renewal_is_found_under_its_new_id_and_a_lost_deletion_by_its_absence() {
    let sandbox = Sandbox::start().await.unwrap();
    let client = sandbox_client(&sandbox);
    let card = client.card(CARD.parse().unwrap());
    let lose =
        |operation| sandbox.fail_next(Fault::disconnect().operation(operation).after_effect());
    lose("renewCard");
    let credentials = CardCredentials::new("5555555555554444", EXPIRY).unwrap();
    let renewal = Renewal::to("ReplaceMe02".parse().unwrap()).credentials(credentials);
    let error = card.renew(renewal).await.unwrap_err();
    assert!(matches!(
        client.confirm(&error).await.unwrap(),
        Confirmation::Done(Some(_))
    ));

    lose("deleteCard");
    let error = client
        .card("ReplaceMe02".parse().unwrap())
        .delete()
        .await
        .unwrap_err();
    assert!(matches!(
        client.confirm(&error).await.unwrap(),
        Confirmation::Done(None)
    ));

    lose("suspendCard");
    let error = client
        .card("NoSuchCard".parse().unwrap())
        .suspend()
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    let verdict = client.confirm(&error).await.unwrap();
    assert!(
        matches!(verdict, Confirmation::CannotTell(Doubt::UnknownCard)),
        "{verdict:?}"
    );
}

/// What `confirm` makes of a list, after a suspension that failed with 500.
async fn verdict(page: serde_json::Value) -> Confirmation {
    let server = MockServer::start().await;
    let fail = Mock::given(wiremock::matchers::method("POST"));
    fail.respond_with(ResponseTemplate::new(500))
        .mount(&server)
        .await;
    let list = ResponseTemplate::new(200)
        .set_body_json(page)
        .insert_header("date", "Thu, 01 Jan 2026 12:00:00 GMT");
    Mock::given(any()).respond_with(list).mount(&server).await;
    let client = builder_for(&server).build().unwrap();
    let error = client
        .card(CARD.parse().unwrap())
        .suspend()
        .await
        .unwrap_err();
    client.confirm(&error).settle(Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn the_window_is_measured_by_d1s_clock_and_doubt_is_an_answer() {
    let suspend = |time: &str, status: &str| {
        json!({"operationId": time, "operation": "SUSPEND", "status": status, "startTime": time,
            "requestorType": "ISSUER", "requestorId": "ISSUER_A-1", "reasonCode": "ISSUER_DECISION"})
    };
    let page = |operations: Vec<serde_json::Value>| json!({"operations": operations, "remainingOperations": 0});
    let now = "2026-01-01T11:59:59Z";
    let done = verdict(page(vec![suspend(now, "SUCCESSFUL")])).await;
    assert!(matches!(done, Confirmation::Done(Some(_))), "{done:?}");
    let before = verdict(page(vec![suspend("2026-01-01T11:59:00Z", "SUCCESSFUL")])).await;
    assert!(
        matches!(before, Confirmation::NotDone),
        "another one, a minute earlier: {before:?}"
    );
    let failed = verdict(page(vec![suspend(now, "FAILED")])).await;
    assert!(matches!(failed, Confirmation::NotDone), "{failed:?}");
    for status in ["PENDING", "SOMETHING_NEW"] {
        let pending = verdict(page(vec![suspend(now, status)])).await;
        assert!(
            matches!(pending, Confirmation::CannotTell(Doubt::StillPending)),
            "{pending:?}"
        );
    }
    let mut resume = suspend(now, "SUCCESSFUL");
    resume["operation"] = json!("RESUME");
    let other = verdict(page(vec![resume])).await;
    assert!(matches!(other, Confirmation::NotDone), "{other:?}");
    // None of these is documented well enough to say that it is another one.
    for (key, value) in [
        ("operation", "SOMETHING_NEW"),
        ("requestorType", "USER"),
        ("requestorId", "other"),
        ("reason", "a reason"),
        ("reasonCode", "FRAUD"),
        ("startTime", "2026-01-01T12:02:00Z"),
    ] {
        let mut other = suspend(now, "SUCCESSFUL");
        other[key] = json!(value);
        let doubt = verdict(page(vec![other.clone()])).await;
        assert!(
            matches!(doubt, Confirmation::CannotTell(Doubt::Resembles)),
            "{key}: {doubt:?}"
        );
        let both = verdict(page(vec![other.clone(), suspend(now, "SUCCESSFUL")])).await;
        assert!(matches!(both, Confirmation::Done(_)), "{key}: {both:?}");
        let both = verdict(page(vec![other, suspend(now, "FAILED")])).await;
        assert!(
            matches!(both, Confirmation::CannotTell(Doubt::Resembles)),
            "{key}: {both:?}"
        );
    }
    for key in ["operation", "startTime"] {
        let mut unreadable = suspend(now, "SUCCESSFUL");
        unreadable.as_object_mut().unwrap().remove(key);
        let doubt = verdict(page(vec![unreadable])).await;
        assert!(
            matches!(doubt, Confirmation::CannotTell(Doubt::Unreadable)),
            "{key}: {doubt:?}"
        );
    }
    let endless = verdict(json!({"operations": [suspend("2026-01-01T12:00:00Z", "X"), {}]})).await;
    assert!(
        matches!(endless, Confirmation::CannotTell(_)),
        "{endless:?}"
    );
}

#[tokio::test]
async fn a_change_by_an_aggregator_is_found_under_its_id() {
    let server = MockServer::start().await;
    let fail = Mock::given(wiremock::matchers::method("POST"));
    fail.respond_with(ResponseTemplate::new(500))
        .mount(&server)
        .await;
    let page = json!({"operations": [{"operationId": "1", "operation": "SUSPEND",
        "status": "SUCCESSFUL", "startTime": "2026-01-01T12:00:00Z", "requestorType": "ISSUER",
        "requestorId": "AGGREGATOR"}]});
    let list = ResponseTemplate::new(200)
        .set_body_json(page)
        .insert_header("date", "Thu, 01 Jan 2026 12:00:00 GMT");
    Mock::given(any()).respond_with(list).mount(&server).await;
    let builder = builder_for(&server).aggregator_id("AGGREGATOR");
    let client = builder.build().unwrap();
    let error = client.card(CARD.parse().unwrap()).suspend().await;
    let verdict = client.confirm(&error.unwrap_err()).await.unwrap();
    assert!(matches!(verdict, Confirmation::Done(_)), "{verdict:?}");
}

#[tokio::test]
async fn what_was_refused_or_not_sent_was_not_done() {
    let (_server, card) = always(403).await;
    let error = card.suspend().await.unwrap_err();
    let server = answering(ResponseTemplate::new(200)).await;
    let client = builder_for(&server).build().unwrap();
    assert!(matches!(
        client.confirm(&error).await.unwrap(),
        Confirmation::NotDone
    ));
    assert_eq!(sent(&server).await, 0, "nothing needed to be looked up");
}
