//! Sends a change: what it asks for as the generated client takes it, and what is known of it before and after.

use std::time::SystemTime;

use d1_generated::types;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Card, Receipt, answer};
use crate::api_operation::ApiOperation;
use crate::call::{self, Progress};
use crate::error::{Cause, Error, ErrorKind, Outcome, RequestContext, ResponseFault};
use crate::http_client::LONGEST_TIMEOUT;
use crate::options::CallOptions;
use crate::reason::{ReasonCode, ReasonCodeFallback};
use crate::reconcile::PendingChange;
use crate::redact::Redactor;
use crate::response::Response;
use crate::text::{CardId, CorrelationId, Reason};
use crate::transport::{ApiCall, Delivered};

/// What is known of a change before it is sent.
pub(super) fn pending(
    card: &Card,
    operation: ApiOperation,
    reason_code: ReasonCode,
    options: &CallOptions,
) -> PendingChange {
    let transport = &card.core().transport;
    let timeout = options.timeout.unwrap_or(transport.timeout());
    let now = SystemTime::now();
    PendingChange {
        operation,
        base_url: transport.base_url().to_owned(),
        issuer: card.issuer().clone(),
        card: card.id().clone(),
        new_card: None,
        reason: None,
        reason_code,
        operation_id: None,
        sent_at: now,
        ended_at: now.checked_add(timeout.min(LONGEST_TIMEOUT)).unwrap_or(now),
        ended: None,
    }
}

/// A change of a card as the generated client sends it.
pub(super) struct ChangeCall<'a> {
    pub(super) card: &'a Card,
    pub(super) body: Body,
    pub(super) facts: RequestContext,
    pub(super) reason: Option<Reason>,
    /// The other card that a renewal makes of this one.
    pub(super) new_card: Option<CardId>,
    /// What a renewal sends, in clear and encrypted.
    pub(super) secrets: Redactor,
}

/// The body of a change.
pub(super) enum Body {
    Suspend(types::CardOperationRequest),
    Resume(types::CardOperationRequest),
    Delete(types::CardOperationRequest),
    Renew(types::RenewRequest),
}

impl Body {
    fn operation(&self) -> ApiOperation {
        match self {
            Self::Suspend(_) => ApiOperation::SuspendCard,
            Self::Resume(_) => ApiOperation::ResumeCard,
            Self::Delete(_) => ApiOperation::DeleteCard,
            Self::Renew(_) => ApiOperation::RenewCard,
        }
    }
}

impl ChangeCall<'_> {
    fn set_reason_code(&mut self, code: &ReasonCode) -> Result<(), Error> {
        let raw = code
            .to_raw()
            .map_err(|e| Error::invalid_input_of(self.body.operation(), e))?;
        match &mut self.body {
            Body::Suspend(body) | Body::Resume(body) | Body::Delete(body) => {
                body.reason_code = Some(raw);
            }
            Body::Renew(body) => body.reason_code = Some(raw),
        }
        self.facts.other_reason_code = *code != ReasonCode::default();
        Ok(())
    }
}

impl ApiCall for ChangeCall<'_> {
    type Value = Map<String, Value>;

    fn operation(&self) -> ApiOperation {
        self.body.operation()
    }

    fn request_context(&self) -> RequestContext {
        self.facts
    }

    fn secrets(&self) -> Redactor {
        self.secrets.clone()
    }

    async fn send(
        &self,
        client: &d1_generated::Client,
        correlation_id: &CorrelationId,
    ) -> Result<(), d1_generated::Error<types::ErrorBody>> {
        let (issuer, card) = (self.card.issuer().raw(), self.card.id().raw());
        let id = Some(correlation_id.raw());
        match &self.body {
            Body::Suspend(body) => client.suspend_card(issuer, card, id, body).await,
            Body::Resume(body) => client.resume_card(issuer, card, id, body).await,
            Body::Delete(body) => client.delete_card(issuer, card, id, body).await,
            Body::Renew(body) => client.renew_card(issuer, card, id, body).await,
        }
        .map(drop)
    }

    fn read(&self, response: &Delivered<'_>) -> Result<Self::Value, ResponseFault> {
        answer::read(response.headers, response.body)
    }
}

/// Sends a change; where D1 refuses its reason code and the caller wished it so, once more with the
/// default one, in what is left of the call's time.
pub(super) async fn submit(
    mut call: ChangeCall<'_>,
    reason_code: ReasonCode,
    fallback: Option<ReasonCodeFallback>,
    options: &CallOptions,
) -> Result<Response<Receipt>, Error> {
    let core = call.card.core();
    let fallback = fallback.unwrap_or(core.fallback);
    // One correlation id, one time limit for both requests: they are one use case.
    call.set_reason_code(&reason_code)?;
    let mut progress = Progress::begin_change(core, options, call.operation(), call.card.id());
    let mut sent = reason_code;
    let mut result = call::make_in(core, &call, options, &mut progress).await;
    let wished = fallback == ReasonCodeFallback::IssuerDecision && sent != ReasonCode::default();
    if let Some(refused) = result
        .as_ref()
        .err()
        .filter(|e| wished && is_refusal(e))
        .cloned()
    {
        tracing::debug!("the reason code may have been refused; once more with the default one");
        sent = ReasonCode::default();
        call.set_reason_code(&sent)?;
        result = call::make_in(core, &call, options, &mut progress)
            .await
            .map_err(|e| e.with_refused_before(refused));
    }
    progress.end();
    let response = result.map_err(|error| {
        error.with_pending(|error| {
            let fault = error.response_fault();
            let named = fault.and_then(ResponseFault::operation_id);
            let ended = Instant::now();
            let ended_at = SystemTime::now();
            let sent_ago = ended.saturating_duration_since(progress.first_sent_at());
            let pending = PendingChange {
                new_card: call.new_card.clone(),
                reason: call.reason.clone(),
                sent_at: ended_at.checked_sub(sent_ago).unwrap_or(ended_at),
                ended_at,
                ended: Some(ended),
                ..pending(call.card, call.operation(), sent.clone(), options)
            };
            pending.named(named)
        })
    })?;
    Ok(response.map(|fields| Receipt::new(call.operation(), sent, fields)))
}

/// Whether D1 may have refused the reason code (403), and nothing is known to have been done before: an
/// attempt whose outcome is unknown is not made up for by the refusal of the next one. A gateway's
/// page and a code that is not documented have no causes, so that nothing is guessed from them.
fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::Forbidden
        && error.outcome() == Outcome::Refused
        && error.causes().iter().any(Cause::is_about_reason_code)
}
