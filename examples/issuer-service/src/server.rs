//! Starts the service, and ends it without losing a change.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::task::TaskTracker;

use crate::api;
use crate::changes::Changes;
use crate::inbound::{self, Inbound};
use crate::settings::{Settings, read};
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::vault::TestCards;

/// How long a call of D1 may take that is under way when all else has ended.
const GRACE: Duration = Duration::from_secs(2);

/// Why the service does not start, or has failed.
pub type Error = Box<dyn std::error::Error>;

/// Runs the service until it gets SIGTERM or Ctrl-C.
///
/// # Errors
/// If a setting cannot be used, the database does not answer, or a port cannot be bound.
pub async fn run(settings: &Settings) -> Result<(), Error> {
    let channels = TcpListener::bind(settings.listen)?;
    let d1 = TcpListener::bind(settings.inbound_listen)?;
    run_on(settings, channels, d1, end_signal()).await
}

/// Runs the service on ports that are bound already, until `end`.
///
/// # Errors
/// If a setting cannot be used, or the database does not answer.
pub async fn run_on(
    settings: &Settings,
    channels: TcpListener,
    d1: TcpListener,
    end: impl Future<Output = ()>,
) -> Result<(), Error> {
    let vault = Arc::new(TestCards::read(&settings.vault)?);
    let changes = Changes {
        d1: settings.client()?,
        store: Store::connect(&settings.database_url).await?,
        vault: vault.clone(),
        tasks: TaskTracker::new(),
        times: settings.times.clone(),
    };
    let inbound = Inbound {
        issuer: settings.issuer.parse()?,
        key: settings.encryption_key()?,
        vault,
        store: changes.store.clone(),
    };
    tracing::info!(channels = %channels.local_addr()?, d1 = %d1.local_addr()?, "ready");
    let metrics = Metrics::default();
    let channels = (channels, api::router(changes.clone(), metrics.clone()));
    let d1 = (d1, inbound::router(inbound, metrics), tls(settings)?);
    serve(changes, channels, d1, end).await
}

// ANCHOR: serve
/// Serves until `end`. Then no new order is taken, those under way get their responses, and the calls of those whose
/// channel has left are ended as well. D1 is answered until then: it asks for the credentials of a renewal under way.
async fn serve(
    changes: Changes,
    channels: (TcpListener, Router),
    d1: (TcpListener, Router, Arc<ServerConfig>),
    end: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (to_channels, to_d1) = (Handle::new(), Handle::new());
    let longest = changes.times.call_timeout + Duration::from_secs(5);
    let for_channels = axum_server::from_tcp(channels.0)?
        .handle(to_channels.clone())
        .serve(channels.1.into_make_service());
    let for_d1 = axum_server::from_tcp_rustls(d1.0, RustlsConfig::from_config(d1.2))?
        .handle(to_d1.clone())
        .serve(d1.1.into_make_service());
    let tasks = changes.tasks.clone();
    // An order that is read now may make one more of them.
    let for_channels = tasks.track_future(for_channels);
    let ended = async {
        end.await;
        tasks.close();
        to_channels.graceful_shutdown(Some(longest));
        // Nothing new is written down now; what is still open is reconciled by the next instance.
        let _ = tokio::time::timeout(longest, tasks.wait()).await;
        to_d1.graceful_shutdown(Some(GRACE));
        Ok::<(), std::io::Error>(())
    };
    let reconciler = reconcile(&changes);
    tokio::select! {
        served = async { tokio::try_join!(for_channels, for_d1, ended) } => { served?; }
        () = reconciler => {}
    }
    Ok(())
}
// ANCHOR_END: serve

/// Reconciles what is due, for ever.
async fn reconcile(changes: &Changes) {
    let mut ticks = tokio::time::interval(changes.times.reconcile_every);
    loop {
        ticks.tick().await;
        if let Err(error) = changes.reconcile_due().await {
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
