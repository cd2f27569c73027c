//! Which reason code is sent, and which one when the caller gives none.

use std::sync::LazyLock;

use d1_generated::{constants, types};

use super::generated::ReasonCode;
use super::input::InvalidInput;

impl Default for ReasonCode {
    /// What D1 takes when no reason code is sent.
    fn default() -> Self {
        Self::from_wire(constants::REASON_CODE_DEFAULT)
    }
}

impl ReasonCode {
    pub(crate) fn to_raw(&self) -> Result<types::ReasonCode, InvalidInput> {
        /// What is sent with most calls, checked once.
        static DEFAULT: LazyLock<Option<types::ReasonCode>> =
            LazyLock::new(|| constants::REASON_CODE_DEFAULT.parse().ok());
        if self.as_str() == constants::REASON_CODE_DEFAULT
            && let Some(default) = &*DEFAULT
        {
            return Ok(default.clone());
        }
        self.as_str()
            .parse()
            .map_err(|_| InvalidInput::new("reasonCode", constants::REASON_CODE_RULE))
    }
}

/// What to do when D1 refuses a call (403) that was sent with another reason code than the default.
///
/// D1's documentation advises to send `ISSUER_DECISION` then. A refused call was not carried out, so
/// asking again does nothing twice; but the reason that D1 keeps is no longer the one that was given,
/// which is why it is not done unasked. The receipt says which code was sent in the end.
///
/// It is done only where the documentation says that such a refusal may be about the reason code: not
/// where D1 gives a code that is not documented, nor where the response is not from D1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReasonCodeFallback {
    /// Return the error.
    #[default]
    Never,
    /// Ask once more, with `ISSUER_DECISION`.
    IssuerDecision,
}
