//! What a caller keeps of a change that D1 accepted.

use std::fmt;

use serde_json::{Map, Value};

use super::{OperationStatus, answer};
use crate::api_operation::ApiOperation;
use crate::reason::ReasonCode;
use crate::redact::mask;
use crate::text::OperationId;

/// D1 carried out a change of a card.
///
/// # What counts as carried out
///
/// D1 documents no body of a success. A status from 200 to 299 is one where the body is empty, is the name of a
/// status of success such as `OK`, or is an object in which D1 names the operation or says that it was
/// successful. A change whose answer proves nothing has an [unknown](crate::Outcome::Unknown) outcome, and is
/// never sent again on its own. So does one whose answer does not arrive whole, or is longer than the
/// client's limit.
///
#[doc = include_str!("answers.md")]
#[derive(Clone)]
pub struct Receipt {
    operation: ApiOperation,
    reason_code: ReasonCode,
    fields: Map<String, Value>,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was answered may be anything: names only.
        f.debug_struct("Receipt")
            .field("operation", &self.operation)
            .field("reason_code", &self.reason_code)
            .field(
                "fields",
                &self.fields.keys().map(|n| mask(n)).collect::<Vec<_>>(),
            )
            .finish()
    }
}

impl Receipt {
    pub(super) fn new(
        operation: ApiOperation,
        reason_code: ReasonCode,
        fields: Map<String, Value>,
    ) -> Self {
        Self {
            operation,
            reason_code,
            fields,
        }
    }

    /// What was done.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.operation
    }

    /// The reason code that was sent in the request which D1 accepted.
    #[must_use]
    pub fn reason_code(&self) -> &ReasonCode {
        &self.reason_code
    }

    /// The operation in D1, where it gave its id.
    #[must_use]
    pub fn operation_id(&self) -> Option<OperationId> {
        answer::operation_id(&self.fields)
    }

    /// The status that D1's answer has, where it has one.
    ///
    /// On a receipt it is [`Successful`](OperationStatus::Successful): D1 itself says that the change is
    /// done. Without one, D1 says so by its HTTP status alone. An answer with any other status gives no
    /// receipt, but an error whose outcome is [unknown](crate::Outcome::Unknown); `PENDING` among them,
    /// since D1 has not finished then and the change may yet fail.
    #[must_use]
    pub fn status(&self) -> Option<OperationStatus> {
        answer::status(&self.fields)
    }

    /// Every field of D1's answer, as it came; empty where it had no JSON object.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }
}
