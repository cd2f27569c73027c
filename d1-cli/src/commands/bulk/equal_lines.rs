//! Lines that ask for the same change of the same card.
//!
//! D1's list of operations does not say which of two equal requests an operation is of. Where D1 named the operation of
//! each of the others, these are left out of account.

use std::collections::HashMap;
use std::io;

use d1_facade::OperationId;

use super::entry::{Begun, LineResult, Outcome};

/// The card and what is asked for it.
type Asked = (Option<String>, Option<String>);

/// A line, and its operation where D1 named it.
type EqualLine = (u64, Option<OperationId>);

/// The lines that are equal to lines in doubt, themselves included, without those that D1 did not carry out.
#[derive(Debug, Default)]
pub(super) struct EqualLines(HashMap<Asked, Vec<EqualLine>>);

impl EqualLines {
    /// Begins with the lines in doubt. The others are to be added.
    pub(super) fn of<'a>(in_doubt: impl IntoIterator<Item = &'a Begun>) -> Self {
        let asked = in_doubt
            .into_iter()
            .map(|begun| (asked(&begun.unknown()), Vec::new()));
        Self(asked.collect())
    }

    /// Returns whether no line is in doubt.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the last result of a line.
    pub(super) fn add(&mut self, result: &LineResult) -> io::Result<()> {
        let id = || result.operation_id.as_deref()?.parse().ok();
        match (self.0.get_mut(&asked(result)), result.outcome) {
            (Some(lines), Outcome::Done | Outcome::Unknown) => lines.push((result.line, id())),
            (Some(_), Outcome::Refused | Outcome::NotSent | Outcome::HeldBack | Outcome::Bad)
            | (None, _) => {}
        }
        Ok(())
    }

    /// Returns the operations of the other lines that are equal to this one; nothing where one of them may have an
    /// operation that is not known.
    pub(super) fn operations_of_others(&self, begun: &Begun) -> Option<Vec<OperationId>> {
        let lines = self.0.get(&asked(&begun.unknown())).into_iter().flatten();
        let others = lines.filter(|(line, _)| *line != begun.line);
        others.map(|(_, id)| id.clone()).collect()
    }
}

fn asked(result: &LineResult) -> Asked {
    (result.card_id.clone(), result.operation.clone())
}
