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
use crate::tls::TlsOptions;

/// How an [`HttpClient`](crate::HttpClient) makes and keeps its connections. There are no defaults: the caller decides all of it.
pub struct ClientOptions {
    /// TLS; without it, only `http://` can be called.
    pub tls: Option<TlsOptions>,
    /// The proxy on the way to the server.
    pub proxy: Option<Arc<Proxy>>,
    /// How long a connection may take to be made: name, TCP, tunnel and TLS together.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept.
    pub pool_idle_timeout: Duration,
    /// After how much silence an HTTP/2 connection is asked whether it is alive.
    pub ping_interval: Duration,
    /// How long it may take to respond to that; after that it is closed.
    pub ping_timeout: Duration,
}

/// The connections of one client certificate. They are closed when the last request of the pool has ended.
pub(crate) struct Pool {
    pub(crate) http: Client<Connector, RequestBody>,
    pub(crate) connector: Connector,
    pub(crate) slots: Arc<StreamSlots>,
}

impl Pool {
    /// Returns a pool that is empty. `tls` is for the server, and for a proxy; `open` counts the connections of all
    /// pools.
    pub(crate) fn new(
        options: &ClientOptions,
        mut tls: Option<(ClientConfig, ClientConfig)>,
        open: Arc<ConnectionCount>,
    ) -> Self {
        let slots = Arc::new(StreamSlots::new());
        if let Some((server, _)) = &mut tls {
            server.resumption = Resumption::default();
        }
        let (proxy, timeout) = (options.proxy.clone(), options.connect_timeout);
        let connector = Connector::new(tls, proxy, timeout, slots.clone(), open);
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.pool_idle_timeout)
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
