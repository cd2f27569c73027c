//! Which reason code is sent, and what happens when D1 does not allow it.
//!
//! D1 takes `ISSUER_DECISION` where none is given. The list of codes is generated from the spec and is open: a code that
//! this version does not know is sent if it matches the pattern.

use std::sync::LazyLock;

use d1_generated::{constants, types};

use super::generated::ReasonCode;
use super::input::InvalidInput;

impl Default for ReasonCode {
    /// Returns `ISSUER_DECISION`, which D1 takes when no reason code is sent.
    fn default() -> Self {
        Self::from_wire(constants::REASON_CODE_DEFAULT)
    }
}

impl ReasonCode {
    /// Returns the code for the body of a request, if it matches the pattern.
    pub(crate) fn to_raw(&self) -> Result<types::ReasonCode, InvalidInput> {
        /// The code of most calls, checked once.
        static DEFAULT: LazyLock<Option<types::ReasonCode>> =
            LazyLock::new(|| constants::REASON_CODE_DEFAULT.parse().ok());
        if self.as_str() == constants::REASON_CODE_DEFAULT
            && let Some(default) = &*DEFAULT
        {
            return Ok(default.clone());
        }
        self.as_str().parse().map_err(|_| {
            InvalidInput::of_text("reasonCode", &constants::REASON_CODE_RULE, self.as_str())
        })
    }
}

/// What the client does when D1 refuses (403) a change whose reason code is not the default one.
///
/// D1's documentation advises to send `ISSUER_DECISION` then. A refused change was not carried out, so sending it again
/// does nothing twice. But the reason code that D1 keeps is then not the one that the caller gave, so this must be
/// chosen explicitly. [`Receipt::reason_code`](crate::Receipt::reason_code) returns the code that was sent last, and
/// [`Error::refused_before`](crate::Error::refused_before) the first refusal where the second request failed as well.
///
/// The change is sent again only where the documentation says that the refusal may be about the reason code: not where
/// the response has a code that is not documented, nor where it is not from D1.
///
/// ```no_run
/// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
/// use d1_facade::{ReasonCode, ReasonCodeFallback};
///
/// let receipt = card
///     .suspend()
///     .reason_code(ReasonCode::CardLost)
///     .reason_code_fallback(ReasonCodeFallback::IssuerDecision)
///     .await?;
/// println!("sent with {}", receipt.reason_code());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReasonCodeFallback {
    /// Returns the error of D1.
    #[default]
    Never,
    /// Sends the change once more, with `ISSUER_DECISION`.
    IssuerDecision,
}
