//! What can be seen of the service: a span and a count for each request, the state of all changes, and the log.
//!
//! The calls of D1 are spans below that of their request, since the client makes one for each. The example
//! `open-telemetry` shows how all of them get to an OpenTelemetry collector.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Extension, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use d1_facade::CorrelationId;
use tracing::Instrument as _;
use tracing_subscriber::EnvFilter;

use crate::changes::{Changes, unique};

/// The header of the correlation id, as D1 names it.
pub const CORRELATION_ID: &str = "x-correlation-id";

/// Writes the log to standard output, as JSON, with the spans of each line.
pub fn log_as_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .init();
}

/// The requests that were answered, by route and status.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<(String, u16), u64>>>);

// ANCHOR: correlation
/// Gives each request a correlation id, which goes to D1 and back to the channel, and a span that has it. One that the
/// channel sends is taken where D1 takes it.
pub async fn observe(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let correlation_id = correlation_id(request.headers());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "http.request",
        http.request.method = %request.method(),
        http.route = route,
        correlation_id = correlation_id.as_ref().map(CorrelationId::as_str),
        request_id = tracing::field::Empty,
    );
    if let Some(id) = &correlation_id {
        request.extensions_mut().insert(id.clone());
    }
    let mut response = next.run(request).instrument(span).await;
    let value = correlation_id.and_then(|id| HeaderValue::from_str(id.as_str()).ok());
    if let Some(value) = value {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    let mut counts = metrics.0.lock().unwrap_or_else(PoisonError::into_inner);
    *counts
        .entry((route, response.status().as_u16()))
        .or_default() += 1;
    drop(counts);
    response
}

fn correlation_id(headers: &HeaderMap) -> Option<CorrelationId> {
    let sent = headers
        .get(CORRELATION_ID)
        .and_then(|id| id.to_str().ok()?.parse().ok());
    sent.or_else(|| unique().parse().ok())
}
// ANCHOR_END: correlation

/// Shows the metrics in the text format of Prometheus.
pub async fn show(
    State(changes): State<Changes>,
    Extension(metrics): Extension<Metrics>,
) -> Result<String, StatusCode> {
    let counted = changes.store.count().await;
    let (states, oldest) = counted.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let mut text = String::from("# TYPE http_requests_total counter\n");
    let counts = metrics
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for ((route, status), count) in counts {
        let labels = format!("route=\"{route}\",status=\"{status}\"");
        let _ = writeln!(text, "http_requests_total{{{labels}}} {count}");
    }
    text += "# TYPE card_changes gauge\n";
    for (state, count) in states {
        let _ = writeln!(text, "card_changes{{state=\"{}\"}} {count}", state.name());
    }
    let _ = writeln!(text, "# TYPE card_changes_oldest_open_seconds gauge");
    let _ = writeln!(text, "card_changes_oldest_open_seconds {oldest:.0}");
    Ok(text)
}
