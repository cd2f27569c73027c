//! Which reason code is sent, and which one when the caller gives none.

use std::str::FromStr;
use std::sync::LazyLock;

use d1_generated::{facts, types};

use crate::error::InvalidInput;
use crate::open_enum::open_enum;

open_enum! {
    /// Why a card is suspended, resumed, deleted or renewed, as a code (D1: `reasonCode`).
    ///
    /// Only [`IssuerDecision`](Self::IssuerDecision) is documented for V1 cards; it is the default,
    /// and what D1 takes when none is sent. The others come from the V1 consumer and the V2 card API,
    /// whose rules apply once a tenant has been migrated:
    ///
    /// | operation | codes |
    /// |---|---|
    /// | suspend | `CARD_LOST`, `CARD_STOLEN`, `CARD_BROKEN`, `FRAUD`, `USER_DECISION`, `ISSUER_DECISION` |
    /// | resume | `CARD_FOUND` after `CARD_LOST`, `USER_DECISION` after `USER_DECISION`, `ISSUER_DECISION` |
    /// | delete | `CLOSED_ACCOUNT`, `CLOSED_CARD`, `CARD_LOST`, `CARD_STOLEN`, possibly more |
    ///
    /// After `CARD_STOLEN`, `CARD_BROKEN` or `FRAUD` a card stays suspended until it is replaced; after
    /// `CARD_LOST` it is resumed with `CARD_FOUND` or replaced; after `ISSUER_DECISION` only
    /// `ISSUER_DECISION` resumes it. D1 decides; the client sends what it is told.
    ///
    /// The list is open:
    ///
    /// ```
    /// use d1_facade::ReasonCode;
    ///
    /// assert_eq!("CARD_LOST".parse::<ReasonCode>()?, ReasonCode::CardLost);
    /// assert_eq!("CARD_EATEN".parse::<ReasonCode>()?.as_str(), "CARD_EATEN");
    /// assert_eq!(ReasonCode::default(), ReasonCode::IssuerDecision);
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    ReasonCode {
        /// The issuer decided so.
        IssuerDecision = "ISSUER_DECISION",
        /// The end user decided so.
        UserDecision = "USER_DECISION",
        /// The card was lost.
        CardLost = "CARD_LOST",
        /// The card was stolen.
        CardStolen = "CARD_STOLEN",
        /// The card is broken.
        CardBroken = "CARD_BROKEN",
        /// A lost card was found.
        CardFound = "CARD_FOUND",
        /// Fraud is suspected.
        Fraud = "FRAUD",
        /// The account was closed.
        ClosedAccount = "CLOSED_ACCOUNT",
        /// The card was closed.
        ClosedCard = "CLOSED_CARD",
    }
}

impl Default for ReasonCode {
    /// What D1 takes when no reason code is sent.
    fn default() -> Self {
        Self::from_wire(facts::REASON_CODE_DEFAULT)
    }
}

impl FromStr for ReasonCode {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let code = Self::from_wire(text);
        code.to_raw().map(|_| code)
    }
}

impl ReasonCode {
    pub(crate) fn to_raw(&self) -> Result<types::ReasonCode, InvalidInput> {
        /// What is sent with most calls, checked once.
        static DEFAULT: LazyLock<Option<types::ReasonCode>> =
            LazyLock::new(|| facts::REASON_CODE_DEFAULT.parse().ok());
        if self.as_str() == facts::REASON_CODE_DEFAULT
            && let Some(default) = &*DEFAULT
        {
            return Ok(default.clone());
        }
        self.as_str()
            .parse()
            .map_err(|_| InvalidInput::new("reasonCode", facts::REASON_CODE_RULE))
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
