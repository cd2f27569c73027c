//! What responds in place of D1 to a client of a test.

use std::sync::Arc;

use bytes::Bytes;
use d1_transport::{Cause, Claim, Failure, HttpResponse, Written};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::dry_run::PreparedRequest;

/// Responds in place of D1.
pub(crate) type Responder = Arc<dyn Fn(PreparedRequest) -> Reply + Send + Sync>;

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
pub struct Reply(Result<Answer, Failure>);

#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    /// Returns a response with this status and no body.
    ///
    /// # Panics
    /// When it is no status of HTTP (100 to 999).
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status);
        Self(Ok(Answer {
            status: status.unwrap_or_else(|_| unreachable!("no status of HTTP")),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }))
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
        if let Ok(answer) = &mut self.0 {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => {
                    answer.headers.append(name, value);
                }
                _ => unreachable!("no header of HTTP"),
            }
        }
        self
    }

    /// Sets the body of a response.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let Ok(answer) = &mut self.0 {
            answer.body = body.into().into();
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
        self.0.map(|answer| HttpResponse {
            status: answer.status,
            headers: answer.headers,
            body: Ok(answer.body),
        })
    }
}
