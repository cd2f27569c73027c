//! What a journal says, line by line: that a request is about to leave, and what became of it.

use std::num::NonZero;

use d1_facade::{CardId, CorrelationId, Error, ErrorKind, Outcome, Receipt};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, Rfc3339};

use super::line::Facts;
use crate::report;

/// What a journal begins with.
pub(super) const FORMAT: &str = "d1-bulk/1";

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
    /// The request of a line of the input may leave this machine from now on.
    Begun {
        begun: u64,
        digest: String,
        operation: String,
        card_id: String,
        correlation_id: Option<String>,
        at: String,
    },
    /// What became of it.
    Ended(Ended),
}

/// What became of the request of a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ended {
    /// The line.
    pub(super) ended: u64,
    pub(super) outcome: Ending,
    /// Whether it can be sent again without doing anything twice, and may succeed then.
    pub(super) again: bool,
    pub(super) http_status: Option<u16>,
    pub(super) operation_id: Option<String>,
    pub(super) kind: Option<String>,
    /// Whether it was found in D1's list of operations, rather than told by D1's answer.
    #[serde(default)]
    pub(super) looked_up: bool,
    pub(super) at: String,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Ending {
    Done,
    Refused,
    NotSent,
    Unknown,
}

impl Ending {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotSent => "notSent",
            Self::Unknown => "unknown",
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
            digest: facts.digest.clone(),
            operation: facts.kind.name().to_owned(),
            card_id: CardId::to_string(&facts.card),
            correlation_id: correlation_id.map(ToString::to_string),
            at: now(),
        }
    }
}

impl Ended {
    /// What an answer, or its absence, says.
    pub(super) fn of(line: u64, result: &Result<Receipt, Error>) -> Self {
        match result {
            Ok(receipt) => Self {
                http_status: Some(receipt.http_status()),
                operation_id: receipt.operation_id().and_then(|id| kept(id.as_str())),
                ..Self::new(line, Ending::Done)
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
                    http_status: error.status(),
                    kind: Some(report::kind(error.kind())),
                    ..Self::new(line, outcome)
                }
            }
        }
    }

    /// That nothing is known but the outcome.
    pub(super) fn new(line: u64, outcome: Ending) -> Self {
        Self {
            ended: line,
            outcome,
            again: outcome == Ending::NotSent,
            http_status: None,
            operation_id: None,
            kind: None,
            looked_up: false,
            at: now(),
        }
    }

    /// That D1's list of operations told.
    pub(super) fn looked_up(line: u64, outcome: Ending, operation_id: Option<&str>) -> Self {
        Self {
            operation_id: operation_id.and_then(kept),
            looked_up: true,
            ..Self::new(line, outcome)
        }
    }
}

/// An id of D1's, unless it looks like a card number: what a correlation id may not be, is not kept.
fn kept(id: &str) -> Option<String> {
    let id: CorrelationId = id.parse().ok()?;
    Some(id.to_string())
}

fn now() -> String {
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
