//! A service with reqwest alone: it suspends a card with a token that it is given.

mod tls;

use std::env::var;
use std::error::Error;
use std::fs::read;

use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = |name: &str| Ok::<_, Box<dyn Error>>(read(var(name)?)?);
    let client = tls::client(
        &file("D1_CA")?,
        &file("D1_CLIENT_CERT")?,
        &file("D1_CLIENT_KEY")?,
    )?;
    let (host, issuer) = (var("D1_BASE_URL")?, var("D1_ISSUER_ID")?);
    let url = format!("{host}/banking/v1/issuers/{issuer}/cards/ReplaceMe01/operations:suspend");
    let answer = client
        .post(url)
        .bearer_auth(var("D1_TOKEN")?)
        .json(&json!({ "reasonCode": "CARD_LOST" }))
        .send()
        .await?;
    println!("{}", answer.error_for_status()?.status());
    Ok(())
}
