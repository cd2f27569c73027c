//! What can go wrong in a maintainer command.

use std::path::PathBuf;

/// An error of a maintainer command; its text says what to fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The spec is not YAML, or not an OpenAPI document.
    #[error("the spec cannot be read: {0}")]
    Parse(String),
    /// The spec breaks rules of `spec-lint`.
    #[error("the spec breaks {count} rule(s):\n{findings}")]
    Lint {
        /// How many.
        count: usize,
        /// Each with its place and its fix.
        findings: String,
    },
    /// The spec lacks something that the tables are made from.
    #[error("{location}: {problem}")]
    Spec {
        /// Where in the spec.
        location: String,
        /// What is wrong there.
        problem: String,
    },
    /// The generator refused the spec.
    #[error("progenitor refuses the spec: {0}")]
    Generate(String),
    /// The generated code could not be formatted.
    #[error("the generated code cannot be formatted: {0}")]
    Format(String),
    /// `--check` found files that differ from what the spec gives.
    #[error("{count} file(s) are stale; run {mend}")]
    Stale {
        /// How many.
        count: usize,
        /// What makes them fresh.
        mend: &'static str,
    },
    /// A program is missing.
    #[error("{0}")]
    Missing(String),
    /// What the example or the tests need cannot be had.
    #[error("{0}")]
    Setup(String),
    /// A program cannot be run, or fails.
    #[error("{0}: {1}")]
    Tool(String, String),
}

impl Error {
    pub(crate) fn spec(location: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Spec {
            location: location.into(),
            problem: problem.into(),
        }
    }
}
