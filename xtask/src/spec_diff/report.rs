//! Tells what was found: grouped by what it means, in the order of our file, so that two runs can be
//! compared.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use super::{Comparison, Effect, Finding, text};

/// Our spec, as it is named in the workspace.
const OURS: &str = "openapi/d1-card-operations.yaml";

/// What a difference means, in the order in which the groups are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Breaks,
    Closes,
    Widens,
    NotCompared,
    Note,
}

impl Class {
    const ALL: [Self; 5] = [
        Self::Breaks,
        Self::Closes,
        Self::Widens,
        Self::NotCompared,
        Self::Note,
    ];

    fn heading(self) -> &'static str {
        match self {
            Self::Breaks => "breaks callers",
            Self::Closes => "closes an open question",
            Self::Widens => "only widens",
            Self::NotCompared => "not compared",
            Self::Note => "notes",
        }
    }
}

/// A difference as it is told.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    class: Class,
    line: u64,
    what: &'static str,
    ours: String,
    theirs: String,
    why: String,
    question: Option<String>,
}

/// Writes the report; says whether nothing differs.
pub(super) fn write(
    comparison: &Comparison<'_>,
    path: &Path,
    out: &mut impl Write,
) -> std::io::Result<bool> {
    writeln!(
        out,
        "# {OURS} and {}",
        text::clean(&path.display().to_string())
    )?;
    // What stands in a component differs in each operation that names it, and is mended once.
    let mut entries: BTreeMap<Entry, Vec<&str>> = BTreeMap::new();
    for finding in &comparison.found {
        let places = entries.entry(entry(comparison, finding)).or_default();
        if !places.contains(&finding.place.as_str()) {
            places.push(&finding.place);
        }
    }
    let mut counts = Vec::new();
    for class in Class::ALL {
        let group: Vec<_> = entries.iter().filter(|(e, _)| e.class == class).collect();
        counts.push((class, group.len()));
        if group.is_empty() {
            continue;
        }
        writeln!(out, "\n## {}\n", class.heading())?;
        for (entry, places) in group {
            write_entry(entry, places, out)?;
        }
    }
    let confirmed = write_confirmed(comparison, &entries, out)?;
    let differences: usize = counts
        .iter()
        .filter(|(class, _)| *class != Class::Note)
        .map(|(_, n)| n)
        .sum();
    let counts: Vec<_> = counts
        .iter()
        .map(|(class, n)| format!("{}: {n}", class.heading()))
        .collect();
    writeln!(
        out,
        "\n{differences} difference(s); {}; confirms: {confirmed}",
        counts.join("; ")
    )?;
    Ok(differences == 0)
}

fn entry(comparison: &Comparison<'_>, finding: &Finding) -> Entry {
    let question = comparison.question(finding);
    let (class, why) = match (finding.effect, &question) {
        (Effect::Breaks(why), Some(_)) => {
            (Class::Closes, format!("until then breaks callers: {why}"))
        }
        (Effect::Widens(why), Some(_)) => (Class::Closes, format!("until then only widens: {why}")),
        (Effect::Breaks(why), None) => (Class::Breaks, why.to_owned()),
        (Effect::Widens(why), None) => (Class::Widens, why.to_owned()),
        (Effect::NotCompared(why), _) => (Class::NotCompared, why.to_owned()),
        (Effect::Note(why), _) => (Class::Note, why.to_owned()),
    };
    Entry {
        class,
        line: comparison.ours.line(&finding.pointer),
        what: finding.what,
        ours: finding.ours.clone(),
        theirs: finding.theirs.clone(),
        why,
        question,
    }
}

fn write_entry(entry: &Entry, places: &[&str], out: &mut impl Write) -> std::io::Result<()> {
    const SHOWN: usize = 3;
    let first = places.first().copied().unwrap_or("");
    writeln!(out, "- {}: {}", text::code(first), entry.what)?;
    writeln!(out, "  ours {}, theirs {}", entry.ours, entry.theirs)?;
    if let Some(question) = &entry.question {
        writeln!(out, "  question: {question}")?;
    }
    writeln!(out, "  {}", entry.why)?;
    let others: Vec<_> = places
        .iter()
        .skip(1)
        .take(SHOWN)
        .map(|p| text::code(p))
        .collect();
    if !others.is_empty() {
        let more = places.len() - 1 - others.len();
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        writeln!(out, "  also {}{more}", others.join(", "))?;
    }
    writeln!(out, "  {OURS}:{}", entry.line)
}

/// The questions that theirs answers as ours does, with nothing against it.
fn write_confirmed(
    comparison: &Comparison<'_>,
    entries: &BTreeMap<Entry, Vec<&str>>,
    out: &mut impl Write,
) -> std::io::Result<usize> {
    let answered: BTreeSet<_> = entries.keys().filter_map(|e| e.question.as_ref()).collect();
    let mut confirmed: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for (question, pointer) in &comparison.confirmed {
        if !answered.contains(question) {
            let lines = confirmed.entry(question).or_default();
            lines.insert(comparison.ours.line(pointer));
        }
    }
    if !confirmed.is_empty() {
        writeln!(out, "\n## confirms\n")?;
    }
    for (question, lines) in &confirmed {
        let line = lines.first().copied().unwrap_or(1);
        let more = match lines.len() {
            0 | 1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        writeln!(out, "- {question}: {OURS}:{line}{more}")?;
    }
    Ok(confirmed.len())
}
