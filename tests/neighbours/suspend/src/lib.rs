//! Suspends a card of a sandbox in this process.

use std::error::Error;

use d1_facade::{Client, ClientBuilder, EncryptionKey, Environment, Identity, SigningKey};
use d1_sandbox::Sandbox;

/// Uses the TLS of the program before d1-facade and d1-sandbox do, and after them.
pub async fn suspend_beside(use_own_tls: impl Fn()) -> Result<(), Box<dyn Error>> {
    use_own_tls();
    suspend(|builder| builder).await?;
    use_own_tls();
    Ok(())
}

/// Suspends the card with a client of a builder that `edit` returns.
pub async fn suspend(
    edit: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::start().await?;
    let builder = Client::builder(
        Environment::Custom(sandbox.base_url().to_owned()),
        sandbox.issuer_id().parse()?,
    )
    .root_certificate(sandbox.ca_pem())
    .without_system_roots()
    .client_identity(Identity::from_pem(
        sandbox.client_certificate_pem(),
        sandbox.client_key_pem(),
    )?)
    .signer(SigningKey::from_pem(
        sandbox.signing_key_pem(),
        sandbox.signing_kid(),
    )?)
    .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk())?);
    let d1 = edit(builder).build()?;
    d1.card("ReplaceMe01".parse()?).suspend().await?;
    sandbox.shut_down().await;
    Ok(())
}
