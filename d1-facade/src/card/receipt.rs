//! The receipt of a change that D1 carried out.
//!
//! Which response is one is decided in `answer`.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::answer;
use crate::redact::mask_names;
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
/// Serialized, it has the operation, the reason code, and the id and the status that D1 gave, with what looks like a
/// card number or a token masked; none of the other fields of the response.
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
#[derive(Clone, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schemars",
    schemars(description = "The receipt of a change")
)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    operation: ApiOperation,
    reason_code: ReasonCode,
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    operation_id: Option<OperationId>,
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    status: Option<OperationStatus>,
    #[serde(skip)]
    fields: Map<String, Value>,
}

/// Serializes a value as `Display` shows it, which masks it.
fn shown<S: Serializer>(
    value: &Option<impl fmt::Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = value.as_ref().map(ToString::to_string);
    text.serialize(serializer)
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was answered may be anything: names only.
        f.debug_struct("Receipt")
            .field("operation", &self.operation)
            .field("reason_code", &self.reason_code)
            .field("fields", &mask_names(&self.fields))
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
            operation_id: answer::operation_id(&fields),
            status: answer::status(&fields),
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
        self.operation_id.clone()
    }

    /// Returns the status in D1's response, where it has one (D1: `status`).
    ///
    /// On a receipt it is [`Successful`](OperationStatus::Successful). Without one, D1 confirms the change by its HTTP
    /// status only. A response with any other status gives no receipt, but an error whose outcome is
    /// [unknown](crate::Outcome::Unknown). `PENDING` is one of them: D1 has not finished then, and the change may fail.
    #[must_use]
    pub fn status(&self) -> Option<OperationStatus> {
        self.status.clone()
    }

    /// Returns every field of D1's response, as D1 sent it; empty where it had no JSON object.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }
}
