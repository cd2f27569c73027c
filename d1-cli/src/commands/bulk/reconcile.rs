//! Finds out whether D1 carried out lines whose outcome is unknown, and records what was found.

use std::path::Path;
use std::time::SystemTime;

use d1_facade::PendingChange;
use futures_util::{StreamExt as _, stream};

use super::entry::{Begun, LineResult, Outcome};
use super::equal_lines::EqualLines;
use super::lock;
use super::resume::Opened;
use super::run::Run;
use crate::failure::Failure;
use crate::flags::BoundedInt;
use crate::interrupt::Interrupts;
use crate::verify::{Patience, Verification, verify};

/// How many cards are verified at once.
const CONCURRENCY: usize = 8;

impl Run<'_> {
    /// Verifies the lines that an earlier run left in doubt. Those that D1 did not carry out are to be sent. Returns
    /// whether it was interrupted.
    pub(super) async fn reconcile_in_doubt(
        &mut self,
        equal_lines: &EqualLines,
        interrupts: &mut Interrupts,
    ) -> Result<bool, Failure> {
        let lines: Vec<Begun> = self.previous.in_doubt.values().cloned().collect();
        let all = |found: &Verification| {
            let results = lines.iter().map(|begun| begun.verified(found));
            results.collect::<Vec<_>>()
        };
        let (interrupted, results) = if lines.is_empty() || self.flags.no_verify {
            let why = "it was not verified".to_owned();
            (false, all(&Verification::Inconclusive(why)))
        } else {
            tokio::select! {
                results = self.verify_in_doubt(&lines, equal_lines) => (false, results),
                () = interrupts.next() => (true, all(&Verification::Interrupted)),
            }
        };
        for result in results {
            self.resolve_in_doubt(&result).await?;
        }
        Ok(interrupted)
    }

    /// Returns the result of each line, in the order of the lines.
    async fn verify_in_doubt(&self, lines: &[Begun], equal: &EqualLines) -> Vec<LineResult> {
        let BoundedInt(seconds) = self.flags.wait;
        lock(&self.summary).note(&format!(
            "{} lines are in doubt; verifying them, giving D1 {seconds} s for what it does not list",
            lines.len()
        ));
        let patience = Patience::settling(self.flags.wait);
        // The process that sent them is gone: it holds the journal no more.
        let ended_by = SystemTime::now();
        let verified = stream::iter(lines).map(|begun| async move {
            let pending = begun.change.clone().ended_by(ended_by);
            self.verify_line(begun, &pending, equal, patience).await
        });
        verified.buffered(CONCURRENCY).collect().await
    }

    async fn verify_line(
        &self,
        begun: &Begun,
        pending: &PendingChange,
        equal: &EqualLines,
        patience: Patience,
    ) -> LineResult {
        let Some(others) = equal.operations_of_others(begun) else {
            let why = "another line asks for the same of the same card".to_owned();
            return begun.verified(&Verification::Inconclusive(why));
        };
        begun.verified(&verify(self.client, Some(pending), &others, patience).await)
    }

    async fn resolve_in_doubt(&mut self, result: &LineResult) -> Result<(), Failure> {
        if result.outcome == Outcome::Unknown {
            // Where something cannot be printed, the totals say it on standard error.
            let _ = lock(&self.summary).still_unknown(result);
            return Ok(());
        }
        self.journal_result(result).await?;
        let before = self.previous.outcome(result.line);
        if result.outcome == Outcome::Done {
            let _ = lock(&self.summary).ended(result, before);
        } else {
            lock(&self.summary).learned(result, before);
        }
        self.previous.resolve(result, 0);
        Ok(())
    }

    async fn journal_result(&self, result: &LineResult) -> Result<(), Failure> {
        let written = self.journal.append_results(std::slice::from_ref(result));
        written.await.map_err(Failure::Journal)
    }

    /// Verifies the lines of this run whose outcome is unknown.
    pub(super) async fn verify_unknown(
        &self,
        lines: Vec<Begun>,
        journal: Option<&Path>,
    ) -> Result<(), Failure> {
        let (Some(journal), false) = (journal, lines.is_empty()) else {
            return Ok(());
        };
        let note = format!("verifying {} lines of unknown outcome", lines.len());
        lock(&self.summary).note(&note);
        let patience = Patience::settling(self.flags.wait);
        let opened = Opened::read_only(journal);
        let opened = opened.map_err(|rule| Failure::input("the journal", rule))?;
        let equal = &opened.equal_lines(&lines)?;
        let verified = stream::iter(&lines)
            .map(|begun| self.verify_line(begun, &begun.change, equal, patience));
        let mut verified = std::pin::pin!(verified.buffer_unordered(CONCURRENCY));
        while let Some(result) = verified.next().await {
            if result.outcome != Outcome::Unknown {
                self.journal_result(&result).await?;
                // Where this cannot be printed, the totals say it on standard error.
                let _ = lock(&self.summary).resolved(&result);
            }
        }
        Ok(())
    }
}
