//! Makes one call: validate what the caller added, wait for a token, send, and once more if D1
//! refuses the token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use d1_generated::facts::QUERY_PARAMETERS;
use d1_generated::hooks::Additions;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::client::Client;
use crate::error::{Error, ErrorBuilder, ErrorKind, InvalidInput, Outcome};
use crate::retry::{self, Attempt, RetryPolicy};
use crate::telemetry;
use crate::text::CorrelationId;
use crate::transport::{ApiCall, Delivered, unusable};

/// What a caller adds to a single call.
#[derive(Clone, Default)]
pub(crate) struct CallOptions {
    pub(crate) correlation_id: Option<CorrelationId>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Map<String, Value>,
    pub(crate) retry: Option<Arc<dyn RetryPolicy>>,
    pub(crate) repeat_if_unknown: bool,
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was added may be anything: names only.
        let names = |pairs: &[(String, String)]| -> Vec<String> {
            pairs.iter().map(|(name, _)| name.clone()).collect()
        };
        f.debug_struct("CallOptions")
            .field("correlation_id", &self.correlation_id)
            .field("timeout", &self.timeout)
            .field("headers", &names(&self.headers))
            .field("query", &names(&self.query))
            .field("body", &self.body.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// How a call went that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallInfo {
    correlation_id: CorrelationId,
    http_status: u16,
    attempts: u32,
}

impl CallInfo {
    /// The correlation id that was sent.
    #[must_use]
    pub fn correlation_id(&self) -> &CorrelationId {
        &self.correlation_id
    }

    /// The HTTP status.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.http_status
    }

    /// How often the request was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// Makes `call`, in a span of its own.
pub(crate) async fn make<C: ApiCall>(
    client: &Client,
    call: &C,
    options: &CallOptions,
) -> Result<(Delivered<C::Answer>, CallInfo), Error> {
    let operation = call.operation();
    let correlation_id = match &options.correlation_id {
        Some(id) => id.clone(),
        None => CorrelationId::random(),
    };
    let span = telemetry::span(operation, client.inner().transport.host(), &correlation_id);
    let result = attempt(client, call, options, &correlation_id)
        .instrument(span.clone())
        .await
        .map_err(|e| e.with_call(&correlation_id, 0));
    match &result {
        Ok((_, info)) => telemetry::record(&span, Some(info.http_status), info.attempts, None),
        Err(e) => telemetry::record(&span, e.status(), e.attempts(), Some(e)),
    }
    result
}

async fn attempt<C: ApiCall>(
    client: &Client,
    call: &C,
    options: &CallOptions,
    correlation_id: &CorrelationId,
) -> Result<(Delivered<C::Answer>, CallInfo), Error> {
    let operation = call.operation();
    let inner = client.inner();
    let invalid = |e| Error::invalid_input_of(operation, e);
    let headers = extra_headers(&options.headers).map_err(invalid)?;
    check_query(&options.query).map_err(invalid)?;
    let policy = options.retry.as_ref().unwrap_or(&inner.retry);
    let mut sender = Sender {
        client,
        call,
        correlation_id,
        headers,
        query: &options.query,
        deadline: Instant::now() + options.timeout.unwrap_or(inner.transport.timeout()),
        sent: 0,
    };
    let mut token_was_refused = false;
    let mut failures = 0;
    // What the attempts before the last one left behind.
    let mut earlier = Outcome::NotSent;
    loop {
        let error = match sender.send_once().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error.with_call(correlation_id, sender.sent).after(earlier),
        };
        if operation.changes_card() {
            earlier = error.outcome();
        }
        // D1 refused the token, so it did nothing: another token may do.
        if error.kind() == ErrorKind::Unauthorized && !token_was_refused {
            token_was_refused = true;
            tracing::debug!("the access token was refused; once more with a new one");
            continue;
        }
        failures += 1;
        let repeat = options.repeat_if_unknown;
        if !retry::is_harmless(&error, operation.changes_card(), repeat) {
            return Err(error);
        }
        match policy.pause(&Attempt::new(&error, failures)) {
            Some(pause) if Instant::now() + pause < sender.deadline => {
                tracing::debug!(error.kind = %error.kind(), ?pause, "the call is made again");
                tokio::time::sleep(pause).await;
            }
            _ => return Err(error),
        }
    }
}

/// A call with everything that its attempts have in common.
struct Sender<'a, C> {
    client: &'a Client,
    call: &'a C,
    correlation_id: &'a CorrelationId,
    headers: HeaderMap,
    query: &'a [(String, String)],
    deadline: Instant,
    /// How often the request went out.
    sent: u32,
}

