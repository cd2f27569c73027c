//! A card's life over real HTTP and mutual TLS, and the switches for what is not documented.

use d1_sandbox::{
    Card, CardState, ErrorBodies, IssuerStub, Mode, Sandbox, StartError, SuccessStyle,
};
use serde_json::{Value, json};
use std::time::Duration;

use crate::common::{Caller, http_client, read};

#[tokio::test]
async fn a_card_is_suspended_resumed_renewed_and_deleted() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let body = json!({ "reason": "lost it", "reasonCode": "CARD_LOST", "unknown": { "a": 1 } });
    let (status, suspended) = caller.post("ReplaceMe01", "suspend", body).await;
    assert_eq!((status, &suspended["status"]), (200, &json!("SUCCESSFUL")));
    assert_eq!(
        sandbox.card("ReplaceMe01").unwrap().state,
        CardState::Inactive
    );

    let id = suspended["operationId"].as_str().unwrap();
    let (status, operation) = caller.get("ReplaceMe01", &format!("/{id}")).await;
    assert_eq!((status, &operation["reason"]), (200, &json!("lost it")));
    assert_eq!(caller.post("ReplaceMe01", "resume", json!({})).await.0, 200);

    let plaintext = r#"{"pan":"5555555555554444","exp":"0131"}"#;
    let body = json!({ "newCardId": "ReplaceMe02", "encryptedData": caller.encrypt(plaintext) });
    assert_eq!(caller.post("ReplaceMe01", "renew", body).await.0, 200);
    assert!(
        sandbox
            .card("ReplaceMe02")
            .unwrap()
            .has_credentials("5555555555554444", "0131")
    );
    assert_eq!(
        caller.get("ReplaceMe01", "").await.1["errorCode"],
        "UNKNOWN_CARD"
    );

    let (_, page) = caller
        .get("ReplaceMe02", "?limit=2&offset=1&unknown=x")
        .await;
    let kinds: Vec<_> = page["operations"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&kinds[0]["operation"], &kinds[1]["operation"]),
        (&json!("RESUME"), &json!("SUSPEND"))
    );
    assert_eq!((kinds.len(), &page["remainingOperations"]), (2, &json!(2)));

    assert_eq!(caller.post("ReplaceMe02", "delete", json!({})).await.0, 200);
    assert_eq!(caller.post("ReplaceMe02", "delete", json!({})).await.0, 404);
    assert_eq!(caller.get("ReplaceMe02", &format!("/{id}")).await.0, 404);
    assert_eq!(sandbox.token_exchanges(), 1);
}

#[tokio::test]
async fn a_damaged_card_answers_500_to_every_call_and_stays_as_it_is() {
    let card = Card::new("D").damaged();
    let sandbox = Sandbox::builder().card(card).start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    for operation in ["suspend", "resume", "renew", "delete"] {
        let (status, body) = caller.post("D", operation, json!({})).await;
        assert_eq!(status, 500, "{operation}");
        assert_eq!(body, json!({ "error": "Internal error" }), "{operation}");
    }
    assert_eq!(caller.get("D", "").await.0, 500);
    assert_eq!(caller.get("D", "/op-000001").await.0, 500);
    let card = sandbox.card("D").unwrap();
    assert_eq!((card.state, card.operations), (CardState::Active, 2));
}

#[tokio::test]
async fn digital_card_details_come_on_request() {
    let details = json!({ "deviceType": "WATCH" });
    let card = Card::new("C")
        .digital_cards([details.clone()])
        .past_operations(60);
    let sandbox = Sandbox::builder().card(card).start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let (_, page) = caller.get("C", "?offset=60&limit=50").await;
    let digitize = &page["operations"][0];
    assert_eq!(digitize["operation"], "DIGITIZE");
    let path = format!(
        "/{}?digitalCardDetails=true",
        digitize["operationId"].as_str().unwrap()
    );
    assert_eq!(
        caller.get("C", &path).await.1["digitalCardDetails"],
        details
    );
    assert_eq!(caller.get("C", "").await.1["remainingOperations"], 52);
    assert_eq!(
        caller.get("C", "/op-999999").await.1["errorCode"],
        "UNKNOWN_OPERATION"
    );
}

