//! A service that uses reqwest with its default features, and a configuration of rustls of its own.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    suspend::suspend_beside(|| {
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let builder = reqwest::Client::builder().tls_backend_preconfigured(config);
        builder.build().expect("it takes the configuration");
    })
    .await
}
