//! A page of the operations of a card, and what can be one.
//!
//! A service may conclude from a page without operations that a change was not made. This module decides which
//! responses say for certain that there are none; any other one without operations is an invalid response.

use std::fmt;

use d1_generated::types;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Operation, answer};
use crate::call::CompleteResponse;
use crate::error::ResponseFault;
use crate::json;
use crate::redact::mask_names;

/// A page of operations, the most recent first.
///
/// ```no_run
/// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
/// let page = card.operations().limit(20).await?;
/// println!("{} operations, and {:?} older ones", page.operations().len(), page.remaining_operations());
/// # Ok(())
/// # }
/// ```
///
/// Serialized, it has the operations and how many older ones there are, by D1's names.
#[derive(Clone, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(description = "A page of operations"))]
#[serde(rename_all = "camelCase")]
pub struct OperationPage {
    operations: Vec<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_operations: Option<u64>,
    #[serde(skip)]
    unknown_fields: Map<String, Value>,
}

impl fmt::Debug for OperationPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationPage")
            .field("operations", &self.operations)
            .field("remaining_operations", &self.remaining_operations)
            .field("unknown_fields", &mask_names(&self.unknown_fields))
            .finish()
    }
}

impl OperationPage {
    /// Returns the operations.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Consumes the page and returns its operations.
    #[must_use]
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// Returns how many older operations there are, where D1 says so (D1: `remainingOperations`).
    ///
    /// Where it does not, only an empty page is certain to be the last one:
    /// [`stream`](crate::ListOperations::stream) reads up to there.
    #[must_use]
    pub fn remaining_operations(&self) -> Option<u64> {
        self.remaining_operations
    }

    /// Returns the fields of the response that this version has no method for.
    #[must_use]
    pub fn unknown_fields(&self) -> &Map<String, Value> {
        &self.unknown_fields
    }

    /// Returns whether D1 may have put operations where this version does not look: the page has none, and has
    /// fields that are not documented.
    pub(crate) fn may_hide_operations(&self) -> bool {
        self.operations.is_empty() && !self.unknown_fields.is_empty()
    }

    /// Reads a response as a page.
    pub(crate) fn read(response: &CompleteResponse<'_>) -> Result<Self, ResponseFault> {
        if let Some(page) = json::documented(response.body, has_undocumented)
            && !page.operations.is_empty()
        {
            let operations = page.operations.into_iter().map(Operation::documented);
            return Ok(Self {
                operations: operations.collect(),
                remaining_operations: Remaining::of(page.remaining_operations).number(),
                unknown_fields: page.extra,
            });
        }
        let unreadable = |text| move || ResponseFault::new(text);
        let mut body = response.json_object()?;
        let items = match list_name(&body).and_then(|name| body.remove(&name)) {
            Some(Value::Array(items)) => Some(items),
            Some(Value::Null) | None => None,
            Some(_) => return Err(ResponseFault::new("the list of operations is no list")),
        };
        let (page, misfits) = json::read::<types::CardOperationPage>(body)
            .ok_or_else(unreadable("the page cannot be read"))?;
        let remaining = match Remaining::of(page.remaining_operations) {
            Remaining::Missing if !misfits.values().all(Value::is_null) => Remaining::Unreadable,
            remaining => remaining,
        };
        check_end(items.as_deref(), remaining)?;
        let mut unknown_fields = page.extra;
        unknown_fields.extend(misfits);
        if items.as_ref().is_none_or(Vec::is_empty) {
            check_fields(items.is_some(), remaining, &unknown_fields)?;
        }
        let operation = |item| match item {
            Value::Object(fields) => Operation::from_fields(fields),
            other => Operation::from_fields(Map::from_iter([(String::new(), other)])),
        };
        let operations = items.into_iter().flatten().map(operation);
        Ok(Self {
            operations: operations
                .collect::<Option<_>>()
                .ok_or_else(unreadable("an operation cannot be read"))?,
            remaining_operations: remaining.number(),
            unknown_fields,
        })
    }
}

/// How many older operations there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remaining {
    /// D1 does not say.
    Missing,
    Known(u64),
    /// What D1 says is no such number.
    Unreadable,
}

fn has_undocumented(page: &types::CardOperationPage) -> bool {
    let of_operation = |operation: &types::CardOperationListItem| {
        !operation.extra.is_empty() || operation.digital_card_details.is_some()
    };
    !page.extra.is_empty() || page.operations.iter().any(of_operation)
}

impl Remaining {
    fn of(number: Option<i64>) -> Self {
        match number.map(u64::try_from) {
            Some(Ok(number)) => Self::Known(number),
            Some(Err(_)) => Self::Unreadable,
            None => Self::Missing,
        }
    }

    fn number(self) -> Option<u64> {
        match self {
            Self::Known(number) => Some(number),
            Self::Missing | Self::Unreadable => None,
        }
    }
}

/// Returns the name of the member that has the operations. It is not documented: it is the one that the generated
/// type knows.
fn list_name(body: &Map<String, Value>) -> Option<String> {
    let is_list = |name: &&String| {
        json::fits::<types::CardOperationPage>(name, &json!([{}]))
            && !json::fits::<types::CardOperationPage>(name, &Value::Bool(true))
    };
    body.keys().find(is_list).cloned()
}

/// Refuses a page without operations where D1 may have put them elsewhere, or says why there are none.
fn check_fields(
    has_list: bool,
    remaining: Remaining,
    unknown: &Map<String, Value>,
) -> Result<(), ResponseFault> {
    let is_list = |value: &Value| value.as_array().is_some_and(|items| !items.is_empty());
    if answer::reports_error(unknown) {
        return Err(ResponseFault::new("the page is empty and reports an error"));
    }
    if !has_list && unknown.values().any(is_list) {
        let text = "the page has a list, but not under the name of the list of operations";
        return Err(ResponseFault::new(text));
    }
    // What was asked for may stand in the answer.
    let is_echo = |name: &str| ["limit", "offset"].contains(&name);
    let mut others = unknown.iter().filter(|(name, _)| !is_echo(name));
    if remaining == Remaining::Missing && others.any(|(_, value)| may_say_more(value)) {
        let text =
            "the page is empty, and a member that is not documented may say that there are more";
        return Err(ResponseFault::new(text));
    }
    Ok(())
}

/// Returns whether a value may be the number of remaining operations, or say that there are some. That
/// `remainingOperations` has this name is documented for a related D1 call only.
fn may_say_more(value: &Value) -> bool {
    match value {
        Value::Bool(is_true) => *is_true,
        Value::Number(number) => number.as_f64().is_some_and(|number| number > 0.0),
        Value::String(text) => {
            let text = text.trim();
            text.eq_ignore_ascii_case("true") || text.parse().is_ok_and(|number: f64| number > 0.0)
        }
        Value::Array(items) => items.iter().any(may_say_more),
        Value::Object(fields) => fields.values().any(may_say_more),
        Value::Null => false,
    }
}

/// Refuses a page without operations that does not say for certain that there are none.
fn check_end(items: Option<&[Value]>, remaining: Remaining) -> Result<(), ResponseFault> {
    let text = match (items, remaining) {
        (Some([_, ..]), _) | (Some([]), Remaining::Missing) | (_, Remaining::Known(0)) => {
            return Ok(());
        }
        (_, Remaining::Known(_)) => {
            "the page is empty, although D1 says that there are more operations"
        }
        (_, Remaining::Unreadable) => {
            "the page is empty, and the number of remaining operations cannot be read"
        }
        (None, Remaining::Missing) => {
            "the response has neither a list of operations nor their number"
        }
    };
    Err(ResponseFault::new(text))
}
