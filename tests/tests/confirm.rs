//! What became of a change whose outcome nobody knows: done, not done, or no way to tell.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use d1_facade::{
    Card, CardCredentials, Confirmation, Doubt, Error, ErrorKind, Outcome, ReasonCode, Renewal,
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
async fn verdict(page: serde_json::Value) -> Confirmation {
    let server = failing_and_listing(page).await;
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
    let now = "2026-01-01T12:00:00Z";
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
        ("startTime", "2026-01-01T11:59:58Z"),
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
    let page = json!({"operations": [{"operationId": "1", "operation": "SUSPEND",
        "status": "SUCCESSFUL", "startTime": "2026-01-01T12:00:00Z", "requestorType": "ISSUER",
        "requestorId": "AGGREGATOR"}]});
    let server = failing_and_listing(page).await;
    let builder = builder_for(&server).aggregator_id("AGGREGATOR");
    let client = builder.build().unwrap();
    let error = client.card(CARD.parse().unwrap()).suspend().await;
    let verdict = client.confirm(&error.unwrap_err()).await.unwrap();
    assert!(matches!(verdict, Confirmation::Done(_)), "{verdict:?}");
}

#[tokio::test]
async fn what_was_refused_or_not_sent_was_not_done() {
    let refusing = answering(ResponseTemplate::new(403)).await;
    let error = d1_tests::card_at(&refusing).suspend().await.unwrap_err();
    let server = answering(ResponseTemplate::new(200)).await;
    let client = builder_for(&server).build().unwrap();
    assert!(matches!(
        client.confirm(&error).await.unwrap(),
        Confirmation::NotDone
    ));
    assert_eq!(sent(&server).await, 0, "nothing needed to be looked up");
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
            matches!(doubt, Confirmation::CannotTell(Doubt::Unreadable)),
            "{page}: {doubt:?}"
        );
    }
    let none = verdict(json!({"operations": []})).await;
    assert!(matches!(none, Confirmation::NotDone), "{none:?}");
}

#[tokio::test]
async fn a_failure_is_no_answer_before_d1_has_had_its_time() {
    let page = json!({"operations": [{"operationId": "1", "operation": "SUSPEND",
        "status": "FAILED", "startTime": "2026-01-01T12:00:00Z"}], "remainingOperations": 0});
    let server = failing_and_listing(page).await;
    let client = builder_for(&server).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let error = card.suspend().await.unwrap_err();
    let early = client.confirm(&error).await.unwrap();
    assert!(
        matches!(early, Confirmation::CannotTell(Doubt::TooEarly)),
        "{early:?}"
    );
    let settled = client.confirm(&error).settle(Duration::ZERO).await.unwrap();
    assert!(matches!(settled, Confirmation::NotDone), "{settled:?}");

    // An operation without the reason that was sent may be another one.
    let with_reason = card.suspend().reason("my own".parse().unwrap());
    let error = with_reason.await.unwrap_err();
    let doubt = client.confirm(&error).settle(Duration::ZERO).await.unwrap();
    assert!(
        matches!(doubt, Confirmation::CannotTell(Doubt::Resembles)),
        "{doubt:?}"
    );

    let elsewhere = answering(ResponseTemplate::new(404)).await;
    let other = builder_for(&elsewhere).build().unwrap();
    let doubt = other.confirm(&error).await.unwrap();
    assert!(
        matches!(doubt, Confirmation::CannotTell(Doubt::OtherHost)),
        "{doubt:?}"
    );
    assert_eq!(sent(&elsewhere).await, 0);
}
