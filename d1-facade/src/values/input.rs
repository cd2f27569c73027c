//! What a caller gave that cannot be sent.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

/// A value that was refused before anything was sent.
///
/// It names the field and the rule, and never holds the value.
///
/// ```
/// use d1_facade::CardId;
///
/// let refused = "no blanks".parse::<CardId>().unwrap_err();
/// assert_eq!(refused.field(), "cardId");
/// assert!(refused.rule().contains("[A-Za-z0-9_-]{1,48}"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidInput {
    field: Cow<'static, str>,
    rule: Cow<'static, str>,
}

impl InvalidInput {
    /// Makes an error that names a field and the rule that its value breaks, for crates that build on this one.
    pub fn new(field: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
        }
    }

    /// The field, by the API's name where it has one and by the builder's otherwise.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The rule that the value breaks.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.rule)
    }
}

impl std::error::Error for InvalidInput {}

/// Lets functions take both a value and something that may become one.
impl From<Infallible> for InvalidInput {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Refuses what has no effect beside `what`, so that no caller relies on it.
pub(crate) fn refuse_beside<const N: usize>(
    what: &'static str,
    given: [(&'static str, bool); N],
) -> Result<(), InvalidInput> {
    match given.into_iter().find(|(_, given)| *given) {
        Some((field, _)) => Err(InvalidInput::new(
            field,
            format!("must not be given beside {what}, which brings its own"),
        )),
        None => Ok(()),
    }
}
