//! A client without sockets, and constructors of what calls return: for the unit tests of services (feature
//! `test-util`).
//!
//! [`ClientBuilder::in_memory`](crate::ClientBuilder::in_memory) makes the client of a test. It does everything that any
//! client does, such as checking, encrypting, retrying and decoding, but a closure responds in place of D1. A call takes
//! microseconds. It knows neither cards nor states: those are the sandbox's (crate `d1-sandbox`).
//!
//! Code that calls no client, such as the conversion of an error into a response of the service, is tested with
//! [`error`], [`response`] and [`receipt`]. An [`Operation`](crate::Operation) is read from JSON by serde.
//!
//! ```
//! use d1_facade::test_util::{self, Reply};
//! use d1_facade::{ApiOperation, Client, Environment, ErrorKind, Operation, Outcome};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let d1 = Client::builder(Environment::Staging, "ISSUER_A-1".parse()?)
//!     .in_memory(|request| match request.url().contains("/ReplaceMe01/") {
//!         true => Reply::status(204),
//!         false => Reply::status(404).json(&json!({"errorCode": "UNKNOWN_CARD"})),
//!     })
//!     .build()?;
//! d1.card("ReplaceMe01".parse()?).suspend().await?;
//! let error = d1.card("ReplaceMe02".parse()?).suspend().await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::UnknownCard);
//!
//! let error = test_util::error(ApiOperation::RenewCard, ErrorKind::Timeout, Outcome::Unknown, None);
//! assert!(!error.is_retryable());
//! let operation: Operation = serde_json::from_value(json!({"operation": "SUSPEND"}))?;
//! assert!(operation.status().is_none());
//! # Ok(())
//! # }
//! ```

use bytes::Bytes;
use d1_transport::{Cause, Claim, Failure, HttpResponse, Written};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use crate::card::Receipt;
use crate::error::{Error, ErrorKind, Outcome};
use crate::response::Response;
use crate::values::{ApiOperation, CorrelationId, ReasonCode};

/// Returns a response with this value, the status 200, a random correlation id and one attempt.
#[must_use]
pub fn response<T>(value: T) -> Response<T> {
    Response::new(http::Response::new(value), CorrelationId::random(), 1)
}

/// Returns the receipt of a change that was made with this reason code, without an id of its operation.
#[must_use]
pub fn receipt(operation: ApiOperation, reason_code: ReasonCode) -> Receipt {
    Receipt::new(operation, reason_code, Map::new())
}

/// Returns an error of a call that was tried once.
///
/// It has nothing but what is given and a random correlation id. For one with a code, causes or a pending change, let a
/// client [in memory](crate::ClientBuilder::in_memory) fail.
///
/// # Panics
/// When the status is no status of HTTP (100 to 999).
#[must_use]
pub fn error(
    operation: ApiOperation,
    kind: ErrorKind,
    outcome: Outcome,
    status: Option<u16>,
) -> Error {
    let error = Error::new(operation, kind, outcome).with_call(&CorrelationId::random(), 1);
    match status {
        Some(status) => error.with_status(status_of(status)),
        None => error,
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or_else(|_| unreachable!("no status of HTTP"))
}

/// What a test returns in place of D1: a response, or none.
///
/// ```
/// use d1_facade::test_util::Reply;
/// use serde_json::json;
///
/// let carried_out = Reply::status(204);
/// let refused = Reply::status(404).json(&json!({"errorCode": "UNKNOWN_CARD"}));
/// let busy = Reply::status(429).header("retry-after", "0");
/// ```
#[derive(Debug, Clone)]
pub struct Reply(Result<http::Response<Bytes>, Failure>);

impl Reply {
    /// Returns a response with this status and no body.
    ///
    /// # Panics
    /// When it is no status of HTTP (100 to 999).
    #[must_use]
    pub fn status(status: u16) -> Self {
        let mut response = http::Response::new(Bytes::new());
        *response.status_mut() = status_of(status);
        Self(Ok(response))
    }

    /// Returns no response: no connection could be made, so that the request was not sent.
    #[must_use]
    pub fn not_sent() -> Self {
        let refused = Cause::Connect(std::io::ErrorKind::ConnectionRefused);
        Self(Err(Failure::new(Written::No, refused)))
    }

    /// Returns no response: the connection broke after the request was written, so that its outcome is unknown.
    #[must_use]
    pub fn lost() -> Self {
        let reset = Cause::Closed(std::io::ErrorKind::ConnectionReset);
        Self(Err(Failure::new(Written::Maybe, reset)))
    }

    /// Adds a header to a response.
    ///
    /// # Panics
    /// When HTTP does not allow its name or value.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
        else {
            unreachable!("no header of HTTP")
        };
        if let Ok(response) = &mut self.0 {
            response.headers_mut().append(name, value);
        }
        self
    }

    /// Sets the body of a response.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let Ok(response) = &mut self.0 {
            *response.body_mut() = body.into().into();
        }
        self
    }

    /// Sets the body of a response to JSON, and its `content-type`.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        let body = body.to_string();
        self.header("content-type", "application/json").body(body)
    }

    /// Ends the request. One that may have been written can no longer be withdrawn.
    pub(crate) fn end(self, claim: &Claim) -> Result<HttpResponse, Failure> {
        if !matches!(&self.0, Err(failure) if failure.written == Written::No) {
            claim.waive();
        }
        let (head, body) = self.0?.into_parts();
        Ok(HttpResponse {
            status: head.status,
            headers: head.headers,
            body: Ok(body),
        })
    }
}
