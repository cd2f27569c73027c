//! What a journal says, line by line: that a request is about to leave, and what became of it.

use std::num::NonZero;

use d1_facade::{CardId, CorrelationId, Error, ErrorKind, Outcome, Receipt, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, Rfc3339};

use super::line::{BadLine, Facts};
use crate::exit::Exit;
use crate::report;
use crate::text::{printable, shown_id};

/// What a journal begins with.
pub(super) const FORMAT: &str = "d1-bulk/2";

/// A line of a journal. None of them holds card data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(super) enum Entry {
    /// The first: what the journal is for.
    Header {
        journal: String,
        base_url: String,
        issuer_id: String,
        at: String,
    },
    /// A run begins, with this input.
    Run {
        /// What the input is called.
        input: String,
        profile: Option<String>,
        /// Of all that its lines say and is no card data.
        digest: String,
        lines: u64,
        bad_lines: u64,
        at: String,
    },
    /// The request of a line of the input may leave this machine from now on.
    Begun {
        begun: u64,
        key: Option<String>,
        digest: String,
        operation: String,
        card_id: String,
        correlation_id: Option<String>,
        at: String,
    },
    /// The outcome of a line.
    Ended(Ended),
}

/// The outcome of a line, with all that is printed of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ended {
    /// The line.
    pub(super) ended: u64,
    pub(super) key: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) card_id: Option<String>,
    pub(super) outcome: Ending,
    /// Whether it can be sent again without doing anything twice, and may succeed then.
    pub(super) again: bool,
    /// Whether D1 gave no token, or refused it.
    pub(super) no_access: bool,
    pub(super) http_status: Option<u16>,
    pub(super) operation_id: Option<String>,
    pub(super) kind: Option<String>,
    /// D1's own code.
    pub(super) code: Option<String>,
    /// D1's own words, masked.
    pub(super) troubleshooting_text: Option<String>,
    pub(super) message: Option<String>,
    pub(super) correlation_id: Option<String>,
    /// Whether it was found in D1's list of operations, rather than told by D1's answer.
    pub(super) looked_up: bool,
    pub(super) at: String,
}

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Ending {
    Done,
    Refused,
    NotSent,
    Unknown,
    /// It was not sent, because an earlier line of its card is not known to be done.
    HeldBack,
    /// It cannot be used, and was left out.
    Bad,
}

impl Ending {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotSent => "notSent",
            Self::Unknown => "unknown",
            Self::HeldBack => "heldBack",
            Self::Bad => "bad",
        }
    }
}

impl Entry {
    pub(super) fn header(base_url: &str, issuer_id: &str) -> Self {
        Self::Header {
            journal: FORMAT.to_owned(),
            base_url: base_url.to_owned(),
            issuer_id: issuer_id.to_owned(),
            at: now(),
        }
    }

    pub(super) fn begun(facts: &Facts, correlation_id: Option<&CorrelationId>) -> Self {
        Self::Begun {
            begun: facts.number,
            key: facts.key.clone(),
            digest: format!("{:032x}", facts.digest),
            operation: facts.kind.name().to_owned(),
            card_id: CardId::to_string(&facts.card),
            correlation_id: correlation_id.map(ToString::to_string),
            at: now(),
        }
    }
}

impl Ended {
    /// What an answer, or its absence, says.
    pub(super) fn of(facts: &Facts, result: &Result<Response<Receipt>, Error>) -> Self {
        match result {
            Ok(receipt) => Self {
                http_status: Some(receipt.http_status()),
                operation_id: receipt.operation_id().and_then(|id| shown_id(id.as_str())),
                correlation_id: Some(receipt.correlation_id().to_string()),
                ..Self::new(facts, Ending::Done)
            },
            Err(error) => {
                let outcome = match error.outcome() {
                    Outcome::NotSent => Ending::NotSent,
                    Outcome::Refused => Ending::Refused,
                    _ => Ending::Unknown,
                };
                Self {
                    again: outcome == Ending::NotSent
                        || outcome == Ending::Refused
                            // A refused token says nothing of the line.
                            && (error.is_retryable() || error.kind() == ErrorKind::TokenRejected),
                    no_access: Exit::of(error) == Exit::Auth,
                    http_status: error.status(),
                    kind: Some(report::kind(error.kind())),
                    code: error.code().map(ToString::to_string),
                    troubleshooting_text: error.troubleshooting_text().map(printable),
                    message: Some(error.to_string()),
                    correlation_id: error.correlation_id().map(ToString::to_string),
                    ..Self::new(facts, outcome)
                }
            }
        }
    }

