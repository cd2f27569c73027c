//! What a team would write by hand: reqwest and josekit, a token at hand, and no more checks than needed.

use std::time::Duration;

use josekit::jwe::alg::ecdh_es::{EcdhEsJweAlgorithm, EcdhEsJweEncrypter};
use josekit::jwe::{self, JweHeader};
use josekit::jwk::Jwk;
use reqwest::header::ACCEPT;
use reqwest::{Certificate, Client, Identity};
use serde_json::json;

use crate::samples::{CARD, EXPIRY, ISSUER, PAN, TOKEN};

/// As long as the facade's, so that the requests are of one size.
const USER_AGENT: &str = "hand-made/0.1.0";

/// A client with certificates.
#[must_use]
pub fn mutual_tls_client(ca_pem: &str, certificate_pem: &str, key_pem: &str) -> Client {
    // Once for the process; the second time it is there already.
    let _ = rustls_openssl::default_provider().install_default();
    let identity = Identity::from_pem(format!("{certificate_pem}{key_pem}").as_bytes()).unwrap();
    Client::builder()
        .tls_certs_only([Certificate::from_pem(ca_pem.as_bytes()).unwrap()])
        .identity(identity)
        .user_agent(USER_AGENT)
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// A client without TLS.
#[must_use]
pub fn plain_client() -> Client {
    let _ = rustls_openssl::default_provider().install_default();
    Client::builder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// Suspends a card; true if it was done.
pub async fn suspend(client: &Client, base_url: &str, card: &str) -> bool {
    let body = json!({ "reasonCode": "ISSUER_DECISION" });
    let url = format!("{base_url}/banking/v1/issuers/{ISSUER}/cards/{card}/operations:suspend");
    post(client, url, &body).await
}

/// Renews the card with credentials that are encrypted by `encrypter`; true if it was done.
pub async fn renew(client: &Client, base_url: &str, encrypter: &EcdhEsJweEncrypter) -> bool {
    let body = json!({
        "encryptedData": encrypt(encrypter),
        "newCardId": CARD,
        "reasonCode": "ISSUER_DECISION",
    });
    let url = format!("{base_url}/banking/v1/issuers/{ISSUER}/cards/{CARD}/operations:renew");
    post(client, url, &body).await
}

async fn post(client: &Client, url: String, body: &serde_json::Value) -> bool {
    let response = client
        .post(url)
        .bearer_auth(TOKEN)
        .header(ACCEPT, "application/json")
        .header("x-correlation-id", uuid::Uuid::new_v4().to_string())
        .json(body)
        .send()
        .await
        .unwrap();
    let done = response.status().is_success();
    let body = response.bytes().await.unwrap();
    if !done {
        let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
        std::hint::black_box(error);
    }
    done
}

/// The first page of a card's operations, as JSON; how many there are.
pub async fn operations(client: &Client, base_url: &str, card: &str) -> usize {
    let url = format!("{base_url}/banking/v1/issuers/{ISSUER}/cards/{card}/operations?limit=50");
    let response = client
        .get(url)
        .bearer_auth(TOKEN)
        .header(ACCEPT, "application/json")
        .header("x-correlation-id", uuid::Uuid::new_v4().to_string())
        .send()
        .await
        .unwrap();
    let page: serde_json::Value = response.json().await.unwrap();
    page["operations"].as_array().unwrap().len()
}

/// An encrypter that is made once.
#[must_use]
pub fn encrypter(jwk: &str) -> EcdhEsJweEncrypter {
    let jwk = Jwk::from_bytes(jwk).unwrap();
    EcdhEsJweAlgorithm::EcdhEs.encrypter_from_jwk(&jwk).unwrap()
}

/// A JWE of card credentials.
#[must_use]
pub fn encrypt(encrypter: &EcdhEsJweEncrypter) -> String {
    let plaintext = json!({ "pan": PAN, "exp": EXPIRY }).to_string();
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    header.set_key_id("d1-key-1");
    jwe::serialize_compact(plaintext.as_bytes(), &header, encrypter).unwrap()
}
