//! Sends a change: what the generated client takes of it, and what is known of it before and after.

use std::future::IntoFuture;

use d1_generated::types;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::change::{Change, Kind};
use super::{Card, Receipt, SpawnedChange, answer};
use crate::call::{ApiCall, CompleteResponse, Dispatched, Progress, dispatched, engine};
use crate::error::{Cause, Error, ErrorKind, Outcome, RequestContext, ResponseFault};
use crate::http_client::LONGEST_TIMEOUT;
use crate::reconcile::PendingChange;
use crate::redact::Redactor;
use crate::response::Response;
use crate::values::{ApiOperation, CorrelationId, ReasonCode, ReasonCodeFallback};

impl Change {
    /// Returns what is needed to find out later whether the change was carried out, to be written
    /// down before it is sent: see [`Client::reconcile`](crate::Client::reconcile).
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
    /// handle to await its result.
    ///
    /// The change continues where the handle is dropped. So a handler of a web framework that is dropped
    /// when the browser disconnects does not leave a change with an unknown outcome.
    ///
    /// # Panics
    /// When it is called outside a tokio runtime.
    pub fn spawn(self) -> SpawnedChange {
        SpawnedChange::new(self.pending(), carry_out(self))
    }
}

impl IntoFuture for Change {
    type Output = Result<Response<Receipt>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(carry_out(self))
    }
}

/// Sends a change. Where D1 refuses its reason code and the caller wants it, sends it once more with the default one:
/// both are one call, with one correlation id and one timeout.
async fn carry_out(change: Change) -> Result<Response<Receipt>, Error> {
    let mut change = change.prepare()?;
    let operation = change.operation();
    let call = ChangeCall::new(&change)?;
    let core = change.card.core();
    let mut progress = Progress::begin_change(core, &change.options, operation, change.card.id());
    let mut result = engine::run(core, &call, &change.options, &mut progress).await;
    if let Some(refused) = refused_for_reason_code(&change, &result) {
        tracing::debug!("the reason code may have been refused; once more with the default one");
        change.reason_code = ReasonCode::default();
        let call = ChangeCall::new(&change)?;
        let core = change.card.core();
        let again = engine::run(core, &call, &change.options, &mut progress).await;
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

/// A change of a card as the generated client sends it.
struct ChangeCall<'a> {
    card: &'a Card,
    body: Body,
    context: RequestContext,
    /// What a renewal sends, in clear and encrypted.
    secrets: Redactor,
}

/// The body of a change.
enum Body {
    Suspend(types::CardOperationRequest),
    Resume(types::CardOperationRequest),
    Delete(types::CardOperationRequest),
    Renew(types::RenewRequest),
}

impl<'a> ChangeCall<'a> {
    fn new(change: &'a Change) -> Result<Self, Error> {
        let invalid = |e| Error::invalid_input_of(change.operation(), e);
        let reason_code = Some(change.reason_code.to_raw().map_err(invalid)?);
        let reason = change.reason.as_ref().map(|r| r.raw().clone());
        let extra = change.options.body.clone();
        let mut context = RequestContext::default();
        let mut secrets = Redactor::default();
        let plain = |reason, reason_code, extra| types::CardOperationRequest {
            reason,
            reason_code,
            extra,
        };
        let body = match &change.kind {
            Kind::Suspend => Body::Suspend(plain(reason, reason_code, extra)),
            Kind::Resume => Body::Resume(plain(reason, reason_code, extra)),
            Kind::Delete => Body::Delete(plain(reason, reason_code, extra)),
            Kind::Renew(renewal) => {
                context = renewal.request_context(&change.card);
                secrets = renewal.secrets();
                Body::Renew(types::RenewRequest {
                    reason,
                    reason_code,
                    extra,
                    ..renewal.request(&change.card)
                })
            }
        };
        context.other_reason_code = change.reason_code != ReasonCode::default();
        Ok(Self {
            card: &change.card,
            body,
            context,
            secrets,
        })
    }
}

impl ApiCall for ChangeCall<'_> {
    type Value = Map<String, Value>;

    fn operation(&self) -> ApiOperation {
        match &self.body {
            Body::Suspend(_) => ApiOperation::SuspendCard,
            Body::Resume(_) => ApiOperation::ResumeCard,
            Body::Delete(_) => ApiOperation::DeleteCard,
            Body::Renew(_) => ApiOperation::RenewCard,
        }
    }

    fn request_context(&self) -> RequestContext {
        self.context
    }

    fn secrets(&self) -> Redactor {
        self.secrets.clone()
    }

    fn dispatch<'a>(
        &'a self,
        client: &'a d1_generated::Client,
        correlation_id: &'a CorrelationId,
    ) -> Dispatched<'a> {
        let (issuer, card) = (self.card.issuer().raw(), self.card.id().raw());
        let id = Some(correlation_id.raw());
        match &self.body {
            Body::Suspend(body) => dispatched(client.suspend_card(issuer, card, id, body)),
            Body::Resume(body) => dispatched(client.resume_card(issuer, card, id, body)),
            Body::Delete(body) => dispatched(client.delete_card(issuer, card, id, body)),
            Body::Renew(body) => dispatched(client.renew_card(issuer, card, id, body)),
        }
    }

    fn read(&self, response: &CompleteResponse<'_>) -> Result<Self::Value, ResponseFault> {
        answer::read(response.headers, response.body)
    }
}
