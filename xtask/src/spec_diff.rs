//! `cargo xtask spec-diff`: whoever is onboarded holds the vendor's own OpenAPI file, and should learn in
//! one command what of our spec it contradicts, confirms, or settles.
//!
//! | question | module |
//! |---|---|
//! | How is a file read, and where does a node stand? | [`load`], [`node`] |
//! | Which operation of theirs is which of ours? | [`paths`] |
//! | Which name of theirs is an open name of ours? | [`renames`] |
//! | What does a schema say, however it is written? | [`shape`], [`pattern`] |
//! | What differs, and whom does it hurt? | [`operation`], [`parameters`], [`body`], [`schema`], [`keywords`] |
//! | Which facts of ours are open? | [`questions`] |
//! | How is it told? | [`report`] |

mod body;
mod keywords;
mod load;
mod node;
mod operation;
mod parameters;
mod paths;
mod pattern;
mod questions;
mod renames;
mod report;
mod schema;
mod shape;
mod text;

use std::io::Write;
use std::path::Path;

use self::load::Document;
use self::shape::Direction;
use crate::error::Error;
use crate::spec;

/// What a difference does to a program that uses the client made from our spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// The program fails or is misled.
    Breaks(&'static str),
    /// The program goes on as before.
    Widens(&'static str),
    /// It cannot be told, for a part of theirs could not be compared.
    NotCompared(&'static str),
    /// Worth knowing; no difference of the interface.
    Note(&'static str),
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// The operation, and where in it.
    place: String,
    /// What differs there.
    what: &'static str,
    ours: String,
    theirs: String,
    effect: Effect,
    /// The node of our spec to edit.
    pointer: String,
}

/// What holds for a schema by where it stands.
#[derive(Debug, Clone)]
struct Context {
    place: String,
    direction: Direction,
    /// Whether the client made from our spec copes with its absence.
    optional: bool,
    depth: u8,
}

impl Context {
    fn inner(&self, place: String, optional: bool) -> Self {
        Self {
            place,
            direction: self.direction,
            optional,
            depth: self.depth.saturating_add(1),
        }
    }
}

/// What a comparison has found so far.
struct Comparison<'a> {
    ours: &'a Document,
    theirs: &'a Document,
    found: Vec<Finding>,
    /// The open facts of ours that theirs says as well: the question, and the node of ours.
    confirmed: Vec<(String, String)>,
}

impl Comparison<'_> {
    fn add(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// Remembers that both say the same at a node of ours, should it be open.
    fn agree(&mut self, pointer: &str, what: &'static str) {
        if let Some(question) = questions::of(self.ours, pointer, what) {
            self.confirmed.push((question, pointer.to_owned()));
        }
    }

    fn question(&self, finding: &Finding) -> Option<String> {
        // The codes of every other error are open, and all errors share one schema.
        if finding.what == "values" && finding.place.ends_with(" response 404.errorCode") {
            return None;
        }
        match finding.effect {
            Effect::Breaks(_) | Effect::Widens(_) => {
                questions::of(self.ours, &finding.pointer, finding.what)
            }
            Effect::Note(_) | Effect::NotCompared(_) => None,
        }
    }
}

/// Compares the file at `path` with our spec and writes the differences to `out`; says whether the two
/// are the same.
///
/// # Errors
/// When a file cannot be read or is no OpenAPI 3.0 or 3.1, or when `out` cannot be written.
pub(crate) fn run(path: &Path, out: &mut impl Write) -> Result<bool, Error> {
    let ours = load::load(&spec::spec_path())?;
    let theirs = load::load(path)?;
    compare(&ours, &theirs, path, out).map_err(|source| Error::Io {
        path: "standard output".into(),
        source,
    })
}

fn compare(
    ours: &Document,
    theirs: &Document,
    path: &Path,
    out: &mut impl Write,
) -> std::io::Result<bool> {
    let mut comparison = Comparison {
        ours,
        theirs,
        found: Vec::new(),
        confirmed: Vec::new(),
    };
    comparison.documents();
    report::write(&comparison, path, out)
}

#[cfg(test)]
#[path = "spec_diff/tests.rs"]
mod tests;
