//! The issuer's half of a renewal, and D1's notifications.

use issuer_service::settings::Settings;
use serde_json::{Value, json};

use crate::support::{AMEX, TestService, VISA, client, read};

#[tokio::test]
async fn a_renewal_without_credentials_runs_from_end_to_end() {
    let service = TestService::start().await;
    let order = service.order("ReplaceMe01", "renew", "r1");
    let (status, body) = read(
        order
            .json(&json!({"state": "ACTIVE"}))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 200, "{body}");
    let [request] = &service.sandbox.requests_for("renewCard", "ReplaceMe01")[..] else {
        panic!("not one request");
    };
    let sent = request
        .body
        .as_ref()
        .and_then(|body| body.get("encryptedData"));
    assert_eq!(sent, None, "D1 asks the issuer");
    let card = service.sandbox.card("ReplaceMe01").unwrap();
    assert!(card.has_credentials(VISA.0, VISA.1));

    // American Express cards bring them.
    assert_eq!(service.ordered("Amex01", "renew", "r2").await.0, 200);
    assert!(
        service
            .sandbox
            .card("Amex01")
            .unwrap()
            .has_credentials(AMEX.0, AMEX.1)
    );

    let renewals = "SELECT count(*) FROM d1_notification WHERE operation = 'RENEW'";
    while service.sql(renewals).await != 2 {}
}

#[tokio::test]
async fn a_notification_that_could_not_be_stored_is_taken_when_d1_repeats_it() {
    let service = TestService::start().await;
    service
        .sql("ALTER TABLE d1_notification RENAME TO gone")
        .await;
    assert_eq!(service.ordered("ReplaceMe01", "suspend", "n1").await.0, 200);
    let metrics = async || {
        let metrics = service.request(reqwest::Method::GET, "/metrics");
        metrics.send().await.unwrap().text().await.unwrap()
    };
    let refused = |line: &str| line.contains("/notifications") && line.contains("\"503\"");
    while !metrics().await.lines().any(refused) {}
    service
        .sql("ALTER TABLE gone RENAME TO d1_notification")
        .await;
    while service.sql("SELECT count(*) FROM d1_notification").await != 1 {}
}

#[tokio::test]
async fn only_d1_gets_in() {
    let service = TestService::start().await;
    let sandbox = &service.sandbox;
    let path = "/cms/api/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/credentials";
    let url = format!("{}{path}", service.inbound_url);
    // The authority of D1's certificate has signed that of the server too.
    let ca = Some(sandbox.issuer_server().client_ca_pem());
    let own = (sandbox.client_certificate_pem(), sandbox.client_key_pem());
    for identity in [None, Some(own)] {
        let response = client(ca, identity).get(&url).send().await;
        assert!(response.is_err(), "{response:?}");
    }
    // D1 itself does.
    assert_eq!(service.ordered("ReplaceMe01", "renew", "o1").await.0, 200);
}

/// A service that takes the client certificate of this test for that of D1, and a client that has it.
async fn called_by_hand() -> (TestService, reqwest::Client) {
    let own = |settings: &mut Settings| {
        settings.inbound_client_ca = settings.inbound_client_ca.with_file_name("ca.pem");
    };
    let service = TestService::with(own).await;
    let sandbox = &service.sandbox;
    let ca = Some(sandbox.issuer_server().client_ca_pem());
    let identity = (sandbox.client_certificate_pem(), sandbox.client_key_pem());
    let client = client(ca, Some(identity));
    (service, client)
}

#[tokio::test]
async fn a_notification_is_stored_once_whatever_its_path_and_its_other_fields() {
    let (service, http) = called_by_hand().await;
    let url = &service.inbound_url;
    let v1 =
        format!("{url}/notifications/d1/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/notifications");
    let v2 = format!("{url}/notifications/d1/v2/issuers/ISSUER_A-1/cards");
    let post = async |url: &str, body: Value| {
        let response = http.post(url).json(&body).send().await.unwrap();
        response.status().as_u16()
    };
    let pending = json!({"operationId": "op-1", "operation": "CREATE", "status": "PENDING", "more": {"x": 1}});
    let done = json!({"cardId": "ReplaceMe01", "operationId": "op-1", "operation": "CREATE", "status": "SUCCESSFUL"});
    for (url, body, stored) in [
        (&v1, &pending, 1),
        (&v1, &pending, 1),
        (&v2, &done, 2),
        (&v1, &done, 2),
        // Without an id it cannot be recognized.
        (&v1, &json!({}), 3),
        (&v1, &json!({}), 4),
    ] {
        assert_eq!(post(url, body.clone()).await, 204, "{body}");
        assert_eq!(
            service.sql("SELECT count(*) FROM d1_notification").await,
            stored,
            "{body}"
        );
    }
    // What is no name of D1's is not stored: it may hold a card number.
    let long = json!({"operationId": "op-2", "operation": "card 4111111111111111"});
    assert_eq!(post(&v1, long).await, 204);
    let sql =
        "SELECT count(*) FROM d1_notification WHERE operation_id = 'op-2' AND operation IS NULL";
    assert_eq!(service.sql(sql).await, 1);
    let digits = json!({"operationId": "op-4", "operation": "X4111111111111111", "status": "4111111111111111"});
    assert_eq!(post(&v1, digits).await, 204);
    let sql = "SELECT count(*) FROM d1_notification
        WHERE operation_id = 'op-4' AND operation IS NULL AND status IS NULL";
    assert_eq!(service.sql(sql).await, 1);
    assert_eq!(post(&v1, json!({"more": "x".repeat(70_000)})).await, 413);
    let other = v1.replace("ISSUER_A-1", "ISSUER_B-2");
    assert_eq!(post(&other, pending).await, 404);
    assert_eq!(post(&v2, json!({"operationId": "op-3"})).await, 400);
}

#[tokio::test]
async fn credentials_are_those_of_the_card_and_encrypted_to_d1() {
    let (service, http) = called_by_hand().await;
    let url = &service.inbound_url;
    let of = |issuer: &str, card: &str| {
        let path = format!("{url}/cms/api/v1/issuers/{issuer}/cards/{card}/credentials");
        http.get(path).send()
    };
    let response = of("ISSUER_A-1", "ReplaceMe01").await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let text = response.text().await.unwrap();
    assert!(!text.contains(VISA.0));
    let body: Value = serde_json::from_str(&text).unwrap();
    let plaintext = service
        .sandbox
        .decrypt(body["encryptedData"].as_str().unwrap())
        .unwrap();
    assert_eq!(plaintext.json().unwrap()["pan"], VISA.0);
    for (issuer, card) in [("ISSUER_A-1", "None"), ("ISSUER_B-2", "ReplaceMe01")] {
        assert_eq!(of(issuer, card).await.unwrap().status(), 404);
    }
}
