//! Starts the service, and ends it without losing a change.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use d1_facade::ClientBuilder;
use d1_facade::retry::ExponentialBackoff;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::task::TaskTracker;

use crate::service::Service;
use crate::settings::{Error, Settings, read};
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::vault::TestCards;
use crate::{api, inbound};

/// How long a call of D1 may take that is under way when all else has ended.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the service until it gets SIGTERM or Ctrl-C.
///
/// # Errors
/// If a setting cannot be used, the database does not answer, or a port cannot be bound.
pub async fn run(settings: &Settings) -> Result<(), Error> {
    let channels = TcpListener::bind(settings.listen)?;
    let inbound = TcpListener::bind(settings.inbound_listen)?;
    let d1 = ClientBuilder::from_env()?;
    run_on(settings, d1, channels, inbound, end_signal()).await
}

/// Runs the service with this client and on ports that are bound already, until `end`.
///
/// # Errors
/// If a setting cannot be used, or the database does not answer.
pub async fn run_on(
    settings: &Settings,
    d1: ClientBuilder,
    channels: TcpListener,
    inbound: TcpListener,
    end: impl Future<Output = ()>,
) -> Result<(), Error> {
    let times = settings.times.clone();
    // Someone waits for the response: one attempt more, and the rest is the channel's to repeat.
    let retry = ExponentialBackoff::default().max_attempts(2);
    let metrics = Metrics::new()?;
    let d1 = d1.timeout(times.call_timeout).retry(retry);
    let service = Service {
        d1: d1.meter(metrics.meter()).build()?,
        store: Store::new(&settings.database_url)?,
        vault: Arc::new(TestCards::new(&settings.vault)?),
        metrics,
        tasks: TaskTracker::new(),
        times,
        has_had_token: Arc::default(),
    };
    // Get Card Credentials could not be answered without it.
    service.d1.encryption_key()?;
    service.store.make_tables().await?;
    tracing::info!(channels = %channels.local_addr()?, d1 = %inbound.local_addr()?, "started");
    let tls = RustlsAcceptor::new(RustlsConfig::from_config(tls(settings)?));
    let tls = tls.handshake_timeout(settings.times.read_timeout);
    let channels = axum_server::from_tcp(channels)?;
    let inbound = axum_server::from_tcp(inbound)?.acceptor(tls);
    serve(&service, channels, inbound, end).await
}

// ANCHOR: serve
/// Serves until `end`. Then no new order is taken, those under way get their responses, and the calls of those whose
/// channel has left are ended as well. D1 is answered until then: it asks for the credentials of a renewal under way.
async fn serve(
    service: &Service,
    channels: Server<SocketAddr>,
    inbound: Server<SocketAddr, RustlsAcceptor>,
    end: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (to_channels, to_d1) = (Handle::new(), Handle::new());
    let read_timeout = service.times.read_timeout;
    let for_channels = bounded(channels, read_timeout)
        .handle(to_channels.clone())
        .serve(api::router(service.clone()).into_make_service());
    let for_d1 = bounded(inbound, read_timeout)
        .handle(to_d1.clone())
        .serve(inbound::router(service.clone()).into_make_service());
    let tasks = &service.tasks;
    // An order that is read now may make one more of them.
    let for_channels = tasks.track_future(for_channels);
    let longest = service.times.call_timeout + Duration::from_secs(5);
    let ended = async {
        end.await;
        tasks.close();
        to_channels.graceful_shutdown(Some(longest));
        // Nothing new is written down now; what is still open is reconciled by the next instance.
        let _ = tokio::time::timeout(longest, tasks.wait()).await;
        to_d1.graceful_shutdown(Some(GRACE));
        Ok::<(), std::io::Error>(())
    };
    tokio::select! {
        served = async { tokio::try_join!(for_channels, for_d1, ended) } => { served?; }
        () = reconcile(service) => {}
    }
    Ok(())
}
// ANCHOR_END: serve

/// Disconnects a caller that takes too long to send the head of a request.
fn bounded<A>(server: Server<SocketAddr, A>, read_timeout: Duration) -> Server<SocketAddr, A> {
    let mut server = server.first_request_timeout(read_timeout);
    let mut http1 = server.http_builder().http1();
    http1.header_read_timeout(read_timeout);
    server
}

/// Gets the first token of D1, and reconciles what is due, for ever.
async fn reconcile(service: &Service) {
    let mut ticks = tokio::time::interval(service.times.reconcile_every);
    loop {
        ticks.tick().await;
        service.get_first_token().await;
        if let Err(error) = service.reconcile_due().await {
            tracing::error!(%error, "changes were not reconciled");
        }
    }
}

// ANCHOR: tls
/// Returns the TLS of the server that D1 calls: a caller without a client certificate of the authority is refused.
fn tls(settings: &Settings) -> Result<Arc<ServerConfig>, Error> {
    let certificate = read(&settings.inbound_certificate)?;
    let key = read(&settings.inbound_key)?;
    let authority = read(&settings.inbound_client_ca)?;
    let provider = Arc::new(rustls_openssl::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&authority) {
        roots.add(authority?)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(verifier.build()?)
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(&key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
// ANCHOR_END: tls

#[cfg(unix)]
async fn end_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn end_signal() {
    let _ = tokio::signal::ctrl_c().await;
}
