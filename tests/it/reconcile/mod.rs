//! Was a change carried out whose outcome is unknown? Done, not done, or inconclusive; and *not done* never
//! without proof.

use std::time::Duration;

use d1_facade::{
    Card, CardCredentials, Client, Error, ErrorKind, Inconclusive, Outcome, PendingChange,
    ReasonCode, Reconciliation, Renewal,
};
use d1_sandbox::{Fault, Sandbox};
use d1_tests::{CARD, EXPIRY, answering, builder_for, sandbox_client, strict_sandbox};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

mod clocks;
mod killed;
mod listed;

/// Asks what came of the change that ended in an error.
async fn reconciled(client: &Client, error: &Error) -> Reconciliation {
    let pending = error.pending_change().unwrap();
    client.reconcile(pending).await.unwrap()
}

/// The same once D1 has had its time.
async fn settled(client: &Client, error: &Error) -> Reconciliation {
    let reconcile = client.reconcile(error.pending_change().unwrap());
    reconcile.settle(Duration::ZERO).await.unwrap()
}

#[track_caller]
fn assert_inconclusive(verdict: &Reconciliation, why: Inconclusive) {
    assert!(
        matches!(verdict, Reconciliation::Inconclusive(found) if *found == why),
        "{verdict:?}"
    );
}

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

/// A suspension whose answer got lost, after it took effect or before.
async fn lost(took_effect: bool) -> (Sandbox, Card, Error) {
    let sandbox = strict_sandbox().await;
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
    let Reconciliation::Done(Some(operation)) = reconciled(&client, &error).await else {
        unreachable!("it was made");
    };
    assert_eq!(operation.reason(), Some("lost answer 1"));

    // Another one, with another reason, or another code at another time, is not it.
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
        reconciled(&client, &error).await,
        Reconciliation::Done(Some(_))
    ));

    // The same once more: the two cannot be told apart.
    let reason = "lost answer 1".parse().unwrap();
    card.suspend()
        .reason_code(ReasonCode::Fraud)
        .reason(reason)
        .await
        .unwrap();
    let verdict = reconciled(&client, &error).await;
    assert_inconclusive(&verdict, Inconclusive::SeveralMatch);
}

#[tokio::test]
async fn a_change_that_was_not_made_is_not_found_once_d1_has_had_its_time() {
    let (sandbox, _, error) = lost(false).await;
    let client = sandbox_client(&sandbox);
    let verdict = reconciled(&client, &error).await;
    assert_inconclusive(&verdict, Inconclusive::TooEarly);
    let verdict = settled(&client, &error).await;
    assert!(matches!(verdict, Reconciliation::NotDone(_)), "{verdict:?}");
}

#[tokio::test]
async fn a_lost_renewal_is_found_under_its_new_id_and_a_lost_deletion_by_its_absence() {
    let sandbox = strict_sandbox().await;
    let client = sandbox_client(&sandbox);
    let card = client.card(CARD.parse().unwrap());
    let lose =
        |operation| sandbox.fail_next(Fault::disconnect().operation(operation).after_effect());
    lose("renewCard");
    let credentials = CardCredentials::new("5555555555554444", EXPIRY).unwrap();
    let renewal = Renewal::to("ReplaceMe02".parse().unwrap()).credentials(credentials);
    let error = card.renew(renewal).await.unwrap_err();
    assert!(matches!(
        reconciled(&client, &error).await,
        Reconciliation::Done(Some(_))
    ));

    lose("deleteCard");
    let error = client
        .card("ReplaceMe02".parse().unwrap())
        .delete()
        .await
        .unwrap_err();
    assert!(matches!(
        reconciled(&client, &error).await,
        Reconciliation::Done(None)
    ));

    lose("suspendCard");
    let error = client
        .card("NoSuchCard".parse().unwrap())
        .suspend()
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    let verdict = reconciled(&client, &error).await;
    assert_inconclusive(&verdict, Inconclusive::UnknownCard);
}

/// A server at which every change fails with 500, and whose list is `page`, told at noon.
async fn failing_and_listing(page: serde_json::Value) -> MockServer {
    let server = MockServer::start().await;
    let fail = Mock::given(wiremock::matchers::method("POST"));
    fail.respond_with(ResponseTemplate::new(500))
        .mount(&server)
        .await;
    let list = ResponseTemplate::new(200)
        .set_body_json(page)
        .insert_header("date", "Thu, 01 Jan 2026 12:00:00 GMT");
    Mock::given(any()).respond_with(list).mount(&server).await;
    server
}

/// What `confirm` makes of a list, after a suspension that failed with 500.
async fn verdict(page: serde_json::Value) -> Reconciliation {
    let server = failing_and_listing(page).await;
    let client = builder_for(&server).build().unwrap();
    let error = client
        .card(CARD.parse().unwrap())
        .suspend()
        .await
        .unwrap_err();
    settled(&client, &error).await
}

#[tokio::test]
async fn a_change_by_an_aggregator_is_found_under_its_id() {
    let page = json!({"operations": [{"operationId": "1", "operation": "SUSPEND",
        "status": "SUCCESSFUL", "startTime": "2026-01-01T12:00:00Z", "requestorType": "ISSUER",
        "requestorId": "AGGREGATOR"}]});
    let server = failing_and_listing(page).await;
    let builder = builder_for(&server).aggregator_id("AGGREGATOR");
    let client = builder.build().unwrap();
    let error = client.card(CARD.parse().unwrap()).suspend().await;
    let verdict = client
        .reconcile(error.unwrap_err().pending_change().unwrap())
        .await
        .unwrap();
    assert!(matches!(verdict, Reconciliation::Done(_)), "{verdict:?}");
}

