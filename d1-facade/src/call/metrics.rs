//! What an OpenTelemetry meter gets of the requests (feature `metrics`): the instruments of the semantic conventions
//! for HTTP clients, and two of D1's own.
//!
//! An attribute is a name of the spec, a number or the host, so that there are few series, and none that tells a card.

use std::time::Duration;

use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use tokio::time::Instant;

use super::telemetry::{Host, error_type};
use crate::error::{Error, ErrorKind};
use crate::values::ApiOperation;

/// The upper bounds that the conventions give `http.client.request.duration`, in seconds.
const BOUNDARIES: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The instruments of a client.
pub(crate) struct Metrics {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
    retries: Counter<u64>,
    host: Host,
}

impl Metrics {
    /// Makes the instruments of a client that calls `host`.
    pub(crate) fn new(meter: &Meter, host: &Host) -> Self {
        Self {
            duration: meter
                .f64_histogram("http.client.request.duration")
                .with_unit("s")
                .with_description("Duration of HTTP client requests.")
                .with_boundaries(BOUNDARIES.to_vec())
                .build(),
            active: meter
                .i64_up_down_counter("http.client.active_requests")
                .with_unit("{request}")
                .with_description("Number of active HTTP requests.")
                .build(),
            retries: meter
                .u64_counter("d1.client.retries")
                .with_unit("{request}")
                .with_description("Number of requests that repeat an earlier one of their call.")
                .build(),
            host: host.clone(),
        }
    }

    /// Counts a request that repeats an earlier one of its call.
    pub(crate) fn count_retry(&self, operation: ApiOperation) {
        self.retries.add(1, &self.attributes(operation));
    }

    /// Begins a request. It ends when what is returned is dropped.
    pub(super) fn begin(&self, operation: ApiOperation) -> ActiveRequest<'_> {
        let attributes = self.attributes(operation);
        self.active.add(1, &attributes);
        ActiveRequest {
            metrics: self,
            attributes,
            began_at: Instant::now(),
            ended: None,
        }
    }

    fn attributes(&self, operation: ApiOperation) -> Vec<KeyValue> {
        let mut attributes = server(&self.host).to_vec();
        attributes.push(KeyValue::new("http.request.method", operation.method()));
        attributes.push(KeyValue::new("d1.operation", operation.operation_id()));
        attributes
    }
}

/// Lets `meter` ask for the age of the token of a client that calls `host`.
pub(crate) fn observe_token_age(
    meter: &Meter,
    host: &Host,
    age: impl Fn() -> Option<Duration> + Send + Sync + 'static,
) {
    let server = server(host);
    meter
        .f64_observable_gauge("d1.client.token.age")
        .with_unit("s")
        .with_description("Time since the present access token was obtained.")
        .with_callback(move |gauge| {
            if let Some(age) = age() {
                gauge.observe(age.as_secs_f64(), &server);
            }
        })
        .build();
}

fn server(host: &Host) -> [KeyValue; 2] {
    [
        KeyValue::new("server.address", host.address.clone()),
        KeyValue::new("server.port", i64::from(host.port)),
    ]
}

/// A request under way. One that is dropped before it [ended](Self::end) was cancelled.
pub(super) struct ActiveRequest<'a> {
    metrics: &'a Metrics,
    attributes: Vec<KeyValue>,
    began_at: Instant,
    ended: Option<Vec<KeyValue>>,
}

impl ActiveRequest<'_> {
    /// Ends the request with the status of its success, or with its error.
    pub(super) fn end(mut self, result: Result<StatusCode, &Error>) {
        let (status, error) = match result {
            Ok(status) => (Some(status.as_u16()), None),
            Err(error) => (error.status(), Some(error)),
        };
        let status = status.map(|s| KeyValue::new("http.response.status_code", i64::from(s)));
        let error = error.map(|error| KeyValue::new("error.type", error_type(error)));
        self.ended = Some(status.into_iter().chain(error).collect());
    }
}

impl Drop for ActiveRequest<'_> {
    fn drop(&mut self) {
        self.metrics.active.add(-1, &self.attributes);
        let cancelled = || {
            vec![KeyValue::new(
                "error.type",
                ErrorKind::Cancelled.to_string(),
            )]
        };
        let ended = self.ended.take().unwrap_or_else(cancelled);
        self.attributes.extend(ended);
        let seconds = self.began_at.elapsed().as_secs_f64();
        self.metrics.duration.record(seconds, &self.attributes);
    }
}
