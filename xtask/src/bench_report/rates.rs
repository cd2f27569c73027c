//! Runs what measures rates, and reads what it prints: a line for each rate, with tabs between what it is
//! of, ours, the reference and the ratio.

use std::process::Command;

use super::programs::{Programs, Protocol, Server, output};
use super::{Budget, Row};
use crate::build_tools::io;
use crate::error::Error;
use crate::spec::workspace_root;

/// How many renewals a bulk makes for its rate.
const RENEWALS: &str = "10000";

/// What a line is of, how the table names it and its reference, and the budget of the ratio.
type Known = (&'static str, &'static str, &'static str, Budget);

const CRYPTO: &[Known] = &[(
    "jwe",
    "JWE of card credentials",
    "raw josekit, encrypter built once",
    Budget::AtLeast(0.95),
)];
const TOKENS: &[Known] = &[(
    "tokens-64",
    "cached token, 64 tasks",
    "one task on each thread",
    Budget::AtLeast(0.90),
)];
const CALLS: &[Known] = &[
    (
        "suspend-1",
        "suspend, 1 at once",
        "bare reqwest",
        Budget::AtLeast(0.95),
    ),
    (
        "suspend-16",
        "suspend, 16 at once",
        "bare reqwest",
        Budget::AtLeast(0.95),
    ),
    (
        "suspend-256",
        "suspend, 256 at once",
        "bare reqwest",
        Budget::AtLeast(0.95),
    ),
];
const BULK: &[Known] = &[(
    "bulk",
    "bulk of renewals with JWE",
    "bare reqwest and josekit, at their best concurrency",
    Budget::AtLeast(0.90),
)];
const STALL: &[Known] = &[(
    "stall",
    "longest wait of a ready task, ms",
    "the same renewals without a bulk",
    Budget::None,
)];

pub(super) fn rows(programs: &Programs, full: bool) -> Result<Vec<Row>, Error> {
    let crypto = output(programs.command("rates").arg("crypto"))?;
    let mut rows = read(&crypto, CRYPTO, "per second: ")?;
    rows.extend(jwe_beside(programs, &crypto)?);
    let tokens = output(programs.command("rates").arg("tokens"))?;
    rows.extend(read(&tokens, TOKENS, "per second: ")?);
    for (protocol, name) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2")] {
        let server = programs.null_sandbox_on(0, protocol)?;
        let calls = on(&server, programs.command_on(1, "rates").arg("calls"))?;
        rows.extend(read(&calls, CALLS, &format!("per second, {name}: "))?);
    }
    let server = programs.null_sandbox(Protocol::Http2)?;
    let bulk = |arguments: &[&str]| on(&server, programs.command("bulk").args(arguments));
    rows.extend(read(&bulk(&["rate", RENEWALS])?, BULK, "per second: ")?);
    rows.extend(read(&bulk(&["stall", "4000"])?, STALL, "")?);
    let count = if full { "1000000" } else { "100000" };
    rows.extend(memory(&bulk(&["memory", count])?)?);
    Ok(rows)
}

fn on(server: &Server, command: &mut Command) -> Result<String, Error> {
    output(command.envs(server.environment.iter().cloned()))
}

/// The rows of what is known of the lines.
fn read(text: &str, known: &[Known], prefix: &str) -> Result<Vec<Row>, Error> {
    known
        .iter()
        .map(|&(key, what, reference, budget)| {
            let numbers = numbers(text, key)?;
            let &[ours, theirs, ratio] = numbers.as_slice() else {
                return Err(unreadable(key, text));
            };
            Ok(Row {
                what: format!("{prefix}{what}"),
                reference,
                ours,
                theirs,
                ratio,
                budget,
            })
        })
        .collect()
}

/// The numbers of the line that begins with `key`.
fn numbers(text: &str, key: &str) -> Result<Vec<f64>, Error> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('\t'));
    let parts = line.ok_or_else(|| unreadable(key, text))?.split('\t');
    let numbers: Result<_, _> = parts.filter(|n| !n.is_empty()).map(str::parse).collect();
    numbers.map_err(|_| unreadable(key, text))
}

fn unreadable(key: &str, text: &str) -> Error {
    Error::Tool(format!("the rate of {key}"), text.to_owned())
}

/// Our JWE beside what bounds it, and beside what others use where that is installed.
fn jwe_beside(programs: &Programs, crypto: &str) -> Result<Vec<Row>, Error> {
    let rate =
        |key| numbers(crypto, key).map(|numbers| numbers.first().copied().unwrap_or_default());
    let ours = rate("jwe")?;
    let row = |reference, theirs| Row {
        what: "per second: JWE of card credentials".to_owned(),
        reference,
        ours,
        theirs,
        ratio: ours / theirs,
        budget: Budget::None,
    };
    let mut rows = vec![
        row(
            "OpenSSL: a new key and one agreement on P-256",
            rate("ecdh-new-key")?,
        ),
        row("OpenSSL: one agreement on P-256", rate("ecdh")?),
    ];
    if let Some(jose) = npm_jose(programs)? {
        rows.push(row("npm jose", jose));
    }
    Ok(rows)
}

/// The rate of npm's jose, which the conformance suite `jose` installs.
fn npm_jose(programs: &Programs) -> Result<Option<f64>, Error> {
    let folder = programs.target.join("conformance");
    if !folder.join("node_modules/jose").exists() {
        return Ok(None);
    }
    let script = folder.join("jose-rate.mjs");
    let source = workspace_root().join("tests/bench/jose-rate.mjs");
    std::fs::copy(&source, &script).map_err(|e| io("jose-rate.mjs", e))?;
    let said = output(Command::new("node").arg(&script))?;
    Ok(said.trim().parse().ok())
}

/// How much memory is resident after so many renewals, beside what was after the first ten thousand.
fn memory(text: &str) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let mut first = None;
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("renewals\t"))
    {
        let numbers: Vec<f64> = line.split('\t').filter_map(|n| n.parse().ok()).collect();
        let &[renewals, _seconds, resident, _most] = numbers.as_slice() else {
            return Err(unreadable("renewals", text));
        };
        if renewals < 10_000.0 {
            continue;
        }
        let theirs = *first.get_or_insert(resident);
        rows.push(Row {
            what: format!("MB resident after {renewals} renewals in bulk"),
            reference: "after 10000",
            ours: resident,
            theirs,
            ratio: resident / theirs,
            budget: Budget::AtMost(1.25),
        });
    }
    match rows.is_empty() {
        true => Err(unreadable("renewals", text)),
        false => Ok(rows),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_rows_and_a_missing_one_is_an_error() {
        let rows = read("ecdh\t14807\t\t\njwe\t9443\t9505\t0.992\n", CRYPTO, "").unwrap();
        assert_eq!(
            (rows[0].ours, rows[0].theirs, rows[0].ratio),
            (9443.0, 9505.0, 0.992)
        );
        assert!(read("jwe\t9443\n", CRYPTO, "").is_err());
        assert!(read("", CRYPTO, "").is_err());
    }

    #[test]
    fn memory_is_told_beside_that_of_the_first_ten_thousand() {
        let text = "renewals\t1000\t0.1\t15.0\t15.1\nrenewals\t10000\t1.1\t16.0\t16.1\nrenewals\t100000\t9.0\t20.0\t21.0\n";
        let rows = memory(text).unwrap();
        assert_eq!(
            rows.iter().map(|row| row.ratio).collect::<Vec<_>>(),
            [1.0, 1.25]
        );
        assert!(memory("").is_err());
    }
}
