//! What is recorded of each request and of each refused handshake, so that a team sees why.

use crate::common::{Caller, http_client, http_client_with};
use d1_sandbox::{Fault, RecordedRequest, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;

fn last(sandbox: &Sandbox) -> RecordedRequest {
    sandbox.requests().pop().unwrap()
}

#[tokio::test]
async fn the_answer_is_recorded_without_its_token() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let answer = last(&sandbox).response_body.unwrap();
    assert!(
        answer.contains("\"expires_in\":900") && answer.contains("\"access_token\":\"[masked]\""),
        "{answer}"
    );
    assert!(!answer.contains(&caller.token));

    caller.get("ReplaceMe01", "").await;
    assert!(last(&sandbox).response_body.unwrap().contains("REGISTER"));

    caller.post("none", "suspend", json!({})).await;
    assert_eq!(
        last(&sandbox).response_body.unwrap(),
        r#"{"error":"Card not found"}"#
    );

    let fault = |text: &str| {
        let fault = Fault::status(502).header("retry-after", "7");
        fault.body("text/html", text).operation("suspendCard")
    };
    sandbox.fail_next(fault("<h1>4111111111111111</h1>"));
    sandbox.fail_next(fault(&"é".repeat(5_000)));
    let path = caller.card_path("ReplaceMe01", ":suspend");
    let request = || caller.request(Method::POST, &path);
    let call = || request().json(&json!({})).send();
    assert_eq!(call().await.unwrap().status(), 502);
    assert_eq!(last(&sandbox).response_body.unwrap(), "[masked]");
    assert_eq!(call().await.unwrap().status(), 502);
    let record = last(&sandbox);
    let pause = ("retry-after".to_owned(), "7".to_owned());
    assert!(record.response_headers.contains(&pause), "{record:?}");
    assert_eq!(record.response_body.unwrap(), "é".repeat(4_096));

    sandbox.fail_next(Fault::disconnect().operation("suspendCard"));
    assert!(call().await.is_err());
    let record = last(&sandbox);
    assert_eq!((record.status, record.response_body), (0, None));
}

#[tokio::test]
async fn encrypted_data_is_shown_without_card_data() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let plaintext = r#"{"pan":"5555555555554444","exp":"0131","cvv":"123","4111111111111111":1}"#;
    let renewal = json!({ "encryptedData": caller.encrypt(plaintext) });
    assert_eq!(caller.post("ReplaceMe01", "renew", renewal).await.0, 200);
    let shown = last(&sandbox).encrypted_data.unwrap();
    assert_eq!(
        shown["plaintext"],
        json!({ "pan": "[masked]", "exp": "[masked]", "cvv": "[masked]", "[masked]": "[masked]" })
    );
    let header = |name: &str| {
        shown["header"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        (header("alg"), header("enc")),
        ("ECDH-ES".to_owned(), "A256GCM".to_owned())
    );

    // What cannot be decrypted has its header alone.
    let token = caller.encrypt(plaintext);
    let (head, _) = token.rsplit_once('.').unwrap();
    let broken = json!({ "encryptedData": format!("{head}.AAAAAAAAAAAAAAAAAAAAAA") });
    assert_eq!(caller.post("ReplaceMe01", "renew", broken).await.0, 400);
    let shown = last(&sandbox).encrypted_data.unwrap();
    assert_eq!(
        (&shown["header"]["alg"], &shown["plaintext"]),
        (&json!("ECDH-ES"), &Value::Null)
    );
}

#[tokio::test]
async fn a_refused_handshake_says_why() {
    let (sandbox, other) =
        tokio::join!(Sandbox::builder().control_port(0).start(), Sandbox::start());
    let (sandbox, other) = (sandbox.unwrap(), other.unwrap());
    let reasons = async |count: usize| {
        // The sandbox notices the end of a connection after its client.
        while sandbox.refused_handshakes().len() < count {
            tokio::task::yield_now().await;
        }
        let all = sandbox.refused_handshakes();
        assert_eq!(all.len(), count, "{all:?}");
        all.last().unwrap().reason.clone()
    };
    let versions = rustls::ALL_VERSIONS;
    let get = |client: reqwest::Client| client.get(sandbox.base_url()).send();
    assert!(get(http_client(&sandbox, false, versions)).await.is_err());
    assert!(reasons(1).await.contains("has shown no certificate"));
    let identity = (other.client_certificate_pem(), other.client_key_pem());
    assert!(
        get(http_client_with(&sandbox, Some(identity), versions))
            .await
            .is_err()
    );
    assert!(
        reasons(2)
            .await
            .contains("has not signed the client certificate")
    );
    assert!(get(http_client(&other, true, versions)).await.is_err());
    assert!(
        reasons(3)
            .await
            .contains("does not trust the certificate of the sandbox")
    );
    let address = sandbox.base_url().strip_prefix("https://").unwrap();
    let mut plain = TcpStream::connect(address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(reasons(4).await.contains("does not speak TLS"));
    drop(TcpStream::connect(address).unwrap());
    assert!(reasons(5).await.contains("has closed the connection"));
    assert!(sandbox.requests().is_empty());

    let url = format!("{}/api/handshakes", sandbox.control_url().unwrap());
    let client = http_client(&sandbox, true, versions);
    let shown: Value = client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown.as_array().map(Vec::len), Some(5));
    assert!(
        shown[0]["client"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:"),
        "{shown}"
    );
    assert!(
        shown[0]["receivedAt"].is_string() && shown[0]["reason"].is_string(),
        "{shown}"
    );
}
