//! What went wrong, and what to do about it.
//!
//! | question | file |
//! |---|---|
//! | Which kinds of errors are there, and which can pass? | `kind` |
//! | May D1 have carried the request out? | `outcome`; `call::decide` decides it |
//! | What does a response with a status of an error mean? | `decode`, by the generated error table: `causes`, `code` |
//! | What is wrong with a response of success? | `response` |
//! | Why was there no connection, or why did it break? | `connection` |
//! | What is known of a failure beyond its kind, in fixed words? | `fault` |
//! | What should be done? | `advice`, where neither the documentation nor the fault says it |
//! | Why has a service's own signer or token source failed? | `unavailable` |
//! | What does an error show? | `display` |
//! | How is it made, and what do the layers add? | `build` |
//!
//! An [`Error`] is opaque, so that more can be known of a failure later without a change for its users. No text of a
//! server gets into what it shows: what is shown is an enum, a fixed text, a number or an id that was checked.

mod advice;
mod build;
mod causes;
mod code;
mod connection;
mod decode;
mod display;
mod fault;
mod kind;
mod outcome;
mod response;
mod unavailable;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde_json::{Map, Value};

pub use causes::Cause;
pub(crate) use causes::RequestContext;
pub(crate) use connection::is_about_client_certificate;
pub(crate) use decode::{invalid_response, refused, server_time};
pub(crate) use fault::Fault;
pub use kind::ErrorKind;
pub use outcome::Outcome;
pub(crate) use response::ResponseFault;
pub use unavailable::Unavailable;

use crate::reconcile::PendingChange;
use crate::values::{ApiOperation, CorrelationId};
pub(crate) use crate::values::{InvalidInput, refuse_beside};

