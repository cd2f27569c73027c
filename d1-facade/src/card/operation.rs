//! An operation of a card, as D1 lists it.
//!
//! This module decides how a field that is missing, new or of another type than the documented one is read.

use std::fmt;

use d1_generated::types;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::{Iso8601, Rfc3339};

use crate::json;
use crate::redact::{mask_ids, mask_names};
use crate::values::{OperationId, OperationStatus, OperationType, ReasonCode, RequestorType};

/// An operation of a card: something that was done to it, or that was asked for.
///
/// Every field can be missing, since lists may leave out fields that a single operation has. A field that this version
/// has no method for, or that is not of the documented type, is in [`unknown_fields`](Self::unknown_fields) and
/// [`to_json`](Self::to_json).
///
/// `Debug` masks what looks like a card number or a token. To store or log an operation use [`to_json`](Self::to_json),
/// which masks the same:
///
/// ```no_run
/// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
/// for operation in card.operations().await?.operations() {
///     println!("{}", serde_json::to_string(&operation.to_json())?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Operation {
    raw: types::CardOperationListItem,
    /// The fields that are known by name and not of the type that they should have.
    odd: Map<String, Value>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was answered may be anything: of all but what happened when, names only.
        f.debug_struct("Operation")
            .field("operation", &self.operation())
            .field("status", &self.status())
            .field("start_time", &self.start_time())
            .field("fields", &mask_names(&self.fields()))
            .finish()
    }
}

impl Operation {
    /// Reads an operation. The fields are those of a list's item, none of which is required.
    pub(crate) fn from_fields(fields: Map<String, Value>) -> Option<Self> {
        let (raw, odd) = json::read(fields)?;
        Some(Self { raw, odd })
    }

    /// Returns an operation whose fields are all of the documented type.
    pub(crate) fn documented(raw: types::CardOperationListItem) -> Self {
        Self {
            raw,
            odd: Map::new(),
        }
    }

    /// Returns whether it has any field that D1 documents, of whatever type.
    pub(crate) fn is_documented(&self) -> bool {
        !self.odd.is_empty() || to_map(&self.raw).len() > self.raw.extra.len()
    }

    /// Returns the id of the operation (D1: `operationId`).
    #[must_use]
    pub fn id(&self) -> Option<OperationId> {
        self.raw.operation_id.as_deref().map(OperationId::returned)
    }

    /// Returns what was done (D1: `operation`).
    #[must_use]
    pub fn operation(&self) -> Option<OperationType> {
        let text = self.raw.operation.as_deref()?;
        Some(OperationType::from_wire(text))
    }

    /// Returns the status of the operation (D1: `status`).
    ///
    /// `FAILED` means that the card was not changed. `PENDING` means that D1 has not finished.
    #[must_use]
    pub fn status(&self) -> Option<OperationStatus> {
        let text = self.raw.status.as_deref()?;
        Some(OperationStatus::from_wire(text))
    }

    /// Returns when it began (D1: `startTime`), by D1's clock and where that is a time in ISO 8601.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// let page = card.operations().await?;
    /// let newest = page.operations().first();
    /// let year = newest.and_then(|operation| operation.start_time()).map(|time| time.year());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn start_time(&self) -> Option<OffsetDateTime> {
        parse_time(self.start_time_text()?)
    }

    /// Returns when it began, as D1 sent it.
    #[must_use]
    pub fn start_time_text(&self) -> Option<&str> {
        self.raw.start_time.as_deref().map(String::as_str)
    }

    /// Returns when it ended (D1: `endTime`), by D1's clock and where that is a time in ISO 8601.
    #[must_use]
    pub fn end_time(&self) -> Option<OffsetDateTime> {
        parse_time(self.end_time_text()?)
    }

    /// Returns when it ended, as D1 sent it.
    #[must_use]
    pub fn end_time_text(&self) -> Option<&str> {
        self.raw.end_time.as_deref().map(String::as_str)
    }

    /// Returns the kind of the requestor (D1: `requestorType`).
    #[must_use]
    pub fn requestor_type(&self) -> Option<RequestorType> {
        let text = self.raw.requestor_type.as_deref()?;
        Some(RequestorType::from_wire(text))
    }

    /// Returns the id of the requestor (D1: `requestorId`). What it identifies depends on the
    /// [kind](Self::requestor_type) of the requestor.
    #[must_use]
    pub fn requestor_id(&self) -> Option<&str> {
        self.raw.requestor_id.as_deref()
    }

    /// Returns the reason that was sent with the change (D1: `reason`); see [`Change::reason`](crate::Change::reason).
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.raw.reason.as_deref()
    }

    /// Returns the reason code that was sent with the change (D1: `reasonCode`).
    #[must_use]
    pub fn reason_code(&self) -> Option<ReasonCode> {
        self.raw.reason_code.as_deref().map(ReasonCode::from_wire)
    }

    /// Returns the details of the digital card, where they were
    /// [requested](crate::GetOperation::with_digital_card). D1 does not document their fields.
    #[must_use]
    pub fn digital_card_details(&self) -> Option<&Value> {
        self.raw.digital_card_details.as_ref()
    }

    /// Returns the fields that this version has no method for, or that are not of the documented type, as D1 sent them.
    #[must_use]
    pub fn unknown_fields(&self) -> Map<String, Value> {
        let mut fields = self.odd.clone();
        fields.extend(to_map(&types::CardOperationListItem {
            digital_card_details: None,
            end_time: None,
            operation: None,
            operation_id: None,
            reason: None,
            reason_code: None,
            requestor_id: None,
            requestor_type: None,
            start_time: None,
            status: None,
            ..self.raw.clone()
        }));
        fields
    }

    /// Returns every field by D1's name, as it may be shown and stored.
    ///
    /// What looks like a card number or a token is masked in it, and so are the values of fields whose names are
    /// those of card data and tokens. The other methods, [`unknown_fields`](Self::unknown_fields) among them,
    /// return what D1 sent.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        mask_ids(self.fields())
    }

    /// Returns every field as D1 sent it, by D1's name.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let mut fields = to_map(&self.raw);
        fields.extend(self.odd.clone());
        fields
    }
}

fn to_map(raw: &types::CardOperationListItem) -> Map<String, Value> {
    match serde_json::to_value(raw) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn parse_time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, &Iso8601::PARSING))
        .ok()
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
        let operation = Self::from_fields(Map::deserialize(deserializer)?);
        let operation = operation.filter(Self::is_documented);
        operation.ok_or_else(|| D::Error::custom("has no member of an operation"))
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Operation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Operation".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
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
