//! A service that uses rustls with its default features.

use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    suspend::suspend_beside(|| {
        rustls::ClientConfig::builder();
    })
    .await?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    suspend::suspend(|builder| builder.crypto_provider(provider)).await
}