/// Why a call failed.
///
/// Its methods answer four questions:
///
/// | question | methods |
/// |---|---|
/// | Was it sent? Did D1 refuse it? | [`outcome`](Self::outcome), [`was_sent`](Self::was_sent) |
/// | What went wrong? | [`kind`](Self::kind), [`status`](Self::status), [`code`](Self::code), [`causes`](Self::causes) |
/// | Can the call be made again? | [`is_retryable`](Self::is_retryable), [`retry_after`](Self::retry_after), [`pending_change`](Self::pending_change) |
/// | What must be corrected? | [`advice`](Self::advice), [`invalid_input`](Self::invalid_input) |
///
/// `Display` is one line without body, header, token or card data; `Debug` holds no more than that.
/// Clones are cheap and share everything: callers who waited for the same token get the same error.
///
/// ```no_run
/// # async fn f(d1: d1_facade::Client, card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
/// use d1_facade::{ErrorKind, Outcome};
///
/// let Err(error) = card.suspend().await else {
///     return Ok(());
/// };
/// eprintln!("{error}: {}", error.advice());
/// match (error.outcome(), error.kind()) {
///     (Outcome::Unknown, _) => {
///         if let Some(pending) = error.pending_change() {
///             let found = d1.reconcile(pending).await?;
///             println!("{found:?}");
///         }
///     }
///     (_, ErrorKind::UnknownCard) => println!("D1 does not know this card"),
///     (_, ErrorKind::Forbidden) => println!("the card's state does not allow it"),
///     _ if error.is_retryable() => println!("later: {:?}", error.retry_after()),
///     _ => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Troubleshooting
///
/// Give Thales the [`correlation_id`](Self::correlation_id): D1 logged it with the call.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// By how many seconds a clock must be wrong to be worth reporting.
const NOTEWORTHY_OFFSET: i64 = 60;

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    operation: ApiOperation,
    status: Option<u16>,
    headers: HeaderMap,
    code: Option<String>,
    text: Option<String>,
    unknown_fields: Map<String, Value>,
    correlation_id: Option<CorrelationId>,
    token_correlation_id: Option<CorrelationId>,
    retry_after: Option<Duration>,
    attempts: u32,
    causes: Vec<Cause>,
    clock_offset: Option<i64>,
    pending: Option<PendingChange>,
    refused_before: Option<Error>,
    fault: Option<Fault>,
    /// Whether a service's own signer or token source says that its failure passes.
    is_transient: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Returns the error of a [`TokenSource`](crate::auth::TokenSource) of your own that has no token.
    ///
    /// Its kind is [`TokenUnavailable`](ErrorKind::TokenUnavailable), its outcome [`NotSent`](Outcome::NotSent).
    /// An error of any type is a reason that does not pass; [`Unavailable`](crate::auth::Unavailable) says otherwise.
    ///
    /// ```
    /// use d1_facade::auth::Unavailable;
    /// use d1_facade::{Error, ErrorKind};
    ///
    /// let silent = || std::io::Error::other("the vault does not respond");
    /// let error = Error::token_unavailable(silent());
    /// assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    /// assert!(!error.is_retryable());
    /// assert!(Error::token_unavailable(Unavailable::transient(silent())).is_retryable());
    /// ```
    #[must_use]
    pub fn token_unavailable(reason: impl Into<Unavailable>) -> Self {
        let reason = reason.into();
        let kind = ErrorKind::TokenUnavailable;
        let error = Self::new(ApiOperation::GetToken, kind, Outcome::NotSent);
        let fault = reason.is_transient().then_some(Fault::TOKEN_SOURCE_BUSY);
        reason.explain(error.edit(|inner| inner.fault = fault))
    }

    /// Returns what went wrong, for a service that decides by it. It says nothing about the
    /// [outcome](Self::outcome).
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the request was sent, refused, or has an unknown outcome.
    ///
    /// A change with an [unknown](Outcome::Unknown) outcome must be [reconciled](crate::Client::reconcile) before
    /// it is made again.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Returns whether D1 may have received the request: true unless the outcome is
    /// [`NotSent`](Outcome::NotSent).
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.0.outcome != Outcome::NotSent
    }

    /// Returns the operation of D1 that failed.
    ///
    /// It is [`GetToken`](ApiOperation::GetToken) where no token could be obtained for the call: the call itself was
    /// not sent then, or D1 refused it with the token that it had before. A change that may have been carried out
    /// keeps its own operation.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.0.operation
    }

    /// Returns the HTTP status, where there was a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the value of a header of the response that was an error, such as the id that a gateway gave it; the first
    /// one where the header occurs more than once.
    ///
    /// Secrets are removed as from the headers of a [`Response`](crate::Response::header), and the headers are in no
    /// other output of this type. `None` where there was no response, or it does not have the header in visible ASCII.
    ///
    /// ```
    /// # fn f(error: d1_facade::Error) {
    /// if let Some(server) = error.header("server") {
    ///     eprintln!("sent by {server}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name)?.to_str().ok()
    }

    /// Returns D1's `errorCode`, such as `UNKNOWN_CARD`, where it sent one that reads like a code.
    ///
    /// A code may be one that this version does not know. Where D1 documents it for the operation, the
    /// [kind](Self::kind) and the [causes](Self::causes) follow from it.
    ///
    /// It is found in every form: another spelling, `code`, a number, inside another member. A code that could hold
    /// card data or a token is not returned.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns D1's own text about the error (D1: `error`, `error_description`), at most 500 characters.
    ///
    /// It is for troubleshooting only: the texts change, and are not for end users. The secrets of the call are
    /// removed from it, in whatever form D1 sent them back; numbers of more than seven digits, JWTs and bearer tokens
    /// are masked. This text is in no other output of this type, so that a service decides whether it is logged:
    ///
    /// ```
    /// # fn f(error: d1_facade::Error) {
    /// if let Some(text) = error.troubleshooting_text() {
    ///     eprintln!("D1 says: {text}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn troubleshooting_text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// Returns the fields of D1's error body that this version has no method for.
    ///
    /// Secrets are removed as from the [`troubleshooting_text`](Self::troubleshooting_text). The fields are in no
    /// other output of this type.
    #[must_use]
    pub fn unknown_fields(&self) -> &Map<String, Value> {
        &self.0.unknown_fields
    }

    /// Returns the correlation id of the call (D1: `x-correlation-id`), by which Thales finds the call in D1's log.
    ///
    /// `None` where the input was refused before the call had one.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.0.correlation_id.as_ref()
    }

    /// Returns the correlation id of the token exchange, where the exchange failed.
    ///
    /// An exchange serves many calls, so it has a correlation id of its own.
    #[must_use]
    pub fn token_correlation_id(&self) -> Option<&CorrelationId> {
        self.0.token_correlation_id.as_ref()
    }

    /// Returns the change whose outcome is unknown, for [`Client::reconcile`](crate::Client::reconcile).
    ///
    /// `None` where the outcome is known, the call changes no card, or it is a [raw call](crate::Client::request). It
    /// holds no card data, and can be stored until it is reconciled:
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client, error: d1_facade::Error) -> Result<(), d1_facade::Error> {
    /// use d1_facade::Reconciliation;
    ///
    /// if let Some(pending) = error.pending_change() {
    ///     match d1.reconcile(pending).await? {
    ///         Reconciliation::Done(_) => println!("D1 has carried it out"),
    ///         Reconciliation::NotDone(_) => println!("it can be made again"),
    ///         other => println!("not known yet: {other:?}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pending_change(&self) -> Option<&PendingChange> {
        self.0.pending.as_ref()
    }

    /// Returns the refusal (403) after which the call was made again with the default reason code, where the
    /// caller [opted in](crate::ReasonCodeFallback) and the second call failed too.
    #[must_use]
    pub fn refused_before(&self) -> Option<&Error> {
        self.0.refused_before.as_ref()
    }

    /// Returns how long to wait before the call is made again: what D1 asks for (`Retry-After`, a day at most), or
    /// how long the token endpoint is not called after a failure.
    ///
    /// `None` where neither is known. It does not say that the call can be made again:
    /// [`is_retryable`](Self::is_retryable) does.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns how many times the request was tried, whether it reached D1 or not.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns whether the same call can be made again without doing anything twice, and may then succeed.
    ///
    /// It is always false for a change of a card whose [outcome](Self::outcome) is unknown. Otherwise the documentation
    /// decides where it says so of the only possible [cause](Self::causes), else the [kind](Self::kind): `Connect`,
    /// `Timeout`, `Transport`, `RateLimited`, `ServerError` and `Cancelled` may pass, and so may what a
    /// [signer or a token source](crate::auth::Unavailable) calls transient.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        if self.0.outcome == Outcome::Unknown && self.0.operation.changes_card() {
            return false;
        }
        let documented = match self.0.causes.as_slice() {
            [only] => only.retryable(),
            _ => None,
        };
        documented.unwrap_or(self.0.is_transient || self.0.kind.is_transient())
    }

    /// Returns the documented meanings that can apply to this request, the most specific first.
    ///
    /// D1 distinguishes some of them by code. A 403 carries none, so that none of its causes is certain.
    /// There are none where D1's code is not documented, nor where the response is not D1's: a page, or
    /// JSON without any member of D1's errors, which a gateway or a firewall sent in D1's place.
    ///
    /// ```
    /// # fn f(error: d1_facade::Error) {
    /// for cause in error.causes() {
    ///     eprintln!("possibly: {} {}", cause.meaning(), cause.advice());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        &self.0.causes
    }

    /// Returns what to do, in one sentence for the person who operates the service.
    ///
    /// After a change whose [outcome](Self::outcome) is unknown, and only then, it says to check the card's
    /// operations. Otherwise it is about what is known of this failure, else the documentation's advice,
    /// that of the first of the [`causes`](Self::causes) where several can apply.
    #[must_use]
    pub fn advice(&self) -> &str {
        let inner = &*self.0;
        let general = advice::advice(inner.kind, inner.outcome, inner.operation);
        let own = inner.fault.map(Fault::advice);
        let documented = inner.causes.first().map(Cause::advice);
        match inner.outcome {
            Outcome::Unknown if inner.operation.changes_card() => general,
            // What is documented of a failure of D1 is about changes.
            Outcome::Unknown => own.unwrap_or(general),
            Outcome::NotSent | Outcome::Refused => own.or(documented).unwrap_or(general),
        }
    }

    /// Returns the field and the rule, where an input was refused before anything was sent.
    ///
    /// ```
    /// # fn f(error: d1_facade::Error) {
    /// if let Some(refused) = error.invalid_input() {
    ///     eprintln!("{} {}", refused.field(), refused.rule());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn invalid_input(&self) -> Option<&InvalidInput> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// Returns how many seconds this machine's clock is ahead of D1's, behind if negative.
    ///
    /// `None` unless D1 refused an assertion and its clock, as the `Date` of its response gives it, differs by more than
    /// a minute: the clock is then the likely reason, since an assertion is valid for minutes.
    #[must_use]
    pub fn clock_offset_seconds(&self) -> Option<i64> {
        self.0.clock_offset.filter(|s| s.abs() > NOTEWORTHY_OFFSET)
    }
}
