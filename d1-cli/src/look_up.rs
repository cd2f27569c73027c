//! What is done about a change whose outcome is unknown: it is looked up, and never sent again.

use std::time::Duration;

use d1_facade::{CardId, Client, Confirmation, Doubt, Error};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::exit::Exit;
use crate::output::Output;
use crate::report::{Fields, fields};
use crate::text::printable;

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
        let mut look = client.confirm(error).timeout(ALLOWANCE);
        if let Some(settle) = settle {
            look = look.settle(settle);
        }
        let confirmation = look.await;
        let too_early = matches!(
            confirmation,
            Ok(Confirmation::CannotTell(
                Doubt::TooEarly | Doubt::StillPending
            )) | Err(_)
        );
        if settle.is_none() || !too_early || Instant::now() + PAUSE > settled_by {
            return found(confirmation);
        }
        sleep(PAUSE).await;
    }
}

fn found(confirmation: Result<Confirmation, Error>) -> Found {
    let found = |exit, result: &str, detail: Value, operation: Option<String>| Found {
        exit,
        fields: fields(json!({ "result": result, "detail": detail, "operationId": operation })),
    };
    match confirmation {
        Ok(Confirmation::Done(operation)) => {
            let id = operation.and_then(|operation| operation.id());
            found(Exit::Done, "done", Value::Null, id.map(|id| id.to_string()))
        }
        Ok(Confirmation::NotDone) => found(Exit::NotSent, "notDone", Value::Null, None),
        Ok(Confirmation::CannotTell(doubt)) => {
            found(Exit::Unknown, "cannotTell", why(doubt).into(), None)
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
         A {operation} of that time with your reason and reason code means that it was done. Without \
         one it was not, once D1 had a minute for it."
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
fn why(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::TooEarly => "D1 does not list it yet, and may still be at it",
        Doubt::StillPending => "D1 is still at it",
        Doubt::SeveralMatch => "several operations match",
        Doubt::Resembles => "an operation resembles it, but not in everything",
        Doubt::Unreadable => "D1's list lacks what is needed",
        Doubt::UnknownCard => "D1 does not know the card, or does not say",
        Doubt::TooManyOperations => "there are too many operations since",
        Doubt::OtherHost => "it was sent to another host",
        _ => "for a reason that this version does not know",
    }
}
