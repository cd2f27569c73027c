//! The cards of one issuer as they are kept from start to start.

use super::history::Operation;
use crate::settings::card::{Card, ConsumerState};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};

/// A card that is registered.
#[derive(Deserialize, Serialize)]
pub(super) struct CardRecord {
    /// As it was registered, but for what changes have made of it.
    #[serde(serialize_with = "with_credentials")]
    pub(super) card: Card,
    /// Oldest first.
    pub(super) history: VecDeque<Operation>,
}

/// Writes a card for a later sandbox, with its PAN and expiry, as files of fixtures have them.
fn with_credentials<S: Serializer>(card: &Card, serializer: S) -> Result<S::Ok, S::Error> {
    let json = json!({
        "id": card.id,
        "state": card.state,
        "suspendedBy": card.suspended_by,
        "consumer": card.consumer,
        "product": card.product,
        "pan": &*card.pan,
        "exp": &*card.exp,
        "digitalCards": card.digital_cards,
        "damaged": card.damaged,
    });
    json.serialize(serializer)
}

/// What a later sandbox needs to have the same cards. It holds card data, and has no `Debug`.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Ledger {
    pub(super) cards: BTreeMap<String, CardRecord>,
    pub(super) consumers: BTreeMap<String, ConsumerState>,
    pub(super) last_sequence: u64,
}
