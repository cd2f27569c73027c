//! How long a sandbox takes to start, beside a bare axum server behind TLS.
//!
//! `cargo run --release -p d1-sandbox --example start_time`

/// Prints a line. A closed pipe (`| head -1`) drops it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use d1_sandbox::Sandbox;
use http::StatusCode;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 200;

async fn sandbox() -> Result<Duration, Box<dyn Error>> {
    let begun = Instant::now();
    let sandbox = Sandbox::start().await?;
    let took = begun.elapsed();
    sandbox.shut_down().await;
    Ok(took)
}

async fn bare(config: Arc<rustls::ServerConfig>) -> Result<Duration, Box<dyn Error>> {
    let begun = Instant::now();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let handle = axum_server::Handle::new();
    let router = Router::new().fallback(|| async { StatusCode::NO_CONTENT });
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(config))?
        .handle(handle.clone())
        .serve(router.into_make_service());
    let task = tokio::spawn(server);
    let took = begun.elapsed();
    handle.shutdown();
    task.await??;
    Ok(took)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()])?.self_signed(&key)?;
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls_openssl::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
    let config = Arc::new(config);

    let first = sandbox().await?;
    say!("the first sandbox of a process, the compiled spec included: {first:?}");
    let (mut ours, mut reference) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        ours += sandbox().await?;
        reference += bare(Arc::clone(&config)).await?;
    }
    say!(
        "each further sandbox, its CA and five new keys included: {:?}",
        ours / ROUNDS
    );
    say!("a bare axum server behind TLS: {:?}", reference / ROUNDS);
    Ok(())
}
