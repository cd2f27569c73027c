//! What every call returns: a value, and how the call went.
//!
//! This module decides what of a response a service can see beside its value.

use std::fmt;
use std::ops::Deref;
use std::time::SystemTime;

use http::HeaderMap;
use serde::Serialize;

use crate::error::server_time;
use crate::values::CorrelationId;

/// The response of D1 to a call: the value that it carries, and how the call went.
///
/// It dereferences to the value:
///
/// ```no_run
/// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
/// let page = card.operations().limit(20).await?;
/// println!("{} operations, correlation id {}", page.operations().len(), page.correlation_id());
/// let operations = page.into_value().into_operations();
/// # Ok(())
/// # }
/// ```
///
/// Serialized, it has the value, the correlation id, the status and the number of attempts; no headers.
#[derive(Clone, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(description = "The response to a call"))]
#[serde(rename_all = "camelCase")]
pub struct Response<T> {
    value: T,
    correlation_id: CorrelationId,
    http_status: u16,
    attempts: u32,
    #[serde(skip)]
    headers: HeaderMap,
}

impl<T> Response<T> {
    pub(crate) fn new(
        http: http::Response<T>,
        correlation_id: CorrelationId,
        attempts: u32,
    ) -> Self {
        let (head, value) = http.into_parts();
        Self {
            value,
            correlation_id,
            http_status: head.status.as_u16(),
            attempts,
            headers: head.headers,
        }
    }

    /// Returns the value; the response dereferences to it as well.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Consumes the response and returns the value.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// Returns the correlation id that was sent (D1: `x-correlation-id`): give it to Thales with a question about the
    /// call.
    #[must_use]
    pub fn correlation_id(&self) -> &CorrelationId {
        &self.correlation_id
    }

    /// Returns the HTTP status, from 200 to 299.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.http_status
    }

    /// Returns how many requests were sent for this call: 1, unless it was retried. The token exchange is not counted.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the value of a header of the response; the first one where the header occurs more than once.
    ///
    /// The name is compared without regard to case. The token, a PAN or a JWE of this call that D1 repeats in a header
    /// is replaced by `[redacted]`. Shorter card data, such as an expiry date, cannot be told from other numbers, and is
    /// returned as received like anything else: check a value before you log it. `None`
    /// where the header is missing, or has bytes other than visible ASCII, space and tab.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
    /// let response = card.suspend().await?;
    /// println!("answered at {:?}", response.header("date"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the headers of the response, by their names in lower case, as [`header`](Self::header) returns them; an
    /// empty value where it has bytes other than visible ASCII, space and tab.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
    }

    /// Returns when D1 responded, by its own clock.
    pub(crate) fn server_time(&self) -> Option<SystemTime> {
        server_time(&self.headers)
    }

    /// Returns the response with another value.
    pub(crate) fn map<U>(self, to: impl FnOnce(T) -> U) -> Response<U> {
        Response {
            value: to(self.value),
            correlation_id: self.correlation_id,
            http_status: self.http_status,
            attempts: self.attempts,
            headers: self.headers,
        }
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value()
    }
}

impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the headers: a server may repeat anything in them.
        f.debug_struct("Response")
            .field("value", &self.value)
            .field("correlation_id", &self.correlation_id)
            .field("http_status", &self.http_status)
            .field("attempts", &self.attempts)
            .finish()
    }
}
