//! The endpoints of D1, by name.

use std::fmt;

use d1_generated::error_table::ApiOperation as Raw;

/// Something that D1 can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ApiOperation {
    /// Suspend a card.
    SuspendCard,
    /// Resume a suspended card.
    ResumeCard,
    /// Delete a card.
    DeleteCard,
    /// Renew a card.
    RenewCard,
    /// List the operations of a card.
    ListOperations,
    /// Get one operation of a card.
    GetOperation,
    /// Trade an assertion for an access token.
    GetToken,
}

impl ApiOperation {
    /// Every endpoint.
    pub const ALL: &'static [Self] = &[
        Self::SuspendCard,
        Self::ResumeCard,
        Self::DeleteCard,
        Self::RenewCard,
        Self::ListOperations,
        Self::GetOperation,
        Self::GetToken,
    ];

    /// Its `operationId` in the spec, such as `suspendCard`.
    #[must_use]
    pub fn operation_id(self) -> &'static str {
        self.raw().operation_id()
    }

    /// The path template, such as `/banking/v1/issuers/{issuerId}/cards/{cardId}/operations`.
    #[must_use]
    pub fn url_template(self) -> &'static str {
        self.raw().path()
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(self) -> &'static str {
        self.raw().method()
    }

    /// Whether it changes a card, so that doing it twice may do harm.
    #[must_use]
    pub fn changes_card(self) -> bool {
        match self {
            Self::SuspendCard | Self::ResumeCard | Self::DeleteCard | Self::RenewCard => true,
            Self::ListOperations | Self::GetOperation | Self::GetToken => false,
        }
    }

    pub(crate) fn raw(self) -> Raw {
        match self {
            Self::SuspendCard => Raw::SuspendCard,
            Self::ResumeCard => Raw::ResumeCard,
            Self::DeleteCard => Raw::DeleteCard,
            Self::RenewCard => Raw::RenewCard,
            Self::ListOperations => Raw::ListOperations,
            Self::GetOperation => Raw::GetOperation,
            Self::GetToken => Raw::GetToken,
        }
    }
}

impl fmt::Display for ApiOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation_id())
    }
}

/// An endpoint that the spec gains must get a name here.
#[allow(dead_code)]
fn every_endpoint_has_a_name(raw: Raw) -> ApiOperation {
    match raw {
        Raw::SuspendCard => ApiOperation::SuspendCard,
        Raw::ResumeCard => ApiOperation::ResumeCard,
        Raw::DeleteCard => ApiOperation::DeleteCard,
        Raw::RenewCard => ApiOperation::RenewCard,
        Raw::ListOperations => ApiOperation::ListOperations,
        Raw::GetOperation => ApiOperation::GetOperation,
        Raw::GetToken => ApiOperation::GetToken,
    }
}
