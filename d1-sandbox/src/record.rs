//! Remembers the requests for tests to look at, without the secrets that they carried.

use crate::pan;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many requests are remembered; beyond that the oldest are forgotten.
const CAPACITY: usize = 10_000;

/// A request that arrived, and the status that it was answered with.
///
/// It holds neither tokens nor card data: what was secret or looked like a card number is
/// `[masked]`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The `operationId` in the OpenAPI document, if the path and method belong to one.
    pub operation_id: Option<&'static str>,
    /// The method.
    pub method: String,
    /// The path as it was sent, with its query.
    pub path: String,
    /// The status of the answer; 0 if the connection was closed without one.
    pub status: u16,
    /// The correlation id.
    pub correlation_id: Option<String>,
    /// The body, if it could be read; the form of a token call appears as an object.
    pub body: Option<Value>,
}

/// The most recent requests, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Records(Mutex<VecDeque<RecordedRequest>>);

impl Records {
    /// Masks and remembers a request.
    pub(crate) fn push(&self, mut request: RecordedRequest) {
        request.path = pan::masked_target(&request.path);
        request.correlation_id = request.correlation_id.as_deref().map(pan::masked_text);
        request.body = request.body.as_ref().map(pan::masked_json);
        tracing::debug!(
            operation = request.operation_id.unwrap_or("none"),
            status = request.status,
            correlation_id = request.correlation_id.as_deref().unwrap_or_default(),
            "{} {}",
            request.method,
            request.path,
        );
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() == CAPACITY {
            records.pop_front();
        }
        records.push_back(request);
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}
