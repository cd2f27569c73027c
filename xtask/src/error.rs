//! What can go wrong in a maintainer command.

use std::fmt::Display;

/// An error of a maintainer command; its text says what to fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }

    /// A problem at a place: a file, a place of the spec, a program.
    pub(crate) fn at(place: impl Display, problem: impl Display) -> Self {
        Self(format!("{place}: {problem}"))
    }

    /// What the generator says about a spec that it refuses.
    pub(crate) fn generator(problem: impl Display) -> Self {
        Self::at("progenitor refuses the spec", problem)
    }
}
