//! Finds out whether D1 carried out a change whose outcome is unknown. The change is never sent again.

use std::time::Duration;

use d1_facade::{CardId, Client, Error, Inconclusive, PendingChange, Reconciliation};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::exit::Exit;
use crate::output::{Fields, Output};
use crate::report::fields;
use crate::text::{printable, shown_id};

/// How long to wait before the list of operations is read again.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a verification may take beyond the time that D1 is given to carry out the change.
const ALLOWANCE: Duration = Duration::from_secs(10);

/// Whether a change was carried out, by D1's list of operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verification {
    /// D1 carried it out; with the id of the operation where D1 lists it.
    Done(Option<String>),
    NotDone,
    /// The list does not say, for this reason.
    Inconclusive(String),
    /// The list could not be read.
    Failed(String),
    Interrupted,
}

/// Reads the list of operations once. A change that it does not have is *not done* only when D1 had `wait` to
/// carry it out.
pub(crate) async fn verify_once(
    client: &Client,
    pending: &PendingChange,
    wait: Duration,
) -> Verification {
    let reconcile = client.reconcile(pending).settle(wait);
    of_reconciliation(reconcile.await)
}

/// Verifies the change of an error: once, or again and again until D1 had `wait` to carry it out.
pub(crate) async fn verify(client: &Client, error: &Error, wait: Option<Duration>) -> Verification {
    let Some(pending) = error.pending_change() else {
        // Its outcome is known, or it changes no card.
        return Verification::Inconclusive(why(Inconclusive::Unreadable).to_owned());
    };
    let ends_by = Instant::now() + wait.unwrap_or_default() + ALLOWANCE;
    loop {
        let mut reconcile = client.reconcile(pending).timeout(ALLOWANCE);
        if let Some(wait) = wait {
            reconcile = reconcile.settle(wait);
        }
        let reconciliation = reconcile.await;
        let too_early = matches!(
            reconciliation,
            Ok(Reconciliation::Inconclusive(
                Inconclusive::TooEarly | Inconclusive::StillPending
            )) | Err(_)
        );
        if wait.is_none() || !too_early || Instant::now() + PAUSE > ends_by {
            return of_reconciliation(reconciliation);
        }
        sleep(PAUSE).await;
    }
}

fn of_reconciliation(reconciliation: Result<Reconciliation, Error>) -> Verification {
    match reconciliation {
        Ok(Reconciliation::Done(operation)) => {
            let id = operation.and_then(|operation| operation.id());
            Verification::Done(id.and_then(|id| shown_id(id.as_str())))
        }
        Ok(Reconciliation::NotDone(_)) => Verification::NotDone,
        Ok(Reconciliation::Inconclusive(reason)) => {
            Verification::Inconclusive(why(reason).to_owned())
        }
        Ok(_) => {
            Verification::Inconclusive("for a reason that this version does not know".to_owned())
        }
        Err(error) => Verification::Failed(error.to_string()),
    }
}

impl Verification {
    /// Returns what a command ends with whose change was verified.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Done(_) => Exit::Done,
            Self::NotDone => Exit::NotSent,
            Self::Inconclusive(_) | Self::Failed(_) | Self::Interrupted => Exit::Unknown,
        }
    }

    /// Returns why it says neither *done* nor *not done*.
    pub(crate) fn detail(&self) -> Option<&str> {
        match self {
            Self::Inconclusive(why) | Self::Failed(why) => Some(why),
            Self::Done(_) | Self::NotDone | Self::Interrupted => None,
        }
    }

    /// Returns it for programs.
    pub(crate) fn fields(&self) -> Fields {
        let (result, id) = match self {
            Self::Done(id) => ("done", id.as_ref()),
            Self::NotDone => ("notDone", None),
            Self::Inconclusive(_) => ("inconclusive", None),
            Self::Failed(_) => ("failed", None),
            Self::Interrupted => ("interrupted", None),
        };
        fields(json!({ "result": result, "detail": self.detail(), "operationId": id }))
    }

    /// Prints it for people, and what is left to do.
    pub(crate) fn print(&self, output: &Output, card: &CardId, error: &Error) {
        match self {
            Self::Done(_) => output.note("verified: D1 carried it out"),
            Self::NotDone => {
                output.note("verified: D1 did not carry it out; it can be asked for again");
            }
            Self::Inconclusive(_) | Self::Failed(_) | Self::Interrupted => {
                // The list calls `suspendCard` SUSPEND.
                let call = error.operation().operation_id();
                let advice = advice(card, call.trim_end_matches("Card"));
                let detail = self.detail().map(|text| format!(" ({})", printable(text)));
                output.note(&format!(
                    "verified: it cannot be told whether D1 carried it out{}\n{advice} --verify waits and does this \
                     itself. Thales finds the call by the correlation id above.",
                    detail.unwrap_or_default()
                ));
            }
        }
    }
}

/// Returns what is left to do about a change of a card whose outcome is unknown.
pub(crate) fn advice(card: &CardId, change: &str) -> String {
    let operation = change.to_ascii_uppercase();
    format!(
        "What to do: do not repeat it. Look for it in a minute:\n  \
         d1 operations list {card} --limit 10\n\
         A SUCCESSFUL {operation} with your reason and reason code means that it was done. It was not where \
         no {operation} in the whole list can be it, once D1 had a minute for it. Times alone prove nothing: \
         clocks differ."
    )
}

/// Returns why the outcome stays unknown, as text.
fn why(reason: Inconclusive) -> &'static str {
    match reason {
        Inconclusive::TooEarly => "D1 does not list it yet, and may not have finished",
        Inconclusive::StillPending => "D1 has not finished it",
        Inconclusive::SeveralMatch => "several operations match",
        Inconclusive::Ambiguous => "an operation may be it, but does not agree in everything",
        Inconclusive::Unreadable => "D1's list cannot be read",
        Inconclusive::UnknownCard => "D1 does not know the card, or does not say",
        Inconclusive::TooManyOperations => "the card has too many operations",
        Inconclusive::OtherHost => "it was sent to another host",
        _ => "for a reason that this version does not know",
    }
}
