//! Whether an operation that D1 lists is the change: by its time, its reason, its requestor.

use std::time::Duration;

use d1_facade::{Inconclusive, Reconciliation};
use d1_sandbox::Fault;
use d1_tests::{CARD, builder_for, sandbox_client, strict_sandbox};
use serde_json::{Value, json};

use super::{assert_inconclusive, failing_and_listing, settled, verdict};

const NOW: &str = "2026-01-01T12:00:00Z";

fn suspend(time: &str, status: &str) -> Value {
    json!({"operationId": time, "operation": "SUSPEND", "status": status, "startTime": time,
        "requestorType": "ISSUER", "requestorId": "ISSUER_A-1", "reasonCode": "ISSUER_DECISION"})
}

fn page(operations: &[Value]) -> Value {
    json!({"operations": operations, "remainingOperations": 0})
}

#[tokio::test]
async fn the_window_is_measured_by_d1s_clock_and_doubt_is_an_answer() {
    let done = verdict(page(&[suspend(NOW, "SUCCESSFUL")])).await;
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
        let open = verdict(page(&[suspend(time, "SUCCESSFUL")])).await;
        let why = Reconciliation::Inconclusive(Inconclusive::Ambiguous);
        assert_eq!(format!("{open:?}"), format!("{why:?}"), "{time}");
        // Whichever it is, this one was not carried out.
        let failed = verdict(page(&[suspend(time, "FAILED")])).await;
        assert!(
            matches!(failed, Reconciliation::NotDone(None)),
            "{failed:?}"
        );
        // One that has another requestor, and is more than a day away, is another one.
        let mut other = suspend(time, "SUCCESSFUL");
        other["requestorType"] = json!("USER");
        let found = verdict(page(&[other])).await;
        let is_far = !time.starts_with("2026-01-01");
        assert_eq!(
            matches!(found, Reconciliation::NotDone(None)),
            is_far,
            "{time}: {found:?}"
        );
    }
}

#[tokio::test]
async fn the_status_of_the_operation_decides() {
    let failed = verdict(page(&[suspend(NOW, "FAILED")])).await;
    assert!(matches!(failed, Reconciliation::NotDone(_)), "{failed:?}");
    for status in ["PENDING", "SOMETHING_NEW"] {
        let pending = verdict(page(&[suspend(NOW, status)])).await;
        assert!(
            matches!(
                pending,
                Reconciliation::Inconclusive(Inconclusive::StillPending)
            ),
            "{pending:?}"
        );
    }
    let mut resume = suspend(NOW, "SUCCESSFUL");
    resume["operation"] = json!("RESUME");
    let other = verdict(page(&[resume])).await;
    assert!(matches!(other, Reconciliation::NotDone(_)), "{other:?}");
}

#[tokio::test]
async fn an_operation_that_agrees_in_part_leaves_it_open() {
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
        let mut other = suspend(NOW, "SUCCESSFUL");
        other[key] = json!(value);
        let doubt = verdict(page(&[other.clone()])).await;
        assert!(
            matches!(doubt, Reconciliation::Inconclusive(Inconclusive::Ambiguous)),
            "{key}: {doubt:?}"
        );
        let both = verdict(page(&[other.clone(), suspend(NOW, "SUCCESSFUL")])).await;
        match key {
            // What a new operation does is not known: it may have undone the other one before the call.
            "operation" => assert_inconclusive(&both, Inconclusive::Ambiguous),
            _ => assert!(matches!(both, Reconciliation::Done(_)), "{key}: {both:?}"),
        }
        let both = verdict(page(&[other, suspend(NOW, "FAILED")])).await;
        assert!(
            matches!(both, Reconciliation::Inconclusive(Inconclusive::Ambiguous)),
            "{key}: {both:?}"
        );
    }
    for key in ["operation", "startTime"] {
        let mut unreadable = suspend(NOW, "SUCCESSFUL");
        unreadable.as_object_mut().unwrap().remove(key);
        let doubt = verdict(page(&[unreadable])).await;
        assert!(
            matches!(doubt, Reconciliation::Inconclusive(Inconclusive::Ambiguous)),
            "{key}: {doubt:?}"
        );
    }
    let endless = verdict(json!({"operations": [suspend(NOW, "X"), {}]})).await;
    assert!(
        matches!(endless, Reconciliation::Inconclusive(_)),
        "{endless:?}"
    );
}

#[tokio::test]
async fn an_operation_that_is_known_to_be_another_change_is_left_out_of_account() {
    let mut earlier = suspend("2026-01-01T11:59:59Z", "SUCCESSFUL");
    earlier["operationId"] = json!("op-1");
    for (listed, is_done) in [
        (vec![earlier.clone()], false),
        (vec![suspend(NOW, "SUCCESSFUL"), earlier], true),
    ] {
        let server = failing_and_listing(page(&listed)).await;
        let client = builder_for(&server).build().unwrap();
        let card = client.card(CARD.parse().unwrap());
        let error = card.suspend().await.unwrap_err();
        let pending = error.pending_change().unwrap();
        let reconcile = client.reconcile(pending).settle(Duration::ZERO);
        let found = reconcile.except(["op-1".parse().unwrap()]).await.unwrap();
        let done = matches!(found, Reconciliation::Done(Some(_)));
        let not_done = matches!(found, Reconciliation::NotDone(None));
        assert_eq!((done, not_done), (is_done, !is_done), "{found:?}");
    }
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
async fn an_equal_change_that_was_undone_before_the_call_is_not_the_change() {
    for (calls, operation) in [
        (&["suspend", "resume"][..], "suspendCard"),
        (&["suspend", "resume", "suspend"], "resumeCard"),
    ] {
        // D1 writes its `Date` in whole seconds: by it, all calls may have been made at the same time.
        let sandbox = strict_sandbox().await;
        let client = sandbox_client(&sandbox);
        let card = client.card(CARD.parse().unwrap());
        let change = |name: &str| match name.starts_with("suspend") {
            true => card.suspend(),
            false => card.resume(),
        };
        for call in calls {
            change(call).await.unwrap();
        }
        sandbox.fail_next(Fault::disconnect().operation(operation));
        let error = change(operation).await.unwrap_err();
        let found = settled(&client, &error).await;
        assert_inconclusive(&found, Inconclusive::Ambiguous);
        // A change that was carried out is still found.
        sandbox.fail_next(Fault::disconnect().operation(operation).after_effect());
        let reason = format!("order {operation}").parse().unwrap();
        let error = change(operation).reason(reason).await.unwrap_err();
        let found = settled(&client, &error).await;
        assert!(matches!(found, Reconciliation::Done(Some(_))), "{found:?}");
    }
}
