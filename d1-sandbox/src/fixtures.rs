//! Reads the cards that a sandbox starts with from a YAML or JSON file.

use crate::card::{Card, CardState, ConsumerState};
use crate::pan;
use crate::settings::Issuer;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many keys, values and the like a file may hold: about a million cards.
const MOST_NODES: usize = 10_000_000;

/// Why a file of fixtures cannot be used. It never quotes a card number.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FixtureError(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fixtures {
    #[serde(default)]
    consumers: Vec<ConsumerFixture>,
    cards: Vec<CardFixture>,
    #[serde(default)]
    issuers: Vec<IssuerFixture>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IssuerFixture {
    id: String,
    #[serde(default)]
    consumers: Vec<ConsumerFixture>,
    cards: Vec<CardFixture>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConsumerFixture {
    id: String,
    #[serde(default)]
    state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CardFixture {
    id: String,
    #[serde(default)]
    state: State,
    suspended_by: Option<String>,
    consumer: Option<String>,
    product: Option<String>,
    pan: Option<String>,
    exp: Option<String>,
    digital_cards: Option<Vec<Value>>,
    #[serde(default)]
    past_operations: usize,
    #[serde(default)]
    damaged: bool,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    #[default]
    Active,
    Inactive,
}

/// Reads the text of a file: the cards of the sandbox's own issuer, and other issuers. JSON is YAML as well.
///
/// ```yaml
/// consumers:
///   - id: CONSUMER-2
///     state: INACTIVE
/// cards:
///   - id: ReplaceMe01
///     consumer: CONSUMER-2
///     state: INACTIVE
///     suspendedBy: CARD_LOST
///     product: PRODUCT-1
///     pan: "4111111111111111"
///     exp: "1230"
///     digitalCards: [{ deviceType: PHONE }]
///     pastOperations: 30
///   - id: ReplaceMe02
///     damaged: true
/// issuers:
///   - id: ISSUER_B-2
///     cards: [{ id: ReplaceMe01 }]
/// ```
pub(crate) fn read(text: &str) -> Result<(Vec<Card>, Vec<Issuer>), FixtureError> {
    // The parser's bounds are for files of strangers; this one may name hundreds of thousands of cards.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: MOST_NODES, max_nodes: MOST_NODES },
    };
    let fixtures: Fixtures = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        // The excerpt of the file that follows may show anything.
        wrong(e.to_string().lines().next().unwrap_or_default())
    })?;
    let issuers = fixtures.issuers.into_iter().map(|issuer| {
        let cards = cards(issuer.consumers, issuer.cards)
            .map_err(|problem| format!("issuer {}: {problem}", issuer.id))?;
        Ok(cards.into_iter().fold(Issuer::new(issuer.id), Issuer::card))
    });
    let issuers = issuers.collect::<Result<_, String>>();
    let own = cards(fixtures.consumers, fixtures.cards);
    own.and_then(|cards| Ok((cards, issuers?)))
        .map_err(|problem| wrong(&problem))
}

fn wrong(problem: &str) -> FixtureError {
    FixtureError(pan::masked_text(problem))
}

fn cards(listed: Vec<ConsumerFixture>, cards: Vec<CardFixture>) -> Result<Vec<Card>, String> {
    let mut consumers = BTreeMap::new();
    for consumer in listed {
        if consumers
            .insert(consumer.id.clone(), consumer.state)
            .is_some()
        {
            return Err(format!("consumer {} is given twice", consumer.id));
        }
    }
    if cards.is_empty() {
        return Err("cards is empty".to_owned());
    }
    cards
        .into_iter()
        .map(|card| card.build(&consumers))
        .collect()
}

