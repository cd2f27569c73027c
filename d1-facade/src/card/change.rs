//! Suspend, resume, delete: and what every change of a card has in common.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::SystemTime;

use d1_generated::types;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Card, Receipt, answer};
use crate::api_operation::ApiOperation;
use crate::bulk::Pace;
use crate::call::{self, Progress};
use crate::error::{Cause, Error, ErrorKind, Outcome, RequestFacts, ResponseFault};
use crate::options::{CallOptions, call_options, check_body};
use crate::reason::{ReasonCode, ReasonCodeFallback};
use crate::reconcile::PendingChange;
use crate::redact::Redactor;
use crate::text::{CardId, CorrelationId, Reason};
use crate::transport::{ApiCall, Delivered};

/// The methods that every change of a card has.
macro_rules! change_options {
    ($builder:ty) => {
        impl $builder {
            /// Why, as a code; `ISSUER_DECISION` unless said otherwise.
            pub fn reason_code(mut self, code: crate::ReasonCode) -> Self {
                self.why.reason_code = code;
                self
            }

            /// Why, in free text. D1 shows it in the list of operations.
            pub fn reason(mut self, reason: crate::Reason) -> Self {
                self.why.reason = Some(reason);
                self
            }

            /// What to do when D1 refuses the reason code, for this call only.
            pub fn reason_code_fallback(mut self, fallback: crate::ReasonCodeFallback) -> Self {
                self.fallback = Some(fallback);
                self
            }

            /// Returns what is needed to find out later whether the change was carried out, to be written
            /// down before it is sent: see [`Client::reconcile`](crate::Client::reconcile).
            #[must_use]
            pub fn pending(&self) -> crate::PendingChange {
                let code = self.why.reason_code.clone();
                let pending =
                    super::change::pending(&self.card, self.operation(), code, &self.options);
                crate::PendingChange {
                    new_card: self.other_card().cloned(),
                    reason: self.why.reason.clone(),
                    ..pending
                }
            }

            /// Runs the change to its end on a task of its own, on the runtime of the caller, and returns a
            /// handle to await its result.
            ///
            /// The change goes on where the handle is dropped. So a handler of a web framework that is dropped
            /// when the browser leaves does not leave a change with an outcome that is not known to anyone.
            ///
            /// # Panics
            /// When it is called outside a tokio runtime.
            pub fn spawn(self) -> crate::SpawnedChange {
                super::spawned::SpawnedChange::new(self.operation(), self.send())
            }

            /// Lets the change be made again although D1 may have carried it out already: for changes
            /// that are as good done twice.
            pub fn repeat_if_unknown(mut self) -> Self {
                self.options.repeat_if_unknown = true;
                self
            }

            /// Adds a field to the request's body that this version knows nothing of. It cannot be one
            /// that has a method of its own: that is an error when the call is made.
            pub fn body_field(
                mut self,
                name: impl Into<String>,
                value: impl Into<serde_json::Value>,
            ) -> Self {
                self.options.body.insert(name.into(), value.into());
                self
            }
        }
    };
}

pub(super) use change_options;

/// A suspend, resume or delete that is about to be sent: await it.
///
/// # Errors
/// See [`Error`]. A change is sent again only when D1 cannot have carried it out, or when the caller
/// said that it may ([`repeat_if_unknown`](Self::repeat_if_unknown)); [`retry`](crate::retry) says
/// when that is.
///
/// # Dropping it
/// A future that is dropped before it ends gives no result: all that is left is a WARN in the log, with the operation,
/// the card, the correlation id and the outcome: *not sent*, or *unknown*. Give the call a
/// [`timeout`](Self::timeout) instead of dropping it, or [`spawn`](Self::spawn) it where the caller may be dropped.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Change {
    card: Card,
    operation: ApiOperation,
    why: Why,
    fallback: Option<ReasonCodeFallback>,
    options: CallOptions,
}

/// Why a card is changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Why {
    pub(crate) reason: Option<Reason>,
    pub(crate) reason_code: ReasonCode,
}

impl Change {
    pub(crate) fn new(card: Card, operation: ApiOperation) -> Self {
        Self {
            card,
            operation,
            why: Why::default(),
            fallback: None,
            options: CallOptions::default(),
        }
    }

    pub(crate) fn operation(&self) -> ApiOperation {
        self.operation
    }

    /// The other card that it makes of this one: none.
    #[allow(clippy::unused_self)] // A renewal has one.
    fn other_card(&self) -> Option<&CardId> {
        None
    }

    /// Sends it as part of a bulk.
    pub(crate) async fn send_within(mut self, pace: Arc<Pace>) -> Result<Receipt, Error> {
        self.options.pace = Some(pace);
        self.send().await
    }

