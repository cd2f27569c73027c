//! The endpoints of D1, by name.

use std::fmt;

use d1_generated::error_table::ApiOperation as Raw;
use d1_generated::facts;

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

    /// Returns the reason codes (D1: `reasonCode`) that are documented for this change of a card.
    ///
    /// They are those of the V2 card API, and `ISSUER_DECISION`, which is the only one documented for V1.
    /// D1 may take others. Empty for calls that have no reason code.
    ///
    /// ```
    /// use d1_facade::ApiOperation;
    ///
    /// assert!(ApiOperation::ResumeCard.reason_codes().contains(&"CARD_FOUND"));
    /// ```
    #[must_use]
    pub fn reason_codes(self) -> &'static [&'static str] {
        match self {
            Self::SuspendCard => facts::SUSPEND_CARD_REASON_CODES,
            Self::ResumeCard => facts::RESUME_CARD_REASON_CODES,
            Self::DeleteCard => facts::DELETE_CARD_REASON_CODES,
            Self::RenewCard => facts::RENEW_CARD_REASON_CODES,
            Self::ListOperations | Self::GetOperation | Self::GetToken => &[],
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

impl ApiOperation {
    /// Returns the name of an endpoint of the spec.
    pub(crate) fn of(raw: Raw) -> Self {
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
}
