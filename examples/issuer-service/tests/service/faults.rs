//! What D1 or the network does wrong.

use std::time::Duration;

use d1_sandbox::{CardState, Fault};
use issuer_service::{CHANNEL, REQUEST_ID};
use serde_json::json;

use crate::support::{TestService, connection, until};

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_reconciled_and_not_sent_again() {
    let service = TestService::start().await;
    service
        .sandbox
        .fail_next(Fault::disconnect().after_effect().operation("suspendCard"));
    let (status, body) = service.ordered("ReplaceMe01", "suspend", "l1").await;
    assert_eq!((status, &body["state"]), (202, &json!("sending")));
    assert_eq!(service.settled("l1").await, "done");
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "l1").await.0, 200);
    service
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);
}

#[tokio::test]
async fn a_change_that_d1_has_not_made_can_be_made_with_the_same_request_id() {
    let service = TestService::start().await;
    let before = service.operations("ReplaceMe01");
    service
        .sandbox
        .fail_next(Fault::status(503).operation("suspendCard"));
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "n1").await.0, 202);
    assert_eq!(service.settled("n1").await, "not_done");
    assert_eq!(
        service.sandbox.card("ReplaceMe01").unwrap().state,
        CardState::Active
    );
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "n1").await.0, 200);
    assert_eq!(service.operations("ReplaceMe01"), before + 1);
}

#[tokio::test]
async fn a_card_with_a_change_in_doubt_takes_no_other() {
    let service = TestService::start().await;
    // What D1 has cannot be seen, so that the doubt stays.
    service
        .sandbox
        .fail_next(Fault::status(503).operation("listOperations").times(1_000));
    service
        .sandbox
        .fail_next(Fault::disconnect().operation("suspendCard"));
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "b1").await.0, 202);
    assert_eq!(service.ordered("ReplaceMe01", "resume", "b2").await.0, 409);
    assert_eq!(service.ordered("ReplaceMe02", "suspend", "b3").await.0, 200);
    // However old it is, a look that fails proves nothing.
    service
        .sql("UPDATE card_change SET sent_at = sent_at - interval '7 days'")
        .await;
    let looks = || {
        let requests = &service.sandbox;
        requests.requests_for("listOperations", "ReplaceMe01").len()
    };
    let before = looks();
    until(|| looks() >= before + 6).await;
    assert_eq!(service.get("/changes/b1").await.1["state"], "sending");
    service.sandbox.clear_faults();
    assert_eq!(service.settled("b1").await, "not_done");
    assert_eq!(service.ordered("ReplaceMe01", "resume", "b2").await.0, 200);
}

#[tokio::test]
async fn too_many_requests_and_no_d1_are_told_apart_and_can_be_repeated() {
    let service = TestService::start().await;
    service
        .sandbox
        .fail_next(Fault::status(429).operation("suspendCard").times(2));
    let response = service
        .order("ReplaceMe01", "suspend", "t1")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "t1").await.0, 200);

    service
        .sandbox
        .fail_next(Fault::status(400).operation("getToken").times(2));
    service.sandbox.revoke_tokens();
    let (status, body) = service.ordered("ReplaceMe01", "resume", "t2").await;
    assert_eq!(
        (status, &body["state"]),
        (502, &json!("not_done")),
        "{body}"
    );
}

#[tokio::test]
async fn without_a_d1_nothing_is_sent_and_the_service_stays_ready() {
    let service = TestService::start().await;
    let TestService {
        sandbox,
        http,
        base_url,
        ..
    } = service;
    sandbox.shut_down().await;
    let order = http.post(format!("{base_url}/cards/ReplaceMe01/suspend"));
    let order = order.header(CHANNEL, "web").header(REQUEST_ID, "x1");
    let response = order.send().await.unwrap();
    assert_eq!(response.status(), 503);
    let ready = http
        .get(format!("{base_url}/health/ready"))
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), 204);
}

#[tokio::test]
async fn an_instance_that_d1_gives_no_token_is_not_ready() {
    let refused = Fault::status(400).operation("getToken").times(1_000_000);
    let service = TestService::at(|sandbox| sandbox.fail_next(refused), |_| ()).await;
    let asked = || service.sandbox.requests().len();
    until(|| asked() >= 2).await;
    assert_eq!(service.get("/health/live").await.0, 204);
    assert_eq!(service.get("/health/ready").await.0, 503);
    service.sandbox.clear_faults();
    service.is_ready().await;
}

/// Answers so late that the channel is gone by then.
fn late() -> Fault {
    let time = Duration::from_millis(500);
    Fault::slow(time, time).operation("suspendCard")
}

#[tokio::test]
async fn a_browser_that_leaves_gives_no_change_up() {
    let service = TestService::start().await;
    service.sandbox.fail_next(late());
    service.leave_after("ReplaceMe01", "suspend", "v1").await;
    assert_eq!(service.settled("v1").await, "done");
    // Its own response said so: nothing had to be reconciled.
    service
        .sandbox
        .assert_requests("listOperations", "ReplaceMe01", 0);
}

