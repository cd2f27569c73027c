//! Reason codes on the command line and in the lines of a bulk: in upper or lower case, and by default only those that
//! are documented for the operation. D1 may accept an undocumented one, so a typo would be sent.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};
use d1_facade::{ApiOperation, InvalidInput, ReasonCode};

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
    let name = operation.operation_id().trim_end_matches("Card");
    let documented = documented.join(", ");
    Err(format!(
        "is not documented for {name}: give one of {documented}, or --any-reason-code"
    ))
}

/// Reads the reason code of an operation. Help, manual and completions show the documented ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeOf(pub(crate) ApiOperation);

impl TypedValueParser for CodeOf {
    type Value = ReasonCode;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<ReasonCode, clap::Error> {
        TypedValueParser::parse_ref(&parse, command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let codes = self.0.reason_codes().iter().copied();
        Some(Box::new(codes.map(PossibleValue::new)))
    }
}
