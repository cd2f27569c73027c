//! The history of a card: what was done to it, as lists and look-ups show it.

use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use time::OffsetDateTime;

/// One operation on a card. What the sandbox does is done at once, and succeeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operation {
    /// Counts up through the whole sandbox, so that order is certain.
    pub(crate) sequence: u64,
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) time: OffsetDateTime,
    pub(crate) requestor_type: &'static str,
    pub(crate) requestor_id: String,
    pub(crate) reason: Option<String>,
    pub(crate) reason_code: Option<String>,
    pub(crate) digital_card: Option<Value>,
}

impl Operation {
    /// The operation as JSON; the details of a digital card are shown where asked for.
    pub(crate) fn to_json(&self, with_digital_card: bool) -> Value {
        let mut members = Map::new();
        let mut member = |name: &str, value: Value| members.insert(name.to_owned(), value);
        member("operationId", json!(self.id));
        member("operation", json!(self.kind));
        member("status", json!("SUCCESSFUL"));
        member("startTime", json!(timestamp(self.time)));
        member("endTime", json!(timestamp(self.time)));
        member("requestorType", json!(self.requestor_type));
        member("requestorId", json!(self.requestor_id));
        if let Some(reason) = &self.reason {
            member("reason", json!(reason));
        }
        if let Some(code) = &self.reason_code {
            member("reasonCode", json!(code));
        }
        if let Some(details) = self.digital_card.as_ref().filter(|_| with_digital_card) {
            member("digitalCardDetails", details.clone());
        }
        Value::Object(members)
    }
}

/// The id of an operation. With a seed it looks random, and is the same in every run.
pub(crate) fn id(sequence: u64, seed: Option<u64>) -> String {
    match seed {
        None => format!("op-{sequence:06}"),
        Some(seed) => {
            let mut state = seed.wrapping_add(sequence);
            format!("op-{:016x}", crate::faults::next(&mut state))
        }
    }
}

/// A page of a history that is kept oldest first: the newest first, and how many older ones
/// remain.
pub(crate) fn page(
    history: &VecDeque<Operation>,
    offset: usize,
    limit: usize,
) -> (Vec<Value>, usize) {
    let items: Vec<Value> = history
        .iter()
        .rev()
        .skip(offset)
        .take(limit)
        .map(|operation| operation.to_json(false))
        .collect();
    let remaining = history
        .len()
        .saturating_sub(offset.saturating_add(items.len()));
    (items, remaining)
}

/// A time in UTC with milliseconds, as the documentation's examples have it.
pub(crate) fn timestamp(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(count: u64) -> VecDeque<Operation> {
        (1..=count)
            .map(|sequence| Operation {
                sequence,
                id: format!("op-{sequence:06}"),
                kind: "VERIFY",
                time: OffsetDateTime::UNIX_EPOCH,
                requestor_type: "D1",
                requestor_id: "D1".to_owned(),
                reason: None,
                reason_code: None,
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

    #[test]
    fn times_are_written_as_documented() {
        let time = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_655_360_882_492);
        assert_eq!(timestamp(time), "2022-06-16T06:28:02.492Z");
    }
}