impl CardFixture {
    fn build(self, consumers: &BTreeMap<String, State>) -> Result<Card, String> {
        let mut card = Card::new(&self.id).past_operations(self.past_operations);
        if let Some(code) = self.suspended_by {
            if self.state == State::Active {
                return Err(format!(
                    "card {}: suspendedBy needs state INACTIVE",
                    self.id
                ));
            }
            card = card.suspended_by(code);
        }
        if self.state == State::Inactive {
            card = card.state(CardState::Inactive);
        }
        if let Some(id) = self.consumer {
            // One that is not listed is active, unless consumers are listed at all.
            let state = match consumers.get(&id) {
                Some(state) => *state,
                None if consumers.is_empty() => State::Active,
                None => return Err(format!("card {}: consumer {id} is not listed", self.id)),
            };
            card = card.consumer(id);
            if state == State::Inactive {
                card = card.consumer_state(ConsumerState::Inactive);
            }
        }
        if let Some(product) = self.product {
            card = card.product(product);
        }
        if let Some(pan) = self.pan {
            card = card.pan(pan);
        }
        if let Some(exp) = self.exp {
            card = card.exp(exp);
        }
        if self.damaged {
            card = card.damaged();
        }
        if let Some(details) = self.digital_cards {
            card = card.digital_cards(details);
        }
        Ok(card)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_as_yaml_and_as_json() {
        let yaml = "consumers:\n  - id: C\n    state: INACTIVE\ncards:\n  - id: A\n    consumer: C\n    \
                    state: INACTIVE\n    suspendedBy: CARD_LOST\n    pan: \"5555555555554444\"\n    \
                    exp: '0931'\n    pastOperations: 3\n    damaged: true\n    digitalCards: [{x: 1}]\n    product: P\n\
                    issuers:\n  - id: ISSUER_B-2\n    cards: [{id: A}]\n";
        let json = r#"{"consumers": [{"id": "C", "state": "INACTIVE"}], "cards": [{"id": "A",
            "consumer": "C", "state": "INACTIVE", "suspendedBy": "CARD_LOST", "product": "P",
            "pan": "5555555555554444", "exp": "0931", "pastOperations": 3,
            "digitalCards": [{"x": 1}], "damaged": true}],
            "issuers": [{"id": "ISSUER_B-2", "cards": [{"id": "A"}]}]}"#;
        for text in [yaml, json] {
            let (cards, issuers) = read(text).unwrap();
            let [card] = cards.as_slice() else {
                return assert_eq!(cards.len(), 1);
            };
            assert_eq!((card.id.as_str(), card.consumer.as_str()), ("A", "C"));
            assert_eq!(card.state, CardState::Inactive);
            assert_eq!(card.suspended_by.as_deref(), Some("CARD_LOST"));
            assert_eq!(card.consumer_state, ConsumerState::Inactive);
            assert_eq!(
                (card.pan.as_str(), card.exp.as_str()),
                ("5555555555554444", "0931")
            );
            assert_eq!((card.past_operations, card.digital_cards.len()), (3, 1));
            assert_eq!((card.product.as_str(), card.damaged), ("P", true));
            let [other] = issuers.as_slice() else {
                return assert_eq!(issuers.len(), 1);
            };
            let cards: Vec<_> = other.cards.iter().map(|card| card.id.as_str()).collect();
            assert_eq!((other.id.as_str(), cards), ("ISSUER_B-2", vec!["A"]));
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_a_line_without_card_numbers() {
        for (text, part) in [
            ("", "line 1"),
            ("cards: []", "empty"),
            ("cards: 5", "line"),
            ("cards: [{}]", "id"),
            ("cards: [{id: A, colour: red}]", "colour"),
            ("cards: [{id: A, pan: [4111111111111111]}]", ""),
            ("cards: [{id: A, 4111111111111111: x}]", ""),
            (
                "cards: [{id: A}]\nissuers: [{id: B, cards: []}]",
                "issuer B: cards is empty",
            ),
            ("cards: [{id: A, state: BROKEN}]", "BROKEN"),
            ("cards: [{id: A, suspendedBy: FRAUD}]", "INACTIVE"),
            ("consumers: [{id: C}, {id: C}]\ncards: [{id: A}]", "twice"),
            (
                "consumers: [{id: C}]\ncards: [{id: A, consumer: D}]",
                "listed",
            ),
        ] {
            let error = read(text).map(drop).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\n') && !error.contains("4111"), "{error}");
        }
    }
}
