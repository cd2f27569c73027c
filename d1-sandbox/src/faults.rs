//! Faults on demand: the next matching call fails as a test wants it to.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// An answer that D1 would not give by itself, or the lack of one.
///
/// ```
/// use d1_sandbox::Fault;
/// let overloaded = Fault::status(503).header("retry-after", "2").operation("suspendCard");
/// let lost_answer = Fault::disconnect().after_effect();
/// # drop((overloaded, lost_answer));
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) answer: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) operation: Option<String>,
    pub(crate) after_effect: bool,
}

impl Fault {
    /// Answers with this status and no body. A status outside 200 to 999 becomes 500.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            answer: Some(if (200..=999).contains(&status) {
                status
            } else {
                500
            }),
            headers: Vec::new(),
            body: Vec::new(),
            operation: None,
            after_effect: false,
        }
    }

    /// Closes the connection without an answer.
    #[must_use]
    pub fn disconnect() -> Self {
        Self {
            answer: None,
            ..Self::status(500)
        }
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Adds a header; one that HTTP does not allow is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Restricts the fault to one operation, by its `operationId` in the OpenAPI document. Without
    /// this every card call matches, but not the token call (`getToken`).
    #[must_use]
    pub fn operation(mut self, operation_id: &str) -> Self {
        self.operation = Some(operation_id.to_owned());
        self
    }

    /// Carries the request out first, and then answers with the fault: the change takes effect,
    /// and the caller does not learn so.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.after_effect = true;
        self
    }
}

/// The faults that no call has met yet, in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue(Mutex<VecDeque<Fault>>);

impl FaultQueue {
    pub(crate) fn push(&self, fault: Fault) {
        self.lock().push_back(fault);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Takes the first fault that matches a call.
    pub(crate) fn take(&self, operation_id: &str, is_token_call: bool) -> Option<Fault> {
        let mut queue = self.lock();
        let at = queue.iter().position(|fault| match &fault.operation {
            Some(operation) => operation == operation_id,
            None => !is_token_call,
        })?;
        queue.remove(at)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
