//! Finds out whether D1 carried out lines whose outcome is unknown, and records what was found.

use std::time::{Duration, SystemTime};

use d1_facade::Error;
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use super::entry::{Entry, LineResult, Outcome};
use super::line::LineSummary;
use super::preflight::InDoubt;
use super::run::{Run, lock};
use crate::failure::Failure;
use crate::flags::BoundedInt;
use crate::interrupt::Interrupts;
use crate::verify::{Verification, verify, verify_once};

/// How many cards are verified at once.
const CONCURRENCY: usize = 8;

impl Run<'_> {
    fn wait(&self) -> Duration {
        let BoundedInt(seconds) = self.flags.wait;
        Duration::from_secs(seconds)
    }

    /// Verifies the lines that an earlier run left in doubt. Those that D1 did not carry out are to be sent. Returns
    /// whether it was interrupted.
    pub(super) async fn reconcile_in_doubt(
        &mut self,
        lines: Vec<InDoubt>,
        interrupts: &mut Interrupts,
    ) -> Result<bool, Failure> {
        let (mut interrupted, mut why) = (false, "it was not verified");
        let found = if self.flags.no_verify || lines.is_empty() {
            Vec::new()
        } else {
            tokio::select! {
                found = self.verify_in_doubt(&lines) => found,
                () = interrupts.next() => {
                    (interrupted, why) = (true, "the verification was interrupted");
                    Vec::new()
                }
            }
        };
        // Without a verification, all of them stay unknown.
        let mut found = found.into_iter();
        for InDoubt { line, .. } in &lines {
            let verification = found.next();
            let verification = verification.unwrap_or(Verification::Inconclusive(why.to_owned()));
            self.resolve_in_doubt(line, &verification).await?;
        }
        Ok(interrupted)
    }

    /// Returns the verification of each line, in the order of the lines.
    async fn verify_in_doubt(&self, lines: &[InDoubt]) -> Vec<Verification> {
        let note = |text: &str| lock(&self.summary).note(text);
        note(&format!(
            "{} lines are in doubt; verifying them",
            lines.len()
        ));
        let mut found = each(lines, |line| self.verify_line(line)).await;
        let absent = found
            .iter()
            .filter(|found| **found == Verification::NotDone);
        let absent = absent.count();
        if absent == 0 {
            return found;
        }
        let wait = self.wait();
        let seconds = wait.as_secs();
        note(&format!(
            "{absent} of them are not listed; giving D1 {seconds} s for them"
        ));
        sleep(wait).await;
        let again = lines.iter().zip(&mut found);
        let again = again.filter(|(_, found)| **found == Verification::NotDone);
        each(again, |(line, found)| async move {
            *found = self.verify_line(line).await;
        })
        .await;
        found
    }

    async fn verify_line(&self, in_doubt: &InDoubt) -> Verification {
        if in_doubt.has_twin {
            let why = "another line asks for the same of the same card";
            return Verification::Inconclusive(why.to_owned());
        }
        let pending = in_doubt.line.change(self.client, None).pending();
        let pending = pending
            .recorded_at(in_doubt.begun_at.into())
            // The process that sent it is gone: it holds the journal no more.
            .ended_by(SystemTime::now());
        // The caller gives D1 its time, and verifies again.
        verify_once(self.client, &pending, Duration::ZERO).await
    }

    async fn resolve_in_doubt(
        &mut self,
        line: &LineSummary,
        verification: &Verification,
    ) -> Result<(), Failure> {
        let before = self.previous.known(line.number);
        let Some(result) = LineResult::verified(line, verification) else {
            // Where this cannot be printed, the totals say it on standard error.
            let _ =
                lock(&self.summary).still_unknown(line, verification.detail().unwrap_or_default());
            return Ok(());
        };
        self.journal
            .append(&Entry::Ended(result.clone()))
            .await
            .map_err(Failure::Journal)?;
        if result.outcome == Outcome::Done {
            // As above.
            let _ = lock(&self.summary).ended(&result, before);
        } else {
            lock(&self.summary).learned(&result, before);
        }
        self.previous.resolve(&result);
        Ok(())
    }

    /// Verifies the lines of this run whose outcome is unknown.
    pub(super) async fn verify_unknown(
        &self,
        lines: Vec<(LineSummary, Error)>,
    ) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let note = format!("verifying {} lines of unknown outcome", lines.len());
        lock(&self.summary).note(&note);
        let verified = stream::iter(lines).map(|(line, error)| async move {
            let verification = verify(self.client, &error, Some(self.wait())).await;
            LineResult::verified(&line, &verification)
        });
        let mut verified = std::pin::pin!(verified.buffer_unordered(CONCURRENCY));
        while let Some(result) = verified.next().await {
            if let Some(result) = result {
                self.journal
                    .append(&Entry::Ended(result.clone()))
                    .await
                    .map_err(Failure::Journal)?;
                // Where this cannot be printed, the totals say it on standard error.
                let _ = lock(&self.summary).resolved(&result);
            }
        }
        Ok(())
    }
}

/// Does something with each item, several at once, and returns the results in the order of the items.
async fn each<I, F: Future>(
    items: impl IntoIterator<Item = I>,
    run: impl Fn(I) -> F,
) -> Vec<F::Output> {
    let results = stream::iter(items).map(run).buffered(CONCURRENCY);
    results.collect().await
}
