//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use d1_facade::Client;
use tokio_util::task::TaskTracker;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::settings::Times;
use crate::store::Store;
use crate::telemetry::{self, Metrics};
use crate::vault::Vault;

/// The service. Clones share everything.
#[derive(Clone)]
pub(crate) struct Service {
    /// The client.
    pub(crate) d1: Client,
    /// The database.
    pub(crate) store: Store,
    /// The card numbers.
    pub(crate) vault: Arc<dyn Vault>,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// The calls that are under way: the end of the service waits for them.
    pub(crate) tasks: TaskTracker,
    /// How long things may take.
    pub(crate) times: Times,
    /// Whether D1 has given this instance a token.
    pub(crate) has_had_token: Arc<AtomicBool>,
}

impl Service {
    /// Returns routes that are counted, and that take a body of this many bytes at most, which must not pause for long.
    pub(crate) fn serve(self, routes: Router<Self>, body_limit: usize) -> Router {
        let observe = from_fn_with_state(self.metrics.clone(), telemetry::observe);
        routes
            .layer(observe)
            .layer(DefaultBodyLimit::max(body_limit))
            .layer(RequestBodyTimeoutLayer::new(self.times.read_timeout))
            .with_state(self)
    }

    /// Returns whether the service can take orders.
    ///
    /// An instance whose keys D1 does not take never can, so that a deployment with wrong ones stops at the first
    /// instance. After that it does not matter whether D1 is down: the other instances would be taken out as well.
    pub(crate) async fn is_ready(&self) -> bool {
        let has_had_token = self.has_had_token.load(Ordering::Relaxed);
        has_had_token && !self.tasks.is_closed() && self.store.is_ready().await
    }

    /// Gets the first token. Its response also says what D1's clock is.
    pub(crate) async fn get_first_token(&self) {
        if self.has_had_token.load(Ordering::Relaxed) {
            return;
        }
        match self.d1.access_token().await {
            Ok(_) => self.has_had_token.store(true, Ordering::Relaxed),
            Err(error) => tracing::error!(%error, "not ready: D1 gives no token"),
        }
    }
}
