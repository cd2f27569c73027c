//! Sends one request once, and says what its end proves.
//!
//! This module decides what kind of error a failed connection or an unusable response is. What follows from the proof
//! is decided in `decide`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use d1_generated::hooks::{CallContext, RequestOverrides, SendRequest};
use d1_generated::types::ErrorBody;
use d1_transport::{BodyError, Cause, Claim, Failure, Limits};
use futures_util::TryFutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::decide::Evidence;
#[cfg(feature = "metrics")]
use super::metrics::Metrics;
use super::telemetry::Host;
use crate::clock::{D1Clock, Moment};
use crate::error::{
    Error, ErrorKind, Fault, InvalidInput, Outcome, RequestContext, ResponseFault,
    invalid_response, refused, server_time,
};
use crate::http_client::{HttpClient, RawResponse};
use crate::json;
use crate::redact::Redactor;
use crate::values::{ApiOperation, CorrelationId};

/// A call of the generated client under way. It is boxed, since a change is one of four futures.
pub(crate) type Dispatched<'a> = BoxFuture<'a, Result<(), d1_generated::Error<ErrorBody>>>;

/// Boxes a call of the generated client.
pub(crate) fn dispatched<'a, T: 'a>(
    call: impl Future<Output = Result<T, d1_generated::Error<ErrorBody>>> + Send + 'a,
) -> Dispatched<'a> {
    Box::pin(call.map_ok(drop))
}

/// One call of the generated client.
pub(crate) trait ApiCall: Sync {
    /// What the client reads from a successful response.
    type Value: Send;

    /// Returns the endpoint.
    fn operation(&self) -> ApiOperation;

    /// Refuses what must not be sent.
    fn check(&self) -> Result<(), InvalidInput> {
        Ok(())
    }

    /// Returns what the error table has conditions for.
    fn request_context(&self) -> RequestContext {
        RequestContext::default()
    }

    /// Returns the secrets that the request holds beside its token. They are removed from a response that repeats them.
    fn secrets(&self) -> Redactor {
        Redactor::default()
    }

    /// Calls the generated client. The response is kept by [`Transport::exchange`] and read from there: the generated
    /// types take no response that differs from the spec.
    fn dispatch<'a>(
        &'a self,
        client: &'a d1_generated::Client,
        correlation_id: &'a CorrelationId,
    ) -> Result<Dispatched<'a>, InvalidInput>;

    /// Reads a response that has a status of success.
    fn read(&self, response: &CompleteResponse<'_>) -> Result<Self::Value, ResponseFault>;
}

/// A response with a status of success that arrived completely.
pub(crate) struct CompleteResponse<'a> {
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// Its body.
    pub(crate) body: &'a [u8],
}

impl CompleteResponse<'_> {
    /// Returns the body as a JSON object.
    pub(crate) fn json_object(&self) -> Result<Map<String, Value>, ResponseFault> {
        json::object(self.body).map_err(ResponseFault::from)
    }
}

/// Sends the requests of a client.
pub(crate) struct Transport {
    http: HttpClient,
    requests: reqwest::Client,
    base_url: String,
    host: Host,
    timeout: Duration,
    max_response_size: usize,
    d1_clock: D1Clock,
    #[cfg(feature = "metrics")]
    metrics: Option<Metrics>,
}

/// A request that did not succeed.
pub(crate) struct Failed {
    pub(super) error: Error,
    /// What its end proves.
    pub(super) evidence: Evidence,
}

