//! Sends one request once, and reports its result.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use d1_generated::hooks::{CallContext, RequestOverrides, SendRequest};
use d1_generated::types::ErrorBody;
use d1_transport::{BodyError, Cause, Claim, Failure, Limits, Written};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::api_operation::ApiOperation;
use crate::error::{
    Error, ErrorKind, Fault, InvalidInput, Outcome, RequestContext, ResponseFault,
    invalid_response, refused,
};
use crate::http_client::{HttpClient, RawResponse};
use crate::json;
use crate::redact::Redactor;
use crate::telemetry::Host;
use crate::text::CorrelationId;

/// One call of the generated client.
pub(crate) trait ApiCall: Sync {
    /// What a successful response says.
    type Value: Send;

    /// The endpoint.
    fn operation(&self) -> ApiOperation;

    /// What the error table wants to know of the request.
    fn request_context(&self) -> RequestContext;

    /// The secrets that the request holds beside its token: a server must not get them into what is kept
    /// of its answer.
    fn secrets(&self) -> Redactor;

    /// Makes the call. The response is kept by [`Transport::send`] and read from there: the generated types take no
    /// response that differs from the spec.
    fn send(
        &self,
        client: &d1_generated::Client,
        correlation_id: &CorrelationId,
    ) -> impl Future<Output = Result<(), d1_generated::Error<ErrorBody>>> + Send;

    /// Reads a response that has a status of success.
    fn read(&self, response: &Delivered<'_>) -> Result<Self::Value, ResponseFault>;
}

/// A response that has a status of success and arrived whole.
pub(crate) struct Delivered<'a> {
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// Its body.
    pub(crate) body: &'a [u8],
}

impl Delivered<'_> {
    /// Returns the body as a JSON object.
    pub(crate) fn json_object(&self) -> Result<Map<String, Value>, ResponseFault> {
        json::object(self.body).map_err(ResponseFault::from)
    }
}

/// The HTTP client with what every request of it has in common.
pub(crate) struct Transport {
    http: HttpClient,
    requests: reqwest::Client,
    base_url: String,
    host: Host,
    timeout: Duration,
    max_response_size: usize,
}

/// What one request of a call adds, and how long it may take.
pub(crate) struct Sending {
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) deadline: Instant,
    /// How much time must be left for the request to be sent at all.
    pub(crate) floor: Duration,
    /// What the request must not get back into what is kept of its response.
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
        })
    }

    /// How long a call may take unless it says otherwise.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The host, for telemetry.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Returns whether requests are handed out instead of being sent.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.http.is_dry_run()
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Sends `call` once.
    pub(crate) async fn send<C: ApiCall>(
        &self,
        call: &C,
        correlation_id: &CorrelationId,
        mut sending: Sending,
    ) -> Result<http::Response<C::Value>, Error> {
        let operation = call.operation();
        if let Some(fault) = self.http.fault() {
            let error = Error::new(operation, ErrorKind::Connect, Outcome::NotSent);
            return Err(error.with_fault(fault));
        }
        let secrets = std::mem::take(&mut sending.secrets);
        let (context, sent) = self.context(sending);
        let client =
            d1_generated::Client::new_with_client(&self.base_url, self.requests.clone(), context);
        // The generated client reads nothing of the response.
        let _ = call.send(&client, correlation_id).await;
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner).take();
        match sent {
            Some(Ok(mut response)) => {
                secrets.clean_response(&mut response.http);
                read_response(call, response)
            }
            Some(Err(_)) if self.is_dry_run() => Err(Error::new(
                operation,
                ErrorKind::Cancelled,
                Outcome::NotSent,
            )),
            Some(Err(failure)) => Err(no_response(operation, &failure)),
            // The generated client could not even make the request.
            None => Err(Error::new(
                operation,
                ErrorKind::InvalidInput,
                Outcome::NotSent,
            )),
        }
    }

    /// The context of a request, and where its response is kept.
    fn context(&self, sending: Sending) -> (CallContext, Arc<Mutex<Option<Sent>>>) {
        let kept = Arc::new(Mutex::new(None));
        let limits = Limits {
            deadline: sending.deadline,
            floor: sending.floor,
            read_timeout: None,
            max_response_size: self.max_response_size,
        };
        let (http, claim, keep) = (self.http.clone(), sending.claim, kept.clone());
        let send: SendRequest = Box::new(move |request| {
            let (http, claim, keep) = (http.clone(), claim.clone(), keep.clone());
            Box::pin(async move {
                let sent = http.send(request, &claim, limits).await;
                *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
            })
        });
        let context = CallContext::new(RequestOverrides {
            authorization: sending.authorization,
            headers: sending.headers,
            query: sending.query,
            send: Some(send),
        });
        (context, kept)
    }
}

/// The error of a request that got no response.
fn no_response(operation: ApiOperation, failure: &Failure) -> Error {
    let outcome = match failure.written() {
        Written::No => Outcome::NotSent,
        Written::Maybe => Outcome::Unknown,
    };
    let error = Error::new(operation, kind(failure.cause()), outcome);
    broken(error, failure.cause())
}

/// The kind of error of a connection that was not made, or broke.
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
        | Cause::Alert(_)
        | Cause::ProxyRefused(_)
        | Cause::ProxyUnreadable => ErrorKind::Connect,
        Cause::BadRequest => ErrorKind::InvalidInput,
        Cause::Unprocessed | Cause::Closed(_) | Cause::Protocol => ErrorKind::Transport,
    }
}

/// The error with what is known of its connection.
fn broken(error: Error, cause: &Cause) -> Error {
    match Fault::of_connection(cause) {
        Some(fault) => error.with_fault(fault),
        None => error,
    }
}

fn read_response<C: ApiCall>(
    call: &C,
    response: RawResponse,
) -> Result<http::Response<C::Value>, Error> {
    let operation = call.operation();
    let http = response.http;
    if response.redirected {
        // The outcome at the address that it was sent to first is not known.
        return Err(
            Error::new(operation, ErrorKind::UnexpectedStatus, Outcome::Unknown)
                .with_status(http.status)
                .with_fault(Fault::REDIRECT_FOLLOWED),
        );
    }
    if !http.status.is_success() {
        return Err(refused(operation, call.request_context(), &http));
    }
    let body = match &http.body {
        Ok(body) => body,
        Err(fault) => return Err(incomplete(operation, http.status, fault)),
    };
    let headers = &http.headers;
    match call.read(&Delivered { headers, body }) {
        Ok(value) => {
            let mut read = http::Response::new(value);
            *read.status_mut() = http.status;
            *read.headers_mut() = http.headers;
            Ok(read)
        }
        Err(fault) => Err(invalid_response(operation, &http, fault)),
    }
}

/// The error of a response whose body did not arrive whole. Its status alone is no proof of anything: what
/// the body would have said is not known.
fn incomplete(operation: ApiOperation, status: StatusCode, fault: &BodyError) -> Error {
    let error = |kind| Error::new(operation, kind, Outcome::Unknown).with_status(status);
    match fault {
        BodyError::TooLarge => error(ErrorKind::ResponseTooLarge),
        BodyError::Broken(cause) => {
            let kind = match kind(cause) {
                ErrorKind::Timeout => ErrorKind::Timeout,
                _ => ErrorKind::Transport,
            };
            broken(error(kind), cause)
        }
    }
}
