//! Why a response with a status of success cannot be used.

use std::error::Error as StdError;
use std::fmt;

use crate::json::JsonFault;
use crate::values::OperationId;

/// What is wrong with a response, in fixed words: nothing of the response is in them.
#[derive(Debug, Clone)]
pub(crate) struct ResponseFault {
    text: &'static str,
    operation_id: Option<OperationId>,
}

impl ResponseFault {
    /// Returns the fault of a response that says this.
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            text,
            operation_id: None,
        }
    }

    /// Adds the operation that the response to a change names all the same.
    pub(crate) fn with_operation_id(mut self, id: Option<OperationId>) -> Self {
        self.operation_id = id;
        self
    }

    /// Returns the operation that the response names.
    pub(crate) fn operation_id(&self) -> Option<&OperationId> {
        self.operation_id.as_ref()
    }
}

impl From<JsonFault> for ResponseFault {
    fn from(fault: JsonFault) -> Self {
        Self::new(fault.text())
    }
}

impl fmt::Display for ResponseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl StdError for ResponseFault {}
