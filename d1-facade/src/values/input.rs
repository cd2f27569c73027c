//! The error of a value that a caller gave and that cannot be used.
//!
//! It names a field and a rule and never the value: a value that was refused may be a PAN in the wrong place, and
//! errors are logged.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

use d1_generated::constants::TextRule;

/// A value that was refused before anything was sent.
///
/// It names the field and the rule, and never holds the value, so it can be logged. Values return it when they are
/// read from text, [`ClientBuilder::build`](crate::ClientBuilder::build) returns it for a setting, and
/// [`Error::invalid_input`](crate::Error::invalid_input) has it where a call was refused before it was sent.
///
/// ```
/// use d1_facade::CardId;
///
/// let refused = "no blanks".parse::<CardId>().unwrap_err();
/// assert_eq!(refused.field(), "cardId");
/// assert_eq!(
///     refused.rule(),
///     "has a wrong character at position 3, must have 1 to 48 of A-Z a-z 0-9 _ -"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidInput {
    field: Cow<'static, str>,
    rule: Cow<'static, str>,
}

impl InvalidInput {
    /// Returns an error that names a field and the rule that its value breaks, for crates that build on this one.
    ///
    /// `Display` writes the field, a space and the rule, so the rule reads like `must be greater than zero`.
    ///
    /// ```
    /// let refused = d1_facade::InvalidInput::new("rate", "must be greater than zero");
    /// assert_eq!(refused.to_string(), "rate must be greater than zero");
    /// ```
    pub fn new(field: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            rule: rule.into(),
        }
    }

    /// Returns the error of a text that breaks its rule. It says what is wrong by position and length, without the text.
    pub(super) fn of_text(field: &'static str, rule: &TextRule, text: &str) -> Self {
        let other = text.chars().position(|c| !(rule.allows)(c));
        let found = match other {
            Some(before) => format!("has a wrong character at position {}", before + 1),
            None => format!("has {} characters", text.chars().count()),
        };
        Self::new(field, format!("{found}, must {}", rule.words))
    }

    /// Returns the field: by D1's name, such as `cardId`, where it has one, otherwise by the name of the method that sets
    /// it, such as `connect_timeout`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns the rule that the value breaks, without the value.
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

/// Lets functions accept both a value and what may become one: converting a type into itself cannot fail.
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
