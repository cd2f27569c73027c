//! A documented meaning of an error status.

use d1_generated::error_table::{Condition, ErrorRow};

/// A documented meaning of an error, with the documentation's advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    row: &'static ErrorRow,
}

impl Cause {
    pub(crate) fn new(row: &'static ErrorRow) -> Self {
        Self { row }
    }

    pub(crate) fn row(&self) -> &'static ErrorRow {
        self.row
    }

    /// Whether it is that D1 does not allow the reason code.
    pub(crate) fn is_about_reason_code(&self) -> bool {
        self.row
            .when
            .contains(&Condition::ReasonCodeOtherThanDefault)
    }

    /// What is wrong.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.row.meaning
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.row.advice
    }

    /// Whether it applies to a tenant only that Thales has migrated from V1 to V2.
    #[must_use]
    pub fn after_migration(&self) -> bool {
        self.row.migrated
    }
}
