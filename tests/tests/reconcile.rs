//! Was a change carried out whose outcome is unknown? Done, not done, or inconclusive; and *not done* never
//! without proof.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use d1_facade::{
    Card, CardCredentials, Error, ErrorKind, Inconclusive, Outcome, PendingChange, ReasonCode,
    Reconciliation, Renewal,
};
use d1_sandbox::{Fault, Sandbox};
use d1_tests::{CARD, EXPIRY, answering, builder_for, sandbox_client};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn sent(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

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
    let Reconciliation::Done(Some(operation)) = client
        .reconcile(error.pending_change().unwrap())
        .await
        .unwrap()
    else {
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
        client
            .reconcile(error.pending_change().unwrap())
            .await
            .unwrap(),
        Reconciliation::Done(Some(_))
    ));

    // The same once more: the two cannot be told apart.
    let reason = "lost answer 1".parse().unwrap();
    card.suspend()
        .reason_code(ReasonCode::Fraud)
        .reason(reason)
        .await
        .unwrap();
    let verdict = client
        .reconcile(error.pending_change().unwrap())
        .await
        .unwrap();
    assert!(
        matches!(
            verdict,
            Reconciliation::Inconclusive(Inconclusive::SeveralMatch)
        ),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_change_that_was_not_made_is_not_found_once_d1_has_had_its_time() {
    let (sandbox, _, error) = lost(false).await;
    let client = sandbox_client(&sandbox);
    let verdict = client
        .reconcile(error.pending_change().unwrap())
        .await
        .unwrap();
    assert!(
        matches!(
            verdict,
            Reconciliation::Inconclusive(Inconclusive::TooEarly)
        ),
        "{verdict:?}"
    );
    let verdict = client
        .reconcile(error.pending_change().unwrap())
        .settle(Duration::ZERO)
        .await
        .unwrap();
    assert!(matches!(verdict, Reconciliation::NotDone(_)), "{verdict:?}");
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
        client
            .reconcile(error.pending_change().unwrap())
            .await
            .unwrap(),
        Reconciliation::Done(Some(_))
    ));

    lose("deleteCard");
    let error = client
        .card("ReplaceMe02".parse().unwrap())
        .delete()
        .await
        .unwrap_err();
    assert!(matches!(
        client
            .reconcile(error.pending_change().unwrap())
            .await
            .unwrap(),
        Reconciliation::Done(None)
    ));

    lose("suspendCard");
    let error = client
        .card("NoSuchCard".parse().unwrap())
        .suspend()
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    let verdict = client
        .reconcile(error.pending_change().unwrap())
        .await
        .unwrap();
    assert!(
        matches!(
            verdict,
            Reconciliation::Inconclusive(Inconclusive::UnknownCard)
        ),
        "{verdict:?}"
    );
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
    client
        .reconcile(error.pending_change().unwrap())
        .settle(Duration::ZERO)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_window_is_measured_by_d1s_clock_and_doubt_is_an_answer() {
    let suspend = |time: &str, status: &str| {
        json!({"operationId": time, "operation": "SUSPEND", "status": status, "startTime": time,
            "requestorType": "ISSUER", "requestorId": "ISSUER_A-1", "reasonCode": "ISSUER_DECISION"})
    };
    let page = |operations: Vec<serde_json::Value>| json!({"operations": operations, "remainingOperations": 0});
    let now = "2026-01-01T12:00:00Z";
    let done = verdict(page(vec![suspend(now, "SUCCESSFUL")])).await;
    assert!(matches!(done, Reconciliation::Done(Some(_))), "{done:?}");
    // One that agrees in all but its time may be it: clocks differ, and times may be cut.
    for time in [
        "2026-01-01T11:59:54Z",
        "2026-01-01T11:59:00Z",
        "2026-01-01T00:00:00Z",
        "2025-12-01T12:00:00Z",
        "2026-01-01T12:02:00Z",
        "2026-03-01T12:00:00Z",
    ] {
        let open = verdict(page(vec![suspend(time, "SUCCESSFUL")])).await;
        let why = Reconciliation::Inconclusive(Inconclusive::Ambiguous);
        assert_eq!(format!("{open:?}"), format!("{why:?}"), "{time}");
        // Whichever it is, this one was not carried out.
        let failed = verdict(page(vec![suspend(time, "FAILED")])).await;
        assert!(
            matches!(failed, Reconciliation::NotDone(None)),
            "{failed:?}"
        );
        // One that has another requestor, and is more than a day away, is another one.
        let mut other = suspend(time, "SUCCESSFUL");
        other["requestorType"] = json!("USER");
        let found = verdict(page(vec![other])).await;
        let is_far = !time.starts_with("2026-01-01");
        assert_eq!(
            matches!(found, Reconciliation::NotDone(None)),
            is_far,
            "{time}: {found:?}"
        );
    }
    let failed = verdict(page(vec![suspend(now, "FAILED")])).await;
    assert!(matches!(failed, Reconciliation::NotDone(_)), "{failed:?}");
    for status in ["PENDING", "SOMETHING_NEW"] {
        let pending = verdict(page(vec![suspend(now, status)])).await;
        assert!(
            matches!(
                pending,
                Reconciliation::Inconclusive(Inconclusive::StillPending)
            ),
            "{pending:?}"
        );
    }
    let mut resume = suspend(now, "SUCCESSFUL");
    resume["operation"] = json!("RESUME");
    let other = verdict(page(vec![resume])).await;
    assert!(matches!(other, Reconciliation::NotDone(_)), "{other:?}");
    // None of these is documented well enough to say that it is another one.
    for (key, value) in [
        ("operation", "SOMETHING_NEW"),
        ("requestorType", "USER"),
        ("requestorId", "other"),
        ("reason", "a reason"),
        ("reasonCode", "FRAUD"),
        ("startTime", "2026-01-01T12:02:00Z"),
        ("startTime", "2026-01-01T11:59:58Z"),
    ] {
        let mut other = suspend(now, "SUCCESSFUL");
        other[key] = json!(value);
        let doubt = verdict(page(vec![other.clone()])).await;
        assert!(
            matches!(doubt, Reconciliation::Inconclusive(Inconclusive::Ambiguous)),
            "{key}: {doubt:?}"
        );
        let both = verdict(page(vec![other.clone(), suspend(now, "SUCCESSFUL")])).await;
        assert!(matches!(both, Reconciliation::Done(_)), "{key}: {both:?}");
        let both = verdict(page(vec![other, suspend(now, "FAILED")])).await;
        assert!(
            matches!(both, Reconciliation::Inconclusive(Inconclusive::Ambiguous)),
            "{key}: {both:?}"
        );
    }
    for key in ["operation", "startTime"] {
        let mut unreadable = suspend(now, "SUCCESSFUL");
        unreadable.as_object_mut().unwrap().remove(key);
        let doubt = verdict(page(vec![unreadable])).await;
        assert!(
            matches!(doubt, Reconciliation::Inconclusive(Inconclusive::Ambiguous)),
            "{key}: {doubt:?}"
        );
    }
    let endless = verdict(json!({"operations": [suspend("2026-01-01T12:00:00Z", "X"), {}]})).await;
    assert!(
        matches!(endless, Reconciliation::Inconclusive(_)),
        "{endless:?}"
    );
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
    let early = client
        .reconcile(error.pending_change().unwrap())
        .await
        .unwrap();
    assert!(
        matches!(early, Reconciliation::Inconclusive(Inconclusive::TooEarly)),
        "{early:?}"
    );
    let settled = client
        .reconcile(error.pending_change().unwrap())
        .settle(Duration::ZERO)
        .await
        .unwrap();
    assert!(matches!(settled, Reconciliation::NotDone(_)), "{settled:?}");

    // An operation without the reason that was sent may be another one; a failed one is no obstacle.
    let with_reason = card.suspend().reason("my own".parse().unwrap());
    let error = with_reason.await.unwrap_err();
    let doubt = client
        .reconcile(error.pending_change().unwrap())
        .settle(Duration::ZERO)
        .await
        .unwrap();
    assert!(matches!(doubt, Reconciliation::NotDone(None)), "{doubt:?}");

    let elsewhere = answering(ResponseTemplate::new(404)).await;
    let other = builder_for(&elsewhere).build().unwrap();
    let doubt = other
        .reconcile(error.pending_change().unwrap())
        .await
        .unwrap();
    assert!(
        matches!(doubt, Reconciliation::Inconclusive(Inconclusive::OtherHost)),
        "{doubt:?}"
    );
    assert_eq!(sent(&elsewhere).await, 0);
}

