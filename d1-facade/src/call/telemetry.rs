//! What a `tracing` subscriber sees of a call: OpenTelemetry's names for HTTP clients, the URL template
//! instead of the URL, and nothing of a body or a header.
//!
//! Numbers are `i64`, the only integer that OpenTelemetry has: others would arrive there as text.

use tracing::Span;
use tracing::field::Empty;

use crate::error::Error;
use crate::values::{ApiOperation, CorrelationId};

/// Returns the span of a call, from its start to its last response.
pub(crate) fn span(operation: ApiOperation, host: &Host, correlation_id: &CorrelationId) -> Span {
    tracing::info_span!(
        "d1.call",
        otel.name = %format_args!("{} {}", operation.method(), operation.url_template()),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = operation.method(),
        http.request.resend_count = Empty,
        http.response.status_code = Empty,
        url.template = operation.url_template(),
        server.address = host.address,
        server.port = i64::from(host.port),
        error.r#type = Empty,
        d1.operation = operation.operation_id(),
        d1.correlation_id = correlation_id.as_str(),
    )
}

/// Records in a span how its call ended.
pub(crate) fn record(span: &Span, status: Option<u16>, attempts: u32, error: Option<&Error>) {
    if let Some(status) = status {
        span.record("http.response.status_code", i64::from(status));
    }
    if attempts > 1 {
        span.record("http.request.resend_count", i64::from(attempts - 1));
    }
    if let Some(error) = error {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", error_type(error));
    }
}

/// Returns OpenTelemetry's `error.type`: the status where it is that of an error, and a short name otherwise.
pub(super) fn error_type(error: &Error) -> String {
    match error.status() {
        Some(status @ 300..) => status.to_string(),
        Some(_) | None => error.kind().to_string(),
    }
}

/// The host of a call as telemetry names it: OpenTelemetry's `server.address` and `server.port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(super) address: String,
    pub(super) port: u16,
}

impl Host {
    /// Returns the host of an address that was checked.
    pub(crate) fn of(base_url: &str) -> Self {
        let url = reqwest::Url::parse(base_url).ok();
        let address = url.as_ref().and_then(|u| u.host_str()).unwrap_or_default();
        Self {
            address: address.to_owned(),
            port: url
                .as_ref()
                .and_then(reqwest::Url::port_or_known_default)
                .unwrap_or_default(),
        }
    }
}
