//! Finds out whether D1 carried out a change whose outcome is unknown. The change is never sent again.

use std::time::{Duration, SystemTime};

use d1_facade::{
    ApiOperation, CardId, Client, Inconclusive, OperationId, PendingChange, Reconciliation,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, sleep};

use crate::change::CardChange;
use crate::exit::Exit;
use crate::flags::BoundedInt;
use crate::output::Output;
use crate::text::{call_name, printable, shown_id};

/// How long to wait before the list of operations is read again.
const PAUSE: Duration = Duration::from_secs(2);

/// How long each request for the list may take.
const TIMEOUT: Duration = Duration::from_secs(10);

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

/// For how long the list is read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long D1 has to carry out a change, and until when the list is read again.
    settling: Option<(Duration, Instant)>,
}

impl Patience {
    pub(crate) const ONE_READ: Self = Self { settling: None };

    /// Gives D1 this many seconds from the end of a call to carry it out, and reads the list once more after that.
    pub(crate) fn settling(wait: BoundedInt<1, 3600>) -> Self {
        let wait = Duration::from_secs(wait.0);
        Self {
            settling: Some((wait, Instant::now() + wait + PAUSE)),
        }
    }
}

/// Verifies a change: reads the list until it is certain, or patience has ended. `others` are operations that are known to
/// be other changes.
pub(crate) async fn verify(
    client: &Client,
    pending: Option<&PendingChange>,
    others: &[OperationId],
    patience: Patience,
) -> Verification {
    let Some(pending) = pending else {
        // Its outcome is known, or it changes no card.
        return Verification::Inconclusive(Inconclusive::Unreadable.to_string());
    };
    loop {
        let reconcile = client.reconcile(pending).timeout(TIMEOUT);
        let mut reconcile = reconcile.except(others.iter().cloned());
        if let Some((wait, _)) = patience.settling {
            reconcile = reconcile.settle(wait);
        }
        let found = reconcile.await;
        let may_change = matches!(
            found,
            Ok(Reconciliation::Inconclusive(
                Inconclusive::TooEarly | Inconclusive::StillPending
            )) | Err(_)
        );
        match patience.settling {
            Some((_, until)) if may_change && Instant::now() + PAUSE <= until => {
                sleep(PAUSE).await;
            }
            _ => return found.map_or_else(|error| Verification::Failed(error.to_string()), of),
        }
    }
}

fn of(reconciliation: Reconciliation) -> Verification {
    match reconciliation {
        Reconciliation::Done(operation) => {
            let id = operation.and_then(|operation| operation.id());
            Verification::Done(id.and_then(|id| shown_id(id.as_str())))
        }
        Reconciliation::NotDone(_) => Verification::NotDone,
        Reconciliation::Inconclusive(reason) => Verification::Inconclusive(reason.to_string()),
        _ => Verification::Inconclusive("for a reason that this version does not know".to_owned()),
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
    pub(crate) fn to_json(&self) -> Value {
        let (result, id) = match self {
            Self::Done(id) => ("done", id.as_ref()),
            Self::NotDone => ("notDone", None),
            Self::Inconclusive(_) => ("inconclusive", None),
            Self::Failed(_) => ("failed", None),
            Self::Interrupted => ("interrupted", None),
        };
        json!({ "result": result, "detail": self.detail(), "operationId": id })
    }

    /// Prints it for people, with `advice` where it says neither *done* nor *not done*.
    pub(crate) fn print(&self, output: &Output, advice: &str) {
        let text = match self {
            Self::Done(_) => "D1 carried it out".to_owned(),
            Self::NotDone => "D1 did not carry it out; it can be asked for again".to_owned(),
            Self::Inconclusive(_) | Self::Failed(_) | Self::Interrupted => {
                let detail = self.detail().map(|text| format!(" ({})", printable(text)));
                format!(
                    "it cannot be told whether D1 carried it out{}\n{advice}",
                    detail.unwrap_or_default()
                )
            }
        };
        output.note(&format!("verified: {text}"));
    }
}

/// Returns what is left to do about a change of unknown outcome that was sent after `since`.
pub(crate) fn advice(change: &CardChange, since: SystemTime) -> String {
    let operation = change.kind.name();
    let since = OffsetDateTime::from(since).truncate_to_second();
    // Only a year beyond 9999 cannot be written.
    let since = since.format(&Rfc3339).unwrap_or_default();
    let mut command = format!(
        "d1 reconcile {} --operation {operation} --since {since}",
        change.card
    );
    command += &format!(" --reason-code {}", change.reason_code);
    if let Some(reason) = &change.reason {
        command += &format!(" --reason \"{reason}\"");
    }
    if let Some(id) = &change.new_card {
        command += &format!(" --new-card-id {id}");
    }
    format!("What to do: do not repeat it. Let d1 find out whether D1 carried it out:\n  {command}")
}

/// Returns how a person finds out whether D1 carried out a change of a card, where the list of operations does not
/// show it to `d1`.
pub(crate) fn by_hand(card: &CardId, operation: ApiOperation) -> String {
    // The list calls `suspendCard` SUSPEND.
    let operation = call_name(operation).to_ascii_uppercase();
    format!(
        "What to do: do not repeat it. Look for it:\n  \
         d1 operations list {card} --limit 10\n\
         A SUCCESSFUL {operation} with your reason and reason code means that it was done. It was not where \
         no {operation} in the whole list can be it, once D1 had a minute for it. Times alone prove nothing: \
         clocks differ."
    )
}
