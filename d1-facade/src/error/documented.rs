//! The documented errors as a table to read, for whoever has a status or a code and no call.

use d1_generated::error_table::{Condition, ERROR_TABLE, ErrorRow};

use super::Cause;
use crate::api_operation::ApiOperation;

/// One documented meaning of an error status of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentedError {
    operation: ApiOperation,
    row: &'static ErrorRow,
}

/// Every error that D1 documents, endpoint by endpoint, in the order of the documentation.
///
/// ```
/// use d1_facade::{ApiOperation, documented_errors};
///
/// let rows = documented_errors()
///     .filter(|e| e.operation() == ApiOperation::ListOperations && e.status() == 404);
/// for error in rows {
///     println!("{:?}: {}", error.code(), error.cause().advice());
/// }
/// ```
pub fn documented_errors() -> impl Iterator<Item = DocumentedError> {
    let of = |operation: ApiOperation| {
        let rows = ERROR_TABLE.iter();
        let own = rows.filter(move |row| row.operation == operation.raw());
        own.map(move |row| DocumentedError { operation, row })
    };
    ApiOperation::ALL.iter().copied().flat_map(of)
}

impl DocumentedError {
    /// The endpoint that answers so.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.operation
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.row.status
    }

    /// The `errorCode`, where the meaning depends on one.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        self.row.code
    }

    /// Whether asking again can help, where that is documented.
    #[must_use]
    pub fn retryable(&self) -> Option<bool> {
        self.row.retryable
    }

    /// What it means, and what to do.
    #[must_use]
    pub fn cause(&self) -> Cause {
        Cause::new(self.row)
    }

    /// What must be true of a request for this meaning to apply to it, in words; nothing where it
    /// applies to every request.
    pub fn conditions(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.row.when.iter().map(|condition| match condition {
            Condition::NewCardIdDiffers => "newCardId is another id than the card's",
            Condition::NewCardIdSame => "newCardId is the card's own id",
            Condition::PanChanged => "the renewed card has another PAN",
            Condition::PanSame => "the renewed card has the same PAN",
            Condition::ReasonCodeOtherThanDefault => {
                "the reason code is another one than ISSUER_DECISION"
            }
            Condition::StateInactive => "the renewed card is to be INACTIVE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_there_once() {
        let rows: Vec<_> = documented_errors().map(|e| e.row).collect();
        assert_eq!(rows.len(), ERROR_TABLE.len());
        for row in ERROR_TABLE {
            assert!(rows.contains(&row), "{row:?}");
        }
    }
}
