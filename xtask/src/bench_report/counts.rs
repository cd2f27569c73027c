//! Counts the instructions and allocations of a call, under valgrind.
//!
//! A program makes few calls and then many: the difference, to a call, has nothing of its start.

use std::process::Command;

use super::programs::{Programs, Protocol, Server, output};
use super::{Budget, Row};
use crate::error::Error;

const FEW: u64 = 200;
const MANY: u64 = 1200;

/// The same for a call that takes a thousand times as long.
const FEW_LONG: u64 = 2;
const MANY_LONG: u64 = 12;

/// What is counted.
#[derive(Debug, Clone, Copy)]
enum Count {
    Instructions,
    Allocations,
}

/// What is called, by whom.
struct Call<'a> {
    programs: &'a Programs,
    server: &'a Server,
    /// The server as the program is told of it.
    address: &'a str,
    name: &'a str,
}

pub(super) fn rows(programs: &Programs) -> Result<Vec<Row>, Error> {
    let plain = programs.plain_server()?;
    let secured = programs.null_sandbox(Protocol::Http1)?;
    let on = |server, address, name| Call {
        programs,
        server,
        address,
        name,
    };
    let call = |name| on(&plain, plain.url.as_str(), name);
    let mut rows = vec![
        call("suspend").row(Count::Instructions, "suspend", "bare", Budget::AtMost(1.15))?,
        call("operations").row(
            Count::Instructions,
            "page of 100 operations",
            "generated",
            Budget::AtMost(1.10),
        )?,
    ];
    let told = [
        ("operations", "page of 100 operations", "bare"),
        ("worst-page", "the worst page (1 MiB, read twice)", "bare"),
        ("renew", "renew, with its JWE", "bare"),
        ("Refused400", "suspend, refused with 400", "bare"),
        ("Refused403", "suspend, refused with 403", "bare"),
        ("Refused404", "suspend, refused with 404", "bare"),
        ("Refused500", "suspend, refused with 500", "bare"),
        ("Refused401", "suspend, refused with 401", "bare"),
    ];
    rows.push(on(&secured, "secured", "suspend").row(
        Count::Instructions,
        "suspend, over mutual TLS",
        "bare",
        Budget::None,
    )?);
    for (name, what, reference) in told {
        rows.push(call(name).row(Count::Instructions, what, reference, Budget::None)?);
    }
    for (name, what, reference) in [
        ("suspend", "suspend", "bare"),
        ("operations", "page of 100 operations", "generated"),
        ("operations", "page of 100 operations", "bare"),
    ] {
        rows.push(call(name).row(Count::Allocations, what, reference, Budget::None)?);
    }
    Ok(rows)
}

impl Call<'_> {
    fn row(
        &self,
        count: Count,
        what: &str,
        reference: &'static str,
        budget: Budget,
    ) -> Result<Row, Error> {
        let unit = match count {
            Count::Instructions => "instructions",
            Count::Allocations => "allocations",
        };
        let (ours, theirs) = (self.count(count, "facade")?, self.count(count, reference)?);
        Ok(Row {
            what: format!("{unit}: {what}"),
            reference: match reference {
                "generated" => "generated client",
                _ => "bare reqwest",
            },
            ours,
            theirs,
            ratio: ours / theirs,
            budget,
        })
    }

    /// How many to a call.
    fn count(&self, count: Count, caller: &str) -> Result<f64, Error> {
        let (few, many) = match self.name {
            "worst-page" => (FEW_LONG, MANY_LONG),
            _ => (FEW, MANY),
        };
        let difference = self.run(count, caller, many)? - self.run(count, caller, few)?;
        #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^52")]
        Ok(difference as f64 / (many - few) as f64)
    }

    fn run(&self, count: Count, caller: &str, calls: u64) -> Result<i64, Error> {
        let tool = match count {
            Count::Instructions => ["--tool=callgrind", "--callgrind-out-file=/dev/null"],
            Count::Allocations => ["--tool=dhat", "--dhat-out-file=/dev/null"],
        };
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(tool)
            .arg(self.programs.path("calls"))
            .args([self.address, caller, self.name, &calls.to_string()])
            .envs(self.server.environment.iter().cloned());
        let said = output(&mut valgrind)?;
        let number = match count {
            Count::Instructions => number_after(&said, "Collected : "),
            Count::Allocations => number_after(&said, " bytes in "),
        };
        number.ok_or_else(|| Error::Tool("valgrind".to_owned(), said))
    }
}

/// The first number after `mark`, which may have commas.
fn number_after(text: &str, mark: &str) -> Option<i64> {
    let (_, rest) = text.split_once(mark)?;
    let number = rest
        .split(|c: char| !c.is_ascii_digit() && c != ',')
        .next()?;
    number.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number_after;

    #[test]
    fn counts_are_read_from_what_valgrind_says() {
        let callgrind = "==7== Events    : Ir\n==7== Collected : 145240129\n";
        assert_eq!(number_after(callgrind, "Collected : "), Some(145_240_129));
        let dhat = "==7== Total:     29,439,450 bytes in 112,663 blocks\n";
        assert_eq!(number_after(dhat, " bytes in "), Some(112_663));
        assert_eq!(number_after("", "Collected : "), None);
    }
}
