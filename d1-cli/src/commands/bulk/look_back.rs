//! After a crash: was the change of a line carried out or not? [`Client::reconcile`] says so from D1's list of
//! operations; what is left of the call is the journal: the line, and when its request was about to leave.

use std::time::{Duration, SystemTime};

use d1_facade::{Client, Inconclusive, PendingChange, Reconciliation};
use futures_util::{StreamExt as _, stream};
use time::OffsetDateTime;

use super::line::Facts;
use crate::look_up;

/// How many cards are looked at at once.
const AT_ONCE: usize = 8;

/// A line whose request may have been carried out.
#[derive(Debug, Clone)]
pub(super) struct InDoubt {
    pub(super) facts: Facts,
    pub(super) begun_at: OffsetDateTime,
    /// Whether another line of the input asks for the same of the same card.
    pub(super) has_twin: bool,
}

/// What D1's list says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Done(Option<String>),
    /// It is not listed. That it never will be can be said only once D1 had time for it.
    Absent,
    /// For this reason it cannot be told.
    CannotTell(String),
}

/// Looks at the lists of operations of many lines.
pub(super) async fn look_back(client: &Client, lines: Vec<InDoubt>) -> Vec<(InDoubt, Verdict)> {
    let looks = stream::iter(lines).map(|line| async move {
        let verdict = look(client, &line).await;
        (line, verdict)
    });
    looks.buffer_unordered(AT_ONCE).collect().await
}

async fn look(client: &Client, line: &InDoubt) -> Verdict {
    if line.has_twin {
        return Verdict::CannotTell("another line asks for the same of the same card".to_owned());
    }
    let pending = pending(client, &line.facts)
        .recorded_at(line.begun_at.into())
        // The process that sent it is gone: it holds the journal no more.
        .ended_by(SystemTime::now());
    // The caller gives D1 its time, and looks again.
    let reconcile = client.reconcile(&pending).settle(Duration::ZERO);
    match reconcile.await {
        Ok(Reconciliation::Done(operation)) => {
            let id = operation.and_then(|operation| operation.id());
            Verdict::Done(id.map(|id| id.as_str().to_owned()))
        }
        Ok(Reconciliation::NotDone(_)) => Verdict::Absent,
        Ok(Reconciliation::Inconclusive(why)) => cannot_tell(why),
        Ok(_) => cannot_tell(Inconclusive::Unreadable),
        Err(error) => Verdict::CannotTell(error.to_string()),
    }
}

fn cannot_tell(why: Inconclusive) -> Verdict {
    Verdict::CannotTell(look_up::why(why).to_owned())
}

/// The change of a line, as it was sent.
fn pending(client: &Client, facts: &Facts) -> PendingChange {
    facts.change(client, None).pending()
}
