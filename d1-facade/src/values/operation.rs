//! How an operation is written as text, and what a person decides about each one: the spec cannot say it.

use std::fmt;
use std::str::FromStr;

use super::generated::ApiOperation;
use super::input::InvalidInput;

impl ApiOperation {
    /// Returns whether it changes a card, so that carrying it out twice may do harm.
    ///
    /// Such an operation is sent again only where the first request was certainly not carried out, and
    /// [`Client::reconcile`](crate::Client::reconcile) is for these alone.
    #[must_use]
    pub const fn changes_card(self) -> bool {
        match self {
            Self::SuspendCard | Self::ResumeCard | Self::DeleteCard | Self::RenewCard => true,
            Self::ListOperations | Self::GetOperation | Self::GetToken => false,
        }
    }
}

/// Shows the `operationId`, such as `suspendCard`.
impl fmt::Display for ApiOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation_id())
    }
}

/// Reads an `operationId`, such as `suspendCard`; any other text is refused (field `operation`).
impl FromStr for ApiOperation {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let mut all = Self::ALL.iter().copied();
        all.find(|operation| operation.operation_id() == text)
            .ok_or_else(|| {
                let rule = "must be the operationId of an operation of D1";
                InvalidInput::new("operation", rule)
            })
    }
}

serde_as_text!(ApiOperation, operation_id, str::parse, "enum": ApiOperation::ALL
    .iter()
    .map(|operation| operation.operation_id())
    .collect::<Vec<_>>());
