//! `cargo xtask conformance`: lets tools that others wrote judge the spec and what goes over the wire.
//!
//! The tools are installed into the build folder, in the versions that the lock files in
//! `tests/conformance` pin. Each suite prints what it counted; one table says it all at the end.

mod api;
mod jose;
mod peers;
mod prism;
mod spec;
mod tools;

use std::io::Write;

use clap::ValueEnum;

use crate::error::Error;
use crate::programs::{is_here, missing};
use tools::{Tools, io};

/// What can be run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// The spec before redocly, spectral and openapi-spec-validator, and its descriptions and examples.
    Spec,
    /// JWE and assertions between the facade, the sandbox and jose, node-jose, jwcrypto, PyJWT; vectors.
    Jose,
    /// The facade and the sandbox through Prism's validating proxy, and the facade before its mock.
    Prism,
    /// Schemathesis against the sandbox.
    Schemathesis,
    /// OpenSSL's client against the sandbox, and its server against the facade.
    Tls,
    /// The facade through nginx, whose workers are replaced meanwhile.
    Http,
    /// The public API, each feature by itself, the least versions, the oldest compiler, docs.rs.
    Api,
}

impl Suite {
    /// The programs that it runs and does not install, in addition to those that install the others.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Spec | Self::Jose | Self::Prism | Self::Schemathesis => {
                &["npm", "node", "python3"]
            }
            Self::Tls => &["openssl", "npm", "python3"],
            Self::Http => &["nginx", "npm", "python3"],
            Self::Api => &["git", "npm", "python3"],
        }
    }
}

/// One check.
struct Row {
    suite: &'static str,
    check: String,
    count: String,
    passed: bool,
    /// What is wrong, where something is.
    detail: String,
}

/// Runs the suites, all of them if none is named, and writes one table to `out`.
///
/// # Errors
/// When a tool cannot be installed or run, or a check fails.
pub(crate) fn run(suites: &[Suite], out: &mut impl Write) -> Result<(), Error> {
    let suites = if suites.is_empty() {
        Suite::value_variants()
    } else {
        suites
    };
    for program in suites.iter().flat_map(|suite| suite.programs()) {
        if !is_here(program) {
            return Err(Error::Missing(missing(program)));
        }
    }
    let tools = Tools::install()?;
    let mut rows = Vec::new();
    for suite in suites {
        rows.extend(match suite {
            Suite::Spec => spec::run(&tools)?,
            Suite::Jose => jose::run(&tools)?,
            Suite::Prism => prism::run(&tools)?,
            Suite::Schemathesis => peers::schemathesis(&tools)?,
            Suite::Tls => peers::tls(&tools)?,
            Suite::Http => peers::http(&tools)?,
            Suite::Api => api::run(&tools)?,
        });
    }
    write(&rows, out).map_err(|source| io("the table", source))?;
    match rows.iter().filter(|row| !row.passed).count() {
        0 => Ok(()),
        failed => Err(Error::Conformance(failed)),
    }
}

fn write(rows: &[Row], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "| suite | check | count | verdict |\n|---|---|---|---|"
    )?;
    for row in rows {
        let verdict = if row.passed { "ok" } else { "FAIL" };
        writeln!(
            out,
            "| {} | {} | {} | {verdict} |",
            row.suite, row.check, row.count
        )?;
    }
    for row in rows.iter().filter(|row| !row.passed) {
        writeln!(out, "\n{}:\n{}", row.check, row.detail.trim())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_is_told_at_the_end_with_what_the_tool_said() {
        let row = |check: &str, passed| Row {
            suite: "spec",
            check: check.to_owned(),
            count: "3".to_owned(),
            passed,
            detail: "what it said\n".to_owned(),
        };
        let mut table = Vec::new();
        let written = write(&[row("good", true), row("bad", false)], &mut table);
        assert!(written.is_ok());
        assert_eq!(
            String::from_utf8_lossy(&table),
            "| suite | check | count | verdict |\n|---|---|---|---|\n\
             | spec | good | 3 | ok |\n| spec | bad | 3 | FAIL |\n\nbad:\nwhat it said\n"
        );
    }
}
