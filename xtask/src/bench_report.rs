//! `cargo xtask bench-report`: what the facade costs beside hand-written code, as one table.
//!
//! Instructions and allocations are counted by valgrind and repeat to a fraction of a percent. Rates are
//! compared in turns within one run, since the speed of a machine changes: what counts is their ratio.

mod counts;
mod programs;
mod rates;
mod table;

use std::io::Write;

use crate::build_tools::io;
use crate::error::Error;
use crate::spec::workspace_root;
use programs::Programs;
use table::Table;

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    what: String,
    reference: &'static str,
    ours: f64,
    theirs: f64,
    /// Ours to the reference.
    ratio: f64,
    budget: Budget,
}

/// What the ratio may be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Budget {
    AtMost(f64),
    AtLeast(f64),
    /// It is told, not judged.
    None,
}

/// What is done with the table.
pub(crate) struct Options {
    /// Renews a million cards, too.
    pub(crate) full: bool,
    /// Puts the table in the place of the committed one.
    pub(crate) accept: bool,
}

/// Measures everything, writes the table to `out`, and compares its verdicts with the committed ones.
///
/// # Errors
/// When a program is missing or fails, or a verdict is not the committed one.
pub(crate) fn run(options: &Options, out: &mut impl Write) -> Result<(), Error> {
    let programs = Programs::build()?;
    let mut rows = counts::rows(&programs)?;
    rows.extend(rates::rows(&programs, options.full)?);
    let table = Table::of(&rows);
    writeln!(out, "{table}").map_err(|e| io("the table", e))?;
    if options.accept {
        put(PAGE, &table.to_string())?;
        return put(README, &table.judged().to_string());
    }
    let changes = table.changes(&table::committed(&read(PAGE)?)?);
    for change in &changes {
        writeln!(out, "{change}").map_err(|e| io("the table", e))?;
    }
    match changes.len() {
        0 => Ok(()),
        changed => Err(Error::BenchReport(changed)),
    }
}

/// The page that has the whole table, and the one that has the rows with a budget.
const PAGE: &str = "docs/src/performance.md";
const README: &str = "README.md";

fn read(page: &str) -> Result<String, Error> {
    std::fs::read_to_string(workspace_root().join(page)).map_err(|e| io(page, e))
}

/// Puts a table in the place of the one that a page has.
fn put(page: &str, table: &str) -> Result<(), Error> {
    let text = table::replace(&read(page)?, table)?;
    std::fs::write(workspace_root().join(page), text).map_err(|e| io(page, e))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_what_the_page_judges() {
        let page = table::committed(&read(PAGE).unwrap()).unwrap();
        let readme = table::committed(&read(README).unwrap()).unwrap();
        assert_eq!(readme, page.judged());
    }
}
