//! Sends one request once, and says what became of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use d1_generated::hooks::{Additions, Answer, BodyFault, CallContext};
use d1_generated::types::ErrorBody;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::api_operation::ApiOperation;
use crate::error::{
    ConnectionFault, Error, ErrorBuilder, ErrorKind, Fault, Outcome, RequestFacts, ResponseFault,
    invalid_response, refused,
};
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
    fn facts(&self) -> RequestFacts;

    /// The secrets that the request holds beside its token: a server must not get them into what is kept
    /// of its answer.
    fn secrets(&self) -> Redactor;

    /// Makes the call. What D1 answers is kept by the client's hooks, and read from there: the
    /// generated types take no answer that differs from the spec.
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
    http: reqwest::Client,
    base_url: String,
    host: Host,
    timeout: Duration,
    body_limit: usize,
    /// Whether D1 has answered anything yet.
    answered: AtomicBool,
}

impl Transport {
    pub(crate) fn new(
        http: reqwest::Client,
        base_url: String,
        timeout: Duration,
        body_limit: usize,
    ) -> Self {
        Self {
            http,
            host: Host::of(&base_url),
            base_url,
            timeout,
            body_limit,
            answered: AtomicBool::new(false),
        }
    }

    /// How long a call may take unless it says otherwise.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The host, for telemetry.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What every request adds, whose secrets `redactor` holds.
    pub(crate) fn additions(&self, redactor: &Redactor) -> Additions {
        Additions {
            body_limit: self.body_limit,
            redact: Some(redactor.for_answer()),
            ..Additions::default()
        }
    }

    /// Sends `call` once.
    pub(crate) async fn send<C: ApiCall>(
        &self,
        call: &C,
        correlation_id: &CorrelationId,
        additions: Additions,
    ) -> Result<(C::Value, StatusCode), Error> {
        let context = CallContext::new(additions);
        let client = d1_generated::Client::new_with_client(
            &self.base_url,
            self.http.clone(),
            context.clone(),
        );
        let result = call.send(&client, correlation_id).await;
        match context.take_answer() {
            Some(answer) => {
                self.answered.store(true, Ordering::Relaxed);
                read_answer(call, &answer)
            }
            None => Err(self.no_answer(call.operation(), result.err())),
        }
    }

    /// The error of a request that got no status.
    fn no_answer(
        &self,
        operation: ApiOperation,
        error: Option<d1_generated::Error<ErrorBody>>,
    ) -> Error {
        let Some(d1_generated::Error::CommunicationError(error)) = error else {
            // The generated client could not even make the request.
            return ErrorBuilder::new(operation, ErrorKind::InvalidInput, Outcome::NotSent).build();
        };
        let fault = ConnectionFault::of(&error);
        let (kind, outcome) = classify(&error, fault, self.answered.load(Ordering::Relaxed));
        broken(ErrorBuilder::new(operation, kind, outcome), fault)
    }
}

/// The error of a connection that was not made, or broke.
fn broken(builder: ErrorBuilder, fault: Option<ConnectionFault>) -> Error {
    match fault {
        Some(fault) => builder.fault(Fault::Connection(fault)).build(),
        None => builder.build(),
    }
}

fn read_answer<C: ApiCall>(call: &C, answer: &Answer) -> Result<(C::Value, StatusCode), Error> {
    let operation = call.operation();
    if answer.redirected {
        // What became of the request where it was sent to first is not known.
        return Err(
            ErrorBuilder::new(operation, ErrorKind::UnexpectedStatus, Outcome::Unknown)
                .status(answer.status)
                .fault(Fault::RedirectFollowed)
                .build(),
        );
    }
    if !answer.status.is_success() {
        return Err(refused(operation, call.facts(), answer));
    }
    let body = match &answer.body {
        Ok(body) => body,
        Err(fault) => return Err(incomplete(operation, answer.status, fault)),
    };
    let headers = &answer.headers;
    match call.read(&Delivered { headers, body }) {
        Ok(value) => Ok((value, answer.status)),
        Err(fault) => Err(invalid_response(operation, answer, fault)),
    }
}

/// The error of a response whose body did not arrive whole. Its status alone is no proof of anything: what
/// the body would have said is not known.
fn incomplete(operation: ApiOperation, status: StatusCode, fault: &BodyFault) -> Error {
    let builder = |kind| ErrorBuilder::new(operation, kind, Outcome::Unknown).status(status);
    match fault {
        BodyFault::TooLarge => builder(ErrorKind::ResponseTooLarge).build(),
        BodyFault::Transport(e) => {
            let kind = if e.is_timeout() {
                ErrorKind::Timeout
            } else {
                ErrorKind::Transport
            };
            broken(builder(kind), ConnectionFault::of(e))
        }
    }
}

/// What a request without a status means; `answered` where D1 has answered this client before.
fn classify(
    error: &reqwest::Error,
    fault: Option<ConnectionFault>,
    answered: bool,
) -> (ErrorKind, Outcome) {
    if error.is_builder() {
        return (ErrorKind::InvalidInput, Outcome::NotSent);
    }
    if error.is_connect() {
        let kind = if error.is_timeout() {
            ErrorKind::Timeout
        } else {
            ErrorKind::Connect
        };
        return (kind, Outcome::NotSent);
    }
    // With TLS 1.3 a refused client certificate shows only after the client has written. On a
    // connection that has served before, the same alert says nothing about the request.
    if matches!(fault, Some(ConnectionFault::ClientCertificateRefused(_))) {
        let outcome = if answered {
            Outcome::Unknown
        } else {
            Outcome::NotSent
        };
        return (ErrorKind::Connect, outcome);
    }
    if error.is_timeout() {
        return (ErrorKind::Timeout, Outcome::Unknown);
    }
    (ErrorKind::Transport, Outcome::Unknown)
}
