//! The result of a call, as fields: for the stable JSON, and for people.

use d1_facade::{CardId, Cause, CorrelationId, Error, ErrorKind, Receipt, Response};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::Output;
use crate::text::{printable, shown_id};

/// The message of a call that was interrupted before its response came.
pub(crate) const INTERRUPTED: &str =
    "interrupted: it is not known whether D1 got the request, or carried it out";

/// Returns the fields of a change that D1 accepted.
pub(crate) fn done(command: &str, card: &CardId, receipt: &Response<Receipt>) -> Value {
    json!({
        "command": command,
        "outcome": "done",
        "cardId": card.as_str(),
        "operationId": receipt.operation_id().and_then(|id| shown_id(id.as_str())),
        "reasonCode": receipt.reason_code().as_str(),
        "httpStatus": receipt.http_status(),
        "correlationId": receipt.correlation_id().as_str(),
        "attempts": receipt.attempts(),
    })
}

/// Returns the fields of a call that failed.
pub(crate) fn failed(command: &str, card: Option<&CardId>, error: &Error) -> Value {
    json!({
        "command": command,
        "outcome": error.outcome(),
        "cardId": card.map(CardId::as_str),
        "kind": kind(error.kind()),
        "httpStatus": error.status(),
        "code": error.code(),
        "troubleshootingText": error.troubleshooting_text(),
        "message": error.to_string(),
        "advice": error.advice(),
        "causes": error.causes().iter().map(cause).collect::<Vec<_>>(),
        "retryable": error.is_retryable(),
        "retryAfterSeconds": error.retry_after().map(|pause| pause.as_secs()),
        "correlationId": error.correlation_id().map(|id| id.as_str()),
        "tokenCorrelationId": error.token_correlation_id().map(|id| id.as_str()),
        "attempts": error.attempts(),
    })
}

/// Returns the fields of a change that was interrupted before its response came.
pub(crate) fn interrupted(
    command: &str,
    card: &CardId,
    correlation_id: Option<&CorrelationId>,
    advice: &str,
) -> Value {
    json!({
        "command": command,
        "outcome": "unknown",
        "cardId": card.as_str(),
        "kind": "interrupted",
        "httpStatus": null,
        "code": null,
        "troubleshootingText": null,
        "message": INTERRUPTED,
        "advice": advice,
        "causes": [],
        "retryable": false,
        "retryAfterSeconds": null,
        "correlationId": correlation_id.map(CorrelationId::as_str),
        "tokenCorrelationId": null,
        "attempts": null,
        "verification": null,
    })
}

/// Prints that a call failed: as a result for programs, or as lines for people.
pub(crate) fn say_failed(output: &Output, result: &Value, error: &Error) -> Exit {
    crate::text::say(&printable(&error.to_string()));
    if output.is_table() {
        match error.causes() {
            // The line above has said it all but this.
            [] | [_] => output.note(&format!("  {}", error.advice())),
            several => {
                for cause in several {
                    output.note(&format!(
                        "  possibly: {} {}",
                        cause.meaning(),
                        cause.advice()
                    ));
                }
            }
        }
        if let Some(text) = error.troubleshooting_text() {
            output.note(&format!("  D1's words: {}", printable(text)));
        }
        if is_of_the_way(error) {
            output.note("  Run d1 doctor: it finds the step that fails.");
        }
        output.note(&format!("  at {}", output.target()));
    } else {
        output.outcome(result);
    }
    for beneath in sources(error) {
        output.detail(&format!("  because: {}", printable(&beneath)));
    }
    Exit::of(error)
}

/// Returns whether an error comes from the way to D1, which the doctor checks: connection, certificate, clock, token.
fn is_of_the_way(error: &Error) -> bool {
    Exit::of(error) != Exit::Unknown
        && matches!(
            error.kind(),
            ErrorKind::Connect
                | ErrorKind::Timeout
                | ErrorKind::Transport
                | ErrorKind::TokenUnavailable
                | ErrorKind::TokenRejected
        )
}

/// Returns the texts of the errors beneath an error, the outermost first.
pub(crate) fn sources(error: &Error) -> impl Iterator<Item = String> {
    let first = std::error::Error::source(error);
    std::iter::successors(first, |error| error.source()).map(ToString::to_string)
}

/// Returns a kind of error in camel case.
pub(crate) fn kind(kind: ErrorKind) -> String {
    let name = format!("{kind:?}");
    let mut letters = name.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn cause(cause: &Cause) -> Value {
    json!({
        "meaning": cause.meaning(),
        "advice": cause.advice(),
        "afterMigration": cause.after_migration(),
    })
}
