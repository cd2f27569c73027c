//! What went wrong, and what now.

mod advice;
mod build;
mod cause;
mod code;
mod connection;
mod decode;
mod documented;
mod fault;
mod input;
mod kind;
mod lost_task;
mod response;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

pub(crate) use build::ErrorBuilder;
pub use cause::Cause;
pub(crate) use connection::ConnectionFault;
pub(crate) use decode::{RequestFacts, invalid_response, refused, server_time};
pub use documented::{DocumentedError, documented_errors};
pub(crate) use fault::Fault;
pub use input::InvalidInput;
pub(crate) use input::refuse_beside;
pub use kind::{ErrorKind, Outcome};
pub(crate) use response::ResponseFault;

use crate::api_operation::ApiOperation;
use crate::reconcile::PendingChange;
use crate::text::CorrelationId;

/// Why a call failed.
///
/// It answers four questions without being taken apart:
///
/// | question | answer |
/// |---|---|
/// | Was it sent? Did D1 refuse it? | [`outcome`](Self::outcome), [`was_sent`](Self::was_sent) |
/// | What went wrong? | [`kind`](Self::kind), [`status`](Self::status), [`code`](Self::code), [`causes`](Self::causes) |
/// | May I ask again? | [`is_retryable`](Self::is_retryable), [`retry_after`](Self::retry_after) |
/// | What do I change? | [`advice`](Self::advice), [`invalid_input`](Self::invalid_input) |
///
/// `Display` is one line without body, header, token or card data; `Debug` holds no more than that.
/// Clones are cheap and share everything: callers who waited for the same token get the same error.
///
/// # Troubleshooting
///
/// Give Thales the [`correlation_id`](Self::correlation_id): D1 logged it with the call.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// How many seconds a clock may be off before it is worth a word.
const NOTEWORTHY_OFFSET: i64 = 60;

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    operation: ApiOperation,
    status: Option<u16>,
    code: Option<String>,
    text: Option<String>,
    unknown_fields: Map<String, Value>,
    correlation_id: Option<CorrelationId>,
    token_correlation_id: Option<CorrelationId>,
    retry_after: Option<Duration>,
    attempts: u32,
    causes: Vec<Cause>,
    documented_retryable: Option<bool>,
    clock_offset: Option<i64>,
    pending: Option<PendingChange>,
    refused_before: Option<Error>,
    fault: Option<Fault>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of a [`TokenSource`](crate::auth::TokenSource) that is not this crate's own.
    ///
    /// `source` is reachable through [`std::error::Error::source`]; it must not print the token.
    #[must_use]
    pub fn token_unavailable(source: impl StdError + Send + Sync + 'static) -> Self {
        ErrorBuilder::new(
            ApiOperation::GetToken,
            ErrorKind::TokenUnavailable,
            Outcome::NotSent,
        )
        .source(source)
        .build()
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What became of the request.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Whether D1 may have received the request.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.0.outcome != Outcome::NotSent
    }

    /// What D1 was asked. It is [`GetToken`](ApiOperation::GetToken) where no token could be had for
    /// the call: the call itself was not sent then, or D1 refused it with the token that it had before.
    /// A change that may have been carried out keeps its own operation.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.0.operation
    }

    /// The HTTP status, where D1 answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns D1's `errorCode`, where it gave one that reads like a code, in whatever shape: another spelling,
    /// `code`, a number, inside another member.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// D1's own words, for troubleshooting only: they change, and are not for end users.
    ///
    /// The secrets of the call are removed from it, in whatever form D1 sent them back; numbers of more
    /// than seven digits, JWTs and bearer tokens are masked. This text is in no other output of this type.
    #[must_use]
    pub fn troubleshooting_text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// The fields of D1's error body that this version has no method for, without secrets as the
    /// [`troubleshooting_text`](Self::troubleshooting_text) is. Like the [`troubleshooting_text`](Self::troubleshooting_text), they are in no other
    /// output of this type.
    #[must_use]
    pub fn unknown_fields(&self) -> &Map<String, Value> {
        &self.0.unknown_fields
    }

    /// The correlation id of the call; none where its input was refused before it had one.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.0.correlation_id.as_ref()
    }

    /// The correlation id of the token exchange, where it is that which failed: it serves many calls,
    /// so that it has one of its own.
    #[must_use]
    pub fn token_correlation_id(&self) -> Option<&CorrelationId> {
        self.0.token_correlation_id.as_ref()
    }

    /// Returns the change whose outcome is unknown, for [`Client::reconcile`](crate::Client::reconcile); none
    /// where the outcome is known, or the call changes no card.
    #[must_use]
    pub fn pending_change(&self) -> Option<&PendingChange> {
        self.0.pending.as_ref()
    }

    /// The refusal (403) after which the call was made again with the default reason code, where the
    /// caller [wished it so](crate::ReasonCodeFallback) and that second call failed too.
    #[must_use]
    pub fn refused_before(&self) -> Option<&Error> {
        self.0.refused_before.as_ref()
    }

    /// How long to wait before asking again: what D1 asks (`Retry-After`), or how long the token
    /// endpoint is left alone after a failure.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How often the request was tried, whether it reached D1 or not.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same call can be made again without doing anything twice, and may then succeed.
    ///
    /// It never is where a change of a card has an unknown [outcome](Self::outcome).
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        if self.0.outcome == Outcome::Unknown && self.0.operation.changes_card() {
            return false;
        }
        let documented = self.0.documented_retryable;
        documented.unwrap_or_else(|| self.0.kind.is_transient())
    }

    /// The documented meanings that can apply to this request, the most specific first.
    ///
    /// D1 tells some of them apart by code. A 403 carries none, so that none of its causes is certain.
    /// There are none where D1's code is not documented, nor where the answer is not D1's: a page, or
    /// JSON without any member of D1's errors, which a gateway or a firewall sent in D1's place.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        &self.0.causes
    }

    /// What to do, in one sentence for the person who operates the service.
    ///
    /// After a change whose [outcome](Self::outcome) is unknown, and only then, it says to look the card's
    /// operations up. Otherwise it is about what is known of this failure, else the documentation's advice,
    /// that of the first of the [`causes`](Self::causes) where several can apply.
    #[must_use]
    pub fn advice(&self) -> &str {
        let inner = &*self.0;
        let general = advice::advice(inner.kind, inner.outcome, inner.operation);
        let documented = inner.causes.first().map(Cause::advice);
        match inner.outcome {
            Outcome::Unknown if inner.operation.changes_card() => general,
            // What is documented of a failure of D1 is about changes.
            Outcome::Unknown => inner.fault.map_or(general, Fault::advice),
            Outcome::NotSent | Outcome::Refused => {
                let own = inner.fault.map(Fault::advice);
                own.or(documented).unwrap_or(general)
            }
        }
    }

    /// The field and the rule, where an input was refused.
    #[must_use]
    pub fn invalid_input(&self) -> Option<&InvalidInput> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// How many seconds this machine's clock is ahead of D1's, behind if negative; told where D1
    /// refused an assertion and its clock differs by more than a minute.
    #[must_use]
    pub fn clock_offset_seconds(&self) -> Option<i64> {
        self.0.clock_offset.filter(|s| s.abs() > NOTEWORTHY_OFFSET)
    }
}

