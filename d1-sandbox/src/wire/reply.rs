//! What the network is to send, and what a fault makes of it.

use super::fault::{Fault, FaultKind};
use super::fault_queue::ArmedFault;
use serde_json::{Value, json};
use std::time::Duration;

/// How many blanks an oversized response has, unless the fault says.
const DEFAULT_BLANKS: usize = 2 * 1024 * 1024;

/// A response, and how it is sent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    /// The body of a fault, which need not be JSON.
    pub(crate) text: Vec<u8>,
    pub(crate) delay: Duration,
    /// The fault that applies to it.
    pub(crate) fault: Option<FaultKind>,
    /// How many blanks are added to the body.
    pub(crate) blanks: usize,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Option<Value>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
            text: Vec::new(),
            delay: Duration::ZERO,
            fault: None,
            blanks: 0,
        }
    }

    /// Returns what a fault makes of this reply.
    pub(crate) fn under(self, ArmedFault { fault, delay }: ArmedFault) -> Self {
        let (kind, bytes) = (fault.kind, fault.bytes.unwrap_or(DEFAULT_BLANKS));
        let reply = match kind {
            FaultKind::Status => with_status(fault),
            FaultKind::Alter => self.altered(),
            FaultKind::Disconnect
            | FaultKind::Stall
            | FaultKind::Truncate
            | FaultKind::Oversize
            | FaultKind::Delay => self,
        };
        Self {
            delay,
            fault: Some(kind),
            blanks: if kind == FaultKind::Oversize {
                bytes
            } else {
                0
            },
            ..reply
        }
    }

    /// Returns the status as it is recorded; 0 where none is sent.
    pub(crate) fn recorded_status(&self) -> u16 {
        let is_sent = !matches!(self.fault, Some(FaultKind::Disconnect | FaultKind::Stall));
        if is_sent { self.status } else { 0 }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn altered(self) -> Self {
        let mut altered = self.with_header("x-new-header", "of a later release");
        if let Some(body) = &mut altered.body {
            alter(body);
        }
        altered
    }
}

fn with_status(fault: Fault) -> Reply {
    let status = fault.status.filter(|status| (200..=999).contains(status));
    Reply {
        headers: fault.headers.into_iter().collect(),
        text: fault.body.into_bytes(),
        ..Reply::new(status.unwrap_or(500), None)
    }
}

/// Adds what D1 may add with any release: fields, and values of the enums that it may extend.
fn alter(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match name.as_str() {
                    "operation" | "status" | "requestorType" | "reasonCode" => {
                        *member = json!("SOMETHING_NEW");
                    }
                    _ => alter(member),
                }
            }
            members.insert(
                "newField".to_owned(),
                json!({ "ofA": ["later", "release"] }),
            );
        }
        Value::Array(items) => items.iter_mut().for_each(alter),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_answer_has_new_fields_and_values_and_keeps_the_rest() {
        let body = json!({ "operations": [{ "operationId": "1", "status": "FAILED" }] });
        let armed = ArmedFault {
            fault: Fault::altered(),
            delay: Duration::from_secs(1),
        };
        let reply = Reply::new(200, Some(body)).under(armed);
        let new = json!({ "ofA": ["later", "release"] });
        assert_eq!(
            reply.body,
            Some(json!({
                "operations": [{ "operationId": "1", "status": "SOMETHING_NEW", "newField": new }],
                "newField": new,
            }))
        );
        assert_eq!((reply.status, reply.delay), (200, Duration::from_secs(1)));
    }
}