impl<C: ApiCall> Sender<'_, C> {
    /// Waits for a token and sends the call; a token that is refused is forgotten.
    async fn send_once(&mut self) -> Result<(Delivered<C::Answer>, CallInfo), Error> {
        let inner = self.client.inner();
        let out_of_time = || {
            ErrorBuilder::new(self.call.operation(), ErrorKind::Timeout, Outcome::NotSent).build()
        };
        let token = timeout_at(self.deadline, inner.tokens.get())
            .await
            .map_err(|_| out_of_time())??;
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(out_of_time());
        }
        let additions = Additions {
            authorization: Some(token.token().authorization()),
            headers: self.headers.clone(),
            query: self.query.to_vec(),
            timeout: Some(remaining),
            ..inner.transport.additions()
        };
        self.sent += 1;
        let result = inner
            .transport
            .send(self.call, self.correlation_id, additions)
            .await;
        match result {
            // A read whose answer did not arrive whole is one that failed.
            Ok(delivered) if delivered.value.is_none() && !self.call.operation().changes_card() => {
                Err(unusable(self.call.operation(), delivered))
            }
            Ok(delivered) => {
                let info = CallInfo {
                    correlation_id: self.correlation_id.clone(),
                    http_status: delivered.status.as_u16(),
                    attempts: self.sent,
                };
                Ok((delivered, info))
            }
            Err(error) => {
                if error.kind() == ErrorKind::Unauthorized {
                    inner.tokens.invalidate(&token);
                }
                Err(error)
            }
        }
    }
}

/// The caller's own headers, none of which may be one that the client or HTTP itself sets.
fn extra_headers(pairs: &[(String, String)]) -> Result<HeaderMap, InvalidInput> {
    const RESERVED: [HeaderName; 9] = [
        header::AUTHORIZATION,
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::ACCEPT,
        header::UPGRADE,
        header::TE,
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let bad = |rule: &'static str| InvalidInput::new("header", rule);
        let name = HeaderName::try_from(name.as_str())
            .map_err(|_| bad("must have a name that HTTP allows"))?;
        if RESERVED.contains(&name) {
            return Err(bad("must not be one that the client itself sets"));
        }
        if name == "x-correlation-id" {
            return Err(bad("x-correlation-id is given by correlation_id"));
        }
        let mut value = HeaderValue::try_from(value.as_str())
            .map_err(|_| bad("must have a value that HTTP allows"))?;
        // It may be a secret, and nothing here needs to print it.
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn check_query(pairs: &[(String, String)]) -> Result<(), InvalidInput> {
    if pairs.iter().any(|(name, _)| name.is_empty()) {
        return Err(InvalidInput::new("query", "must have a name"));
    }
    if pairs
        .iter()
        .any(|(name, _)| QUERY_PARAMETERS.contains(&name.as_str()))
    {
        return Err(InvalidInput::new(
            "query",
            "must not be a parameter that has a method of its own",
        ));
    }
    Ok(())
}

/// The methods that every request builder has.
macro_rules! call_options {
    ($builder:ty) => {
        impl $builder {
            /// Sends this correlation id instead of a random one.
            pub fn correlation_id(mut self, id: crate::CorrelationId) -> Self {
                self.options.correlation_id = Some(id);
                self
            }

            /// How long the whole call may take, waiting for a token included.
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.options.timeout = Some(timeout);
                self
            }

            /// Decides about making the call again, for this call only.
            pub fn retry(mut self, policy: impl crate::retry::RetryPolicy) -> Self {
                self.options.retry = Some(std::sync::Arc::new(policy));
                self
            }

            /// Adds a header that this version knows nothing of. It cannot take the place of one that
            /// the client sets, such as `Authorization`: that is an error when the call is made.
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.options.headers.push((name.into(), value.into()));
                self
            }

            /// Adds a query parameter that this version knows nothing of.
            pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.options.query.push((name.into(), value.into()));
                self
            }
        }
    };
}

pub(crate) use call_options;

/// `extra` for a request body, none of whose fields may stand in for one that the call sets.
pub(crate) fn extra_body<T: serde::Serialize>(
    typed: &T,
    extra: &Map<String, Value>,
) -> Result<(), InvalidInput> {
    if extra.is_empty() {
        return Ok(());
    }
    let set = match serde_json::to_value(typed) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    match extra.keys().find(|k| set.contains_key(*k)) {
        Some(_) => Err(InvalidInput::new(
            "body_field",
            "must not be a field that the call itself sets",
        )),
        None => Ok(()),
    }
}
