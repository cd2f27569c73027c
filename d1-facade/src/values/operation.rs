//! What a person decides of each operation: the spec cannot say it.

use super::generated::ApiOperation;

impl ApiOperation {
    /// Returns whether it changes a card, so that carrying it out twice may do harm.
    #[must_use]
    pub const fn changes_card(self) -> bool {
        match self {
            Self::SuspendCard | Self::ResumeCard | Self::DeleteCard | Self::RenewCard => true,
            Self::ListOperations | Self::GetOperation | Self::GetToken => false,
        }
    }
}
