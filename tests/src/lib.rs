//! What the workspace tests share: a client before a recording server, and one before the sandbox.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Only tests call it.

pub mod fault_server;

use std::time::Duration;

use d1_facade::auth::{AccessToken, TokenFuture, TokenSource};
use d1_facade::retry::NoRetry;
use d1_facade::{Card, Client, ClientBuilder, EncryptionKey, Environment, SigningKey};
use d1_sandbox::Sandbox;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The card of every test.
pub const CARD: &str = "ReplaceMe01";

/// The issuer of every test.
pub const ISSUER: &str = "ISSUER_A-1";

/// A test PAN that passes Luhn.
pub const PAN: &str = "4111111111111111";

/// An expiry to go with it.
pub const EXPIRY: &str = "1230";

/// The point of a P-256 key that was made for these tests.
pub const D1_JWK: &str = r#"{"kty":"EC","crv":"P-256","use":"enc","kid":"d1-key-1",
    "x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
    "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;

/// A token without an exchange.
#[derive(Debug, Clone, Copy)]
pub struct FixedToken;

impl TokenSource for FixedToken {
    fn fetch(&self) -> TokenFuture<'_> {
        Box::pin(async {
            Ok(AccessToken::new("test-access-token", Duration::from_secs(900)).unwrap())
        })
    }
}

/// A server that answers everything alike and records what it gets.
pub async fn answering(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(response)
        .mount(&server)
        .await;
    server
}

/// A client for `server`, with a token at hand.
pub fn client_for(server: &MockServer) -> Client {
    builder_for(server).build().unwrap()
}

/// A builder for a client for `server`, with a token at hand.
pub fn builder_for(server: &MockServer) -> ClientBuilder {
    Client::builder(Environment::Custom(server.uri()), ISSUER.parse().unwrap())
        .token_source(FixedToken)
        .encryption_key(EncryptionKey::from_jwk(D1_JWK).unwrap())
        .allow_plain_loopback()
        // A test that wants a call repeated says so.
        .retry(NoRetry)
}

/// The test card at `server`.
pub fn card_at(server: &MockServer) -> Card {
    client_for(server).card(CARD.parse().unwrap())
}

/// A client for the sandbox, certificates, assertion, encryption and all.
pub fn sandbox_client(sandbox: &Sandbox) -> Client {
    sandbox_builder(sandbox).build().unwrap()
}

/// A builder for a client for the sandbox.
pub fn sandbox_builder(sandbox: &Sandbox) -> ClientBuilder {
    Client::builder(
        Environment::Custom(sandbox.base_url().to_owned()),
        sandbox.issuer_id().parse().unwrap(),
    )
    .root_certificate(sandbox.ca_pem())
    .without_system_roots()
    .client_identity(sandbox.client_certificate_pem(), sandbox.client_key_pem())
    .signing_key(SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid()).unwrap())
    .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk()).unwrap())
    .retry(NoRetry)
}
