//! What calls return, in serde (feature `serde`), and its JSON schema (feature `schemars`).
//!
//! Operations and pages are written by D1's names. All of it is masked as [`Operation::to_json`] masks it, since it ends
//! in databases and logs. A response and a receipt have no form of D1's: their members are named as those of
//! [`PendingChange`](crate::PendingChange). Credentials, tokens and keys have no form at all.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::card::{Operation, OperationPage, Receipt};
use crate::response::Response;
use crate::values::{ApiOperation, CorrelationId, ReasonCode};

// Without comments of documentation: those would be part of the JSON schemas.
#[derive(Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct ResponseForm<'a, T> {
    value: &'a T,
    correlation_id: &'a CorrelationId,
    http_status: u16,
    attempts: u32,
}

/// Writes the value, the correlation id, the status and the number of attempts; no headers.
impl<T: Serialize> Serialize for Response<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = ResponseForm {
            value: self.value(),
            correlation_id: self.correlation_id(),
            http_status: self.http_status(),
            attempts: self.attempts(),
        };
        form.serialize(serializer)
    }
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct ReceiptForm<'a> {
    operation: ApiOperation,
    reason_code: &'a ReasonCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

/// Writes the operation, the reason code, and what D1 says of the operation; none of its other fields.
impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = ReceiptForm {
            operation: self.operation(),
            reason_code: self.reason_code(),
            operation_id: self.operation_id().map(|id| id.to_string()),
            status: self.status().map(|status| status.to_string()),
        };
        form.serialize(serializer)
    }
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct PageForm<'a> {
    operations: &'a [Operation],
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_operations: Option<u64>,
}

/// Writes the operations and how many older ones there are, by D1's names.
impl Serialize for OperationPage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = PageForm {
            operations: self.operations(),
            remaining_operations: self.remaining_operations(),
        };
        form.serialize(serializer)
    }
}

/// Writes what [`to_json`](Operation::to_json) returns.
impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// Reads the fields by D1's names, as the client reads them from a response.
impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let operation = Self::from_fields(Map::<String, Value>::deserialize(deserializer)?);
        let operation = operation.filter(Self::is_documented);
        operation.ok_or_else(|| D::Error::custom("has no member of an operation"))
    }
}

#[cfg(feature = "schemars")]
mod schemas {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{
        Operation, OperationPage, PageForm, ReasonCode, Receipt, ReceiptForm, Response,
        ResponseForm,
    };
    use crate::values::{OperationId, OperationStatus, OperationType, RequestorType};

    impl<T: JsonSchema> JsonSchema for Response<T> {
        fn schema_name() -> Cow<'static, str> {
            format!("Response_of_{}", T::schema_name()).into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            ResponseForm::<'_, T>::json_schema(generator)
        }
    }

    impl JsonSchema for Receipt {
        fn schema_name() -> Cow<'static, str> {
            "Receipt".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            ReceiptForm::json_schema(generator)
        }
    }

    impl JsonSchema for OperationPage {
        fn schema_name() -> Cow<'static, str> {
            "OperationPage".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            PageForm::json_schema(generator)
        }
    }

    impl JsonSchema for Operation {
        fn schema_name() -> Cow<'static, str> {
            "Operation".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "type": "object",
                "properties": {
                    "operationId": generator.subschema_for::<OperationId>(),
                    "operation": generator.subschema_for::<OperationType>(),
                    "status": generator.subschema_for::<OperationStatus>(),
                    "startTime": {"type": "string"},
                    "endTime": {"type": "string"},
                    "requestorType": generator.subschema_for::<RequestorType>(),
                    "requestorId": {"type": "string"},
                    "reason": {"type": "string"},
                    "reasonCode": generator.subschema_for::<ReasonCode>(),
                    "digitalCardDetails": true,
                },
            })
        }
    }
}
