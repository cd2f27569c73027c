//! A service that uses rustls with *ring* as its only provider.

use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    suspend::suspend_beside(|| {
        rustls::ClientConfig::builder();
    })
    .await?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    suspend::suspend(|builder| builder.crypto_provider(provider)).await
}
