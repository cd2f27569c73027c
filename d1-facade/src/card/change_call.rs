//! Sends a change: what the generated client takes of it, and what is known of it before and after.
//!
//! This module decides when a change is sent a second time with the default reason code, and what a
//! [`PendingChange`] records. Whether a request may be sent again is decided in `call`, and what a response proves in
//! `answer`.

use d1_generated::types;
use futures_util::FutureExt as _;
use serde_json::{Map, Value};
use tracing::Instrument as _;

use super::change::{Change, Kind};
use super::{Receipt, answer};
use crate::call::{ApiCall, CompleteResponse, Dispatched, Progress, dispatched, engine};
use crate::error::{Cause, Error, ErrorKind, InvalidInput, Outcome, RequestContext, ResponseFault};
use crate::http_client::LONGEST_TIMEOUT;
use crate::reconcile::PendingChange;
use crate::redact::Redactor;
use crate::response::Response;
use crate::values::{ApiOperation, CorrelationId, ReasonCode, ReasonCodeFallback};

impl Change {
    /// Returns what is needed to find out later whether the change was carried out, to be written
    /// down before it is sent: see [`Client::reconcile`](crate::Client::reconcile).
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// let suspend = card.suspend().reason("order 4711".parse()?);
    /// let record = serde_json::to_vec(&suspend.pending())?;
    /// std::fs::write("pending/4711.json", record)?;
    /// suspend.await?;
    /// std::fs::remove_file("pending/4711.json")?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pending(&self) -> PendingChange {
        let transport = &self.card.core().transport;
        let timeout = self.options.timeout.unwrap_or(transport.timeout());
        let (earliest, latest) = transport.d1_clock().now();
        PendingChange {
            operation: self.operation(),
            base_url: transport.base_url().to_owned(),
            issuer: self.card.issuer().clone(),
            card: self.card.id().clone(),
            new_card: self.new_card().cloned(),
            reason: self.reason.clone(),
            reason_code: self.reason_code.clone(),
            operation_id: None,
            sent_at: earliest,
            ended_at: latest.later_by(timeout.min(LONGEST_TIMEOUT)),
        }
    }

    /// Runs the change to its end on a task of its own, on the runtime of the caller, and returns a
    /// future to await its result.
    ///
    /// The change continues where the future is dropped. So a handler of a web framework that is dropped
    /// when the browser disconnects does not leave a change with an unknown outcome.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// let suspended = card.suspend().spawn();
    /// // Dropping this future here would not stop the change.
    /// let receipt = suspended.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Awaiting the future fails as the change does, or with [`Error::task_lost`] where the runtime shut down or the
    /// task panicked.
    ///
    /// # Panics
    /// When it is called outside a tokio runtime.
    pub fn spawn(
        self,
    ) -> impl Future<Output = Result<Response<Receipt>, Error>> + Send + Unpin + 'static {
        let pending = self.pending();
        let task = tokio::spawn(self.send().in_current_span());
        task.map(|ended| ended.unwrap_or_else(|lost| Err(Error::task_lost(pending, &lost))))
    }

    /// Sends the change. Where D1 refuses its reason code and the caller wants it, sends it once more with the default
    /// one: both are one call, with one correlation id and one timeout.
    pub(super) async fn send(self) -> Result<Response<Receipt>, Error> {
        let mut change = self.prepare()?;
        let operation = change.operation();
        let card = change.card.clone();
        let core = card.core();
        let mut progress =
            Progress::begin_change(core, &change.options, operation, Some(card.id()));
        let mut result = engine::run(core, &change, &change.options, &mut progress).await;
        if let Some(refused) = refused_for_reason_code(&change, &result) {
            tracing::debug!(
                "the reason code may have been refused; once more with the default one"
            );
            change.reason_code = ReasonCode::default();
            let again = engine::run(core, &change, &change.options, &mut progress).await;
            result = again.map_err(|e| e.with_refused_before(refused));
        }
        progress.end();
        match result {
            Ok(response) => {
                Ok(response.map(|fields| Receipt::new(operation, change.reason_code, fields)))
            }
            Err(error) => Err(error.with_pending(|error| ended(&change, &progress, error))),
        }
    }
}

/// Returns the error of a change that may have been refused for its reason code (403), where the caller wants it sent
/// again with the default one.
///
/// A change with an unknown outcome is not among them: the refusal of its last request says nothing about those before.
/// The page of a gateway and a code that is not documented have no causes, so that nothing is guessed from them.
fn refused_for_reason_code<T>(change: &Change, result: &Result<T, Error>) -> Option<Error> {
    let fallback = change.fallback.unwrap_or(change.card.core().fallback);
    let wanted = fallback == ReasonCodeFallback::IssuerDecision
        && change.reason_code != ReasonCode::default();
    let error = result.as_ref().err().filter(|_| wanted)?;
    let is_refusal = error.kind() == ErrorKind::Forbidden
        && error.outcome() == Outcome::Refused
        && error.causes().iter().any(Cause::is_about_reason_code);
    is_refusal.then(|| error.clone())
}

/// Returns what is known of a change that ended with `error`.
fn ended(change: &Change, progress: &Progress, error: &Error) -> PendingChange {
    let (earliest, latest) = change.card.core().transport.d1_clock().now();
    let pending = PendingChange {
        sent_at: earliest.earlier_by(progress.first_sent_at().elapsed()),
        ended_at: latest,
        ..change.pending()
    };
    let fault = error.response_fault();
    pending.named(fault.and_then(ResponseFault::operation_id))
}

impl ApiCall for Change {
    type Value = Map<String, Value>;

    fn operation(&self) -> ApiOperation {
        self.operation()
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.reason_code.to_raw().map(drop)
    }

    fn request_context(&self) -> RequestContext {
        let context = match &self.kind {
            Kind::Suspend | Kind::Resume | Kind::Delete => RequestContext::default(),
            Kind::Renew(renewal) => renewal.request_context(&self.card),
        };
        RequestContext {
            other_reason_code: self.reason_code != ReasonCode::default(),
            ..context
        }
    }

    /// Returns what a renewal sends, in clear and encrypted.
    fn secrets(&self) -> Redactor {
        match &self.kind {
            Kind::Suspend | Kind::Resume | Kind::Delete => Redactor::default(),
            Kind::Renew(renewal) => renewal.secrets(),
        }
    }

    fn dispatch<'a>(
        &'a self,
        client: &'a d1_generated::Client,
        correlation_id: &'a CorrelationId,
    ) -> Result<Dispatched<'a>, InvalidInput> {
        let (issuer, card) = (self.card.issuer().raw(), self.card.id().raw());
        let id = Some(correlation_id.raw());
        let body = types::CardOperationRequest {
            reason: self.reason.as_ref().map(|reason| reason.raw().clone()),
            reason_code: Some(self.reason_code.to_raw()?),
            extra: self.options.body.clone(),
        };
        Ok(match &self.kind {
            Kind::Suspend => {
                dispatched(async move { client.suspend_card(issuer, card, id, &body).await })
            }
            Kind::Resume => {
                dispatched(async move { client.resume_card(issuer, card, id, &body).await })
            }
            Kind::Delete => {
                dispatched(async move { client.delete_card(issuer, card, id, &body).await })
            }
            Kind::Renew(renewal) => {
                let body = renewal.request(&self.card, body);
                dispatched(async move { client.renew_card(issuer, card, id, &body).await })
            }
        })
    }

    fn read(&self, response: &CompleteResponse<'_>) -> Result<Self::Value, ResponseFault> {
        answer::read(response.headers, response.body)
    }
}
