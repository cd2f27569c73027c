//! What a caller can say about a single call, and what of it is refused.
//!
//! This module decides which headers, query parameters and body fields a caller may add: none that the client itself
//! sets, and none that has a method, whose rules it would bypass.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, Pending, Shared, pending, select};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value};

use super::limiter::AnyLimiter;
use super::retry::RetryPolicy;
use crate::error::InvalidInput;
use crate::redact::mask;
use crate::values::{ApiOperation, CorrelationId};

/// The options that every call has.
///
/// Each request has the same methods, for one call. [`Client::with`](crate::Client::with) sets them for all calls of a
/// client.
#[derive(Clone, Default)]
#[must_use = "it does nothing until it is returned"]
pub struct CallOptions {
    pub(crate) correlation_id: Option<CorrelationId>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Map<String, Value>,
    pub(crate) retry: Option<Arc<dyn RetryPolicy>>,
    pub(crate) retry_if_unknown: bool,
    pub(crate) limiters: Vec<Arc<dyn AnyLimiter>>,
    /// Cancels the call.
    pub(crate) cancel_on: Option<Shared<BoxFuture<'static, ()>>>,
}

impl CallOptions {
    /// Adds a signal that cancels the call.
    pub(crate) fn add_signal(&mut self, signal: impl Future<Output = ()> + Send + 'static) {
        let signal = match self.cancel_on.take() {
            Some(earlier) => select(earlier, signal.boxed()).map(drop).boxed(),
            None => signal.boxed(),
        };
        self.cancel_on = Some(signal.shared());
    }

    /// Returns whether the call has been cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled().now_or_never().is_some()
    }

    /// Completes when the call is cancelled.
    pub(super) fn cancelled(&self) -> Either<Shared<BoxFuture<'static, ()>>, Pending<()>> {
        match &self.cancel_on {
            Some(signal) => Either::Left(signal.clone()),
            None => Either::Right(pending()),
        }
    }
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was added may be anything: names only.
        let names = |pairs: &[(String, String)]| -> Vec<String> {
            pairs
                .iter()
                .map(|(name, _)| mask(name).into_owned())
                .collect()
        };
        f.debug_struct("CallOptions")
            .field("correlation_id", &self.correlation_id)
            .field("timeout", &self.timeout)
            .field("headers", &names(&self.headers))
            .field("query", &names(&self.query))
            .field(
                "body",
                &self.body.keys().map(|n| mask(n)).collect::<Vec<_>>(),
            )
            .finish()
    }
}

/// Returns the caller's own headers, none of which may be one that the client or HTTP itself sets.
pub(crate) fn extra_headers(pairs: &[(String, String)]) -> Result<HeaderMap, InvalidInput> {
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

/// Refuses query parameters without a name, and those that have a method of their own.
pub(crate) fn check_query(
    operation: ApiOperation,
    pairs: &[(String, String)],
) -> Result<(), InvalidInput> {
    if pairs.iter().any(|(name, _)| name.is_empty()) {
        return Err(InvalidInput::new("query", "must have a name"));
    }
    if pairs
        .iter()
        .any(|(name, _)| operation.query_parameters().contains(&name.as_str()))
    {
        return Err(InvalidInput::new(
            "query",
            "must not be a parameter that has a method of its own",
        ));
    }
    Ok(())
}

/// The methods that every call has. It is awaited to run its `send`, which returns `$value`.
macro_rules! call_options {
    ($builder:ty => $value:ty) => {
        impl std::future::IntoFuture for $builder {
            type Output = Result<$value, crate::error::Error>;
            type IntoFuture = futures_util::future::BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }

        call_options!($builder, options);
    };
    // The methods themselves, of a type that has its options in `$field`, or is them.
    ($builder:ty $(, $field:ident)?) => {
        impl $builder {
            /// Sends this correlation id instead of a random one (D1: `x-correlation-id`).
            pub fn correlation_id(mut self, id: crate::CorrelationId) -> Self {
                self$(.$field)?.correlation_id = Some(id);
                self
            }

            /// Sets how long the whole call may take: waiting for limiters and for a token, and sending again, included.
            /// A stream and a reconciliation make several calls: it is the time of each of them.
            ///
            /// The default is the client's [timeout](crate::ClientBuilder::timeout); a day is the most. Where it ends
            /// while a connection is being made, the outcome is unknown, unless the client's connect timeout ended
            /// before.
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self$(.$field)?.timeout = Some(timeout);
                self
            }

            /// Sets the policy that decides whether, and when, this call is sent again: see [`retry`](crate::retry).
            /// The default is the client's [policy](crate::ClientBuilder::retry).
            ///
            /// ```no_run
            /// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
            /// use d1_facade::retry::ExponentialBackoff;
            ///
            /// // This change is sent once:
            /// card.suspend().retry(ExponentialBackoff::default().max_attempts(1)).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn retry(mut self, policy: impl crate::retry::RetryPolicy) -> Self {
                self$(.$field)?.retry = Some(std::sync::Arc::new(policy));
                self
            }

            /// Adds a limiter for this call, beside those of the client: see [`limiter`](crate::limiter).
            pub fn limiter(mut self, limiter: impl crate::limiter::Limiter) -> Self {
                self$(.$field)?.limiters.push(std::sync::Arc::new(limiter));
                self
            }

            /// Cancels the call when `signal` completes. The call fails at once, with the kind
            /// [`Cancelled`](crate::ErrorKind::Cancelled) and its true outcome: *not sent* where the request has not
            /// been written, and then it never is. A signal that has completed before sends nothing.
            ///
            /// Of several signals the first that completes counts.
            ///
            /// ```no_run
            /// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
            /// let (shut_down, signal) = tokio::sync::oneshot::channel::<()>();
            /// let call = card.suspend().cancel_on(async { drop(signal.await) });
            /// // When the service shuts down: `shut_down.send(())`.
            /// call.await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn cancel_on(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
                self$(.$field)?.add_signal(signal);
                self
            }

            /// Adds a header that this version has no method for.
            ///
            /// # Errors
            /// The call fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) where HTTP does not allow the name
            /// or the value, or the client sets the header itself, such as `Authorization`.
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self$(.$field)?.headers.push((name.into(), value.into()));
                self
            }

            /// Adds a query parameter that this version has no method for.
            ///
            /// # Errors
            /// The call fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) where the name is empty, or the
            /// parameter has a method of its own.
            pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self$(.$field)?.query.push((name.into(), value.into()));
                self
            }
        }
    };
}

pub(crate) use call_options;

call_options!(CallOptions);

/// Refuses fields that a caller adds to a body and that have a method of their own: they would bypass its rules.
pub(crate) fn check_body(
    operation: ApiOperation,
    extra: &Map<String, Value>,
) -> Result<(), InvalidInput> {
    let own = operation.body_fields();
    if extra.keys().any(|name| own.contains(&name.as_str())) {
        return Err(InvalidInput::new(
            "body_field",
            "must not be a field that has a method of its own",
        ));
    }
    Ok(())
}