    async fn send(self) -> Result<Receipt, Error> {
        let invalid = |e| Error::invalid_input_of(self.operation, e);
        check_body(self.operation, &self.options.body).map_err(invalid)?;
        let body = types::CardOperationRequest {
            reason: self.why.reason.as_ref().map(|r| r.raw().clone()),
            reason_code: None, // Set by `submit`.
            extra: self.options.body.clone(),
        };
        let call = ChangeCall {
            card: &self.card,
            operation: self.operation,
            body: Body::Plain(body),
            facts: RequestFacts::default(),
            reason: self.why.reason,
            new_card: None,
            secrets: Redactor::default(),
        };
        submit(call, self.why.reason_code, self.fallback, &self.options).await
    }
}

call_options!(Change);
change_options!(Change);

impl IntoFuture for Change {
    type Output = Result<Receipt, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// What is known of a change before it is sent.
pub(super) fn pending(
    card: &Card,
    operation: ApiOperation,
    reason_code: ReasonCode,
    options: &CallOptions,
) -> PendingChange {
    let transport = &card.client().inner().transport;
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
        ended_at: now
            .checked_add(timeout.min(call::LONGEST_TIMEOUT))
            .unwrap_or(now),
        ended: None,
    }
}

/// A change of a card as the generated client sends it.
pub(super) struct ChangeCall<'a> {
    pub(super) card: &'a Card,
    pub(super) operation: ApiOperation,
    pub(super) body: Body,
    pub(super) facts: RequestFacts,
    pub(super) reason: Option<Reason>,
    /// The other card that a renewal makes of this one.
    pub(super) new_card: Option<CardId>,
    /// What a renewal sends, in clear and encrypted.
    pub(super) secrets: Redactor,
}

pub(super) enum Body {
    Plain(types::CardOperationRequest),
    Renew(types::RenewRequest),
}

impl ChangeCall<'_> {
    fn set_reason_code(&mut self, code: &ReasonCode) -> Result<(), Error> {
        let raw = code
            .to_raw()
            .map_err(|e| Error::invalid_input_of(self.operation, e))?;
        match &mut self.body {
            Body::Plain(body) => body.reason_code = Some(raw),
            Body::Renew(body) => body.reason_code = Some(raw),
        }
        self.facts.other_reason_code = *code != ReasonCode::default();
        Ok(())
    }
}

impl ApiCall for ChangeCall<'_> {
    type Value = Map<String, Value>;

    fn operation(&self) -> ApiOperation {
        self.operation
    }

    fn facts(&self) -> RequestFacts {
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
        match (&self.body, self.operation) {
            (Body::Plain(body), ApiOperation::SuspendCard) => {
                client.suspend_card(issuer, card, id, body).await
            }
            (Body::Plain(body), ApiOperation::ResumeCard) => {
                client.resume_card(issuer, card, id, body).await
            }
            (Body::Plain(body), ApiOperation::DeleteCard) => {
                client.delete_card(issuer, card, id, body).await
            }
            (Body::Renew(body), ApiOperation::RenewCard) => {
                client.renew_card(issuer, card, id, body).await
            }
            // Each operation is named: one that the spec gains must not be sent as another one.
            (Body::Plain(_), ApiOperation::RenewCard)
            | (
                Body::Renew(_),
                ApiOperation::SuspendCard | ApiOperation::ResumeCard | ApiOperation::DeleteCard,
            )
            | (
                Body::Plain(_) | Body::Renew(_),
                ApiOperation::ListOperations | ApiOperation::GetOperation | ApiOperation::GetToken,
            ) => Err(d1_generated::Error::InvalidRequest(
                "the body does not belong to this operation".to_owned(),
            )),
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
) -> Result<Receipt, Error> {
    let client = call.card.client();
    let fallback = fallback.unwrap_or(client.inner().fallback);
    // One correlation id, one time limit for both requests: they are one use case.
    call.set_reason_code(&reason_code)?;
    let mut progress = Progress::begin_change(client, options, call.operation, call.card.id());
    let mut sent = reason_code;
    let mut result = call::make_in(client, &call, options, &mut progress).await;
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
        result = call::make_in(client, &call, options, &mut progress)
            .await
            .map_err(|e| e.with_refused_before(refused));
    }
    progress.end();
    let (fields, info) = result.map_err(|error| {
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
                ..pending(call.card, call.operation, sent.clone(), options)
            };
            pending.named(named)
        })
    })?;
    Ok(Receipt::new(call.operation, info, sent, fields))
}

/// Whether D1 may have refused the reason code (403), and nothing is known to have been done before: an
/// attempt whose outcome is unknown is not made up for by the refusal of the next one. A gateway's
/// page and a code that is not documented have no causes, so that nothing is guessed from them.
fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::Forbidden
        && error.outcome() == Outcome::Refused
        && error.causes().iter().any(Cause::is_about_reason_code)
}
