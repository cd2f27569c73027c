//! What a caller keeps of a change that D1 accepted.

use std::fmt;

use bytes::Bytes;
use d1_generated::hooks::BodyFault;
use serde_json::{Map, Value};

use crate::api_operation::ApiOperation;
use crate::call::CallInfo;
use crate::reason::ReasonCode;
use crate::redact::mask;
use crate::text::{CorrelationId, OperationId};

/// D1 accepted a change of a card.
///
/// What D1 answers is not documented beyond success: any 2xx is one, with a body or without.
#[derive(Clone)]
pub struct Receipt {
    operation: ApiOperation,
    call: CallInfo,
    reason_code: ReasonCode,
    fields: Map<String, Value>,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was answered may be anything: names only.
        f.debug_struct("Receipt")
            .field("operation", &self.operation)
            .field("call", &self.call)
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
        call: CallInfo,
        reason_code: ReasonCode,
        body: Result<Bytes, BodyFault>,
    ) -> Self {
        let body = body.unwrap_or_default();
        // A body that is no such object takes nothing from the success.
        let fields = match body.is_empty() {
            true => Map::new(),
            false => serde_json::from_slice(&body).unwrap_or_default(),
        };
        Self {
            operation,
            call,
            reason_code,
            fields,
        }
    }

    /// What was done.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.operation
    }

    /// The HTTP status.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.call.http_status()
    }

    /// The correlation id that was sent.
    #[must_use]
    pub fn correlation_id(&self) -> &CorrelationId {
        self.call.correlation_id()
    }

    /// How the call went.
    #[must_use]
    pub fn call(&self) -> &CallInfo {
        &self.call
    }

    /// The reason code that was sent in the request which D1 accepted.
    #[must_use]
    pub fn reason_code(&self) -> &ReasonCode {
        &self.reason_code
    }

    /// The operation in D1, where it gave its id.
    #[must_use]
    pub fn operation_id(&self) -> Option<OperationId> {
        // Read by name: that it is there at all is not documented, and may one day be required.
        let id = self.fields.get("operationId")?.as_str()?;
        Some(OperationId::returned(id))
    }

    /// Every field of D1's answer, as it came; empty where it had no JSON object.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }
}
