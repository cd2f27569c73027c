//! What can be seen of the service: a span for each request, metrics for Prometheus, and the log.
//!
//! The calls of D1 are spans below that of their request, since the client makes one for each. The example
//! `open-telemetry` shows how all of them get to an OpenTelemetry collector.

use std::io;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use d1_facade::CorrelationId;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Gauge, Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use tracing::{Instrument as _, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::Error;
use crate::store::Count;

/// The header of the correlation id, as D1 names it.
pub(crate) const CORRELATION_ID: &str = "x-correlation-id";

/// The target of the lines that say to whom card numbers were given. They are always logged.
pub(crate) const AUDIT: &str = "audit";

/// Writes the log to standard output, as JSON: what `RUST_LOG` asks for, `info` by default.
pub fn log_as_json() {
    let asked = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    json_log(&asked, io::stdout).init();
}

/// Returns a log as JSON, each line with its spans, of what is asked for and the audit lines.
pub(crate) fn json_log(
    asked: &str,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    let log = tracing_subscriber::fmt().json().with_writer(writer);
    log.with_env_filter(format!("{asked},{AUDIT}=info"))
        .finish()
}

/// The metrics, by OpenTelemetry's names. Clones share everything.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
    requests: Histogram<f64>,
    changes: Gauge<u64>,
    oldest: Gauge<f64>,
    database: Gauge<u64>,
}

impl Metrics {
    /// Returns metrics of their own: nothing is registered for the whole process.
    pub(crate) fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let exporter = exporter.without_target_info().scope_info_enabled(false);
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter.build()?)
            .build();
        let meter = provider.meter("issuer-service");
        let requests = meter.f64_histogram("http.server.request.duration");
        Ok(Self {
            requests: requests.with_unit("s").build(),
            changes: meter.u64_gauge("card_changes").build(),
            oldest: meter.f64_gauge("card_changes.oldest_seconds").build(),
            database: meter.u64_gauge("database.up").build(),
            registry,
            provider,
        })
    }

    /// Returns the meter of the client: the calls of D1 are counted beside the requests.
    pub(crate) fn meter(&self) -> Meter {
        self.provider.meter("d1-facade")
    }

    /// Shows the metrics in the text format of Prometheus. Without counts the database does not answer: what it said
    /// last is shown.
    pub(crate) fn show(&self, counts: Option<&[Count]>) -> Result<String, prometheus::Error> {
        self.database.record(u64::from(counts.is_some()), &[]);
        for count in counts.into_iter().flatten() {
            let state = [KeyValue::new("state", count.state.clone())];
            self.changes.record(count.changes, &state);
            self.oldest.record(count.oldest, &state);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

// ANCHOR: correlation
/// Gives each request a correlation id, which goes to D1 and back to the channel, and a span that has it. One that the
/// channel sends is taken where D1 takes it. The span has the level ERROR, so that each line of the log has its ids.
pub(crate) async fn observe(
    State(metrics): State<Metrics>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let correlation_id = correlation_id(request.headers());
    // Any other text of a caller would be a metric of its own.
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "_OTHER",
    };
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::error_span!(
        "http.request",
        http.request.method = method,
        http.route = route,
        correlation_id = correlation_id.as_str(),
        request_id = tracing::field::Empty,
    );
    request.extensions_mut().insert(correlation_id.clone());
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(correlation_id.as_str()) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    let status = i64::from(response.status().as_u16());
    let attributes = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", status),
    ];
    let seconds = started.elapsed().as_secs_f64();
    metrics.requests.record(seconds, &attributes);
    response
}

fn correlation_id(headers: &HeaderMap) -> CorrelationId {
    let sent = headers.get(CORRELATION_ID);
    let sent = sent.and_then(|id| id.to_str().ok()?.parse().ok());
    sent.unwrap_or_else(CorrelationId::random)
}
// ANCHOR_END: correlation
