//! The receipt of a change that D1 carried out.
//!
//! Which response is one is decided in `answer`.

use std::fmt;

use serde_json::{Map, Value};

use super::answer;
use crate::redact::mask;
use crate::values::{ApiOperation, OperationId, OperationStatus, ReasonCode};

/// The proof that D1 carried out a change of a card.
///
/// ```no_run
/// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
/// let receipt = card.suspend().await?;
/// println!(
///     "{}: operation {:?}, correlation id {}",
///     receipt.operation(),
///     receipt.operation_id(),
///     receipt.correlation_id(),
/// );
/// # Ok(())
/// # }
/// ```
///
/// # What counts as carried out
///
/// D1 documents no body of a success. A status from 200 to 299 is one where the body is empty, is the name of a
/// status of success such as `OK`, or is an object in which D1 names the operation or says that it was
/// successful. A change whose response proves nothing has an [unknown](crate::Outcome::Unknown) outcome, and is
/// never sent again by the client. So does one whose response does not arrive completely, or is larger than the
/// [client's limit](crate::ClientBuilder::max_response_size).
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
    pub(crate) fn new(
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

    /// Returns the operation that was carried out.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.operation
    }

    /// Returns the reason code that was sent in the request that D1 accepted.
    #[must_use]
    pub fn reason_code(&self) -> &ReasonCode {
        &self.reason_code
    }

    /// Returns the id of the operation in D1, where D1 sent it (D1: `operationId`).
    #[must_use]
    pub fn operation_id(&self) -> Option<OperationId> {
        answer::operation_id(&self.fields)
    }

    /// Returns the status in D1's response, where it has one (D1: `status`).
    ///
    /// On a receipt it is [`Successful`](OperationStatus::Successful). Without one, D1 confirms the change by its HTTP
    /// status only. A response with any other status gives no receipt, but an error whose outcome is
    /// [unknown](crate::Outcome::Unknown). `PENDING` is one of them: D1 has not finished then, and the change may fail.
    #[must_use]
    pub fn status(&self) -> Option<OperationStatus> {
        answer::status(&self.fields)
    }

    /// Returns every field of D1's response, as D1 sent it; empty where it had no JSON object.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }
}
