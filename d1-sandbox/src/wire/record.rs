//! Keeps the requests for tests to look at, without the secrets that they carried.

use super::handshake::{RefusedHandshake, as_timestamp};
use super::reply::Reply;
use crate::pan;
use http::HeaderValue;
use http::request::Parts;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;
use tokio::sync::broadcast;

/// How many requests, and refused handshakes, are kept; beyond that the oldest are removed.
const CAPACITY: usize = 10_000;

/// How many characters of the body of a response are kept.
const SHOWN_BODY: usize = 4_096;

/// The headers whose value is a secret, whatever it looks like.
const SECRET_HEADERS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// How many events a slow subscriber may be behind.
const EVENTS: usize = 1_024;

/// A request that arrived, and its response.
///
/// It holds neither tokens nor card data: what was secret or looked like a card number is
/// `[masked]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The `operationId` in the OpenAPI document, if the path and method belong to one.
    pub operation_id: Option<&'static str>,
    /// The method.
    pub method: String,
    /// The path as it was sent, with its query.
    pub path: String,
    /// The status of the response; 0 if the connection was closed without one.
    pub status: u16,
    /// The card that the path names.
    pub card_id: Option<String>,
    /// When it arrived, by the sandbox's clock.
    #[serde(serialize_with = "as_timestamp")]
    pub received_at: OffsetDateTime,
    /// The correlation id.
    pub correlation_id: Option<String>,
    /// The issuer that the path names.
    pub issuer_id: Option<String>,
    /// The SHA-256 of the client certificate of the connection, as `openssl x509 -fingerprint -sha256` prints it.
    pub client_certificate: Option<String>,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, if it could be read; the form of a token call appears as an object.
    pub body: Option<Value>,
    /// The claims of the assertion, of a token call whose assertion could be read.
    pub claims: Option<Value>,
    /// The `header` of the `encryptedData` of a renewal, and the names in its `plaintext`; each value is `[masked]`.
    pub encrypted_data: Option<Value>,
    /// The headers of the response, but for those that each response has.
    pub response_headers: Vec<(String, String)>,
    /// The body of the response, its first 4,096 characters.
    pub response_body: Option<String>,
    /// Why the request was refused or failed, if it was.
    pub refusal: Option<String>,
    /// What was accepted although D1 may refuse it.
    pub warnings: Vec<String>,
}

impl RecordedRequest {
    /// Creates the record of a request that has arrived.
    pub(crate) fn new(parts: &Parts, received_at: OffsetDateTime) -> Self {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let target = parts.uri.path_and_query();
        let headers = parts.headers.iter();
        Self {
            operation_id: None,
            method: parts.method.to_string(),
            path: target.map(ToString::to_string).unwrap_or_default(),
            status: 0,
            card_id: None,
            received_at,
            correlation_id: parts.headers.get("x-correlation-id").map(text),
            issuer_id: None,
            client_certificate: None,
            headers: headers.map(|(n, v)| (n.to_string(), text(v))).collect(),
            body: None,
            claims: None,
            encrypted_data: None,
            response_headers: Vec::new(),
            response_body: None,
            refusal: None,
            warnings: Vec::new(),
        }
    }

    /// Adds the response, if one is sent.
    pub(crate) fn answer(&mut self, reply: &Reply) {
        self.status = reply.recorded_status();
        if self.status == 0 {
            return;
        }
        self.response_headers.clone_from(&reply.headers);
        let mut body = match &reply.body {
            Some(json) => pan::masked_json(json).to_string(),
            None => pan::masked_text(&String::from_utf8_lossy(&reply.text)),
        };
        if let Some((end, _)) = body.char_indices().nth(SHOWN_BODY) {
            body.truncate(end);
        }
        self.response_body = Some(body).filter(|body| !body.is_empty());
    }

    /// Masks what is secret or looks like it.
    fn mask(&mut self) {
        self.path = pan::masked_target(&self.path);
        for text in [&mut self.card_id, &mut self.correlation_id] {
            *text = text.as_deref().map(pan::masked_text);
        }
        self.body = self.body.as_ref().map(pan::masked_json);
        for (name, value) in self.headers.iter_mut().chain(&mut self.response_headers) {
            let is_secret = SECRET_HEADERS.contains(&name.as_str());
            if is_secret || pan::masked_json(&json!(value)) != *value {
                pan::MASK.clone_into(value);
            }
        }
        if let Some(claims @ Value::Object(_)) = &mut self.claims {
            let exp = claims["exp"].clone();
            *claims = pan::masked_json(claims);
            if exp.is_i64() {
                // The time at which it ends is no expiry of a card.
                claims["exp"] = exp;
            }
        }
    }
}

/// The most recent requests, oldest first; the counts of all; and the events about them.
#[derive(Debug)]
pub(crate) struct Records {
    log: Mutex<Log>,
    events: broadcast::Sender<Value>,
}

#[derive(Debug, Default)]
struct Log {
    requests: VecDeque<RecordedRequest>,
    handshakes: VecDeque<RefusedHandshake>,
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
    /// Masks and keeps a request, and logs a line about it.
    pub(crate) fn push(&self, mut request: RecordedRequest) {
        request.mask();
        let operation = request.operation_id.unwrap_or("none");
        let (status, reason) = (request.status, request.refusal.as_deref());
        let correlation_id = request.correlation_id.as_deref();
        let (method, path) = (&request.method, &request.path);
        if reason.is_none() && request.warnings.is_empty() {
            tracing::info!(operation, status, correlation_id, "{method} {path}");
        } else {
            let warnings = request.warnings.join("; ");
            let warnings = Some(warnings).filter(|warnings| !warnings.is_empty());
            tracing::warn!(
                operation,
                status,
                correlation_id,
                reason,
                warnings,
                "{method} {path}"
            );
        }
        self.publish("request", || json!(request));
        let mut log = self.lock();
        let key = (operation, status);
        *log.counts.entry(key).or_default() += 1;
        keep(&mut log.requests, request);
    }

    /// Keeps a refused handshake, and logs a line about it.
    pub(crate) fn push_handshake(&self, handshake: RefusedHandshake) {
        let client = handshake.client.map(tracing::field::display);
        let reason = &handshake.reason;
        tracing::warn!(client, reason, "a TLS handshake was refused");
        self.publish("handshake", || json!(handshake));
        keep(&mut self.lock().handshakes, handshake);
    }

    pub(crate) fn handshakes(&self) -> Vec<RefusedHandshake> {
        self.lock().handshakes.iter().cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    /// Removes the requests and the refused handshakes; the counts stay.
    pub(crate) fn clear(&self) {
        let mut log = self.lock();
        log.requests.clear();
        log.handshakes.clear();
    }

    /// Returns how many requests there were by operation and status, removed ones included.
    pub(crate) fn counts(&self) -> BTreeMap<(&'static str, u16), u64> {
        self.lock().counts.clone()
    }

    /// Sends an event to the subscribers; without any, `data` is not called.
    pub(crate) fn publish(&self, kind: &str, data: impl FnOnce() -> Value) {
        if self.events.receiver_count() > 0 {
            // It fails when the last subscriber has left since.
            let _ = self.events.send(json!({ "kind": kind, "data": data() }));
        }
    }

    /// Returns the events from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Value> {
        self.events.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the latest one; beyond the capacity the oldest one is removed.
fn keep<T>(all: &mut VecDeque<T>, latest: T) {
    if all.len() == CAPACITY {
        all.pop_front();
    }
    all.push_back(latest);
}