#[tokio::test]
async fn what_is_not_documented_can_be_switched() {
    let sandbox = Sandbox::builder()
        .success_style(SuccessStyle::NoContent)
        .error_bodies(ErrorBodies::WithoutCode)
        .list_count(false)
        .get_card_credentials(IssuerStub::Unavailable)
        .start()
        .await
        .unwrap();
    let caller = Caller::new(&sandbox).await;
    assert_eq!(
        caller.post("ReplaceMe01", "suspend", json!({})).await,
        (204, Value::Null)
    );
    assert_eq!(caller.post("ReplaceMe01", "renew", json!({})).await.0, 500);
    assert_eq!(
        caller
            .get("ReplaceMe01", "")
            .await
            .1
            .get("remainingOperations"),
        None
    );
    let unknown = json!({ "error": "Card not found" });
    assert_eq!(caller.get("NONE", "").await, (404, unknown));

    let empty = Sandbox::builder()
        .error_bodies(ErrorBodies::Empty)
        .start()
        .await
        .unwrap();
    let caller = Caller::new(&empty).await;
    assert_eq!(caller.get("NONE", "").await, (404, Value::Null));
}

#[tokio::test]
async fn a_migrated_tenant_refuses_what_v2_forbids() {
    let card = Card::new("C").suspended_by("CARD_LOST");
    let sandbox = Sandbox::builder()
        .mode(Mode::Migrated)
        .card(card)
        .start()
        .await
        .unwrap();
    let caller = Caller::new(&sandbox).await;
    assert_eq!(caller.post("C", "resume", json!({})).await.0, 403);
    let body = json!({ "reasonCode": "CARD_FOUND" });
    assert_eq!(caller.post("C", "resume", body).await.0, 200);
    assert_eq!(
        caller
            .post("C", "renew", json!({ "newCardId": "D" }))
            .await
            .0,
        403
    );
    assert_eq!(caller.post("C", "renew", json!({})).await.0, 200);
}

#[tokio::test]
async fn a_client_certificate_is_needed() {
    let sandbox = Sandbox::start().await.unwrap();
    let without = http_client(&sandbox, false, rustls::ALL_VERSIONS);
    assert!(without.get(sandbox.base_url()).send().await.is_err());
    for version in rustls::ALL_VERSIONS {
        let with = http_client(&sandbox, true, &[version]);
        let answer = with.get(sandbox.base_url()).send().await.unwrap();
        assert_eq!(read(answer).await.0, 404, "{version:?}");
        let by_address = sandbox.base_url().replace("localhost", "127.0.0.1");
        assert!(with.get(by_address).send().await.is_ok());
    }
    assert_eq!(
        sandbox.requests().len(),
        4,
        "the refused client reached nothing"
    );
}

#[tokio::test]
async fn a_sandbox_stops_when_shut_down_and_when_dropped() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let (http, url) = (caller.http.clone(), sandbox.base_url().to_owned());
    sandbox.shut_down().await;
    assert!(http.get(url).send().await.is_err());

    let sandbox = Sandbox::start().await.unwrap();
    let http = http_client(&sandbox, true, rustls::ALL_VERSIONS);
    let url = sandbox.base_url().to_owned();
    drop(sandbox);
    // The listener closes as soon as its task has run.
    while http.get(&url).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn settings_are_checked() {
    let twice = Sandbox::builder().card(Card::new("A")).card(Card::new("A"));
    let stub = IssuerStub::Answers {
        pan: "1".to_owned(),
        exp: "1230".to_owned(),
    };
    for (setting, builder) in [
        ("issuer", Sandbox::builder().issuer("SHORT")),
        ("aggregator", Sandbox::builder().aggregator("")),
        ("card id", Sandbox::builder().card(Card::new("a b"))),
        ("card id", twice),
        (
            "card PAN",
            Sandbox::builder().card(Card::new("A").pan("411111111111111x")),
        ),
        (
            "card expiry",
            Sandbox::builder().card(Card::new("A").exp("1330")),
        ),
        (
            "PAN from the issuer",
            Sandbox::builder().get_card_credentials(stub),
        ),
    ] {
        match builder.start().await {
            Err(StartError::Setting { setting: found, .. }) => assert_eq!(found, setting),
            other => assert!(other.is_err(), "{setting} was accepted"),
        }
    }
}

#[tokio::test]
async fn tokens_expire_and_can_be_revoked() {
    let builder = Sandbox::builder().token_lifetime(Duration::ZERO);
    let sandbox = builder.start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    assert_eq!(caller.get("ReplaceMe01", "").await.0, 401);

    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    assert_eq!(caller.get("ReplaceMe01", "").await.0, 200);
    sandbox.revoke_tokens();
    assert_eq!(caller.get("ReplaceMe01", "").await.0, 401);
}
