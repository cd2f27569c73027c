//! What the channels order, at a sandbox over real mutual TLS.

use std::collections::BTreeSet;
use std::time::Duration;

use d1_sandbox::{CardState, ConsumerState};
use issuer_service::{CHANNEL, REQUEST_ID};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestService, read};

#[tokio::test]
async fn each_change_is_made_and_listed() {
    let service = TestService::start().await;
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "s1").await.0, 200);
    let state = service.sandbox.card("ReplaceMe01").unwrap().state;
    assert_eq!(state, CardState::Inactive);
    let order = service.order("ReplaceMe01", "resume", "r1");
    let (status, body) = read(
        order
            .json(&json!({"reasonCode": "ISSUER_DECISION"}))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((status, &body["state"]), (200, &json!("done")));
    assert_eq!(service.ordered("ReplaceMe02", "delete", "d1").await.0, 200);
    assert!(service.sandbox.card("ReplaceMe02").is_none());
    let (status, body) = service.get("/cards/ReplaceMe01/operations?limit=2").await;
    let listed: Vec<_> = body["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["operation"])
        .collect();
    assert_eq!(
        (status, listed),
        (200, vec![&json!("RESUME"), &json!("SUSPEND")])
    );
    let reasons: BTreeSet<_> = body["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["reason"].to_string())
        .collect();
    assert_eq!(reasons.len(), 2, "each has a reason of its own");
}

#[tokio::test]
async fn a_request_id_makes_one_change_however_often_it_is_sent() {
    let service = TestService::start().await;
    let (one, two) = tokio::join!(
        service.ordered("ReplaceMe01", "suspend", "same"),
        service.ordered("ReplaceMe01", "suspend", "same"),
    );
    // The slower of the two may see the change under way.
    assert!(
        [one.0, two.0]
            .iter()
            .all(|status| [200, 202].contains(status)),
        "{one:?} {two:?}"
    );
    let again = service.ordered("ReplaceMe01", "suspend", "same").await;
    assert_eq!((again.0, &again.1["state"]), (200, &json!("done")));
    service
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);

    assert_eq!(
        service.ordered("ReplaceMe01", "resume", "same").await.0,
        422
    );
    let other = service.order("ReplaceMe01", "suspend", "same");
    let other = other
        .json(&json!({"reasonCode": "FRAUD"}))
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 422);
    service
        .sandbox
        .assert_requests("resumeCard", "ReplaceMe01", 0);
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_said_without_what_it_holds() {
    let service = TestService::start().await;
    let pan = "4111111111111111";
    for (card, verb, id, expected) in [
        (pan, "suspend", "w1", 422),
        ("ReplaceMe01", "explode", "w2", 404),
        ("ReplaceMe01", "suspend", "a/b", 422),
        ("ReplaceMe01", "suspend", pan, 422),
    ] {
        let (status, body) = service.ordered(card, verb, id).await;
        assert_eq!(status, expected, "{card} {verb}");
        assert!(!body.to_string().contains(pan));
    }
    for (verb, body) in [
        ("suspend", json!({"state": "ACTIVE"})),
        ("suspend", json!({"pan": pan})),
        ("suspend", json!([])),
        ("suspend", json!({"reasonCode": pan})),
        ("suspend", json!({"reasonCode": format!("OF_{pan}")})),
        ("renew", json!({"state": pan})),
        ("renew", json!({"newCardId": pan})),
    ] {
        let order = service.order("ReplaceMe01", verb, "w3").json(&body);
        let (status, answer) = read(order.send().await.unwrap()).await;
        assert_eq!(status, 422, "{body}");
        assert!(!answer.to_string().contains(pan));
    }
    let long = json!({"reasonCode": "A".repeat(5_000)});
    let order = service.order("ReplaceMe01", "suspend", "w4").json(&long);
    assert_eq!(order.send().await.unwrap().status(), 413);
    assert_eq!(service.sql("SELECT count(*) FROM card_change").await, 0);
    service
        .sandbox
        .assert_requests("renewCard", "ReplaceMe01", 0);
    let without_id = service.request(Method::POST, "/cards/ReplaceMe01/suspend");
    assert_eq!(without_id.send().await.unwrap().status(), 422);
    assert_eq!(service.get("/changes/none").await.0, 404);
    assert_eq!(
        service.get("/cards/ReplaceMe01/operations?limit=x").await.0,
        422
    );
    service
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 0);
}

