//! A change whose outcome is not known yet, in a form that survives the process.
//!
//! This module decides what is recorded of a change, and when D1 has had its time to list it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Moment;
use crate::error::InvalidInput;
use crate::redact::card_number::looks_like_card_number;
use crate::values::{ApiOperation, CardId, IssuerId, OperationId, Reason, ReasonCode};

/// A change of a card that may have been carried out: what [`Client::reconcile`](crate::Client::reconcile)
/// needs to find out.
///
/// It comes from a change before it is sent ([`Change::pending`](crate::Change::pending)), or from the error of one
/// whose outcome is unknown ([`Error::pending_change`](crate::Error::pending_change)). It can be serialized, so that a service can
/// store it before the call and reconcile after a crash, in another process and on another machine. It holds
/// ids, reason, reason code and times, and no card data.
///
/// Its times are those of the host that made the change and, where the client has had a response from D1 before, those
/// of D1's clock. Where D1's are missing, the clock of the host that reconciles must agree with the one that made the
/// change. A service for which that matters calls [`Client::access_token`](crate::Client::access_token) first.
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
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
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
    pub(crate) sent_at: Moment,
    /// Nothing was sent after.
    pub(crate) ended_at: Moment,
}

impl PendingChange {
    /// Returns the operation of D1 that carries the change out.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.operation
    }

    /// Returns the id of the card; of a renewal, the id before it.
    #[must_use]
    pub fn card(&self) -> &CardId {
        &self.card
    }

    /// Sets when the change was recorded; when [`Change::pending`](crate::Change::pending) was called by default. Nothing
    /// of the change was sent before.
    ///
    /// For services that keep the parts of a change in a record of their own, and make a [`Change`](crate::Change) from
    /// them again. It is a time of the clock of the host that reconciles: D1's is not known for it.
    #[must_use]
    pub fn recorded_at(mut self, time: SystemTime) -> Self {
        self.sent_at = Moment::of_host(time);
        self
    }

    /// Sets when the call had certainly ended, such as now, where the process that made it has ended. The settling time
    /// of [`reconcile`](crate::Client::reconcile) runs from then.
    ///
    /// It is a time of the clock of the host that reconciles. The default is when the call failed; for a change that was
    /// not sent yet, its timeout after it was recorded.
    #[must_use]
    pub fn ended_by(mut self, time: SystemTime) -> Self {
        self.ended_at = Moment::of_host(time);
        self
    }

    /// Keeps the id of D1's operation, unless it is none or looks like a card number.
    pub(crate) fn named(mut self, id: Option<&OperationId>) -> Self {
        let id = id.filter(|id| id.to_raw().is_ok() && !looks_like_card_number(id.as_str()));
        self.operation_id = id.cloned();
        self
    }

    /// Returns whether D1 had the settling time between the end of the call and `asked_at`.
    pub(super) fn has_settled(&self, settle: Duration, asked_at: Moment) -> bool {
        let time = self.ended_at.until(asked_at);
        time.is_some_and(|time| time >= settle)
    }
}

/// The form in which it is written.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d1_sent_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d1_ended_at: Option<String>,
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
            sent_at: written(change.sent_at.host),
            ended_at: written(change.ended_at.host),
            d1_sent_at: change.sent_at.d1.map(written),
            d1_ended_at: change.ended_at.d1.map(written),
        }
    }
}

impl TryFrom<Stored> for PendingChange {
    type Error = InvalidInput;

    fn try_from(stored: Stored) -> Result<Self, InvalidInput> {
        let operation: ApiOperation = stored.operation.parse()?;
        if !operation.changes_card() || matches!(operation, ApiOperation::Raw(_)) {
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
            reason: stored
                .reason
                .as_deref()
                .map(Reason::without_pan_check)
                .transpose()?,
            reason_code: stored.reason_code.parse()?,
            operation_id: stored.operation_id.as_deref().map(str::parse).transpose()?,
            sent_at: Moment {
                host: read("sentAt", &stored.sent_at)?,
                d1: known("d1SentAt", stored.d1_sent_at.as_deref())?,
                process: None,
            },
            ended_at: Moment {
                host: read("endedAt", &stored.ended_at)?,
                d1: known("d1EndedAt", stored.d1_ended_at.as_deref())?,
                process: None,
            },
        })
    }
}

/// Writes a time for a record.
fn written(time: SystemTime) -> String {
    // Only a year beyond 9999 cannot be written, and is refused when it is read.
    let text = OffsetDateTime::from(time).format(&Rfc3339);
    text.unwrap_or_default()
}

/// Reads a time of D1's clock, where it was known.
fn known(field: &'static str, text: Option<&str>) -> Result<Option<SystemTime>, InvalidInput> {
    text.map(|text| read(field, text)).transpose()
}

/// Reads a time of a record.
fn read(field: &'static str, text: &str) -> Result<SystemTime, InvalidInput> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    let time =
        time.map_err(|_| InvalidInput::new(field, "must be a time as RFC 3339 writes it"))?;
    Ok(time.into())
}
