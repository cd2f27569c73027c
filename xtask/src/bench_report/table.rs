//! The table as Markdown, and what differs from the committed one.

use std::fmt;

use super::{Budget, Row};
use crate::error::Error;

const BEGIN: &str = "<!-- bench-report: begin -->";
const END: &str = "<!-- bench-report: end -->";

/// How far beyond its budget a timed ratio must be to count as another verdict: what was seen between two
/// runs on the same machine.
const NOISE: f64 = 0.03;

/// What was measured, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    head: Line,
    lines: Vec<Line>,
}

const HEAD: [&str; 7] = [
    "what", "beside", "ours", "theirs", "ratio", "budget", "verdict",
];

/// The columns of the table that shows verdicts alone.
const JUDGED: [usize; 5] = [0, 1, 4, 5, 6];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line(Vec<String>);

/// Whether the ratio keeps to its budget.
fn verdict(row: &Row) -> &'static str {
    match row.budget {
        Budget::AtMost(most) if row.ratio <= most => "met",
        Budget::AtLeast(least) if row.ratio >= least => "met",
        Budget::None => "-",
        _ => "short",
    }
}

impl Table {
    pub(super) fn of(rows: &[Row]) -> Self {
        Self {
            head: Line(HEAD.map(str::to_owned).to_vec()),
            lines: rows.iter().map(Line::of).collect(),
        }
    }

    /// The rows that have a budget, without the figures of this machine.
    pub(super) fn judged(&self) -> Self {
        let judged =
            |line: &Line| Line(JUDGED.map(|column| line.column(column).to_owned()).to_vec());
        let has_budget = |line: &&Line| line.verdict() != "-";
        Self {
            head: judged(&self.head),
            lines: self.lines.iter().filter(has_budget).map(judged).collect(),
        }
    }

    /// What is to be said of this table beside the committed one: a line for each verdict that changed,
    /// and for each row that is there no more.
    pub(super) fn changes(&self, committed: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for line in &self.lines {
            let known = committed
                .lines
                .iter()
                .find(|known| known.key() == line.key());
            match known {
                None => changes.push(format!("new: {}", line.name())),
                Some(known) if line.verdict_differs(known) => changes.push(format!(
                    "{}: {} at {}, was {} at {}",
                    line.name(),
                    line.verdict(),
                    line.ratio_text(),
                    known.verdict(),
                    known.ratio_text(),
                )),
                Some(_) => {}
            }
        }
        changes
    }
}

impl Line {
    fn of(row: &Row) -> Self {
        let budget = match row.budget {
            Budget::AtMost(most) => format!("≤ {most:.2}"),
            Budget::AtLeast(least) => format!("≥ {least:.2}"),
            Budget::None => "-".to_owned(),
        };
        Self(vec![
            row.what.clone(),
            row.reference.to_owned(),
            number(row.ours),
            number(row.theirs),
            format!("{:.3}", row.ratio),
            budget,
            verdict(row).to_owned(),
        ])
    }

    fn column(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }

    fn key(&self) -> (&str, &str) {
        (self.column(0), self.column(1))
    }

    fn name(&self) -> String {
        format!("{}, beside {}", self.column(0), self.column(1))
    }

    fn ratio_text(&self) -> &str {
        self.column(4)
    }

    fn verdict(&self) -> &str {
        self.column(6)
    }

    /// Whether the verdict is another, and not for noise alone.
    fn verdict_differs(&self, known: &Self) -> bool {
        if self.verdict() == known.verdict() {
            return false;
        }
        let number = |text: &str| text.trim_start_matches(['≤', '≥', ' ']).parse::<f64>().ok();
        let is_counted = self.column(0).starts_with("instructions");
        match (number(self.ratio_text()), number(self.column(5))) {
            (Some(ratio), Some(budget)) if !is_counted => (ratio - budget).abs() > NOISE,
            _ => true,
        }
    }
}

/// A number as it is read best.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = |name: &String| match name.as_str() {
            "ours" | "theirs" | "ratio" => "---:",
            _ => "---",
        };
        let rules: Vec<_> = self.head.0.iter().map(rule).collect();
        write!(f, "| {} |\n|{}|", self.head.0.join(" | "), rules.join("|"))?;
        for line in &self.lines {
            write!(f, "\n| {} |", line.0.join(" | "))?;
        }
        Ok(())
    }
}

/// The table that a page holds.
pub(super) fn committed(page: &str) -> Result<Table, Error> {
    let (_, table, _) = split(page)?;
    let line = |line: &str| {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(Line(
            inner
                .split('|')
                .map(|column| column.trim().to_owned())
                .collect(),
        ))
    };
    let mut lines = table.lines().filter_map(line);
    let head = lines.next().ok_or_else(|| missing("a table"))?;
    let lines = lines.skip(1).collect();
    Ok(Table { head, lines })
}

/// The page with another table.
pub(super) fn replace(page: &str, table: &str) -> Result<String, Error> {
    let (before, _, after) = split(page)?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))
}

/// What stands before, between and after the marks.
fn split(page: &str) -> Result<(&str, &str, &str), Error> {
    let (before, rest) = page.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (table, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok((before, table, after))
}

fn missing(what: &str) -> Error {
    Error::Tool(
        "the committed table".to_owned(),
        format!("its page lacks {what}"),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(what: &str, ratio: f64, budget: Budget) -> Row {
        Row {
            what: what.to_owned(),
            reference: "bare reqwest",
            ours: 1234.0 * ratio,
            theirs: 1234.0,
            ratio,
            budget,
        }
    }

    fn page(rows: &[Row]) -> String {
        let text = Table::of(rows).to_string();
        replace(&format!("before {BEGIN} {END} after"), &text).unwrap()
    }

    #[test]
    fn a_table_is_read_back_as_it_was_written() {
        let rows = [
            row("instructions: suspend", 1.13, Budget::AtMost(1.15)),
            row("calls", 0.5, Budget::None),
        ];
        let page = page(&rows);
        assert_eq!(committed(&page).unwrap(), Table::of(&rows));
        assert!(page.starts_with("before ") && page.ends_with(" after"));
        assert!(page.contains(
            "| instructions: suspend | bare reqwest | 1,394 | 1,234 | 1.130 | ≤ 1.15 | met |"
        ));
    }

    #[test]
    fn a_verdict_that_changes_is_told_unless_it_is_noise() {
        let budget = Budget::AtLeast(0.95);
        let committed = committed(&page(&[row("calls", 0.96, budget)])).unwrap();
        let changes = |ratio| {
            Table::of(&[row("calls", ratio, budget)])
                .changes(&committed)
                .len()
        };
        assert_eq!((changes(0.96), changes(0.93), changes(0.91)), (0, 0, 1));
    }

    #[test]
    fn instructions_have_no_noise_and_a_new_row_is_told() {
        let budget = Budget::AtMost(1.15);
        let committed = committed(&page(&[row("instructions: suspend", 1.149, budget)])).unwrap();
        let table = Table::of(&[
            row("instructions: suspend", 1.151, budget),
            row("other", 1.0, budget),
        ]);
        let changes = table.changes(&committed);
        assert_eq!(
            changes[0],
            "instructions: suspend, beside bare reqwest: short at 1.151, was met at 1.149"
        );
        assert_eq!(changes[1], "new: other, beside bare reqwest");
    }

    #[test]
    fn a_page_without_the_marks_is_an_error() {
        assert!(committed("nothing").is_err());
        assert!(replace(BEGIN, "").is_err());
    }
}
