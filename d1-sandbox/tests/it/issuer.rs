//! A renewal without credentials: D1 asks the issuer, and the issuer may be of no use.

use std::sync::Arc;

use d1_sandbox::{Card, IssuerStub, Sandbox, StartError};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::common::Caller;

/// An issuer that says the same to everybody, and remembers what it was asked.
struct Issuer {
    url: String,
    says: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (says, asked) = (
            Arc::<Mutex<Vec<u8>>>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let (said, heard) = (says.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let line = request.lines().next().unwrap_or_default().to_owned();
                heard.lock().await.push(line);
                let _ = stream.write_all(&said.lock().await).await;
            }
        });
        Self { url, says, asked }
    }

    async fn say(&self, status: &str, body: &str) {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\r\n{body}");
        *self.says.lock().await = answer.into_bytes();
    }
}

async fn sandbox(issuer: &Issuer) -> Sandbox {
    let url = issuer.url.clone();
    Sandbox::builder()
        .card(Card::new("Visa"))
        .card(Card::new("Amex").pan("378282246310005"))
        .get_card_credentials(IssuerStub::Endpoint { url })
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_issuers_credentials_are_taken() {
    let issuer = Issuer::start().await;
    let sandbox = sandbox(&issuer).await;
    let caller = Caller::new(&sandbox).await;
    let token =
        caller.encrypt(r#"{"pan":"5555555555554444","exp":"0131","name":"A B","cvv":"123"}"#);
    issuer
        .say("200 OK", &json!({ "encryptedData": token }).to_string())
        .await;
    assert_eq!(caller.post("Visa", "renew", json!({})).await.0, 200);
    assert!(
        sandbox
            .card("Visa")
            .unwrap()
            .has_credentials("5555555555554444", "0131")
    );
    let asked = issuer.asked.lock().await.clone();
    assert_eq!(
        asked,
        ["GET /cms/api/v1/issuers/ISSUER_A-1/cards/Visa/credentials HTTP/1.1"]
    );
}

#[tokio::test]
async fn an_issuer_that_is_of_no_use_is_an_internal_error_and_changes_nothing() {
    let issuer = Issuer::start().await;
    let sandbox = sandbox(&issuer).await;
    let caller = Caller::new(&sandbox).await;
    for (status, body) in [
        ("500 No", "{}"),
        ("200 OK", "{"),
        ("200 OK", "{}"),
        ("200 OK", r#"{"encryptedData":"a.b.c.d.e"}"#),
    ] {
        issuer.say(status, body).await;
        assert_eq!(
            caller.post("Visa", "renew", json!({})).await.0,
            500,
            "{status} {body}"
        );
    }
    for answer in ["", "HTTP/1.1 200 OK\r\n", "not HTTP\r\n\r\n{}"] {
        *issuer.says.lock().await = answer.into();
        assert_eq!(caller.post("Visa", "renew", json!({})).await.0, 500);
    }
    let wrong = caller.encrypt(r#"{"pan":"12","exp":"0131"}"#);
    issuer
        .say("200 OK", &json!({ "encryptedData": wrong }).to_string())
        .await;
    assert_eq!(caller.post("Visa", "renew", json!({})).await.0, 500);
    assert!(
        sandbox
            .card("Visa")
            .unwrap()
            .has_credentials("4111111111111111", "1230")
    );
}

#[tokio::test]
async fn the_issuer_is_asked_only_where_d1_would() {
    let issuer = Issuer::start().await;
    let sandbox = sandbox(&issuer).await;
    let caller = Caller::new(&sandbox).await;
    assert_eq!(
        caller.post("Amex", "renew", json!({})).await.0,
        400,
        "mandatory there"
    );
    assert_eq!(caller.post("None", "renew", json!({})).await.0, 404);
    sandbox.set_consumer_state("Visa", d1_sandbox::ConsumerState::Inactive);
    assert_eq!(caller.post("Visa", "renew", json!({})).await.0, 403);
    assert!(issuer.asked.lock().await.is_empty());
}

#[tokio::test]
async fn an_endpoint_must_be_a_host_and_a_port() {
    let url = "https://issuer.example".to_owned();
    let builder = Sandbox::builder().get_card_credentials(IssuerStub::Endpoint { url });
    let Err(StartError::Setting { setting, .. }) = builder.start().await else {
        unreachable!("it was taken");
    };
    assert_eq!(setting, "issuer endpoint");
}
