//! Cards and operations that outlast their sandbox.

use crate::common::{Caller, folder, http_client, refused};
use d1_sandbox::{Builder, Card, CardState, ConsumerState, Issuer, Sandbox};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn cards_and_operations_are_kept() {
    let file = folder("state").join("cards.json");
    for seed in [None, Some(7)] {
        let _ = fs::remove_file(&file);
        let builder = || {
            let cards = Sandbox::builder()
                .card(Card::new("A").past_operations(3))
                .card(Card::new("B"));
            let cards = cards
                .add_issuer(Issuer::new("ISSUER_B-2").card(Card::new("A")))
                .state_file(&file);
            match seed {
                Some(seed) => cards.seed(seed),
                None => cards,
            }
        };
        let first = builder().start().await.unwrap();
        let caller = Caller::new(&first).await;
        let reason = json!({ "reason": "lost in a taxi", "reasonCode": "CARD_LOST" });
        assert_eq!(caller.post("A", "suspend", reason).await.0, 200);
        assert_eq!(caller.post("B", "delete", json!({})).await.0, 200);
        let token = caller.encrypt(r#"{"pan":"5555555555554444","exp":"0131"}"#);
        let renewal = json!({ "newCardId": "C", "encryptedData": token, "state": "INACTIVE" });
        assert_eq!(caller.post("A", "renew", renewal).await.0, 200);
        let before = caller.get("C", "?limit=50").await;
        let earlier = first.card("C");
        // It is lost without a chance to write anything: the responses were enough.
        drop(first);

        let second = builder().start().await.unwrap();
        assert_eq!(second.card("C"), earlier);
        assert!(
            second
                .card("C")
                .unwrap()
                .has_credentials("5555555555554444", "0131")
        );
        assert!(second.card("A").is_none() && second.card("B").is_none());
        assert!(second.card_for_issuer("ISSUER_B-2", "A").is_some());
        let caller = Caller::new(&second).await;
        assert_eq!(caller.get("C", "?limit=50").await, before);
        // New operations come after the old ones.
        assert_eq!(caller.post("C", "resume", json!({})).await.0, 200);
        let (_, list) = caller.get("C", "?limit=2").await;
        let names = |field: &str| [0, 1].map(|index| list["operations"][index][field].clone());
        assert_eq!(names("operation"), ["RESUME", "RENEW"]);
        let [resumed, renewed] = names("startTime");
        assert!(resumed.as_str() >= renewed.as_str(), "{list}");
        let ids = names("operationId");
        assert!(ids[0] != ids[1] && ids[0].is_string(), "{list}");
    }
}

#[tokio::test]
async fn what_the_control_port_changes_is_kept() {
    let file = folder("control").join("cards.json");
    let builder = || Sandbox::builder().control_port(0).state_file(&file);
    let first = builder().start().await.unwrap();
    let client = http_client(&first, true, rustls::ALL_VERSIONS);
    for (path, body) in [
        (
            "cards/ReplaceMe01",
            json!({ "state": "INACTIVE", "consumerState": "INACTIVE" }),
        ),
        ("clock", json!({ "offsetSeconds": 3600 })),
    ] {
        let url = format!("{}/api/{path}", first.control_url().unwrap());
        let answer = client.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }
    let now = first.now();
    drop(first);
    let second = builder().start().await.unwrap();
    let card = second.card("ReplaceMe01").unwrap();
    assert_eq!(
        (card.state, card.consumer_state),
        (CardState::Inactive, ConsumerState::Inactive)
    );
    assert!(second.now() >= now);

    // What a test changes is there once the sandbox has ended.
    assert!(second.set_consumer_state("ReplaceMe01", ConsumerState::Active));
    second.shut_down().await;
    let third = builder().start().await.unwrap();
    assert_eq!(
        third.card("ReplaceMe01").unwrap().consumer_state,
        ConsumerState::Active
    );
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept() {
    let file = folder("together").join("cards.json");
    let cards = (0..40).map(|n| Card::new(format!("CARD-{n}")));
    let builder = cards
        .fold(Sandbox::builder(), Builder::card)
        .state_file(&file);
    let first = builder.clone().start().await.unwrap();
    let caller = Caller::new(&first).await;
    let ids: Vec<String> = (0..40).map(|n| format!("CARD-{n}")).collect();
    let calls = ids.iter().map(|id| caller.post(id, "suspend", json!({})));
    for (status, _) in futures_util::future::join_all(calls).await {
        assert_eq!(status, 200);
    }
    drop(first);
    let second = builder.start().await.unwrap();
    for id in ids {
        assert_eq!(second.card(&id).unwrap().state, CardState::Inactive, "{id}");
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_used_is_an_error() {
    let folder = folder("broken");
    let file = folder.join("cards.json");
    let builder = || Sandbox::builder().state_file(&file);
    builder().start().await.unwrap().shut_down().await;
    let whole = fs::read_to_string(&file).unwrap();
    for (text, part) in [
        (String::new(), "not the state of a sandbox"),
        ("[]".to_owned(), "not the state of a sandbox"),
        (
            whole[..whole.len() - 1].to_owned(),
            "not the state of a sandbox",
        ),
        (
            whole.replace("\"version\":1", "\"version\":2"),
            "has version 2, and this sandbox reads version 1 alone",
        ),
        (
            whole.replace("\"pan\":\"4111111111111111\"", "\"pan\":4111111111111111"),
            "not the state of a sandbox",
        ),
        (whole.replace("\"lastSequence\"", "\"other\""), "other"),
        (whole.replace("ISSUER_A-1", "ISSUER_C-3"), "ISSUER_C-3"),
    ] {
        fs::write(&file, &text).unwrap();
        let error = refused(builder()).await;
        assert!(
            error.contains(part) && error.contains("cards.json"),
            "{error}"
        );
        assert!(!error.contains("4111111111111111"), "{error}");
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            text,
            "it is left as it is"
        );
    }
    let error = refused(Sandbox::builder().state_file(folder.join("no/such/file"))).await;
    assert!(error.contains("cannot be written"), "{error}");
    let taken = Sandbox::builder()
        .state_file(folder.join("taken.json"))
        .start()
        .await
        .unwrap();
    let error = refused(Sandbox::builder().state_file(folder.join("taken.json"))).await;
    assert!(error.contains("in use by another sandbox"), "{error}");
    drop(taken);
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_the_state() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder("mode").join("cards.json");
    Sandbox::builder().state_file(&file).start().await.unwrap();
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}
