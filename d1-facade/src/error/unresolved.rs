//! What must be known of a change to find out later whether it was made.

use tokio::time::Instant;

use crate::api_operation::ApiOperation;
use crate::reason::ReasonCode;
use crate::text::{CardId, IssuerId, OperationId, Reason};

/// A change whose outcome is unknown.
#[derive(Debug, Clone)]
pub(crate) struct Unresolved {
    pub(crate) operation: ApiOperation,
    /// Where it was sent.
    pub(crate) base_url: String,
    pub(crate) issuer: IssuerId,
    pub(crate) card: CardId,
    /// The other card that a renewal makes of it.
    pub(crate) new_card: Option<CardId>,
    pub(crate) reason: Option<Reason>,
    pub(crate) reason_code: ReasonCode,
    /// The operation that D1's answer names.
    pub(crate) operation_id: Option<OperationId>,
    /// Before the first attempt.
    pub(crate) sent_at: Instant,
    /// After the last one.
    pub(crate) failed_at: Instant,
}
