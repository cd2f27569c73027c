//! A change whose outcome is not known yet, in a form that survives the process.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use crate::error::InvalidInput;
use crate::redact::card_number::looks_like_card_number;
use crate::values::{ApiOperation, CardId, IssuerId, OperationId, Reason, ReasonCode};

/// A change of a card that may have been carried out: what [`Client::reconcile`](crate::Client::reconcile)
/// needs to find out.
///
/// It comes from a change before it is sent ([`Change::pending`](crate::Change::pending)), or from the error of one
/// whose outcome is unknown ([`Error::pending_change`](crate::Error::pending_change)). It can be serialized, so that a service can
/// store it before the call and reconcile after a crash, in another process and on another machine. It holds
/// ids, reason, reason code and wall-clock times, and no card data.
///
/// ```
/// # fn example(d1: d1_facade::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let suspend = d1.card("ReplaceMe01".parse()?).suspend().reason("order 4711".parse()?);
/// let line = serde_json::to_string(&suspend.pending())?;
/// // After a crash:
/// let pending: d1_facade::PendingChange = serde_json::from_str(&line)?;
/// let reconcile = d1.reconcile(&pending);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct PendingChange {
    pub(crate) operation: ApiOperation,
    /// Where it is sent.
    pub(crate) base_url: String,
    pub(crate) issuer: IssuerId,
    pub(crate) card: CardId,
    /// The other card that a renewal makes of it.
    pub(crate) new_card: Option<CardId>,
    pub(crate) reason: Option<Reason>,
    pub(crate) reason_code: ReasonCode,
    /// The operation that D1's answer names.
    pub(crate) operation_id: Option<OperationId>,
    /// Nothing was sent before.
    pub(crate) sent_at: SystemTime,
    /// Nothing was sent after.
    pub(crate) ended_at: SystemTime,
    /// The same by the monotonic clock of this process.
    pub(crate) ended: Option<Instant>,
}

impl PendingChange {
    /// Returns the operation of D1 that changes the card.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.operation
    }

    /// Returns the card.
    #[must_use]
    pub fn card(&self) -> &CardId {
        &self.card
    }

    /// Sets when the change was recorded; when [`Change::pending`](crate::Change::pending) was called by default. Nothing
    /// of the change was sent before.
    ///
    /// For services that keep the parts of a change in a record of their own, and make a [`Change`](crate::Change) from
    /// them again.
    #[must_use]
    pub fn recorded_at(mut self, time: SystemTime) -> Self {
        self.sent_at = time;
        self
    }

    /// Sets when the call had certainly ended, such as now, where the process that made it has ended. The settling time
    /// of [`reconcile`](crate::Client::reconcile) runs from then.
    ///
    /// The default is when the call failed; for a change that was not sent yet, its timeout after it was recorded.
    #[must_use]
    pub fn ended_by(mut self, time: SystemTime) -> Self {
        self.ended_at = time;
        self.ended = None;
        self
    }

    /// Keeps the id of D1's operation, unless it is none or looks like a card number.
    pub(crate) fn named(mut self, id: Option<&OperationId>) -> Self {
        let id = id.filter(|id| id.to_raw().is_ok() && !looks_like_card_number(id.as_str()));
        self.operation_id = id.cloned();
        self
    }

    /// Returns whether the settling time has passed since the end of the call, by every clock that is known.
    pub(super) fn has_settled(&self, settle: Duration, now: SystemTime) -> bool {
        let by_wall = self.ended_at.checked_add(settle);
        by_wall.is_some_and(|time| time <= now)
            && self.ended.is_none_or(|end| end.elapsed() >= settle)
    }
}

/// The form in which it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    operation: String,
    base_url: String,
    issuer_id: String,
    card_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new_card_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    reason_code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation_id: Option<String>,
    sent_at: String,
    ended_at: String,
}

impl From<PendingChange> for Stored {
    fn from(change: PendingChange) -> Self {
        Self {
            operation: change.operation.operation_id().to_owned(),
            base_url: change.base_url,
            issuer_id: change.issuer.to_string(),
            card_id: change.card.to_string(),
            new_card_id: change.new_card.map(|id| id.to_string()),
            reason: change.reason.map(|reason| reason.to_string()),
            reason_code: change.reason_code.as_str().to_owned(),
            operation_id: change.operation_id.map(|id| id.as_str().to_owned()),
            sent_at: written(change.sent_at),
            ended_at: written(change.ended_at),
        }
    }
}

impl TryFrom<Stored> for PendingChange {
    type Error = InvalidInput;

    fn try_from(stored: Stored) -> Result<Self, InvalidInput> {
        let operation: ApiOperation = stored.operation.parse()?;
        if !operation.changes_card() {
            return Err(InvalidInput::new("operation", "must be a change of a card"));
        }
        Ok(Self {
            operation,
            base_url: stored.base_url,
            issuer: stored.issuer_id.parse()?,
            // Whether they may be sent was decided when the change was made.
            card: CardId::without_pan_check(&stored.card_id)?,
            new_card: stored
                .new_card_id
                .as_deref()
                .map(CardId::without_pan_check)
                .transpose()?,
            reason: stored.reason.as_deref().map(str::parse).transpose()?,
            reason_code: stored.reason_code.parse()?,
            operation_id: stored.operation_id.as_deref().map(str::parse).transpose()?,
            sent_at: read("sentAt", &stored.sent_at)?,
            ended_at: read("endedAt", &stored.ended_at)?,
            ended: None,
        })
    }
}

fn written(time: SystemTime) -> String {
    // Only a year beyond 9999 cannot be written, and is refused when it is read.
    let text = OffsetDateTime::from(time).format(&Rfc3339);
    text.unwrap_or_default()
}

fn read(field: &'static str, text: &str) -> Result<SystemTime, InvalidInput> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    let time =
        time.map_err(|_| InvalidInput::new(field, "must be a time as RFC 3339 writes it"))?;
    Ok(time.into())
}
