//! The answers and texts that are measured with, all synthetic.

use serde_json::{Value, json};

/// The issuer of every call.
pub const ISSUER: &str = "ISSUER_A-1";

/// The card of every call.
pub const CARD: &str = "ReplaceMe01";

/// The card whose page of operations is as bad as one can be.
pub const WORST_PAGE: &str = "WorstPage";

/// What the card's id begins with whose calls are refused, before the status.
pub const REFUSED: &str = "Refused";

/// The body of a refusal.
pub const REFUSAL: &str = r#"{"error":"the card cannot be found","errorCode":"UNKNOWN_CARD"}"#;

/// A test PAN and an expiry to go with it.
pub const PAN: &str = "4111111111111111";
/// See [`PAN`].
pub const EXPIRY: &str = "1230";

/// The token of every call.
pub const TOKEN: &str = "a-token-of-a-usual-length-0123456789abcdefghijklmnopqrstuvwxyz0123456789";

/// D1's key, made for this.
pub const D1_JWK: &str = r#"{"kty":"EC","crv":"P-256","use":"enc","kid":"d1-key-1",
    "x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
    "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;

/// An operation as a list has it, with every field that is documented.
fn operation(n: usize) -> Value {
    json!({
        "operationId": format!("op-{n:06}"),
        "requestorType": "ISSUER",
        "requestorId": ISSUER,
        "operation": "SUSPEND",
        "reason": "the customer called and said that the card was lost",
        "reasonCode": "CARD_LOST",
        "startTime": "2026-01-01T00:00:00Z",
        "endTime": "2026-01-01T00:00:01Z",
        "status": "SUCCESSFUL",
    })
}

/// A page of a number of operations. D1 gives at most 50 when 50 are asked for, which is the most that may be
/// asked for; a page of 100 tests a client that does not rely on it.
#[must_use]
pub fn page(operations: usize) -> Vec<u8> {
    let operations: Vec<Value> = (0..operations).map(operation).collect();
    json!({ "operations": operations, "remainingOperations": 0 })
        .to_string()
        .into_bytes()
}

/// How many operations the worst page has.
pub const WORST_LENGTH: usize = 2000;

/// A page as bad as one can be that is still within the default limit of 1 MiB: operations with fields that
/// are not known, and a count of the wrong type, so that it is read a second time, leniently.
#[must_use]
pub fn worst_page() -> Vec<u8> {
    let operations: Vec<Value> = (0..WORST_LENGTH)
        .map(|n| {
            let mut operation = operation(n);
            operation["digitalCardDetails"] =
                json!({ "nested": [1, 2, { "more": "x".repeat(80) }] });
            operation["status"] = json!("A_STATUS_OF_TOMORROW");
            operation
        })
        .collect();
    json!({ "operations": operations, "remainingOperations": "0" })
        .to_string()
        .into_bytes()
}
