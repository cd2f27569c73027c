//! The error of a change whose task is gone.

use std::fmt;

use tokio::task::JoinError;

use super::{Error, ErrorBuilder, ErrorKind, Outcome};
use crate::api_operation::ApiOperation;

impl Error {
    /// Makes the error of a call that ran on a task which ended without a result: the runtime was shut down, the task
    /// was aborted, or code of the caller's, such as a retry policy, panicked. The outcome is unknown.
    ///
    /// For services that run calls on tasks of their own; [`Change::spawn`](crate::Change::spawn) does it for them.
    #[must_use]
    pub fn task_lost(operation: ApiOperation, error: &JoinError) -> Self {
        ErrorBuilder::new(operation, ErrorKind::Cancelled, Outcome::Unknown)
            .source(TaskEnded {
                panicked: error.is_panic(),
            })
            .build()
    }
}

/// Why the task of a request is gone. The message of a panic is not repeated: it may hold anything.
#[derive(Debug)]
struct TaskEnded {
    panicked: bool,
}

impl fmt::Display for TaskEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.panicked {
            true => "the task of the request panicked",
            false => "the task of the request was cancelled",
        })
    }
}

impl std::error::Error for TaskEnded {}