    /// That nothing is known but the outcome.
    pub(super) fn new(facts: &Facts, outcome: Ending) -> Self {
        Self {
            key: facts.key.clone(),
            operation: Some(facts.kind.name().to_owned()),
            card_id: Some(CardId::to_string(&facts.card)),
            ..Self::bare(facts.number, outcome)
        }
    }

    /// That D1's list of operations told.
    pub(super) fn looked_up(facts: &Facts, outcome: Ending, operation_id: Option<&str>) -> Self {
        Self {
            operation_id: operation_id.and_then(shown_id),
            looked_up: true,
            ..Self::new(facts, outcome)
        }
    }

    /// That the line is held back, since an earlier one of its card ended so.
    pub(super) fn held_back(facts: &Facts, line: u64, outcome: Ending) -> Self {
        let message = match outcome {
            Ending::Refused => format!("held back: line {line} of the same card was refused"),
            Ending::NotSent => format!("held back: line {line} of the same card was not sent"),
            Ending::Unknown => {
                format!("held back: the outcome of line {line} of the same card is unknown")
            }
            Ending::Bad => format!("held back: line {line} of the same card is bad"),
            Ending::Done | Ending::HeldBack => {
                format!("held back: line {line} of the same card is not done")
            }
        };
        Self {
            message: Some(message),
            ..Self::new(facts, Ending::HeldBack)
        }
    }

    /// Describes a line whose turn came after the bulk had been stopped.
    pub(super) fn stopped(facts: &Facts) -> Self {
        let message = "not sent: the bulk was stopped before";
        Self {
            message: Some(message.to_owned()),
            ..Self::new(facts, Ending::NotSent)
        }
    }

    /// Describes a bad line: why it is bad, and what that means for its card.
    pub(super) fn bad(line: &BadLine) -> Self {
        let unread = "; its cardId cannot be read, so that no later line of its card is held back";
        let more = if line.cards.is_empty() { unread } else { "" };
        Self {
            message: Some(format!("{}{more}", line.rule)),
            ..Self::bare(line.number, Ending::Bad)
        }
    }

    /// What is known of a line that was begun, and whose end was not written down.
    pub(super) fn in_doubt(
        line: u64,
        key: Option<String>,
        operation: String,
        card_id: String,
        correlation_id: Option<String>,
    ) -> Self {
        let message = "its outcome was not written down: the run ended before, or has not ended";
        Self {
            key,
            operation: Some(operation),
            card_id: Some(card_id),
            correlation_id,
            message: Some(message.to_owned()),
            ..Self::bare(line, Ending::Unknown)
        }
    }

    /// That nothing is known but the line and its outcome.
    pub(super) fn bare(line: u64, outcome: Ending) -> Self {
        Self {
            ended: line,
            key: None,
            operation: None,
            card_id: None,
            outcome,
            again: outcome == Ending::NotSent,
            no_access: false,
            http_status: None,
            operation_id: None,
            kind: None,
            code: None,
            troubleshooting_text: None,
            message: None,
            correlation_id: None,
            looked_up: false,
            at: now(),
        }
    }

    /// What is printed of it.
    pub(super) fn printed(&self) -> Value {
        json!({
            "line": self.ended,
            "key": self.key,
            "operation": self.operation,
            "cardId": self.card_id,
            "outcome": self.outcome.name(),
            "httpStatus": self.http_status,
            "operationId": self.operation_id,
            "kind": self.kind,
            "code": self.code,
            "troubleshootingText": self.troubleshooting_text,
            "message": self.message,
            "correlationId": self.correlation_id,
            "lookedUp": self.looked_up,
        })
    }
}

pub(super) fn now() -> String {
    written(OffsetDateTime::now_utc())
}

/// Writes a time in UTC with three digits of a second, also where the last of them are zero: the
/// entries of a journal have the same width at every moment.
fn written(time: OffsetDateTime) -> String {
    // A year beyond 9999 is the only time that cannot be written.
    time.format(&Iso8601::<MILLISECONDS>).unwrap_or_default()
}

const MILLISECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second {
        decimal_digits: NonZero::new(3),
    })
    .encode();

/// When an entry was made.
pub(super) fn time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_written_with_the_same_width_and_can_be_read() {
        for (nanoseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (120_000_000, "1970-01-01T00:00:00.120Z"),
            (123_456_789, "1970-01-01T00:00:00.123Z"),
        ] {
            let moment = OffsetDateTime::UNIX_EPOCH + time::Duration::nanoseconds(nanoseconds);
            assert_eq!(written(moment), expected);
            assert!(super::time(expected).is_some_and(|read| read <= moment));
        }
    }
}
