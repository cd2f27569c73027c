//! What went wrong, and what now.

mod cause;
mod decode;
mod input;
mod kind;
mod unresolved;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use cause::Cause;
pub(crate) use decode::{RequestFacts, refused, server_time};
pub use input::InvalidInput;
pub use kind::{ErrorKind, Outcome};
pub(crate) use unresolved::Unresolved;

use crate::api_operation::ApiOperation;
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

struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    operation: ApiOperation,
    status: Option<u16>,
    code: Option<String>,
    text: Option<String>,
    correlation_id: Option<CorrelationId>,
    retry_after: Option<Duration>,
    attempts: u32,
    causes: Vec<Cause>,
    documented_retryable: Option<bool>,
    clock_offset: Option<i64>,
    unresolved: Option<Unresolved>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// How an [`Error`] is made, inside the crate.
pub(crate) struct ErrorBuilder(Inner);

impl ErrorBuilder {
    pub(crate) fn new(operation: ApiOperation, kind: ErrorKind, outcome: Outcome) -> Self {
        Self(Inner {
            kind,
            outcome,
            operation,
            status: None,
            code: None,
            text: None,
            correlation_id: None,
            retry_after: None,
            attempts: 0,
            causes: Vec::new(),
            documented_retryable: None,
            clock_offset: None,
            unresolved: None,
            source: None,
        })
    }

    pub(crate) fn status(mut self, status: http::StatusCode) -> Self {
        self.0.status = Some(status.as_u16());
        self
    }

    pub(crate) fn correlation_id(mut self, id: &CorrelationId) -> Self {
        self.0.correlation_id = Some(id.clone());
        self
    }

    pub(crate) fn attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    pub(crate) fn build(self) -> Error {
        Error(Arc::new(self.0))
    }
}

impl Error {
    /// An input that was found wrong when the call was about to be made.
    pub(crate) fn invalid_input_of(operation: ApiOperation, input: InvalidInput) -> Self {
        ErrorBuilder::new(operation, ErrorKind::InvalidInput, Outcome::NotSent)
            .source(input)
            .build()
    }

    /// An error of a [`TokenSource`](crate::auth::TokenSource) that is not this crate's own.
    ///
    /// `source` is reachable through [`std::error::Error::source`]; it must not print the token.
    #[must_use]
    pub fn token_unavailable(source: impl StdError + Send + Sync + 'static) -> Self {
        ErrorBuilder::new(
            ApiOperation::GetToken,
            ErrorKind::Authentication,
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
    /// the call: the call itself was not sent then.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.0.operation
    }

    /// The HTTP status, where D1 answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// D1's `errorCode`, where it gave one that reads like a code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// D1's own words, for troubleshooting only: they change, and are not for end users.
    ///
    /// Long runs of digits are masked. This text is in no other output of this type.
    #[must_use]
    pub fn troubleshooting_text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// The correlation id of the call; none where its input was refused before it had one.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.0.correlation_id.as_ref()
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
        if let Some(documented) = self.0.documented_retryable {
            return documented;
        }
        let harmless = self.0.outcome != Outcome::Unknown || !self.0.operation.changes_card();
        harmless && self.0.kind.is_transient()
    }

    /// The documented meanings that can apply to this request, the most specific first.
    ///
    /// D1 tells some of them apart by code. A 403 carries none, so that none of its causes is certain.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        &self.0.causes
    }

    /// What to do: the documentation's advice where there is one, and that of the first of the
    /// [`causes`](Self::causes) where several can apply.
    #[must_use]
    pub fn advice(&self) -> &str {
        match self.0.causes.first() {
            Some(cause) => cause.advice(),
            None => self.0.kind.advice(),
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
        self.0.clock_offset
    }

    /// The change whose outcome is unknown.
    pub(crate) fn unresolved(&self) -> Option<&Unresolved> {
        self.0.unresolved.as_ref()
    }

    /// This error with what is needed to find out, where its outcome is unknown.
    pub(crate) fn with_unresolved(self, change: impl FnOnce() -> Unresolved) -> Self {
        if self.0.outcome != Outcome::Unknown {
            return self;
        }
        self.edit(|inner| inner.unresolved = Some(change()))
    }

    /// This error with the time for which nobody should ask again, unless D1 named a longer one.
    pub(crate) fn with_pause(self, pause: Duration) -> Self {
        self.edit(|inner| inner.retry_after = inner.retry_after.max(Some(pause)))
    }

    /// This error as the last one of a change whose earlier attempts left `earlier` behind: what
    /// became of the last attempt says nothing about them.
    pub(crate) fn after(self, earlier: Outcome) -> Self {
        if self.0.outcome >= earlier {
            return self;
        }
        match Arc::try_unwrap(self.0) {
            Ok(mut inner) => {
                inner.outcome = earlier;
                Self(Arc::new(inner))
            }
            Err(shared) => {
                let mut builder = ErrorBuilder::new(shared.operation, shared.kind, earlier);
                builder.0.status = shared.status;
                builder.0.correlation_id.clone_from(&shared.correlation_id);
                builder.0.retry_after = shared.retry_after;
                builder.source(Self(shared)).build()
            }
        }
    }

    /// Changes the error, unless others hold it too: then it belongs to the exchange that they share.
    fn edit(self, change: impl FnOnce(&mut Inner)) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(mut inner) => {
                change(&mut inner);
                Self(Arc::new(inner))
            }
            Err(shared) => Self(shared),
        }
    }

    /// This error as one of a token exchange: the call that wanted the token was not sent, and what
    /// kept the token away is the answer to whether it may be asked for again.
    pub(crate) fn of_token_exchange(self) -> Self {
        self.edit(|inner| {
            if inner.outcome == Outcome::Unknown {
                inner.outcome = Outcome::NotSent;
            }
        })
    }

    /// This error with what only the caller of a lower layer knows.
    pub(crate) fn with_call(self, correlation_id: &CorrelationId, attempts: u32) -> Self {
        self.edit(|inner| {
            let id = &mut inner.correlation_id;
            id.get_or_insert_with(|| correlation_id.clone());
            inner.attempts = inner.attempts.max(attempts);
        })
    }
}

impl Error {
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
        if let Some(input) = self.invalid_input() {
            write!(f, ": {input}")?;
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
        if let Some(seconds) = inner.clock_offset {
            let direction = if seconds < 0 { "behind" } else { "ahead of" };
            let seconds = seconds.unsigned_abs();
            write!(f, "; this machine's clock is {seconds} s {direction} D1's")?;
        }
        write!(f, "; {}", inner.outcome)?;
        if let Some(id) = &inner.correlation_id {
            write!(f, "; correlation id {id}")?;
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
            .field("retry_after", &inner.retry_after)
            .field("attempts", &inner.attempts)
            .field("causes", &inner.causes)
            .field("source", &self.source_chain())
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}