#[tokio::test]
async fn the_end_of_the_service_waits_for_the_changes_under_way() {
    let mut service = TestService::start().await;
    service.sandbox.fail_next(late());
    service.leave_after("ReplaceMe01", "suspend", "e1").await;
    service.end().await;
    let done = "SELECT count(*) FROM card_change WHERE request_id = 'web/e1' AND state = 'done'";
    assert_eq!(service.sql(done).await, 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_reconciled_is_left_to_a_person_and_keeps_its_card() {
    let service = TestService::start().await;
    // A 404 without a reason proves nothing, and time does not change it.
    let unseen = Fault::status(404).operation("listOperations");
    service.sandbox.fail_next(unseen.times(1_000));
    let lost = Fault::disconnect().operation("suspendCard");
    service.sandbox.fail_next(lost);
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "p1").await.0, 202);
    assert_eq!(service.settled("p1").await, "unknown");
    // It is never sent again.
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "p1").await.0, 202);
    service
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "p2").await.0, 409);
    // The statement in the README.
    service
        .sql("UPDATE card_change SET state = 'not_done', status = 503 WHERE request_id = 'web/p1' AND state = 'unknown'")
        .await;
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "p2").await.0, 200);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_to_a_person_and_holds_up_no_other() {
    let service = TestService::start().await;
    for sql in [
        "INSERT INTO card_change (request_id, card_id, request, pending, correlation_id, look_at)
         VALUES ('web/u1', 'Other', '{}', 'no change', 'c', now() + interval '1 hour')",
        // Its end cannot be written down.
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN IF NEW.state <> 'sending' THEN RAISE 'no'; END IF; RETURN NEW; END$$",
        "INSERT INTO card_change (request_id, card_id, request, pending, correlation_id, look_at)
         VALUES ('web/u2', 'Another', '{}', 'no change', 'c', now() + interval '1 hour')",
        "CREATE TRIGGER fail BEFORE UPDATE ON card_change FOR EACH ROW
         WHEN (OLD.request_id = 'web/u2') EXECUTE FUNCTION fail()",
    ] {
        service.sql(sql).await;
    }
    let lost = Fault::disconnect()
        .after_effect()
        .operation("suspendCard")
        .card("ReplaceMe01");
    service.sandbox.fail_next(lost);
    service
        .sql("UPDATE card_change SET look_at = now() - interval '1 hour'")
        .await;
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "u3").await.0, 202);
    assert_eq!(service.settled("u3").await, "done");
    assert_eq!(service.settled("u1").await, "unknown");
    assert_eq!(service.get("/changes/u2").await.1["state"], "sending");
}

#[tokio::test]
async fn what_a_gateway_refuses_is_not_final() {
    let service = TestService::start().await;
    for (status, id) in [(404, "g1"), (403, "g2")] {
        let page = Fault::status(status).body("text/html", "<h1>No</h1>");
        service.sandbox.fail_next(page.operation("suspendCard"));
        let (status, body) = service.ordered("ReplaceMe01", "suspend", id).await;
        assert_eq!((status, &body["state"]), (502, &json!("not_done")));
        assert_eq!(service.ordered("ReplaceMe01", "suspend", id).await.0, 200);
    }
}

#[tokio::test]
async fn a_browser_that_leaves_before_the_change_is_written_down_does_not_stop_it() {
    let service = TestService::start().await;
    let mut client = connection(&service.database_url).await;
    let lock = client.transaction().await.unwrap();
    lock.execute("LOCK TABLE card_change", &[]).await.unwrap();
    let waits = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE NOT l.granted AND l.relation = 'card_change'::regclass AND a.query LIKE '%INSERT INTO card_change%'";
    tokio::select! {
        response = service.ordered("ReplaceMe01", "suspend", "v2") => panic!("{response:?}"),
        () = async { while service.sql(waits).await == 0 {} } => {}
    }
    lock.commit().await.unwrap();
    // Sent, or given up in time where the machine is slow: nothing had to be reconciled.
    service.settled("v2").await;
    service
        .sandbox
        .assert_requests("listOperations", "ReplaceMe01", 0);
}

#[tokio::test]
async fn d1_gets_answers_until_the_changes_under_way_have_ended() {
    let mut service = TestService::start().await;
    let stalled = Fault::stall().operation("renewCard");
    service.sandbox.fail_next(stalled);
    service.leave_after("ReplaceMe01", "renew", "i1").await;
    let (channels, d1) = (service.base_url.clone(), service.inbound_url.clone());
    let connects = async |url: &str| {
        let address = url.split_once("//").map(|(_, address)| address.to_owned());
        let connected = tokio::net::TcpStream::connect(address.unwrap()).await;
        connected.is_ok()
    };
    let looked = async {
        while connects(&channels).await {}
        assert!(connects(&d1).await);
    };
    tokio::join!(service.end(), looked);
    assert!(!connects(&d1).await);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_sent() {
    let service = TestService::start().await;
    service.sql("ALTER TABLE card_change RENAME TO gone").await;
    let (status, body) = service.ordered("ReplaceMe01", "suspend", "d1").await;
    // An earlier request with this id may have been sent.
    assert!(status == 503 && !body.to_string().contains("sent"));
    let (status, body) = service.get("/changes/d1").await;
    assert!(status == 503 && !body.to_string().contains("sent"));
    service
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 0);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_down_is_found_out_again() {
    let service = TestService::start().await;
    service.sandbox.fail_next(late());
    let order = service.ordered("ReplaceMe01", "suspend", "o1");
    let hidden = async {
        until(|| service.has_reached_d1("ReplaceMe01", "suspend")).await;
        service.sql("ALTER TABLE card_change RENAME TO gone").await;
    };
    let (response, ()) = tokio::join!(order, hidden);
    assert_eq!(response.0, 200, "{response:?}");
    service.sql("ALTER TABLE gone RENAME TO card_change").await;
    // As if its timeout had passed.
    service.sql("UPDATE card_change SET look_at = now()").await;
    assert_eq!(service.settled("o1").await, "done");
    service
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);
}
