//! What the network is to send, and what a fault makes of it.

use super::fault::{Fault, FaultKind};
use super::fault_queue::ArmedFault;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// A response, and how it is sent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    /// The body of a fault, which need not be JSON.
    pub(crate) text: Option<Vec<u8>>,
    /// The methods for the `Allow` header.
    pub(crate) allow: Vec<Method>,
    pub(crate) delay: Duration,
    pub(crate) ending: Ending,
}

/// How a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Completely.
    Whole,
    /// Before it begins, with the connection.
    Disconnect,
    /// Never, and it does not begin either.
    Stall,
    /// In the middle of its body, with the connection.
    Truncated,
    /// With this many blanks added.
    Padded(usize),
}

impl Reply {
    pub(crate) fn new(status: u16, body: Option<Value>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
            text: None,
            allow: Vec::new(),
            delay: Duration::ZERO,
            ending: Ending::Whole,
        }
    }

    /// Returns what a fault makes of this reply.
    pub(crate) fn under(self, armed: ArmedFault) -> Self {
        let ArmedFault { fault, delay } = armed;
        let mut reply = match fault.kind {
            FaultKind::Status => with_status(fault),
            FaultKind::Disconnect => self.ending(Ending::Disconnect),
            FaultKind::Stall => self.ending(Ending::Stall),
            FaultKind::Truncate => self.ending(Ending::Truncated),
            FaultKind::Oversize => self.ending(Ending::Padded(fault.bytes)),
            FaultKind::Alter => self.altered(),
            FaultKind::Delay => self,
        };
        reply.delay = delay;
        reply
    }

    /// Returns the status as it is recorded; 0 where none is sent.
    pub(crate) fn recorded_status(&self) -> u16 {
        match self.ending {
            Ending::Disconnect | Ending::Stall => 0,
            Ending::Whole | Ending::Truncated | Ending::Padded(_) => self.status,
        }
    }

    fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
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
    let status = match fault.status {
        status @ 200..=999 => status,
        _ => 500,
    };
    Reply {
        headers: fault.headers.into_iter().collect(),
        text: Some(fault.body.into_bytes()),
        ..Reply::new(status, None)
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
