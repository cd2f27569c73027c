//! A service with reqwest and josekit: it signs an assertion, trades it for a token, encrypts a card number
//! and renews a card.

mod tls;

use std::env::var;
use std::error::Error;
use std::fs::read;
use std::time::{SystemTime, UNIX_EPOCH};

use josekit::jwe::{self, ECDH_ES, JweHeader};
use josekit::jwk::Jwk;
use josekit::jws::{ES256, JwsHeader};
use josekit::jwt::{self, JwtPayload};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";

fn file(name: &str) -> Result<Vec<u8>> {
    Ok(read(var(name)?)?)
}

fn assertion(host: &str, issuer: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut payload = JwtPayload::new();
    for (name, value) in [
        ("iss", json!(issuer)),
        ("sub", json!(issuer)),
        ("aud", json!(host)),
        ("iat", json!(now - 10)),
        ("exp", json!(now + 300)),
        ("jti", json!(now.to_string())),
    ] {
        payload.set_claim(name, Some(value))?;
    }
    let mut header = JwsHeader::new();
    header.set_token_type("JWT");
    header.set_key_id(var("D1_SIGNING_KID")?);
    let signer = ES256.signer_from_pem(file("D1_SIGNING_KEY")?)?;
    Ok(jwt::encode_with_signer(&payload, &header, &signer)?)
}

fn encrypted_card() -> Result<String> {
    let key = Jwk::from_bytes(file("D1_ENCRYPTION_JWK")?)?;
    let mut header = JweHeader::new();
    header.set_content_encryption("A256GCM");
    header.set_key_id(key.key_id().ok_or("no kid")?);
    let plaintext = json!({ "pan": "4111111111111111", "exp": "1230" }).to_string();
    let encrypter = ECDH_ES.encrypter_from_jwk(&key)?;
    Ok(jwe::serialize_compact(plaintext.as_bytes(), &header, &encrypter)?)
}

#[tokio::main]
async fn main() -> Result<()> {
    let client = tls::client(
        &file("D1_CA")?,
        &file("D1_CLIENT_CERT")?,
        &file("D1_CLIENT_KEY")?,
    )?;
    let (host, issuer) = (var("D1_BASE_URL")?, var("D1_ISSUER_ID")?);
    // The audience is the host's name, without scheme and port.
    let name = host.trim_start_matches("https://");
    let name = name.split(':').next().unwrap_or(name);
    let answer = client
        .post(format!("{host}/authz/v1/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("{GRANT}&assertion={}", assertion(name, &issuer)?))
        .send()
        .await?;
    let token: Value = answer.error_for_status()?.json().await?;
    let body = json!({
        "encryptedData": encrypted_card()?,
        "newCardId": "ReplaceMe02",
        "reasonCode": "CARD_LOST",
    });
    let answer = client
        .post(format!("{host}/banking/v1/issuers/{issuer}/cards/ReplaceMe01/operations:renew"))
        .bearer_auth(token["access_token"].as_str().ok_or("no token")?)
        .json(&body)
        .send()
        .await?;
    println!("{}", answer.error_for_status()?.status());
    Ok(())
}