impl Failed {
    /// Makes the failure of a request that ended as `evidence` says, with an error of this outcome.
    pub(super) fn new(evidence: Evidence, error: impl FnOnce(Outcome) -> Error) -> Self {
        let error = error(evidence.outcome());
        let for_password =
            evidence.outcome() == Outcome::NotSent && error.is_about_proxy_password();
        Self {
            error,
            evidence: match for_password {
                true => Evidence::NotWrittenForPassword,
                false => evidence,
            },
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// What one request of a call adds, and how long it may take.
pub(crate) struct RequestParts {
    /// The access token, in its header.
    pub(crate) authorization: Option<HeaderValue>,
    /// The caller's own headers.
    pub(crate) headers: HeaderMap,
    /// The caller's own query parameters.
    pub(crate) query: Vec<(String, String)>,
    /// When the response must have arrived.
    pub(crate) deadline: Instant,
    /// How much time must be left when the request is sent.
    pub(crate) floor: Duration,
    /// What is removed from a response that repeats it.
    pub(crate) secrets: Redactor,
    /// The claim to the request's body.
    pub(crate) claim: Claim,
}

type Sent = Result<RawResponse, Failure>;

impl Transport {
    pub(crate) fn new(
        http: HttpClient,
        base_url: String,
        timeout: Duration,
        max_response_size: usize,
    ) -> Result<Self, InvalidInput> {
        Ok(Self {
            requests: http.for_requests()?,
            http,
            host: Host::of(&base_url),
            base_url,
            timeout,
            max_response_size,
            d1_clock: D1Clock::default(),
            #[cfg(feature = "metrics")]
            metrics: None,
        })
    }

    /// Returns how long a call may take unless it sets its own timeout.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the host, for telemetry.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the HTTP client.
    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Returns whether requests are handed out instead of being sent.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.http.is_dry_run()
    }

    /// Measures the requests that follow, and those of the token exchange.
    #[cfg(feature = "metrics")]
    pub(crate) fn with_meter(mut self, meter: Option<&opentelemetry::metrics::Meter>) -> Self {
        self.metrics = meter.map(|meter| Metrics::new(meter, &self.host));
        self
    }

    /// Returns what measures the requests; `None` without a meter, and where none are sent.
    #[cfg(feature = "metrics")]
    fn measured(&self) -> Option<&Metrics> {
        self.metrics.as_ref().filter(|_| !self.is_dry_run())
    }

    /// Counts a request that repeats an earlier one of its call.
    #[cfg(feature = "metrics")]
    pub(crate) fn count_retry(&self, operation: ApiOperation) {
        if let Some(metrics) = self.measured() {
            metrics.count_retry(operation);
        }
    }

    /// Returns D1's clock, by the successful responses of D1: any other response may be one of a gateway, which has
    /// another clock.
    pub(crate) fn d1_clock(&self) -> &D1Clock {
        &self.d1_clock
    }

    /// Returns the address of the host that is called.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Sends one request, and reads its response.
    pub(crate) async fn exchange<C: ApiCall>(
        &self,
        call: &C,
        correlation_id: &CorrelationId,
        mut parts: RequestParts,
    ) -> Result<http::Response<C::Value>, Failed> {
        let operation = call.operation();
        if let Some(fault) = self.http.fault() {
            return Err(Failed::new(Evidence::NotWritten, |outcome| {
                Error::new(operation, ErrorKind::Connect, outcome).with_fault(fault)
            }));
        }
        #[cfg(feature = "metrics")]
        let active = self.measured().map(|metrics| metrics.begin(operation));
        let asked = Moment::now();
        let secrets = std::mem::take(&mut parts.secrets);
        let (context, sent) = self.context(parts);
        let client =
            d1_generated::Client::new_with_client(&self.base_url, self.requests.clone(), context);
        tracing::debug!(name: "d1.request", %correlation_id, "{} {}", operation.method(), operation.url_template());
        // The generated client reads nothing of the response.
        let _ = call
            .dispatch(&client, correlation_id)
            .map_err(|input| {
                let error = Error::invalid_input_of(operation, input);
                Failed::new(Evidence::NotWritten, |_| error)
            })?
            .await;
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended = match sent {
            Some(Ok(mut response)) => {
                tracing::debug!(name: "d1.response", "{}", response.http.status);
                secrets.clean_response(&mut response.http);
                read_response(call, response).inspect(|read| {
                    if let Some(date) = server_time(read.headers()) {
                        self.d1_clock.set(date, asked);
                    }
                })
            }
            Some(Err(_)) if self.is_dry_run() => Err(Failed::new(Evidence::HandedOut, |outcome| {
                Error::new(operation, ErrorKind::Cancelled, outcome)
            })),
            Some(Err(failure)) => Err(no_response(operation, &failure)),
            // The generated client could not even make the request.
            None => Err(Failed::new(Evidence::NotWritten, |outcome| {
                Error::new(operation, ErrorKind::InvalidInput, outcome)
            })),
        };
        #[cfg(feature = "metrics")]
        if let Some(active) = active {
            let result = ended.as_ref().map(http::Response::status);
            active.end(result.map_err(|failed| &failed.error));
        }
        ended
    }

    /// Returns the context of a request, and where its response will be.
    fn context(&self, parts: RequestParts) -> (CallContext, Arc<Mutex<Option<Sent>>>) {
        let kept = Arc::new(Mutex::new(None));
        let limits = Limits {
            deadline: parts.deadline,
            floor: parts.floor,
            read_timeout: None,
            max_response_size: self.max_response_size,
        };
        let (http, claim, keep) = (self.http.clone(), parts.claim, kept.clone());
        let send: SendRequest = Box::new(move |request| {
            let (http, claim, keep) = (http.clone(), claim.clone(), keep.clone());
            Box::pin(async move {
                let sent = http.send(request, &claim, limits).await;
                *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
            })
        });
        let context = CallContext::new(RequestOverrides {
            authorization: parts.authorization,
            headers: parts.headers,
            query: parts.query,
            send: Some(send),
        });
        (context, kept)
    }
}

/// Returns the failure of a request that got no response.
fn no_response(operation: ApiOperation, failure: &Failure) -> Failed {
    Failed::new(failure.written.into(), |outcome| {
        let error = Error::new(operation, kind(&failure.cause), outcome);
        broken(error, &failure.cause)
    })
}

/// Returns the kind of error of a connection that was not made, or broke.
fn kind(cause: &Cause) -> ErrorKind {
    match cause {
        Cause::ConnectTimedOut | Cause::NoStream | Cause::TimedOut | Cause::Silent => {
            ErrorKind::Timeout
        }
        Cause::Proxy(cause) => kind(cause),
        Cause::Dns
        | Cause::Connect(_)
        | Cause::Tls(_)
        | Cause::NotAsked
        | Cause::KeyFailed
        | Cause::Alert(_)
        | Cause::ProxyRefused(_)
        | Cause::ProxyUnreadable => ErrorKind::Connect,
        Cause::BadRequest => ErrorKind::InvalidInput,
        Cause::Unprocessed | Cause::Closed(_) | Cause::Protocol => ErrorKind::Transport,
    }
}

/// Adds what is known of the connection to an error.
fn broken(error: Error, cause: &Cause) -> Error {
    match Fault::of_connection(cause) {
        Some(fault) => error.with_fault(fault),
        None => error,
    }
}

/// Returns what a response says: the value of a success, or what its failure proves.
fn read_response<C: ApiCall>(
    call: &C,
    response: RawResponse,
) -> Result<http::Response<C::Value>, Failed> {
    let operation = call.operation();
    let http = response.http;
    if response.redirected {
        // The outcome at the address that it was sent to first is not known.
        return Err(Failed::new(Evidence::Unproven, |outcome| {
            Error::new(operation, ErrorKind::UnexpectedStatus, outcome)
                .with_status(http.status)
                .with_fault(Fault::REDIRECT_FOLLOWED)
        }));
    }
    if !http.status.is_success() {
        return Err(Failed::new(Evidence::of_status(http.status), |outcome| {
            refused(operation, call.request_context(), &http, outcome)
        }));
    }
    let body = match &http.body {
        Ok(body) => body,
        Err(fault) => return Err(incomplete(operation, http.status, fault)),
    };
    let headers = &http.headers;
    match call.read(&CompleteResponse { headers, body }) {
        Ok(value) => {
            let mut read = http::Response::new(value);
            *read.status_mut() = http.status;
            *read.headers_mut() = http.headers;
            Ok(read)
        }
        Err(fault) => Err(Failed::new(Evidence::Unproven, |outcome| {
            invalid_response(operation, &http, fault, outcome)
        })),
    }
}

/// Returns the failure of a response whose body did not arrive completely. Its status alone proves nothing: the rest of
/// the body might have contradicted it.
fn incomplete(operation: ApiOperation, status: StatusCode, fault: &BodyError) -> Failed {
    let evidence = Evidence::Unproven;
    let error = |kind| Error::new(operation, kind, evidence.outcome()).with_status(status);
    Failed::new(evidence, |_| match fault {
        BodyError::TooLarge => error(ErrorKind::ResponseTooLarge),
        BodyError::Broken(cause) => {
            let kind = match kind(cause) {
                ErrorKind::Timeout => ErrorKind::Timeout,
                _ => ErrorKind::Transport,
            };
            broken(error(kind), cause)
        }
    })
}
