//! What each call puts on the wire: method, path, query, header names, body.

use d1_facade::{ApiOperation, CardCredentials, CardState, EncryptedData, ReasonCode, Renewal};
use d1_tests::{EXPIRY, ISSUER, PAN, answering, builder_for, card_at};
use serde_json::{Value, json};
use wiremock::{MockServer, Request, ResponseTemplate};

/// A request in the form of a snapshot: nothing in it is random or secret.
fn shape(request: &Request) -> Value {
    let mut headers: Vec<String> = request.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    let query: Vec<String> = request
        .url
        .query_pairs()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let body = match serde_json::from_slice::<Value>(&request.body) {
        Ok(mut body) => {
            if let Some(jwe) = body.get_mut("encryptedData") {
                *jwe = json!("[a JWE]");
            }
            body
        }
        Err(_) => json!(String::from_utf8_lossy(&request.body)),
    };
    json!({
        "method": request.method.to_string(),
        "path": request.url.path(),
        "query": query,
        "headers": headers,
        "body": body,
    })
}

async fn only_request(server: &MockServer) -> Request {
    let mut requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

async fn accepting() -> MockServer {
    answering(ResponseTemplate::new(204)).await
}

#[tokio::test]
async fn suspend_with_the_default_reason_code() {
    let server = accepting().await;
    card_at(&server).suspend().await.unwrap();
    insta::assert_json_snapshot!("suspend_default", shape(&only_request(&server).await));
}

#[tokio::test]
async fn resume_with_everything_that_a_caller_can_give() {
    let server = accepting().await;
    let id = "support-case 4711".parse().unwrap();
    let receipt = card_at(&server)
        .resume()
        .reason_code(ReasonCode::CardFound)
        .reason("customer called back".parse().unwrap())
        .correlation_id(id)
        .await
        .unwrap();
    let request = only_request(&server).await;
    assert_eq!(request.headers["x-correlation-id"], "support-case 4711");
    assert_eq!(receipt.correlation_id().as_str(), "support-case 4711");
    insta::assert_json_snapshot!("resume_full", shape(&request));
}

#[tokio::test]
async fn delete_with_a_reason_code_of_the_v2_table() {
    let server = accepting().await;
    let card = card_at(&server);
    card.delete()
        .reason_code(ReasonCode::ClosedAccount)
        .await
        .unwrap();
    insta::assert_json_snapshot!("delete", shape(&only_request(&server).await));
}

#[tokio::test]
async fn renew_with_credentials() {
    let server = accepting().await;
    let renewal = Renewal::to("ReplaceMe02".parse().unwrap())
        .credentials(CardCredentials::new(PAN, EXPIRY).unwrap())
        .state(CardState::Active);
    card_at(&server).renew(renewal).await.unwrap();
    insta::assert_json_snapshot!("renew_credentials", shape(&only_request(&server).await));
}

#[tokio::test]
async fn renew_without_credentials_keeping_the_card_id() {
    let server = accepting().await;
    card_at(&server).renew(Renewal::same_card()).await.unwrap();
    insta::assert_json_snapshot!("renew_same_card", shape(&only_request(&server).await));
}

#[tokio::test]
async fn renew_with_what_was_encrypted_elsewhere() {
    let server = accepting().await;
    let data: EncryptedData = "aGVhZGVy..aXY.Y2lwaGVy.dGFn".parse().unwrap();
    let renewal = Renewal::without_new_card_id().encrypted_data(data);
    card_at(&server).renew(renewal).await.unwrap();
    insta::assert_json_snapshot!(
        "renew_encrypted_elsewhere",
        shape(&only_request(&server).await)
    );
}

#[tokio::test]
async fn list_with_and_without_a_window() {
    let page = ResponseTemplate::new(200).set_body_json(json!({"operations": []}));
    let server = answering(page.clone()).await;
    card_at(&server).operations().await.unwrap();
    insta::assert_json_snapshot!("list_default", shape(&only_request(&server).await));

    let server = answering(page).await;
    card_at(&server)
        .operations()
        .offset(2)
        .limit(5)
        .await
        .unwrap();
    insta::assert_json_snapshot!("list_window", shape(&only_request(&server).await));
}

#[tokio::test]
async fn get_with_the_digital_card() {
    let operation = json!({
        "operationId": "op-1", "operation": "DIGITIZE", "status": "SUCCESSFUL",
        "startTime": "2022-06-16T06:28:02Z", "requestorType": "TSP", "requestorId": "wallet",
    });
    let server = answering(ResponseTemplate::new(200).set_body_json(operation)).await;
    let id = "op-1".parse().unwrap();
    card_at(&server)
        .operation(&id)
        .with_digital_card()
        .await
        .unwrap();
    insta::assert_json_snapshot!("get_digital_card", shape(&only_request(&server).await));
}

#[tokio::test]
async fn the_token_exchange() {
    use d1_facade::{Client, Environment, SigningKey};
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = openssl::ec::EcKey::generate(&group).unwrap();
    let server = answering(ResponseTemplate::new(400)).await;
    let client = Client::builder(Environment::Custom(server.uri()), ISSUER.parse().unwrap())
        .signer(SigningKey::from_pem(key.private_key_to_pem().unwrap(), "my-kid").unwrap())
        .allow_plain_loopback()
        .build()
        .unwrap();
    let error = client
        .card("ReplaceMe01".parse().unwrap())
        .suspend()
        .await
        .unwrap_err();
    assert_eq!(error.operation(), ApiOperation::GetToken);
    let request = only_request(&server).await;
    let mut seen = shape(&request);
    let body = seen["body"].as_str().unwrap().to_owned();
    let assertion = body
        .split("assertion=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    assert_eq!(assertion.split('.').count(), 3, "a compact JWS");
    seen["body"] = json!(body.replace(assertion, "[a JWT]"));
    insta::assert_json_snapshot!("token", seen);
}

#[tokio::test]
async fn what_a_caller_adds_goes_along_and_overwrites_nothing() {
    let server = accepting().await;
    let card = card_at(&server);
    card.suspend()
        .header("x-tenant", "blue")
        .query("dryRun", "a&b=c")
        .body_field("newField", json!({"nested": [1, 2]}))
        .await
        .unwrap();
    let request = only_request(&server).await;
    assert_eq!(request.headers["authorization"], "Bearer test-access-token");
    insta::assert_json_snapshot!("escape_hatches", shape(&request));

    for (name, value) in [
        ("Authorization", "Bearer mine"),
        ("host", "elsewhere"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("x-correlation-id", "mine"),
        ("bad name", "x"),
        ("x-ok", "line\nbreak"),
    ] {
        let error = card.suspend().header(name, value).await.unwrap_err();
        let input = error.invalid_input().unwrap();
        assert_eq!(input.field(), "header", "{name}");
        assert!(!error.was_sent());
    }
    let error = card
        .suspend()
        .body_field("reasonCode", "X")
        .await
        .unwrap_err();
    assert_eq!(error.invalid_input().unwrap().field(), "body_field");
    let error = card.operations().query("limit", "1000").await.unwrap_err();
    assert_eq!(error.invalid_input().unwrap().field(), "query");
    assert_eq!(
        server.received_requests().await.unwrap().len(),
        1,
        "nothing more was sent"
    );
}

#[tokio::test]
async fn an_aggregator_names_the_issuer_of_the_card_in_the_path() {
    let server = accepting().await;
    let builder = builder_for(&server).aggregator_id("AGGREGATOR");
    let aggregator = builder.build_aggregator().unwrap();
    let client = aggregator.for_issuer("ISSUER_B-2".parse().unwrap());
    client
        .card("ReplaceMe01".parse().unwrap())
        .suspend()
        .await
        .unwrap();
    let request = only_request(&server).await;
    assert!(
        request
            .url
            .path()
            .starts_with("/banking/v1/issuers/ISSUER_B-2/cards/ReplaceMe01/")
    );
}

/// Returns the `encryptedData` of a renewal that is sent with a client that has these keys of D1.
async fn encrypted(keys: [d1_facade::EncryptionKey; 2], renewal: Renewal) -> String {
    let server = accepting().await;
    let builder = d1_facade::Client::builder(
        d1_facade::Environment::Custom(server.uri()),
        ISSUER.parse().unwrap(),
    );
    let builder = builder
        .token_source(d1_tests::FixedToken)
        .allow_plain_loopback();
    let builder = keys
        .into_iter()
        .fold(builder, |b, key| b.encryption_key(key));
    let card = builder
        .build()
        .unwrap()
        .card("ReplaceMe01".parse().unwrap());
    card.renew(renewal).await.unwrap();
    let body: Value = serde_json::from_slice(&only_request(&server).await.body).unwrap();
    body["encryptedData"].as_str().unwrap().to_owned()
}

/// Opens what the facade encrypts with a key of our own, and shows the header.
#[tokio::test]
async fn what_is_encrypted_is_what_was_given_and_names_its_key() {
    use d1_facade::EncryptionKey;
    use josekit::jwe::{self, ECDH_ES};
    let pair = ECDH_ES
        .generate_ec_key_pair(josekit::jwk::alg::ec::EcCurve::P256)
        .unwrap();
    let decrypter = ECDH_ES
        .decrypter_from_der(pair.to_der_private_key())
        .unwrap();
    let key = |kid: &str| EncryptionKey::from_pem(pair.to_pem_public_key(), kid).unwrap();

    let visa = CardCredentials::new(PAN, EXPIRY).unwrap();
    let cobadged = visa
        .clone()
        .with_auxiliary("5555555555554444", "0131")
        .unwrap();
    let american_express = CardCredentials::new("378282246310005", EXPIRY).unwrap();
    let american_express = american_express.with_psn("07").unwrap();
    for (credentials, kid, expected) in [
        (visa, None, json!({"pan": PAN, "exp": EXPIRY})),
        (
            cobadged,
            Some("second"),
            json!({"pan": PAN, "exp": EXPIRY, "auxiliaryPan": "5555555555554444", "auxiliaryExp": "0131"}),
        ),
        (
            american_express,
            Some("first"),
            json!({"pan": "378282246310005", "exp": EXPIRY, "psn": "07"}),
        ),
    ] {
        let mut renewal = Renewal::same_card().credentials(credentials);
        if let Some(kid) = kid {
            renewal = renewal.encrypt_to(kid);
        }
        let token = encrypted([key("first"), key("second")], renewal).await;
        let (plaintext, header) = jwe::deserialize_compact(&token, &decrypter).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&plaintext).unwrap(),
            expected
        );
        let mut names: Vec<&String> = header.claims_set().keys().collect();
        names.sort();
        assert_eq!(
            names,
            ["alg", "enc", "epk", "kid"],
            "nothing else is in the header"
        );
        assert_eq!(header.claim("alg"), Some(&json!("ECDH-ES")));
        assert_eq!(header.claim("enc"), Some(&json!("A256GCM")));
        assert_eq!(header.key_id(), Some(kid.unwrap_or("first")));
    }
}

#[tokio::test]
async fn a_header_and_a_claim_for_the_token_call_are_in_it_and_in_no_other() {
    let token = serde_json::json!({"access_token": "token", "expires_in": 900, "operationId": "1"});
    let server = answering(ResponseTemplate::new(200).set_body_json(token)).await;
    let key = d1_tests::p256().private_key_to_pem().unwrap();
    let key = d1_facade::SigningKey::from_pem(key, "kid").unwrap();
    let policy = d1_facade::auth::AssertionPolicy::default().claim("tenant", "t-1");
    let environment = d1_facade::Environment::Custom(server.uri());
    let client = d1_facade::Client::builder(environment, d1_tests::ISSUER.parse().unwrap())
        .signer(key)
        .assertion_policy(policy)
        .token_header("x-tenant", "t-1")
        .allow_plain_loopback()
        .build()
        .unwrap();
    let card = client.card("ReplaceMe01".parse().unwrap());
    card.suspend().await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let has_header: Vec<bool> = requests
        .iter()
        .map(|r| r.headers.contains_key("x-tenant"))
        .collect();
    assert_eq!(has_header, [true, false]);
    let body = String::from_utf8(requests[0].body.clone()).unwrap();
    let assertion = body.split("assertion=").nth(1).unwrap();
    let claims = assertion.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    let claims: serde_json::Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(claims["tenant"], "t-1");
}
