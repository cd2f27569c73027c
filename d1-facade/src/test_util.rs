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

use http::StatusCode;
use serde_json::Map;

use crate::card::Receipt;
use crate::error::{Error, ErrorKind, Outcome};
pub use crate::in_memory::Reply;
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
    match status.map(StatusCode::from_u16) {
        Some(Ok(status)) => error.with_status(status),
        Some(Err(_)) => unreachable!("no status of HTTP"),
        None => error,
    }
}
