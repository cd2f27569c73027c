//! What the channels order, at a sandbox over real mutual TLS.

use std::collections::BTreeSet;

use d1_sandbox::{CardState, ConsumerState};
use reqwest::Method;
use serde_json::json;

use crate::support::{World, read};

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn each_change_is_made_and_listed() {
    let world = World::start().await;
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "s1").await.0, 200);
    let state = world.sandbox.card("ReplaceMe01").unwrap().state;
    assert_eq!(state, CardState::Inactive);
    let order = world.order("ReplaceMe01", "resume", "r1");
    let (status, body) = read(
        order
            .json(&json!({"reasonCode": "ISSUER_DECISION"}))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((status, &body["state"]), (200, &json!("done")));
    assert_eq!(world.ordered("ReplaceMe02", "delete", "d1").await.0, 200);
    assert!(world.sandbox.card("ReplaceMe02").is_none());
    let (status, body) = world.get("/cards/ReplaceMe01/operations?limit=2").await;
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
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn a_request_id_makes_one_change_however_often_it_is_sent() {
    let world = World::start().await;
    let (one, two) = tokio::join!(
        world.ordered("ReplaceMe01", "suspend", "same"),
        world.ordered("ReplaceMe01", "suspend", "same"),
    );
    // The slower of the two may see the change under way.
    assert!(
        [one.0, two.0]
            .iter()
            .all(|status| [200, 202].contains(status)),
        "{one:?} {two:?}"
    );
    let again = world.ordered("ReplaceMe01", "suspend", "same").await;
    assert_eq!((again.0, &again.1["state"]), (200, &json!("done")));
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);

    assert_eq!(world.ordered("ReplaceMe01", "resume", "same").await.0, 422);
    let other = world.order("ReplaceMe01", "suspend", "same");
    let other = other
        .json(&json!({"reasonCode": "FRAUD"}))
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 422);
    world
        .sandbox
        .assert_requests("resumeCard", "ReplaceMe01", 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn what_is_wrong_with_an_order_is_said_without_what_it_holds() {
    let world = World::start().await;
    let pan = "4111111111111111";
    for (card, verb, id, expected) in [
        (pan, "suspend", "w1", 422),
        ("ReplaceMe01", "explode", "w2", 404),
        ("ReplaceMe01", "suspend", "no spaces", 422),
        ("ReplaceMe01", "suspend", pan, 422),
    ] {
        let (status, body) = world.ordered(card, verb, id).await;
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
        let order = world.order("ReplaceMe01", verb, "w3").json(&body);
        let (status, answer) = read(order.send().await.unwrap()).await;
        assert_eq!(status, 422, "{body}");
        assert!(!answer.to_string().contains(pan));
    }
    let long = json!({"reasonCode": "A".repeat(5_000)});
    let order = world.order("ReplaceMe01", "suspend", "w4").json(&long);
    assert_eq!(order.send().await.unwrap().status(), 413);
    assert_eq!(world.sql("SELECT count(*) FROM card_change").await, 0);
    world.sandbox.assert_requests("renewCard", "ReplaceMe01", 0);
    let without_id = world.request(Method::POST, "/cards/ReplaceMe01/suspend");
    assert_eq!(without_id.send().await.unwrap().status(), 422);
    assert_eq!(world.get("/changes/none").await.0, 404);
    assert_eq!(
        world.get("/cards/ReplaceMe01/operations?limit=x").await.0,
        422
    );
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn a_refusal_of_d1_is_final() {
    let world = World::start().await;
    world
        .sandbox
        .set_consumer_state("ReplaceMe02", ConsumerState::Inactive);
    for (card, verb, id, expected) in [
        ("None", "suspend", "f1", 404),
        ("ReplaceMe02", "resume", "f2", 409),
    ] {
        for _ in 0..2 {
            let (status, body) = world.ordered(card, verb, id).await;
            assert_eq!((status, &body["state"]), (expected, &json!("refused")));
        }
        let called = format!("{verb}Card");
        world.sandbox.assert_requests(&called, card, 1);
    }
    assert_eq!(world.get("/cards/None/operations").await.0, 404);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn the_correlation_id_of_the_channel_goes_to_d1_and_back() {
    let world = World::start().await;
    let header = "x-correlation-id";
    let order = world
        .order("ReplaceMe01", "suspend", "c1")
        .header(header, "case 4711");
    let response = order.send().await.unwrap();
    assert_eq!(response.headers()[header], "case 4711");
    assert_eq!(read(response).await.1["correlationId"], "case 4711");
    // One that D1 would not take is replaced.
    let order = world
        .order("ReplaceMe01", "resume", "c2")
        .header(header, "a/b");
    let response = order.send().await.unwrap();
    let given = response.headers()[header].to_str().unwrap().to_owned();
    assert!(given != "a/b" && !given.is_empty());
    for (operation, id) in [("suspendCard", "case 4711"), ("resumeCard", given.as_str())] {
        let [request] = &world.sandbox.requests_for(operation, "ReplaceMe01")[..] else {
            panic!("not one request");
        };
        assert_eq!(request.correlation_id.as_deref(), Some(id));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn its_health_and_its_numbers_can_be_seen() {
    let world = World::start().await;
    assert_eq!(world.get("/health/live").await.0, 204);
    assert_eq!(world.get("/health/ready").await.0, 204);
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "m1").await.0, 200);
    let metrics = world.request(Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        r#"http_requests_total{route="/cards/{card}/{verb}",status="200"} 1"#,
        r#"card_changes{state="done"} 1"#,
        r#"card_changes{state="sending"} 0"#,
        "card_changes_oldest_open_seconds 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
}
