//! What is done about a change whose outcome is unknown: it is looked up, and never sent again.

use std::time::Duration;

use d1_facade::{CardId, Client, Error, Inconclusive, Reconciliation};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::exit::Exit;
use crate::output::Fields;
use crate::output::Output;
use crate::report::fields;
use crate::text::{printable, shown_id};

/// How long a look-up waits before it looks again.
const PAUSE: Duration = Duration::from_secs(2);

/// What a look-up may take beyond the time in which the change must have settled.
const ALLOWANCE: Duration = Duration::from_secs(10);

/// What a look-up found, for programs.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) exit: Exit,
    pub(crate) fields: Fields,
}

/// Looks up what became of a change: once, or again and again until the change must have settled.
pub(crate) async fn look_up(client: &Client, error: &Error, settle: Option<Duration>) -> Found {
    let settled_by = Instant::now() + settle.unwrap_or_default() + ALLOWANCE;
    loop {
        let Some(pending) = error.pending_change() else {
            // Its outcome is known, or it changes no card.
            return found(Ok(Reconciliation::Inconclusive(Inconclusive::Unreadable)));
        };
        let mut reconcile = client.reconcile(pending).timeout(ALLOWANCE);
        if let Some(settle) = settle {
            reconcile = reconcile.settle(settle);
        }
        let reconciliation = reconcile.await;
        let too_early = matches!(
            reconciliation,
            Ok(Reconciliation::Inconclusive(
                Inconclusive::TooEarly | Inconclusive::StillPending
            )) | Err(_)
        );
        if settle.is_none() || !too_early || Instant::now() + PAUSE > settled_by {
            return found(reconciliation);
        }
        sleep(PAUSE).await;
    }
}

fn found(reconciliation: Result<Reconciliation, Error>) -> Found {
    let found = |exit, result: &str, detail: Value, operation: Option<String>| Found {
        exit,
        fields: fields(json!({ "result": result, "detail": detail, "operationId": operation })),
    };
    match reconciliation {
        Ok(Reconciliation::Done(operation)) => {
            let id = operation.and_then(|operation| operation.id());
            found(
                Exit::Done,
                "done",
                Value::Null,
                id.and_then(|id| shown_id(id.as_str())),
            )
        }
        Ok(Reconciliation::NotDone(_)) => found(Exit::NotSent, "notDone", Value::Null, None),
        Ok(Reconciliation::Inconclusive(reason)) => {
            found(Exit::Unknown, "cannotTell", why(reason).into(), None)
        }
        Ok(_) => found(Exit::Unknown, "cannotTell", Value::Null, None),
        Err(error) => found(Exit::Unknown, "failed", error.to_string().into(), None),
    }
}

/// What is known after a look-up that was given up.
pub(crate) fn interrupted() -> Found {
    let fields = fields(json!({ "result": "interrupted", "detail": null, "operationId": null }));
    Found {
        exit: Exit::Unknown,
        fields,
    }
}

/// What is left to do about a change of a card whose outcome is unknown.
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

/// Tells a person what was found, and what is left to do.
pub(crate) fn say(output: &Output, found: &Found, card: &CardId, error: &Error) {
    let detail = found.fields.get("detail").and_then(Value::as_str);
    let detail = detail
        .map(|text| format!(" ({})", printable(text)))
        .unwrap_or_default();
    match found.exit {
        Exit::Done => output.note("looked up: D1 carried it out"),
        Exit::NotSent => {
            output.note("looked up: D1 did not carry it out; it can be asked for again");
        }
        _ => {
            // The list calls `suspendCard` SUSPEND.
            let call = error.operation().operation_id();
            let advice = advice(card, call.trim_end_matches("Card"));
            output.note(&format!(
                "looked up: it cannot be told whether D1 carried it out{detail}\n{advice} --confirm waits and \
                 looks by itself. Thales finds the call by the correlation id above."
            ));
        }
    }
}

/// Why it cannot be told, in words.
pub(crate) fn why(reason: Inconclusive) -> &'static str {
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
