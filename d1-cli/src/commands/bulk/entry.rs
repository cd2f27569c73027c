//! The lines of a journal: that a request is about to leave, and its result.

use d1_facade::{CorrelationId, Error, ErrorKind, PendingChange, Receipt, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::line::{BadLine, LineSummary};
use crate::exit::Exit;
use crate::report;
use crate::text::{call_name, printable, shown_id};
use crate::verify::Verification;

/// What a journal begins with.
pub(super) const FORMAT: &str = "d1-bulk/4";

/// A line of a journal. None of them holds card data.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Entry {
    /// The first: what the journal is for.
    Header(Header),
    /// A run begins, with this input.
    Run(InputSummary),
    /// The request of a line of the input may leave this machine from now on.
    Begun(Begun),
    /// The result of a line.
    Ended(LineResult),
}

/// What a journal is for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) journal: String,
    pub(super) base_url: String,
    pub(super) issuer_id: String,
    at: String,
}

impl Header {
    pub(super) fn new(base_url: &str, issuer_id: &str) -> Self {
        Self {
            journal: FORMAT.to_owned(),
            base_url: base_url.to_owned(),
            issuer_id: issuer_id.to_owned(),
            at: now(),
        }
    }
}

/// The input of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InputSummary {
    /// What the input is called.
    pub(super) input: String,
    pub(super) profile: Option<String>,
    /// Of everything in its lines that is no card data.
    pub(super) digest: String,
    pub(super) lines: u64,
    pub(super) bad_lines: u64,
    pub(super) at: String,
}

/// A request that may leave this machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Begun {
    #[serde(rename = "begun")]
    pub(super) line: u64,
    pub(super) key: Option<String>,
    /// That of the line, in hexadecimal digits.
    pub(super) digest: String,
    pub(super) correlation_id: Option<String>,
    /// What D1's list of operations is compared with when the result is not known.
    pub(super) change: PendingChange,
}

impl Begun {
    pub(super) fn new(
        line: &LineSummary,
        id: Option<&CorrelationId>,
        change: PendingChange,
    ) -> Self {
        Self {
            line: line.number,
            key: line.key.clone(),
            digest: format!("{:032x}", line.digest),
            correlation_id: id.map(ToString::to_string),
            change,
        }
    }

    /// Describes the line with this outcome.
    fn ended(&self, outcome: Outcome) -> LineResult {
        LineResult {
            key: self.key.clone(),
            operation: Some(call_name(self.change.operation()).to_owned()),
            card_id: Some(self.change.card().to_string()),
            ..LineResult::bare(self.line, outcome)
        }
    }

    /// Describes the line with an unknown outcome.
    pub(super) fn unknown(&self) -> LineResult {
        self.ended(Outcome::Unknown)
    }

    /// Describes the line by its verification; as unknown where that does not say whether it was carried out.
    pub(super) fn verified(&self, verification: &Verification) -> LineResult {
        match verification {
            Verification::Done(operation_id) => LineResult {
                operation_id: operation_id.clone(),
                verified: true,
                ..self.ended(Outcome::Done)
            },
            Verification::NotDone => LineResult {
                verified: true,
                ..self.ended(Outcome::NotSent)
            },
            Verification::Inconclusive(why) | Verification::Failed(why) => {
                self.unknown().because(printable(why))
            }
            Verification::Interrupted => self.unknown().because("the verification was interrupted"),
        }
    }
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

/// The line that holds back the rest of its card.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocker {
    pub(super) line: u64,
    pub(super) outcome: Outcome,
}

impl Entry {
    /// Returns the result of a line that the entry is about.
    pub(super) fn into_result(self) -> Option<LineResult> {
        match self {
            Self::Header(_) | Self::Run(_) => None,
            Self::Begun(begun) => {
                let why =
                    "its outcome was not written down: the run ended before, or has not ended";
                let result = begun.unknown().because(why);
                Some(LineResult {
                    correlation_id: begun.correlation_id,
                    ..result
                })
            }
            Self::Ended(result) => Some(result),
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

    /// Describes a line of the input with this outcome.
    pub(super) fn new(line: &LineSummary, outcome: Outcome) -> Self {
        Self {
            key: line.key.clone(),
            operation: Some(line.kind.name()),
            card_id: Some(line.card.to_string()),
            ..Self::bare(line.number, outcome)
        }
    }

    /// Describes a line that an earlier line of its card holds back.
    pub(super) fn held_back(line: &LineSummary, by: Blocker) -> Self {
        let why = match by.outcome {
            Outcome::Refused => "was refused",
            Outcome::NotSent => "was not sent",
            Outcome::Unknown => "has an unknown outcome",
            Outcome::Bad => "is bad",
            Outcome::Done | Outcome::HeldBack => "is not done",
        };
        let message = format!("held back: line {} of the same card {why}", by.line);
        Self::new(line, Outcome::HeldBack).because(message)
    }

    /// Describes a bad line: why it is bad, and what that means for its card.
    pub(super) fn bad(line: &BadLine) -> Self {
        let unread = "; its cardId cannot be read, so that no later line of its card is held back";
        let more = if line.cards.is_empty() { unread } else { "" };
        Self::bare(line.number, Outcome::Bad).because(format!("{}{more}", line.rule))
    }

    /// Describes a line of which only the number and the outcome are known.
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
        let mut printed = json!({ "line": self.line });
        if let Ok(Value::Object(written)) = serde_json::to_value(self) {
            let is_printed = |name: &str| !matches!(name, "ended" | "again" | "noAccess" | "at");
            for (name, value) in written.into_iter().filter(|(name, _)| is_printed(name)) {
                printed[name] = value;
            }
        }
        printed
    }
}

/// Returns the time, as it is written in a journal.
pub(super) fn now() -> String {
    // Only a year beyond 9999 cannot be written.
    let text = OffsetDateTime::now_utc().format(&Rfc3339);
    text.unwrap_or_default()
}
