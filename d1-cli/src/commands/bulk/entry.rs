//! The lines of a journal: that a request is about to leave, and its result.

use std::num::NonZero;

use d1_facade::{CorrelationId, Error, ErrorKind, Receipt, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, Rfc3339};

use super::line::{BadLine, LineSummary};
use crate::exit::Exit;
use crate::report::{self, fields};
use crate::text::{printable, shown_id};
use crate::verify::Verification;

/// What a journal begins with.
pub(super) const FORMAT: &str = "d1-bulk/3";

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
    /// The result of a line.
    Ended(LineResult),
}

/// The result of a line, with all that is printed of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineResult {
    /// The line.
    #[serde(rename = "ended")]
    pub(super) line: u64,
    pub(super) key: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) card_id: Option<String>,
    pub(super) outcome: Outcome,
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
    /// Whether it comes from D1's list of operations, rather than from D1's response.
    pub(super) verified: bool,
    pub(super) at: String,
}

/// How a line ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Outcome {
    Done,
    Refused,
    NotSent,
    #[default]
    Unknown,
    /// It was not sent, because an earlier line of its card is not known to be done.
    HeldBack,
    /// It cannot be used, and was left out.
    Bad,
}

impl Outcome {
    pub(super) const ALL: [Self; 6] = [
        Self::Done,
        Self::Refused,
        Self::NotSent,
        Self::Unknown,
        Self::HeldBack,
        Self::Bad,
    ];

    /// Returns its name in JSON.
    pub(super) fn name(self) -> String {
        let name = serde_json::to_value(self).unwrap_or_default();
        name.as_str().unwrap_or_default().to_owned()
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

    pub(super) fn begun(line: &LineSummary, correlation_id: Option<&CorrelationId>) -> Self {
        Self::Begun {
            begun: line.number,
            key: line.key.clone(),
            digest: format!("{:032x}", line.digest),
            operation: line.kind.name(),
            card_id: line.card.as_str().to_owned(),
            correlation_id: correlation_id.map(ToString::to_string),
            at: now(),
        }
    }
}

impl LineResult {
    /// Describes the result of a call.
    pub(super) fn of(line: &LineSummary, result: &Result<Response<Receipt>, Error>) -> Self {
        let error = match result {
            Ok(receipt) => {
                return Self {
                    http_status: Some(receipt.http_status()),
                    operation_id: receipt.operation_id().and_then(|id| shown_id(id.as_str())),
                    correlation_id: Some(receipt.correlation_id().to_string()),
                    ..Self::new(line, Outcome::Done)
                };
            }
            Err(error) => error,
        };
        let outcome = match error.outcome() {
            d1_facade::Outcome::NotSent => Outcome::NotSent,
            d1_facade::Outcome::Refused => Outcome::Refused,
            _ => Outcome::Unknown,
        };
        // A refused token says nothing of the line.
        let may_succeed = error.is_retryable() || error.kind() == ErrorKind::TokenRejected;
        Self {
            again: outcome == Outcome::NotSent || outcome == Outcome::Refused && may_succeed,
            no_access: Exit::of(error) == Exit::Auth,
            http_status: error.status(),
            kind: Some(report::kind(error.kind())),
            code: error.code().map(ToString::to_string),
            troubleshooting_text: error.troubleshooting_text().map(printable),
            message: Some(error.to_string()),
            correlation_id: error.correlation_id().map(ToString::to_string),
            ..Self::new(line, outcome)
        }
    }

    /// Describes a line of which nothing is known but the outcome.
    pub(super) fn new(line: &LineSummary, outcome: Outcome) -> Self {
        Self {
            key: line.key.clone(),
            operation: Some(line.kind.name()),
            card_id: Some(line.card.as_str().to_owned()),
            ..Self::bare(line.number, outcome)
        }
    }

    /// Describes a line by its verification; `None` where that does not say whether it was carried out.
    pub(super) fn verified(line: &LineSummary, verification: &Verification) -> Option<Self> {
        let (outcome, operation_id) = match verification {
            Verification::Done(id) => (Outcome::Done, id.clone()),
            Verification::NotDone => (Outcome::NotSent, None),
            Verification::Inconclusive(_) | Verification::Failed(_) | Verification::Interrupted => {
                return None;
            }
        };
        Some(Self {
            operation_id,
            verified: true,
            ..Self::new(line, outcome)
        })
    }

    /// Describes a line that is held back, since an earlier line of its card ended with `outcome`.
    pub(super) fn held_back(line: &LineSummary, earlier: u64, outcome: Outcome) -> Self {
        let message = match outcome {
            Outcome::Refused => format!("held back: line {earlier} of the same card was refused"),
            Outcome::NotSent => format!("held back: line {earlier} of the same card was not sent"),
            Outcome::Unknown => {
                format!("held back: the outcome of line {earlier} of the same card is unknown")
            }
            Outcome::Bad => format!("held back: line {earlier} of the same card is bad"),
            Outcome::Done | Outcome::HeldBack => {
                format!("held back: line {earlier} of the same card is not done")
            }
        };
        Self::new(line, Outcome::HeldBack).because(message)
    }

    /// Describes a line whose turn came after the bulk had been stopped.
    pub(super) fn stopped(line: &LineSummary) -> Self {
        Self::new(line, Outcome::NotSent).because("not sent: the bulk was stopped before")
    }

    /// Describes a bad line: why it is bad, and what that means for its card.
    pub(super) fn bad(line: &BadLine) -> Self {
        let unread = "; its cardId cannot be read, so that no later line of its card is held back";
        let more = if line.cards.is_empty() { unread } else { "" };
        Self::bare(line.number, Outcome::Bad).because(format!("{}{more}", line.rule))
    }

    /// Describes a line of which nothing is known but the number and the outcome.
    pub(super) fn bare(line: u64, outcome: Outcome) -> Self {
        Self {
            line,
            outcome,
            again: outcome == Outcome::NotSent,
            at: now(),
            ..Self::default()
        }
    }

    /// Adds why it ended so.
    pub(super) fn because(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Returns what is printed of it.
    pub(super) fn printed(&self) -> Value {
        let written = fields(serde_json::to_value(self).unwrap_or_default()).into_iter();
        let printed = written.filter_map(|(name, value)| match name.as_str() {
            "ended" => Some(("line".to_owned(), value)),
            "again" | "noAccess" | "at" => None,
            _ => Some((name, value)),
        });
        Value::Object(printed.collect())
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
