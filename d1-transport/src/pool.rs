//! The connections that share one client certificate, and the TLS sessions that they can resume.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::body::RequestBody;
use crate::connection::ConnectionCount;
use crate::connector::Connector;
use crate::proxy::Proxy;
use crate::streams::StreamSlots;
use crate::tls::{TlsOptions, TlsSetupError};

/// How an [`HttpClient`](crate::HttpClient) makes and keeps its connections. There are no defaults: the caller decides all of it.
pub struct ClientOptions {
    /// TLS; without it, only `http://` can be called.
    pub tls: Option<TlsOptions>,
    /// The proxy on the way to the server.
    pub proxy: Option<Proxy>,
    /// How long a connection may take to be made: name, TCP, tunnel and TLS together.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept.
    pub pool_idle_timeout: Duration,
    /// After how much silence an HTTP/2 connection is asked whether it is alive.
    pub ping_interval: Duration,
    /// How long it may take to respond to that; after that it is closed.
    pub ping_timeout: Duration,
}

/// What pools are made with.
pub(crate) struct PoolOptions {
    /// For the server, and for a proxy.
    tls: Option<(ClientConfig, ClientConfig)>,
    proxy: Option<Arc<Proxy>>,
    connect_timeout: Duration,
    idle_timeout: Duration,
    ping_interval: Duration,
    ping_timeout: Duration,
    /// Counts the connections of all pools.
    pub(crate) open: Arc<ConnectionCount>,
}

impl PoolOptions {
    pub(crate) fn new(options: ClientOptions) -> Result<Self, TlsSetupError> {
        Ok(Self {
            tls: options.tls.map(TlsOptions::build).transpose()?,
            proxy: options.proxy.map(Arc::new),
            connect_timeout: options.connect_timeout,
            idle_timeout: options.pool_idle_timeout,
            ping_interval: options.ping_interval,
            ping_timeout: options.ping_timeout,
            open: Arc::default(),
        })
    }

    /// Returns the TLS configuration for the server.
    pub(crate) fn tls(&self) -> Option<&ClientConfig> {
        self.tls.as_ref().map(|(server, _)| server)
    }
}

/// The connections of one client certificate. They are closed when the last request of the pool has ended.
pub(crate) struct Pool {
    pub(crate) http: Client<Connector, RequestBody>,
    pub(crate) connector: Connector,
    pub(crate) slots: Arc<StreamSlots>,
}

impl Pool {
    pub(crate) fn new(options: &PoolOptions) -> Self {
        let slots = Arc::new(StreamSlots::new());
        let mut tls = options.tls.clone();
        if let Some((server, _)) = &mut tls {
            server.resumption = Resumption::default();
        }
        let connector = Connector::new(
            tls,
            options.proxy.clone(),
            options.connect_timeout,
            slots.clone(),
            options.open.clone(),
        );
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .http2_keep_alive_interval(options.ping_interval)
            .http2_keep_alive_timeout(options.ping_timeout)
            .http2_keep_alive_while_idle(true)
            .http2_max_header_list_size(64 * 1024)
            .http2_adaptive_window(true)
            // It repeats only what was handed back unwritten.
            .retry_canceled_requests(true)
            .build(connector.clone());
        Self {
            http,
            connector,
            slots,
        }
    }
}
