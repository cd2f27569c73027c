//! How an operation is written as text, and what a person decides about each one: the spec cannot say it.

use std::fmt;
use std::str::FromStr;

use d1_generated::constants;

use super::generated::ApiOperation;
use super::input::InvalidInput;
use super::method::Method;

impl ApiOperation {
    /// Returns whether it changes a card, or may, so that carrying it out twice may do harm.
    ///
    /// Such an operation is sent again only where the first request was certainly not carried out, and
    /// [`Client::reconcile`](crate::Client::reconcile) is for changes of a card alone. A [raw call](crate::Client::request)
    /// counts as a change unless it is a GET.
    #[must_use]
    pub const fn changes_card(self) -> bool {
        match self {
            Self::SuspendCard | Self::ResumeCard | Self::DeleteCard | Self::RenewCard => true,
            Self::ListOperations | Self::GetOperation | Self::GetToken => false,
            Self::Raw(method) => match method {
                Method::Get => false,
                Method::Post | Method::Put | Method::Patch | Method::Delete => true,
            },
        }
    }

    /// Returns the query parameters that have a method of their own, whichever operation they are documented for.
    pub(crate) const fn query_parameters(self) -> &'static [&'static str] {
        match self {
            Self::SuspendCard
            | Self::ResumeCard
            | Self::DeleteCard
            | Self::RenewCard
            | Self::ListOperations
            | Self::GetOperation
            | Self::GetToken => constants::QUERY_PARAMETERS,
            Self::Raw(_) => &[],
        }
    }

    /// Returns the operations of the spec, and those of raw calls.
    fn every() -> impl Iterator<Item = Self> {
        let raw = Method::ALL.into_iter().map(Self::Raw);
        Self::ALL.iter().copied().chain(raw)
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
        Self::every()
            .find(|operation| operation.operation_id() == text)
            .ok_or_else(|| {
                let rule = "must be the operationId of an operation of D1";
                InvalidInput::new("operation", rule)
            })
    }
}

serde_as_text!(ApiOperation, operation_id, str::parse, "enum": ApiOperation::every()
    .map(|operation| operation.operation_id())
    .collect::<Vec<_>>());
