//! Reason codes on the command line and in the lines of a bulk: in upper or lower case, and by default only those that
//! are documented for the operation. D1 may accept an undocumented one, so a typo would be sent.

use clap::builder::TypedValueParser;
use d1_facade::{ApiOperation, InvalidInput, ReasonCode};

use crate::flags::Known;
use crate::text::{call_name, did_you_mean};

/// Reads a reason code in upper or lower case.
pub(crate) fn parse(text: &str) -> Result<ReasonCode, InvalidInput> {
    text.to_ascii_uppercase().parse()
}

/// Refuses a code that is not documented for the operation; the error says which are.
pub(crate) fn check(operation: ApiOperation, code: &ReasonCode) -> Result<(), String> {
    let documented = operation.reason_codes();
    if documented.contains(&code.as_str()) {
        return Ok(());
    }
    let name = call_name(operation);
    let meant = did_you_mean(code.as_str(), documented.iter().copied());
    let documented = documented.join(", ");
    Err(format!(
        "is not documented for {name}: give one of {documented}, or --any-reason-code{meant}"
    ))
}

/// Returns the parser of the reason code of an operation.
pub(crate) fn parser(operation: ApiOperation) -> impl TypedValueParser<Value = ReasonCode> {
    Known::new(parse, operation.reason_codes().iter().copied())
}