impl Error {
    /// What is wrong with a response of success.
    pub(crate) fn response_fault(&self) -> Option<&ResponseFault> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// The texts of the errors beneath, outermost first.
    fn source_chain(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut current = StdError::source(self);
        while let Some(error) = current {
            texts.push(error.to_string());
            current = error.source();
        }
        texts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{}: {}", inner.operation, inner.kind)?;
        if let Some(status) = inner.status {
            write!(f, " (HTTP {status}")?;
            if let Some(code) = &inner.code {
                write!(f, ", {code}")?;
            }
            f.write_str(")")?;
        }
        if let Some(fault) = &inner.fault {
            write!(f, ": {fault}")?;
        }
        if let Some(input) = self.invalid_input() {
            write!(f, ": {input}")?;
        }
        if let Some(fault) = self.response_fault() {
            write!(f, ": {fault}")?;
        }
        if let [first, rest @ ..] = inner.causes.as_slice() {
            let meaning = first.meaning().trim_end_matches('.');
            // A 403 carries no code: even a lone documented cause may not be the one.
            let possibly = !rest.is_empty() || inner.kind == ErrorKind::Forbidden;
            let possibly = if possibly { "possibly: " } else { "" };
            write!(f, ": {possibly}{meaning}")?;
            if !rest.is_empty() {
                write!(f, " (or {} more)", rest.len())?;
            }
        }
        if let Some(seconds) = self.clock_offset_seconds() {
            let direction = if seconds < 0 { "behind" } else { "ahead of" };
            let seconds = seconds.unsigned_abs();
            write!(f, "; this machine's clock is {seconds} s {direction} D1's")?;
        }
        write!(f, "; {}", inner.outcome)?;
        if let Some(id) = &inner.correlation_id {
            write!(f, "; correlation id {id}")?;
        }
        if let Some(id) = &inner.token_correlation_id {
            write!(f, "; correlation id of the token exchange {id}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("outcome", &inner.outcome)
            .field("operation", &inner.operation)
            .field("status", &inner.status)
            .field("code", &inner.code)
            .field("correlation_id", &inner.correlation_id)
            .field("token_correlation_id", &inner.token_correlation_id)
            .field("retry_after", &inner.retry_after)
            .field("attempts", &inner.attempts)
            .field("causes", &inner.causes)
            .field("refused_before", &inner.refused_before)
            .field("fault", &inner.fault)
            .field("source", &self.source_chain())
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}