/// A suspension with a unique reason whose connection broke, and an operation that agrees with it.
fn listed(start_time: &str) -> serde_json::Value {
    json!({"operations": [{"operationId": "1", "operation": "SUSPEND", "status": "SUCCESSFUL",
        "startTime": start_time, "requestorType": "ISSUER", "requestorId": "ISSUER_A-1",
        "reason": "order 4711", "reasonCode": "ISSUER_DECISION"}], "remainingOperations": 0})
}

#[tokio::test]
async fn an_operation_that_agrees_in_all_but_its_time_is_never_evidence_of_absence() {
    for (start_time, when) in [
        ("2026-01-01T11:59:54Z", "six seconds before, by D1's Date"),
        ("2026-01-01T11:59:54.999Z", "cut or late by a second"),
        ("2026-01-01T11:59:00Z", "cut to the minute"),
        (
            "2026-01-01T13:59:54+01:00",
            "by another clock, an hour ahead",
        ),
        ("2026-01-01T11:59:54+02:00", "in another time zone"),
        ("2025-06-01T00:00:00Z", "long ago"),
        ("2026-02-01T00:00:00Z", "by a clock that is a month ahead"),
        ("yesterday", "that cannot be read"),
    ] {
        let server = failing_and_listing(listed(start_time)).await;
        let client = builder_for(&server).build().unwrap();
        let card = client.card(CARD.parse().unwrap());
        let suspend = card.suspend().reason("order 4711".parse().unwrap());
        let error = suspend.await.unwrap_err();
        let pending = error.pending_change().unwrap();
        let reconcile = client.reconcile(pending).settle(Duration::ZERO);
        let found = reconcile.clone().await.unwrap();
        let why = Reconciliation::Inconclusive(Inconclusive::Ambiguous);
        assert_eq!(format!("{found:?}"), format!("{why:?}"), "{when}");
        // A reason that is unique to the change shows that this is it.
        let found = reconcile.unique_reason().await.unwrap();
        assert!(
            matches!(found, Reconciliation::Done(Some(_))),
            "{when}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_recorded_time_that_a_clock_got_wrong_proves_nothing() {
    let now = std::time::SystemTime::now();
    let day = Duration::from_secs(86_400);
    let server = failing_and_listing(listed("2026-01-01T12:00:00Z")).await;
    let client = builder_for(&server).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let pending = card
        .suspend()
        .reason("order 4711".parse().unwrap())
        .pending()
        .ended_by(now);
    for recorded in [
        now - 400 * day,
        now - 2 * day,
        now,
        now + day,
        now + 400 * day,
    ] {
        let pending = pending.clone().recorded_at(recorded);
        let found = client.reconcile(&pending).settle(Duration::ZERO);
        let found = found.await.unwrap();
        assert!(
            !matches!(found, Reconciliation::NotDone(_)),
            "{recorded:?}: {found:?}"
        );
    }
}

#[tokio::test]
async fn other_reasons_are_other_changes_where_the_reason_is_unique_and_they_do_not_resemble_it() {
    for (reason, is_other) in [
        ("order 4712", true),
        ("something else", true),
        ("ORDER 4711", false),
        ("order4711", false),
        ("order 47", false),
        ("order 4711 by phone", false),
    ] {
        let mut page = listed("2026-01-01T12:00:00Z");
        page["operations"][0]["reason"] = json!(reason);
        let server = failing_and_listing(page).await;
        let client = builder_for(&server).build().unwrap();
        let card = client.card(CARD.parse().unwrap());
        let suspend = card.suspend().reason("order 4711".parse().unwrap());
        let error = suspend.await.unwrap_err();
        let found = client.reconcile(error.pending_change().unwrap());
        let reconcile = found.settle(Duration::ZERO);
        let found = reconcile.clone().unique_reason().await.unwrap();
        let not_done = matches!(found, Reconciliation::NotDone(None));
        assert_eq!(not_done, is_other, "{reason}: {found:?}");
        let found = reconcile.await.unwrap();
        assert!(
            matches!(found, Reconciliation::Inconclusive(Inconclusive::Ambiguous)),
            "{reason}: {found:?}"
        );
    }
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
async fn the_id_of_a_deleted_card_may_belong_to_another_card_by_now() {
    let page = json!({"operations": [{"operationId": "1", "operation": "REGISTER",
        "status": "SUCCESSFUL", "startTime": "2026-01-01T12:00:30Z"}], "remainingOperations": 0});
    let server = failing_and_listing(page).await;
    let client = builder_for(&server).build().unwrap();
    let error = client.card(CARD.parse().unwrap()).delete().await;
    let error = error.unwrap_err();
    let found = client.reconcile(error.pending_change().unwrap());
    let found = found.settle(Duration::ZERO).await.unwrap();
    assert!(!matches!(found, Reconciliation::NotDone(_)), "{found:?}");
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
    let why = Reconciliation::Inconclusive(Inconclusive::TooEarly);
    assert_eq!(format!("{:?}", found.unwrap()), format!("{why:?}"));
    let pending = pending.ended_by(std::time::SystemTime::now());
    let found = client.reconcile(&pending).settle(Duration::ZERO).await;
    assert!(matches!(found.unwrap(), Reconciliation::NotDone(None)));
}
