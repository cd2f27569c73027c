//! `d1 explain`: what D1 documents about an error, offline.

use clap::Args;
use d1_facade::{ApiOperation, Cause};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An HTTP status, such as 403, or an errorCode, such as UNKNOWN_CARD
    #[arg(value_name = "CODE|STATUS", value_parser = subject)]
    subject: Subject,
    /// Only of this call: suspend, resume, delete, renew, list, get or token
    #[arg(long, value_name = "OP", value_parser = operation)]
    operation: Option<ApiOperation>,
}

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Status(u16),
    Code(&'static str),
}

fn subject(text: &str) -> Result<Subject, String> {
    if let Ok(status @ 400..=599) = text.parse() {
        return Ok(Subject::Status(status));
    }
    let known = |code: &&str| code.eq_ignore_ascii_case(text);
    let code = codes().into_iter().find(known).map(Subject::Code);
    code.ok_or_else(|| {
        let codes = codes().join(", ");
        format!("must be an HTTP status from 400 to 599, or one of the codes {codes}")
    })
}

fn codes() -> Vec<&'static str> {
    let mut codes: Vec<_> = Cause::all().filter_map(|cause| cause.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn operation(text: &str) -> Result<ApiOperation, &'static str> {
    let named = |operation: &&ApiOperation| {
        let short = short_name(**operation);
        operation.operation_id().eq_ignore_ascii_case(text) || short.eq_ignore_ascii_case(text)
    };
    let found = ApiOperation::ALL.iter().find(named).copied();
    found.ok_or("must be suspend, resume, delete, renew, list, get or token")
}

/// The name of a call on our command line.
fn short_name(operation: ApiOperation) -> &'static str {
    match operation {
        ApiOperation::SuspendCard => "suspend",
        ApiOperation::ResumeCard => "resume",
        ApiOperation::DeleteCard => "delete",
        ApiOperation::RenewCard => "renew",
        ApiOperation::ListOperations => "list",
        ApiOperation::GetOperation => "get",
        ApiOperation::GetToken => "token",
        other => other.operation_id(),
    }
}

impl Explain {
    pub(crate) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let wanted = |error: &Cause| {
            self.operation
                .is_none_or(|operation| error.operation() == operation)
                && match &self.subject {
                    Subject::Status(status) => error.status() == *status,
                    Subject::Code(code) => error.code() == Some(code),
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
        })?;
        Ok(Exit::Done)
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
                 change is unknown; look it up before asking again.",
            ),
            400..=499 => Some(
                "D1 does not document this status here. Like every client error it is taken for a refusal: \
                 nothing was changed.",
            ),
            _ => Some(
                "D1 does not document this status here. The outcome of a change is unknown then: look it up \
                 before asking again.",
            ),
        }
    }
}

/// Returns an error for people.
fn text(error: &Cause) -> String {
    let name = short_name(error.operation());
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
