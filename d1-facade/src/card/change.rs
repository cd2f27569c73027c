//! A change of a card, before it is sent.
//!
//! This module decides what a caller can say about a change. `change_call` decides what is sent of it, and what its
//! response means.

use serde_json::Value;

use super::{Card, Receipt, Renewal};
use crate::call::{CallOptions, call_options, check_body};
use crate::error::Error;
use crate::response::Response;
use crate::values::{ApiOperation, CardId, Reason, ReasonCode, ReasonCodeFallback};

/// A suspend, resume, delete or renew that is about to be sent: await it.
///
/// It is returned by the methods of [`Card`]. Awaiting it returns the [`Receipt`] of the change, in the
/// [`Response`](crate::Response) that carried it.
///
/// ```no_run
/// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use d1_facade::ReasonCode;
///
/// let suspend = card
///     .suspend()
///     .reason_code(ReasonCode::CardLost)
///     .reason("order 4711".parse()?)
///     .timeout(Duration::from_secs(10));
/// let receipt = suspend.await?;
/// println!("{} was accepted with {}", receipt.operation(), receipt.reason_code().as_str());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// See [`Error`]. A change is sent again only when D1 cannot have carried it out, or when the caller
/// allows it ([`retry_if_unknown`](Self::retry_if_unknown)): see [`retry`](crate::retry).
///
/// # Dropping it
/// A future that is dropped before it ends gives no result: all that is left is a WARN in the log, with the operation,
/// the card, the correlation id and the outcome: *not sent*, or *unknown*. Give the call a
/// [`timeout`](Self::timeout) instead of dropping it, or [`spawn`](Self::spawn) it where the caller may be dropped.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Change {
    pub(super) card: Card,
    pub(super) kind: Kind,
    pub(super) reason: Option<Reason>,
    pub(super) reason_code: ReasonCode,
    pub(super) fallback: Option<ReasonCodeFallback>,
    pub(super) options: CallOptions,
}

/// What is done to the card.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Suspend,
    Resume,
    Delete,
    Renew(Box<Renewal>),
}

impl Change {
    pub(super) fn new(card: Card, kind: Kind) -> Self {
        Self {
            options: card.core().defaults.clone(),
            card,
            kind,
            reason: None,
            reason_code: ReasonCode::default(),
            fallback: None,
        }
    }

    /// Sets the reason code (D1: `reasonCode`); `ISSUER_DECISION` by default.
    ///
    /// D1 documents which codes each operation accepts: see [`ReasonCode`]. It refuses any other code with 403.
    pub fn reason_code(mut self, code: ReasonCode) -> Self {
        self.reason_code = code;
        self
    }

    /// Sets the reason in free text (D1: `reason`), which D1 shows in the list of operations; none by default.
    ///
    /// A reason of its own, such as an order number, lets [`reconcile`](crate::Client::reconcile) recognize the change.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// card.suspend().reason("order 4711".parse()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Sets what to do when D1 refuses the reason code, for this call only. The default is the
    /// [client's](crate::ClientBuilder::reason_code_fallback).
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::{ReasonCode, ReasonCodeFallback};
    ///
    /// let resume = card.resume().reason_code(ReasonCode::CardFound);
    /// let receipt = resume.reason_code_fallback(ReasonCodeFallback::IssuerDecision).await?;
    /// println!("accepted with {}", receipt.reason_code().as_str());
    /// # Ok(())
    /// # }
    /// ```
    pub fn reason_code_fallback(mut self, fallback: ReasonCodeFallback) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// Allows the change to be sent again although D1 may have carried it out: for changes that do no harm when they are
    /// made twice.
    ///
    /// The [retry policy](crate::retry) decides how often. Without it, such a change is never sent again by the client.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// // The card is suspended afterwards, however often D1 was asked to.
    /// card.suspend().retry_if_unknown().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry_if_unknown(mut self) -> Self {
        self.options.retry_if_unknown = true;
        self
    }

    /// Adds a field to the request's body that this version has no method for.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// card.suspend().body_field("comment", "by phone").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The call fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) where the field has a method of its own.
    pub fn body_field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.body.insert(name.into(), value.into());
        self
    }

    /// Returns the operation of D1 that carries the change out.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        match &self.kind {
            Kind::Suspend => ApiOperation::SuspendCard,
            Kind::Resume => ApiOperation::ResumeCard,
            Kind::Delete => ApiOperation::DeleteCard,
            Kind::Renew(_) => ApiOperation::RenewCard,
        }
    }

    /// Returns the other card that it makes of this one.
    pub(super) fn new_card(&self) -> Option<&CardId> {
        match &self.kind {
            Kind::Suspend | Kind::Resume | Kind::Delete => None,
            Kind::Renew(renewal) => {
                let new_card = renewal.new_card_id(&self.card);
                new_card.filter(|id| *id != self.card.id())
            }
        }
    }

    /// Returns whether the change has card credentials that are still to be encrypted, which takes about 0.1 ms of CPU
    /// time: see [`prepare`](Self::prepare).
    #[must_use]
    pub fn needs_encryption(&self) -> bool {
        match &self.kind {
            Kind::Suspend | Kind::Resume | Kind::Delete => false,
            Kind::Renew(renewal) => renewal.needs_encryption(),
        }
    }

    /// Checks the change and encrypts its credentials now, on this thread. A change that was not prepared does so
    /// when it is awaited.
    ///
    /// For services that make many renewals and keep CPU time away from the threads of their runtime:
    ///
    /// ```no_run
    /// # async fn f(renew: d1_facade::Change) -> Result<(), Box<dyn std::error::Error>> {
    /// let renew = tokio::task::spawn_blocking(|| renew.prepare()).await??;
    /// renew.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the change cannot be sent as it is, or the credentials cannot be encrypted.
    pub fn prepare(mut self) -> Result<Self, Error> {
        let operation = self.operation();
        let invalid = |e| Error::invalid_input_of(operation, e);
        check_body(operation, &self.options.body).map_err(invalid)?;
        if let Kind::Renew(renewal) = self.kind {
            self.kind = Kind::Renew(Box::new(renewal.encrypt(&self.card)?));
        }
        Ok(self)
    }
}

call_options!(Change => Response<Receipt>);
