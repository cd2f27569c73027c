//! `d1 explain`: what D1 documents about an error, and about reason codes, offline.

use std::collections::BTreeSet;
use std::io;

use clap::Args;
use d1_facade::{ApiOperation, Cause, ReasonCode};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::Known;
use crate::output::Output;
use crate::reason_codes;
use crate::text::{call_name, did_you_mean};

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An HTTP status, such as 403, an errorCode, such as UNKNOWN_CARD, a reason code, or reason-codes for all of them
    #[arg(value_name = "CODE|STATUS", value_parser = Known::new(subject, subjects()))]
    subject: Subject,
    /// Only of this call
    #[arg(long, value_name = "OP", value_parser = Known::new(operation, operations()))]
    operation: Option<ApiOperation>,
}

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Status(u16),
    Code(&'static str),
    /// All of them, or one.
    ReasonCodes(Option<ReasonCode>),
}

const REASON_CODES: &str = "reason-codes";

fn subject(text: &str) -> Result<Subject, String> {
    if let Ok(status @ 400..=599) = text.parse() {
        return Ok(Subject::Status(status));
    }
    let mut known = subjects().into_iter();
    let reason_code = reason_codes::parse(text).ok();
    match known.find(|code| code.eq_ignore_ascii_case(text)) {
        Some(REASON_CODES) => Ok(Subject::ReasonCodes(None)),
        Some(_)
            if reason_code
                .as_ref()
                .is_some_and(|code| ReasonCode::KNOWN.contains(code)) =>
        {
            Ok(Subject::ReasonCodes(reason_code))
        }
        Some(code) => Ok(Subject::Code(code)),
        None => {
            let meant = did_you_mean(text, subjects());
            let known = subjects().join(", ");
            Err(format!(
                "must be an HTTP status from 400 to 599, or one of {known}{meant}"
            ))
        }
    }
}

/// Returns what is explained beside a status.
fn subjects() -> Vec<&'static str> {
    let codes: BTreeSet<_> = Cause::all().filter_map(|cause| cause.code()).collect();
    let reason_codes = ReasonCode::KNOWN.iter().map(ReasonCode::as_str);
    codes
        .into_iter()
        .chain([REASON_CODES])
        .chain(reason_codes)
        .collect()
}

fn operation(text: &str) -> Result<ApiOperation, String> {
    let named = |operation: &&ApiOperation| {
        let short = call_name(**operation);
        operation.operation_id().eq_ignore_ascii_case(text) || short.eq_ignore_ascii_case(text)
    };
    let found = ApiOperation::ALL.iter().find(named).copied();
    found.ok_or_else(|| {
        let known = operations().collect::<Vec<_>>().join(", ");
        format!("must be one of {known}{}", did_you_mean(text, operations()))
    })
}

fn operations() -> impl Iterator<Item = &'static str> {
    ApiOperation::ALL.iter().copied().map(call_name)
}

impl Explain {
    pub(crate) fn run(self, output: &Output) -> Result<Exit, Failure> {
        match &self.subject {
            Subject::Status(_) | Subject::Code(_) => self.errors(output)?,
            Subject::ReasonCodes(one) => self.reason_codes(one.as_ref(), output)?,
        }
        Ok(Exit::Done)
    }

    fn is_of(&self, operation: ApiOperation) -> bool {
        self.operation.is_none_or(|wanted| wanted == operation)
    }

    /// Prints the documented reason codes, and the operations that they are documented for.
    fn reason_codes(&self, one: Option<&ReasonCode>, output: &Output) -> io::Result<()> {
        let codes = ReasonCode::KNOWN.iter();
        let codes = codes.filter(|code| one.is_none_or(|one| one == *code));
        let codes = codes.filter_map(|code| {
            let takes = |operation: &&ApiOperation| {
                self.is_of(**operation) && operation.reason_codes().contains(&code.as_str())
            };
            let operations = ApiOperation::ALL.iter().filter(takes);
            let operations: Vec<_> = operations.copied().map(call_name).collect();
            (!operations.is_empty()).then(|| {
                json!({ "code": code.as_str(), "operations": operations, "meaning": code.meaning() })
            })
        });
        let note = ReasonCode::DESCRIPTION;
        let all = json!({ "command": "explain", "reasonCodes": null, "note": note });
        output.documents(all, "reasonCodes", codes.collect(), |codes| {
            match codes {
                [] => output.line("No reason code is documented for that operation.")?,
                codes => output.table(&["code", "operations", "meaning"], codes)?,
            }
            output.line(&format!("\n{note}"))
        })
    }

    /// Prints the documented errors with this status or code.
    fn errors(&self, output: &Output) -> io::Result<()> {
        let wanted = |error: &Cause| {
            self.is_of(error.operation())
                && match self.subject {
                    Subject::Status(status) => error.status() == status,
                    Subject::Code(code) => error.code() == Some(code),
                    Subject::ReasonCodes(_) => false,
                }
        };
        let found: Vec<_> = Cause::all().filter(wanted).collect();
        let note = self.note(found.is_empty());
        let all = json!({ "command": "explain", "documented": null, "note": note });
        let documents = found.iter().map(to_json).collect();
        output.documents(all, "documented", documents, |_| {
            let texts = found.iter().map(text);
            let mut texts = texts.chain(note.map(ToOwned::to_owned));
            texts.try_for_each(|text| output.line(&text))
        })
    }

    /// What this SDK makes of what D1 does not document.
    fn note(&self, undocumented: bool) -> Option<&'static str> {
        let Subject::Status(status) = self.subject else {
            return undocumented.then_some("D1 does not document this code for that operation.");
        };
        match status {
            _ if !undocumented => None,
            429 => Some(
                "D1 does not document 429. It is taken for a rate limit that turned the request away: \
                 nothing was changed, and it is sent again after a pause.",
            ),
            408 => Some(
                "D1 does not document 408. A gateway may send it while D1 is still at work: the outcome of a \
                 change is unknown; read the operations of the card before it is asked for again.",
            ),
            400..=499 => Some(
                "D1 does not document this status here. Like every client error it is taken for a refusal: \
                 nothing was changed.",
            ),
            _ => Some(
                "D1 does not document this status here. The outcome of a change is unknown then: read \
                 the operations of the card before it is asked for again.",
            ),
        }
    }
}

/// Returns an error for people.
fn text(error: &Cause) -> String {
    let name = call_name(error.operation());
    let code = error.code().map(|code| format!(" {code}"));
    let mut text = format!(
        "{name}: {}{}\n  {}\n  {}",
        error.status(),
        code.unwrap_or_default(),
        error.meaning(),
        error.advice()
    );
    let conditions: Vec<_> = error.conditions().collect();
    if !conditions.is_empty() {
        text += &format!("\n  applies where {}", conditions.join(" and "));
    }
    if error.after_migration() {
        text += "\n  only for a tenant that was migrated from V1 to V2";
    }
    text
}

fn to_json(error: &Cause) -> Value {
    json!({
        "operation": error.operation().operation_id(),
        "status": error.status(),
        "code": error.code(),
        "meaning": error.meaning(),
        "advice": error.advice(),
        "retryable": error.retryable(),
        "afterMigration": error.after_migration(),
        "conditions": error.conditions().collect::<Vec<_>>(),
    })
}
