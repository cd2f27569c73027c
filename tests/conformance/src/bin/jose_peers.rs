//! Lets JOSE libraries that others wrote read what the facade writes, and the sandbox read what they write.
//!
//! `jose_peers COUNT PEER...`: each peer is a command that is given the path of a JSON file with keys and
//! tokens (see [`Exchange`]), prints one JSON object with what it made of them, and is given as one
//! argument, such as `node jose.mjs`. Prints a row for each check; exits with 1 when one of them failed.
#![allow(clippy::unwrap_used)]

use std::process::{Command, ExitCode};

use d1_facade::{CardCredentials, Client, EncryptionKey, Environment, Renewal, SigningKey};
use d1_sandbox::Sandbox;
use d1_tests::{CARD, ISSUER, answering, any_root, say, seed};
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;
use xtask::programs::found;

/// A number of a card with the check digit that belongs to it.
fn card_number(prefix: &str, length: usize) -> String {
    let mut digits = prefix.to_owned();
    while digits.len() + 1 < length {
        digits.push(char::from(b'0' + fastrand::u8(0..10)));
    }
    (0..10)
        .map(|check| format!("{digits}{check}"))
        .find(|number| number.parse::<d1_facade::Pan>().is_ok())
        .unwrap()
}

fn expiry() -> String {
    format!("{:02}{:02}", fastrand::u8(1..13), fastrand::u8(27..60))
}

/// Random credentials, and the plaintext that they must become: every third one cobadged, every
/// fourth one of American Express with a PSN.
fn credentials(n: usize) -> (CardCredentials, Value) {
    let (prefix, length) = if n.is_multiple_of(4) {
        ("37", 15)
    } else {
        ("4", [13, 16, 19][n % 3])
    };
    let (pan, exp) = (card_number(prefix, length), expiry());
    let mut plaintext = json!({ "pan": pan, "exp": exp });
    let mut credentials = CardCredentials::new(pan.as_str(), exp.as_str()).unwrap();
    if n.is_multiple_of(4) {
        let psn = format!("{:02}", fastrand::u8(0..100));
        credentials = credentials.with_psn(psn.as_str()).unwrap();
        plaintext["psn"] = json!(psn);
    }
    if n.is_multiple_of(3) {
        let (other, exp) = (card_number("55", 16), expiry());
        credentials = credentials
            .with_auxiliary(other.as_str(), exp.as_str())
            .unwrap();
        plaintext["auxiliaryPan"] = json!(other);
        plaintext["auxiliaryExp"] = json!(exp);
    }
    (credentials, plaintext)
}

fn jwk(jwk: &Jwk, kid: &str) -> Value {
    let mut json: Value = serde_json::from_str(&jwk.to_string()).unwrap();
    json["kid"] = json!(kid);
    json
}

/// What the peers are given: the facade's tokens with the key that opens them, its assertions with the
/// key that verifies them, and the sandbox's key to encrypt the plaintexts to.
struct Exchange {
    json: Value,
    plaintexts: Vec<Value>,
    sandbox: Sandbox,
}

impl Exchange {
    async fn new(count: usize) -> Self {
        let encryption = EcKeyPair::generate(EcCurve::P256).unwrap();
        let signing = EcKeyPair::generate(EcCurve::P256).unwrap();
        let public = jwk(&encryption.to_jwk_public_key(), "peer-key");
        let token = json!({ "access_token": "token", "expires_in": 900 });
        let server = answering(ResponseTemplate::new(200).set_body_json(token)).await;
        let client = Client::builder(Environment::Custom(server.uri()), ISSUER.parse().unwrap())
            .signer(SigningKey::from_pem(signing.to_pem_private_key(), "signing").unwrap())
            .encryption_key(EncryptionKey::from_jwk(&public.to_string()).unwrap())
            .root_certificate(any_root())
            .without_system_roots()
            .allow_plain_loopback()
            .build()
            .unwrap();
        let card = client.card(CARD.parse().unwrap());
        let mut plaintexts = Vec::new();
        for n in 0..count {
            let (credentials, plaintext) = credentials(n);
            plaintexts.push(plaintext);
            let renewal = Renewal::same_card().credentials(credentials);
            card.renew(renewal).await.unwrap();
        }
        let requests = server.received_requests().await.unwrap();
        let body = |request: &wiremock::Request| String::from_utf8(request.body.clone()).unwrap();
        let assertion = body(&requests[0]);
        let assertion = assertion.split("assertion=").nth(1).unwrap();
        let assertion = assertion.split('&').next().unwrap();
        let tokens: Vec<Value> = requests[1..]
            .iter()
            .map(|r| serde_json::from_slice::<Value>(&r.body).unwrap()["encryptedData"].clone())
            .collect();
        let sandbox = Sandbox::start().await.unwrap();
        let sandbox_jwk: Value = serde_json::from_str(sandbox.encryption_jwk()).unwrap();
        let json = json!({
            "privateKey": jwk(&encryption.to_jwk_key_pair(), "peer-key"),
            "tokens": tokens,
            "plaintexts": plaintexts,
            "signingKey": jwk(&signing.to_jwk_public_key(), "signing"),
            "issuer": ISSUER,
            "assertion": assertion,
            "sandboxKey": sandbox_jwk,
        });
        Self {
            json,
            plaintexts,
            sandbox,
        }
    }

    /// What a peer made of it, as rows: check, count, whether it is right.
    fn rows(&self, peer: &str, answer: &Value) -> Vec<(String, usize, bool)> {
        let count = self.plaintexts.len();
        let opened = answer["opened"].as_array().unwrap();
        let same = |(opened, expected): &(&Value, &Value)| opened == expected;
        let right = opened.iter().zip(&self.plaintexts).filter(same).count();
        let mut rows = vec![(
            format!("{peer} opens what the facade encrypts"),
            right,
            right == count,
        )];
        let made = answer["made"].as_array().unwrap();
        let reads = |(token, expected): &(&Value, &Value)| {
            let plaintext = self.sandbox.decrypt(token.as_str().unwrap());
            plaintext.is_ok_and(|p| p.json().as_ref() == Some(*expected))
        };
        let right = made.iter().zip(&self.plaintexts).filter(reads).count();
        rows.push((
            format!("the sandbox opens what {peer} encrypts"),
            right,
            right == count,
        ));
        if let Some(verified) = answer.get("verified") {
            let right = *verified == json!(true);
            rows.push((format!("{peer} verifies the facade's assertion"), 1, right));
        }
        rows
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().unwrap().parse().unwrap();
    fastrand::seed(seed());
    let exchange = Exchange::new(count).await;
    let file = std::env::temp_dir().join(format!("d1-jose-{}.json", std::process::id()));
    std::fs::write(&file, exchange.json.to_string()).unwrap();
    let mut all_right = true;
    for peer in arguments {
        let words: Vec<&str> = peer.split(' ').collect();
        let output = Command::new(words[0]).args(&words[1..]).arg(&file).output();
        let output = found(words[0], output);
        let name = words.last().unwrap().rsplit('/').next().unwrap();
        let name = name.split('.').next().unwrap();
        let Ok(answer) = serde_json::from_slice(&output.stdout) else {
            say!(
                "{name}\t0\tFAIL: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            all_right = false;
            continue;
        };
        for (check, count, right) in exchange.rows(name, &answer) {
            say!("{check}\t{count}\t{}", if right { "ok" } else { "FAIL" });
            all_right &= right;
        }
    }
    std::fs::remove_file(&file).unwrap();
    ExitCode::from(u8::from(!all_right))
}
