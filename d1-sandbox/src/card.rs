//! The cards that a sandbox starts with, and what a test may see of one.

use crate::pan::MASK;
use serde_json::{Value, json};
use std::fmt;
use zeroize::Zeroizing;

/// The PAN of a card unless a test sets another one: a well-known test number.
const DEFAULT_PAN: &str = "4111111111111111";
const DEFAULT_EXP: &str = "1230";

/// The state of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardState {
    /// The card can be used.
    Active,
    /// The card is suspended.
    Inactive,
}

/// The state of the end user who holds a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerState {
    /// The end user is active.
    Active,
    /// The end user is deactivated: cards can be neither resumed nor renewed.
    Inactive,
}

/// A card that a sandbox starts with. `Debug` shows the last four digits of the PAN at most.
///
/// Cards have the same consumer and product unless a test sets others.
#[derive(Clone)]
pub struct Card {
    pub(crate) id: String,
    pub(crate) state: CardState,
    pub(crate) suspended_by: Option<String>,
    pub(crate) consumer: String,
    pub(crate) consumer_state: ConsumerState,
    pub(crate) product: String,
    pub(crate) pan: String,
    pub(crate) exp: String,
    pub(crate) digital_cards: Vec<Value>,
    pub(crate) past_operations: usize,
    pub(crate) damaged: bool,
}

impl Card {
    /// An active card with a test PAN and one digital card. Its history holds a REGISTER and a
    /// DIGITIZE operation.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            state: CardState::Active,
            suspended_by: None,
            consumer: "CONSUMER-1".to_owned(),
            consumer_state: ConsumerState::Active,
            product: "PRODUCT-1".to_owned(),
            pan: DEFAULT_PAN.to_owned(),
            exp: DEFAULT_EXP.to_owned(),
            digital_cards: vec![json!({ "deviceType": "PHONE", "requestorName": "WALLET" })],
            past_operations: 0,
            damaged: false,
        }
    }

    /// Sets the state.
    #[must_use]
    pub fn state(mut self, state: CardState) -> Self {
        self.state = state;
        self
    }

    /// Suspends the card, for this reason code. It matters to a migrated tenant, which decides by
    /// it what may resume the card; a suspended card without one counts as `ISSUER_DECISION`.
    #[must_use]
    pub fn suspended_by(mut self, reason_code: impl Into<String>) -> Self {
        self.state = CardState::Inactive;
        self.suspended_by = Some(reason_code.into());
        self
    }

    /// Sets the end user who holds the card.
    #[must_use]
    pub fn consumer(mut self, id: impl Into<String>) -> Self {
        self.consumer = id.into();
        self
    }

    /// Sets the state of the end user who holds the card, with all cards of that end user.
    #[must_use]
    pub fn consumer_state(mut self, state: ConsumerState) -> Self {
        self.consumer_state = state;
        self
    }

    /// Sets the card product.
    #[must_use]
    pub fn product(mut self, id: impl Into<String>) -> Self {
        self.product = id.into();
        self
    }

    /// Sets the PAN, 10 to 19 digits. Use test numbers only.
    #[must_use]
    pub fn pan(mut self, pan: impl Into<String>) -> Self {
        self.pan = pan.into();
        self
    }

    /// Sets the expiry, MMYY.
    #[must_use]
    pub fn exp(mut self, exp: impl Into<String>) -> Self {
        self.exp = exp.into();
        self
    }

    /// Sets the digital cards, by the details that their DIGITIZE operations show.
    #[must_use]
    pub fn digital_cards(mut self, details: impl IntoIterator<Item = Value>) -> Self {
        self.digital_cards = details.into_iter().collect();
        self
    }

    /// Puts this many VERIFY operations into the history, so that a list has several pages.
    #[must_use]
    pub fn past_operations(mut self, count: usize) -> Self {
        self.past_operations = count;
        self
    }

    /// Makes D1 itself unable to handle the card: each call for it is answered with 500.
    #[must_use]
    pub fn damaged(mut self) -> Self {
        self.damaged = true;
        self
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Card")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("suspended_by", &self.suspended_by)
            .field("consumer", &self.consumer)
            .field("consumer_state", &self.consumer_state)
            .field("product", &self.product)
            .field("last_four", &last_four(&self.pan))
            .field("exp", &MASK)
            .finish_non_exhaustive()
    }
}

/// A card as it stands. `Debug` shows no card data beyond the last four digits.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CardSnapshot {
    /// The id of the card.
    pub id: String,
    /// The state of the card.
    pub state: CardState,
    /// The reason code of the suspension, if the card is suspended.
    pub suspended_by: Option<String>,
    /// The end user who holds the card.
    pub consumer: String,
    /// The state of that end user.
    pub consumer_state: ConsumerState,
    /// The card product.
    pub product: String,
    /// The last four digits of the PAN.
    pub last_four: String,
    /// How many operations the card's history holds.
    pub operations: usize,
    pub(crate) pan: Zeroizing<String>,
    pub(crate) exp: Zeroizing<String>,
}

impl CardSnapshot {
    /// Whether the card has this PAN and this expiry, which cannot be read otherwise.
    #[must_use]
    pub fn has_credentials(&self, pan: &str, exp: &str) -> bool {
        *self.pan == pan && *self.exp == exp
    }
}

impl fmt::Debug for CardSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CardSnapshot")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("suspended_by", &self.suspended_by)
            .field("consumer", &self.consumer)
            .field("consumer_state", &self.consumer_state)
            .field("product", &self.product)
            .field("last_four", &self.last_four)
            .field("operations", &self.operations)
            .finish_non_exhaustive()
    }
}

/// The last four digits of a PAN.
pub(crate) fn last_four(pan: &str) -> String {
    pan.get(pan.len().saturating_sub(4)..)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_last_four_digits_at_most() {
        let shown = format!("{:?}", Card::new("A").pan("5555555555554444").exp("0931"));
        assert!(shown.contains("4444"));
        assert!(
            !shown.contains("55554444") && !shown.contains("0931"),
            "{shown}"
        );
    }
}
