//! Remembers the requests for tests to look at, without the secrets that they carried.

use crate::pan;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;
use tokio::sync::broadcast;

/// How many requests are remembered; beyond that the oldest are forgotten.
const CAPACITY: usize = 10_000;

/// How many events a slow listener may be behind.
const EVENTS: usize = 1_024;

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
    /// The card that the path names.
    pub card_id: Option<String>,
    /// When it arrived, by the sandbox's clock.
    pub received_at: OffsetDateTime,
    /// The correlation id.
    pub correlation_id: Option<String>,
    /// The body, if it could be read; the form of a token call appears as an object.
    pub body: Option<Value>,
}

impl RecordedRequest {
    /// The request as the control API shows it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "operationId": self.operation_id,
            "method": self.method,
            "path": self.path,
            "cardId": self.card_id,
            "status": self.status,
            "correlationId": self.correlation_id,
            "receivedAt": crate::operations::timestamp(self.received_at),
            "body": self.body,
        })
    }
}

/// The most recent requests, oldest first; how many there ever were; and who listens to them.
#[derive(Debug)]
pub(crate) struct Records {
    log: Mutex<Log>,
    events: broadcast::Sender<Value>,
}

#[derive(Debug, Default)]
struct Log {
    requests: VecDeque<RecordedRequest>,
    counts: BTreeMap<(&'static str, u16), u64>,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            log: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
        }
    }
}

impl Records {
    /// Masks and remembers a request.
    pub(crate) fn push(&self, mut request: RecordedRequest) {
        request.path = pan::masked_target(&request.path);
        request.card_id = request.card_id.as_deref().map(pan::masked_text);
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
        self.tell("request", || request.to_json());
        let mut log = self.lock();
        let key = (request.operation_id.unwrap_or("none"), request.status);
        *log.counts.entry(key).or_default() += 1;
        if log.requests.len() == CAPACITY {
            log.requests.pop_front();
        }
        log.requests.push_back(request);
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    /// Forgets the requests; the counts stay.
    pub(crate) fn clear(&self) {
        self.lock().requests.clear();
    }

    /// How many requests there were by operation and status, forgotten ones included.
    pub(crate) fn counts(&self) -> BTreeMap<(&'static str, u16), u64> {
        self.lock().counts.clone()
    }

    /// Tells everybody who listens; with nobody to hear it, nothing is made up.
    pub(crate) fn tell(&self, kind: &str, data: impl FnOnce() -> Value) {
        if self.events.receiver_count() > 0 {
            // Whoever left meanwhile does not hear it.
            let _ = self.events.send(json!({ "kind": kind, "data": data() }));
        }
    }

    /// What is told from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Value> {
        self.events.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
