//! Reads the cards that a sandbox starts with from a YAML or JSON file.

use super::card::{Card, CardState, ConsumerState, DEFAULT_CONSUMER};
use super::issuer::Issuer;
use crate::pan;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How many keys, values and the like a file may hold: about a million cards.
const MAX_NODES: usize = 10_000_000;

/// Why a file of fixtures cannot be used. It never quotes a card number.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FixtureError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixtures {
    #[serde(default)]
    consumers: Vec<Consumer>,
    cards: Vec<Card>,
    #[serde(default)]
    issuers: Vec<IssuerFixture>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerFixture {
    id: String,
    #[serde(default)]
    consumers: Vec<Consumer>,
    cards: Vec<Card>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Consumer {
    id: String,
    #[serde(default)]
    state: ConsumerState,
}

/// Reads the text of a file: the cards of the sandbox's own issuer, and other issuers. JSON is YAML as well.
pub(crate) fn read(text: &str) -> Result<(Vec<Card>, Vec<Issuer>), FixtureError> {
    // The parser's default limits are for untrusted files; this one may name hundreds of thousands of cards.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: MAX_NODES, max_nodes: MAX_NODES },
    };
    let fixtures: Fixtures = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        // The excerpt of the file that follows may show anything.
        wrong(e.to_string().lines().next().unwrap_or_default())
    })?;
    let own = checked(&fixtures.consumers, fixtures.cards).map_err(|problem| wrong(&problem))?;
    let mut issuers = Vec::new();
    for fixture in fixtures.issuers {
        let mut issuer = Issuer::new(fixture.id);
        issuer.cards = checked(&fixture.consumers, fixture.cards)
            .map_err(|problem| wrong(&format!("issuer {}: {problem}", issuer.id)))?;
        issuers.push(issuer);
    }
    Ok((own, issuers))
}

fn wrong(problem: &str) -> FixtureError {
    FixtureError(pan::masked_text(problem))
}

/// Checks the cards of one issuer, and gives each the state of its consumer.
fn checked(consumers: &[Consumer], mut cards: Vec<Card>) -> Result<Vec<Card>, String> {
    let mut states = BTreeMap::new();
    for Consumer { id, state } in consumers {
        if states.insert(id.as_str(), *state).is_some() {
            return Err(format!("consumer {id} is given twice"));
        }
    }
    if cards.is_empty() {
        return Err("cards is empty".to_owned());
    }
    for card in &mut cards {
        let id = &card.id;
        if id.is_empty() {
            return Err("a card has no id".to_owned());
        }
        if card.suspended_by.is_some() && card.state == CardState::Active {
            return Err(format!("card {id}: suspendedBy needs state INACTIVE"));
        }
        match states.get(card.consumer.as_str()) {
            _ if card.consumer.is_empty() => DEFAULT_CONSUMER.clone_into(&mut card.consumer),
            Some(state) => card.consumer_state = *state,
            // Without a list of consumers all are active.
            None if consumers.is_empty() => {}
            None => {
                return Err(format!(
                    "card {id}: consumer {} is not listed",
                    card.consumer
                ));
            }
        }
    }
    Ok(cards)
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
            assert_eq!((&*card.pan, &*card.exp), ("5555555555554444", "0931"));
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