#[tokio::test]
async fn a_refusal_of_d1_is_final() {
    let service = TestService::start().await;
    service
        .sandbox
        .set_consumer_state("ReplaceMe02", ConsumerState::Inactive);
    for (card, verb, id, expected) in [
        ("None", "suspend", "f1", 404),
        ("ReplaceMe02", "resume", "f2", 409),
    ] {
        for _ in 0..2 {
            let (status, body) = service.ordered(card, verb, id).await;
            assert_eq!((status, &body["state"]), (expected, &json!("refused")));
        }
        let called = format!("{verb}Card");
        service.sandbox.assert_requests(&called, card, 1);
    }
    assert_eq!(service.get("/cards/None/operations").await.0, 404);
}

#[tokio::test]
async fn the_correlation_id_of_the_channel_goes_to_d1_and_back() {
    let service = TestService::start().await;
    let header = "x-correlation-id";
    let order = service
        .order("ReplaceMe01", "suspend", "c1")
        .header(header, "case 4711");
    let response = order.send().await.unwrap();
    assert_eq!(response.headers()[header], "case 4711");
    assert_eq!(read(response).await.1["correlationId"], "case 4711");
    // One that D1 would not take is replaced.
    let order = service
        .order("ReplaceMe01", "resume", "c2")
        .header(header, "a/b");
    let response = order.send().await.unwrap();
    let given = response.headers()[header].to_str().unwrap().to_owned();
    assert!(given != "a/b" && !given.is_empty());
    for (operation, id) in [("suspendCard", "case 4711"), ("resumeCard", given.as_str())] {
        let [request] = &service.sandbox.requests_for(operation, "ReplaceMe01")[..] else {
            panic!("not one request");
        };
        assert_eq!(request.correlation_id.as_deref(), Some(id));
    }
}

#[tokio::test]
async fn its_health_and_its_numbers_can_be_seen() {
    let service = TestService::start().await;
    assert_eq!(service.get("/health/live").await.0, 204);
    assert_eq!(service.get("/health/ready").await.0, 204);
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "m1").await.0, 200);
    let metrics = service.request(Method::GET, "/metrics").send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let order = r#"http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",http_route="/cards/{card}/{verb}"} 1"#;
    for line in [
        order,
        r#"card_changes{state="done"} 1"#,
        r#"card_changes{state="sending"} 0"#,
        r#"card_changes_oldest_seconds{state="sending"} 0"#,
        "database_up 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    let call = r#"d1_operation="suspendCard""#;
    assert!(metrics.contains(call), "those of the client too: {metrics}");
}

#[tokio::test]
async fn two_channels_may_give_the_same_request_id() {
    let service = TestService::start().await;
    let of = |channel: &str, card: &str, verb: &str| {
        let path = format!("{}/cards/{card}/{verb}", service.base_url);
        let order = service.http.post(path).header(REQUEST_ID, "1");
        order.header(CHANNEL, channel).send()
    };
    for (channel, card, verb, expected) in [
        ("branch", "ReplaceMe01", "suspend", 200),
        ("app", "ReplaceMe02", "suspend", 200),
        ("app", "ReplaceMe01", "resume", 422),
        ("", "ReplaceMe01", "resume", 422),
    ] {
        let response = of(channel, card, verb).await.unwrap();
        assert_eq!(response.status(), expected, "{channel} {card} {verb}");
    }
    // Neither is seen by a third.
    assert_eq!(service.get("/changes/1").await.0, 404);
}

#[tokio::test]
async fn a_caller_that_sends_half_a_request_is_disconnected() {
    let service = TestService::with(|settings| {
        settings.times.read_timeout = Duration::from_millis(50);
    })
    .await;
    let order = "POST /cards/ReplaceMe01/suspend HTTP/1.1\r\nhost: x\r\n";
    let ids = format!("{CHANNEL}: web\r\n{REQUEST_ID}: half\r\n");
    for (url, sent, response) in [
        (&service.base_url, order.to_owned(), ""),
        (
            &service.base_url,
            format!("{order}{ids}content-length: 9\r\n\r\n{{"),
            "HTTP/1.1 4",
        ),
        // Not even the beginning of a TLS handshake.
        (&service.inbound_url, String::new(), ""),
    ] {
        let (_, address) = url.split_once("//").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut received = String::new();
        // The end comes from the service.
        stream.read_to_string(&mut received).await.unwrap();
        assert!(received.starts_with(response), "{sent} {received}");
    }
    service
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 0);
}
