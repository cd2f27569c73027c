//! A service with the facade: it renews a card.
#![allow(clippy::print_stdout)]

use std::env::var;
use std::error::Error;
use std::fs::read;

use d1_facade::{
    CardCredentials, Client, EncryptionKey, Environment, Identity, ReasonCode, Renewal, SigningKey,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = |name: &str| Ok::<_, Box<dyn Error>>(read(var(name)?)?);
    let environment = Environment::Custom(var("D1_BASE_URL")?);
    let signing_key = SigningKey::from_pem(file("D1_SIGNING_KEY")?, &var("D1_SIGNING_KID")?)?;
    let jwk = String::from_utf8(file("D1_ENCRYPTION_JWK")?)?;
    let d1 = Client::builder(environment, var("D1_ISSUER_ID")?.parse()?)
        .root_certificate(file("D1_CA")?)
        .without_system_roots()
        .client_identity(Identity::from_pem(
            file("D1_CLIENT_CERT")?,
            file("D1_CLIENT_KEY")?,
        )?)
        .signer(signing_key)
        .encryption_key(EncryptionKey::from_jwk(&jwk)?)
        .build()?;
    let credentials = CardCredentials::new("4111111111111111", "1230")?;
    let renewal = Renewal::to("ReplaceMe02".parse()?).credentials(credentials);
    let card = d1.card("ReplaceMe01".parse()?);
    let receipt = card
        .renew(renewal)
        .reason_code(ReasonCode::CardLost)
        .await?;
    println!("{}", receipt.http_status());
    Ok(())
}