#[tokio::test]
async fn what_was_refused_or_not_sent_needs_no_reconciliation() {
    let refusing = answering(ResponseTemplate::new(403)).await;
    let error = d1_tests::card_at(&refusing).suspend().await.unwrap_err();
    assert!(error.pending_change().is_none(), "its outcome is known");
    let error = d1_tests::card_at(&refusing).operations().await.unwrap_err();
    assert!(error.pending_change().is_none(), "it changes nothing");
}

#[tokio::test]
async fn what_is_not_a_list_says_nothing_of_what_was_done() {
    for page in [
        json!({}),
        json!({"cardOperations": [{"operation": "SUSPEND"}]}),
        json!({"operations": [], "remainingOperations": 7}),
        json!({"operations": null}),
    ] {
        let doubt = verdict(page.clone()).await;
        assert!(
            matches!(
                doubt,
                Reconciliation::Inconclusive(Inconclusive::Unreadable)
            ),
            "{page}: {doubt:?}"
        );
    }
    let none = verdict(json!({"operations": []})).await;
    assert!(matches!(none, Reconciliation::NotDone(_)), "{none:?}");
}

#[tokio::test]
async fn a_failure_is_no_answer_before_d1_has_had_its_time() {
    let page = json!({"operations": [{"operationId": "1", "operation": "SUSPEND",
        "status": "FAILED", "startTime": "2026-01-01T12:00:00Z"}], "remainingOperations": 0});
    let server = failing_and_listing(page).await;
    let client = builder_for(&server).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let error = card.suspend().await.unwrap_err();
    let early = reconciled(&client, &error).await;
    assert_inconclusive(&early, Inconclusive::TooEarly);
    let late = settled(&client, &error).await;
    assert!(matches!(late, Reconciliation::NotDone(_)), "{late:?}");

    // An operation without the reason that was sent may be another one; a failed one is no obstacle.
    let with_reason = card.suspend().reason("my own".parse().unwrap());
    let error = with_reason.await.unwrap_err();
    let doubt = settled(&client, &error).await;
    assert!(matches!(doubt, Reconciliation::NotDone(None)), "{doubt:?}");

    let elsewhere = answering(ResponseTemplate::new(404)).await;
    let other = builder_for(&elsewhere).build().unwrap();
    let doubt = reconciled(&other, &error).await;
    assert_inconclusive(&doubt, Inconclusive::OtherHost);
    assert_eq!(sent(&elsewhere).await, 0);
}

#[tokio::test]
async fn the_operation_that_d1s_answer_named_is_the_change() {
    let server = MockServer::start().await;
    let accepted = json!({"operationId": "op-7", "status": "PENDING"});
    let accepted = ResponseTemplate::new(202).set_body_json(accepted);
    let post = Mock::given(wiremock::matchers::method("POST"));
    post.respond_with(accepted).mount(&server).await;
    let page = json!({"operations": [{"operationId": "op-7", "status": "SUCCESSFUL"}, {"operationId": "op-8"}]});
    let first = Mock::given(wiremock::matchers::query_param("offset", "0"));
    first
        .respond_with(ResponseTemplate::new(200).set_body_json(page))
        .mount(&server)
        .await;
    let end = ResponseTemplate::new(200).set_body_json(json!({"operations": []}));
    Mock::given(any()).respond_with(end).mount(&server).await;
    let client = builder_for(&server).build().unwrap();
    let error = client.card(CARD.parse().unwrap()).suspend().await;
    let error = error.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "accepted is not done");
    let found = client.reconcile(error.pending_change().unwrap()).await;
    assert!(matches!(found.unwrap(), Reconciliation::Done(Some(_))));
}

#[tokio::test]
async fn a_pending_change_survives_the_process_and_holds_no_card_data() {
    let (sandbox, card, error) = lost(true).await;
    let client = sandbox_client(&sandbox);
    let line = serde_json::to_string(error.pending_change().unwrap()).unwrap();
    let pending: PendingChange = serde_json::from_str(&line).unwrap();
    assert_eq!(serde_json::to_string(&pending).unwrap(), line);
    let found = client.reconcile(&pending).await.unwrap();
    assert!(matches!(found, Reconciliation::Done(Some(_))), "{found:?}");

    let credentials = CardCredentials::new("5555555555554444", EXPIRY).unwrap();
    let renewal = Renewal::to("ReplaceMe02".parse().unwrap()).credentials(credentials);
    let pending = card.renew(renewal).pending();
    let line = serde_json::to_string(&pending).unwrap();
    assert!(line.contains("ReplaceMe02") && !line.contains("5555555555554444"));
    assert!(!format!("{pending:?}").contains("5555555555554444"));

    for (wrong, field) in [
        (line.replace("renewCard", "getToken"), "operation"),
        (line.replace("ISSUER_A-1", "x"), "issuerId"),
        (line.replace("\"sentAt\":\"2", "\"sentAt\":\"x"), "sentAt"),
    ] {
        let error = serde_json::from_str::<PendingChange>(&wrong).unwrap_err();
        assert!(error.to_string().starts_with(field), "{error}");
    }
}

#[tokio::test]
async fn a_change_that_was_not_sent_yet_is_not_settled_before_its_timeout() {
    let server = failing_and_listing(json!({"operations": [], "remainingOperations": 0})).await;
    let client = builder_for(&server).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let pending = card.suspend().pending();
    let found = client.reconcile(&pending).settle(Duration::ZERO).await;
    assert_inconclusive(&found.unwrap(), Inconclusive::TooEarly);
    let pending = pending.ended_by(std::time::SystemTime::now());
    let found = client.reconcile(&pending).settle(Duration::ZERO).await;
    assert!(matches!(found.unwrap(), Reconciliation::NotDone(None)));
}
