//! The cards that a sandbox starts with.

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The end user of a card that names none.
pub(crate) const DEFAULT_CONSUMER: &str = "CONSUMER-1";

/// The state of a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CardState {
    /// The card can be used.
    #[default]
    Active,
    /// The card is suspended.
    Inactive,
}

/// The state of the end user who holds a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConsumerState {
    /// The end user is active.
    #[default]
    Active,
    /// The end user is deactivated: cards can be neither resumed nor renewed.
    Inactive,
}

/// A card that a sandbox starts with. `Debug` shows no card data.
///
/// Cards have the same consumer and product unless a test sets others.
///
/// ```
/// use d1_sandbox::Card;
///
/// let lost = Card::new("ReplaceMe01").suspended_by("CARD_LOST").past_operations(30);
/// # drop(lost);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    default = "Card::unnamed"
)]
#[must_use = "a card does nothing until it is added to a builder"]
pub struct Card {
    pub(crate) id: String,
    pub(crate) state: CardState,
    pub(crate) suspended_by: Option<String>,
    pub(crate) consumer: String,
    #[serde(skip)]
    pub(crate) consumer_state: ConsumerState,
    pub(crate) product: String,
    pub(crate) pan: Secret,
    pub(crate) exp: Secret,
    pub(crate) digital_cards: Vec<Value>,
    pub(crate) past_operations: usize,
    pub(crate) damaged: bool,
}

impl Card {
    /// Creates an active card with a test PAN and one digital card. Its history holds a REGISTER and a
    /// DIGITIZE operation.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            state: CardState::default(),
            suspended_by: None,
            consumer: DEFAULT_CONSUMER.to_owned(),
            consumer_state: ConsumerState::default(),
            product: "PRODUCT-1".to_owned(),
            // A well-known test number.
            pan: Secret::new("4111111111111111"),
            exp: Secret::new("1230"),
            digital_cards: vec![json!({ "deviceType": "PHONE", "requestorName": "WALLET" })],
            past_operations: 0,
            damaged: false,
        }
    }

    /// Returns the defaults of a file of fixtures, which must give an id.
    fn unnamed() -> Self {
        Self::new("").consumer("")
    }

    /// Sets the state.
    pub fn state(mut self, state: CardState) -> Self {
        self.state = state;
        self
    }

    /// Suspends the card, for this reason code. It matters to a migrated tenant, which decides by
    /// it what may resume the card; a suspended card without one counts as `ISSUER_DECISION`.
    pub fn suspended_by(mut self, reason_code: impl Into<String>) -> Self {
        self.state = CardState::Inactive;
        self.suspended_by = Some(reason_code.into());
        self
    }

    /// Sets the end user who holds the card.
    pub fn consumer(mut self, id: impl Into<String>) -> Self {
        self.consumer = id.into();
        self
    }

    /// Sets the state of the end user who holds the card, with all cards of that end user.
    pub fn consumer_state(mut self, state: ConsumerState) -> Self {
        self.consumer_state = state;
        self
    }

    /// Sets the card product.
    pub fn product(mut self, id: impl Into<String>) -> Self {
        self.product = id.into();
        self
    }

    /// Sets the PAN, 10 to 19 digits. Use test numbers only.
    pub fn pan(mut self, pan: impl Into<String>) -> Self {
        self.pan = Secret::new(pan);
        self
    }

    /// Sets the expiry, MMYY.
    pub fn exp(mut self, exp: impl Into<String>) -> Self {
        self.exp = Secret::new(exp);
        self
    }

    /// Sets the digital cards, by the details that their DIGITIZE operations show.
    pub fn digital_cards(mut self, details: impl IntoIterator<Item = Value>) -> Self {
        self.digital_cards = details.into_iter().collect();
        self
    }

    /// Puts this many VERIFY operations into the history, so that a list has several pages.
    pub fn past_operations(mut self, count: usize) -> Self {
        self.past_operations = count;
        self
    }

    /// Makes D1 itself unable to handle the card: each call for it is answered with 500.
    pub fn damaged(mut self) -> Self {
        self.damaged = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_card_data() {
        let shown = format!("{:?}", Card::new("A").pan("5555555555554444").exp("0931"));
        assert!(shown.contains("[masked]"), "{shown}");
        assert!(
            !shown.contains("4444") && !shown.contains("0931"),
            "{shown}"
        );
    }
}
