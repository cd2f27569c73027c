//! The history of a card: what was done to it, as lists and single operations show it.

use crate::clock::timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::VecDeque;
use time::OffsetDateTime;

/// Why a change is asked for.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Reason {
    pub(crate) text: Option<String>,
    pub(crate) code: String,
}

/// One operation on a card. What the sandbox does is done at once, and succeeds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Operation {
    /// Counts up through the whole sandbox, so that order is certain.
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) kind: Cow<'static, str>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) time: OffsetDateTime,
    /// Who asked for it: the type and the id.
    pub(crate) requestor: (Cow<'static, str>, String),
    pub(crate) reason: Option<Reason>,
    pub(crate) digital_card: Option<Value>,
}

impl Operation {
    /// Returns the operation as JSON; the details of a digital card are shown where asked for.
    pub(crate) fn to_json(&self, with_digital_card: bool) -> Value {
        let time = timestamp(self.time);
        let reason = self.reason.as_ref();
        let mut json = json!({
            "operationId": self.id,
            "operation": self.kind,
            "status": "SUCCESSFUL",
            "startTime": time,
            "endTime": time,
            "requestorType": self.requestor.0,
            "requestorId": self.requestor.1,
            "reason": reason.map(|reason| &reason.text),
            "reasonCode": reason.map(|reason| &reason.code),
            "digitalCardDetails": self.digital_card.as_ref().filter(|_| with_digital_card),
        });
        if let Some(members) = json.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        json
    }
}

/// Returns the id of an operation. With a seed it looks random, and is the same in every run.
pub(crate) fn id(sequence: u64, seed: Option<u64>) -> String {
    match seed {
        None => format!("op-{sequence:06}"),
        Some(seed) => {
            let mut state = seed.wrapping_add(sequence);
            format!("op-{:016x}", crate::random::next(&mut state))
        }
    }
}

/// Returns a page of a history that is kept oldest first: the newest first, and how many older ones
/// remain.
pub(crate) fn page(
    history: &VecDeque<Operation>,
    offset: usize,
    limit: usize,
) -> (Vec<Value>, usize) {
    let newest_first = history.iter().rev().skip(offset).take(limit);
    let items: Vec<Value> = newest_first.map(|o| o.to_json(false)).collect();
    let end = offset.saturating_add(items.len());
    (items, history.len().saturating_sub(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(count: u64) -> VecDeque<Operation> {
        (1..=count)
            .map(|sequence| Operation {
                sequence,
                id: format!("op-{sequence:06}"),
                kind: "VERIFY".into(),
                time: OffsetDateTime::UNIX_EPOCH,
                requestor: ("D1".into(), "D1".to_owned()),
                reason: None,
                digital_card: Some(json!({})),
            })
            .collect()
    }

    #[test]
    fn pages_run_from_the_newest_to_the_oldest() {
        let history = history(12);
        let ids = |offset, limit| {
            let (items, remaining) = page(&history, offset, limit);
            let first = items
                .first()
                .and_then(|item| item.get("operationId"))
                .cloned();
            (items.len(), first, remaining)
        };
        assert_eq!(ids(0, 10), (10, Some(json!("op-000012")), 2));
        assert_eq!(ids(2, 5), (5, Some(json!("op-000010")), 5));
        assert_eq!(ids(10, 50), (2, Some(json!("op-000002")), 0));
        assert_eq!(ids(usize::MAX, 50), (0, None, 0));
    }
}
