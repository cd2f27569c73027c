//! Which facts of our spec are open: what `openapi/SOURCES.md` lists as questions or marks as not
//! documented, tied to the nodes that hold them, so that a difference there is an answer and no surprise.

use super::load::Document;

/// What a fact is.
enum Fact {
    /// A row of the open questions of `SOURCES.md`.
    Question(&'static str),
    /// Marked there as not documented.
    Undocumented(&'static str),
    /// Documented, although a mark stands around it.
    Documented,
}
use Fact::{Documented, Question, Undocumented};

/// A fact, the node that holds it, and what of the node it is about; of everything where nothing is named.
///
/// In a pointer `*` stands for any segment, and `name=x` for an item of a list that has this name. What is
/// below the node belongs to it. The first that fits is taken.
const FACTS: &[(Fact, &str, &[&str])] = &[
    (
        Question("reason codes of V1 cards"),
        "/components/schemas/ReasonCode",
        &["values"],
    ),
    (
        Documented,
        "/components/schemas/ReasonCode",
        &["type", "default"],
    ),
    (
        Undocumented("the set of characters of a reason code"),
        "/components/schemas/ReasonCode",
        &[],
    ),
    (
        Question("success status of the POSTs"),
        "/paths/*/post/responses/2XX",
        &["status"],
    ),
    (
        Question("success body of the POSTs"),
        "/components/responses/CardOperationAccepted",
        &[],
    ),
    (
        Question("success body of the POSTs"),
        "/components/schemas/CardOperationResult",
        &[],
    ),
    (
        Question("`state` or `newCardState`"),
        "/components/schemas/RenewRequest/properties/state",
        &["name"],
    ),
    (
        Undocumented("whether `state` may be absent"),
        "/components/schemas/RenewRequest/properties/state",
        &["required"],
    ),
    (
        Undocumented("whether `newCardId` may be absent"),
        "/components/schemas/RenewRequest/properties/newCardId",
        &["required"],
    ),
    (
        Documented,
        "/components/schemas/RenewRequest/properties/newCardProductId",
        &["required"],
    ),
    (
        Undocumented("the name of `newCardProductId`"),
        "/components/schemas/RenewRequest/properties/newCardProductId",
        &["name"],
    ),
    (
        Question("the name of the digital-card flag"),
        "/paths/*/get/parameters/name=digitalCardDetails",
        &["name"],
    ),
    (
        Documented,
        "/paths/*/get/parameters/name=digitalCardDetails",
        &["default"],
    ),
    (
        Question("fields of an operation after `requestorId`"),
        "/components/schemas/CardOperation",
        &["new field"],
    ),
    (
        Question("fields of an operation after `requestorId`"),
        "/components/schemas/CardOperation/properties/reason",
        &[],
    ),
    (
        Question("fields of an operation after `requestorId`"),
        "/components/schemas/CardOperation/properties/reasonCode",
        &[],
    ),
    (
        Question("fields of an operation after `requestorId`"),
        "/components/schemas/CardOperation/properties/digitalCardDetails",
        &[],
    ),
    (
        Question("fields of an operation after `requestorId`"),
        "/components/schemas/CardOperationListItem",
        &["new field"],
    ),
    (
        Question("fields of an operation after `requestorId`"),
        "/components/schemas/CardOperationListItem/properties/reason",
        &[],
    ),
    (
        Question("fields of an operation after `requestorId`"),
        "/components/schemas/CardOperationListItem/properties/reasonCode",
        &[],
    ),
    (
        Question("fields of an operation after `requestorId`"),
        "/components/schemas/CardOperationListItem/properties/digitalCardDetails",
        &[],
    ),
    (
        Undocumented("which fields an operation of a list has"),
        "/components/schemas/CardOperationListItem",
        &[],
    ),
    (
        Undocumented("the envelope of the list"),
        "/components/schemas/CardOperationPage",
        &[],
    ),
    (
        Question("the bounds of `limit`"),
        "/paths/*/get/parameters/name=limit",
        &["minimum", "maximum"],
    ),
    (
        Undocumented("the default of `limit`"),
        "/paths/*/get/parameters/name=limit",
        &["default"],
    ),
    (
        Undocumented("the name of `limit`"),
        "/paths/*/get/parameters/name=limit",
        &["name"],
    ),
    (
        Documented,
        "/paths/*/get/parameters/name=offset",
        &["default"],
    ),
    (
        Undocumented("the name of `offset`"),
        "/paths/*/get/parameters/name=offset",
        &["name"],
    ),
    // int64 is our choice: the generated type.
    (Documented, "/paths/*/get/parameters", &["format"]),
    (
        Undocumented("how list and get are called and answer"),
        "/paths/*/get",
        &[],
    ),
    (
        Question("codes with 400, 401, 403, 500"),
        "/components/schemas/ErrorBody/properties/errorCode",
        &["values"],
    ),
    (
        Undocumented("`error_description` of the token call"),
        "/components/schemas/ErrorBody/properties/error_description",
        &[],
    ),
    (
        Question("claims after `aud`"),
        "/components/schemas/AssertionClaims",
        &["new field"],
    ),
    (
        Question("claims after `aud`"),
        "/components/schemas/AssertionClaims/properties/aud",
        &[],
    ),
    (
        Question("claims after `aud`"),
        "/components/schemas/AssertionClaims/properties/iat",
        &[],
    ),
    (
        Question("claims after `aud`"),
        "/components/schemas/AssertionClaims/properties/jti",
        &[],
    ),
    (
        Documented,
        "/components/schemas/IssuerId",
        &["type", "minLength", "maxLength"],
    ),
    (
        Undocumented("the set of characters of `issuerId`"),
        "/components/schemas/IssuerId",
        &[],
    ),
    (
        Undocumented("the length of `encryptedData`"),
        "/components/schemas/EncryptedData",
        &["maxLength"],
    ),
    (
        Undocumented("months 01 to 12 in `exp`"),
        "/components/schemas/CardCredentials/properties/exp",
        &["pattern"],
    ),
    (
        Undocumented("how times are written"),
        "/components/schemas/Timestamp",
        &[],
    ),
];

/// The open fact that a difference in `what` at a node of ours touches.
pub(super) fn of(ours: &Document, pointer: &str, what: &str) -> Option<String> {
    for (fact, place, about) in FACTS {
        if (about.is_empty() || about.contains(&what)) && holds(ours, place, pointer) {
            return match fact {
                Question(text) => Some((*text).to_owned()),
                Undocumented(text) => Some(format!("{text} (not documented)")),
                Documented => None,
            };
        }
    }
    marked(ours, pointer)
}

/// The nearest node around that is marked, for a fact that has no row of its own.
fn marked(ours: &Document, pointer: &str) -> Option<String> {
    let mut around = pointer;
    while !around.is_empty() {
        let node = ours.root.pointer(around)?;
        if let Some(level) = node.get("x-d1-confidence").and_then(|v| v.as_str()) {
            let name = around.rsplit('/').next().unwrap_or(around);
            let name = super::text::unescape(name);
            return Some(format!("`{name}` (marked `{level}`)"));
        }
        around = &around[..around.rfind('/')?];
    }
    None
}

/// Whether a node is the one that a place describes, or below it.
fn holds(ours: &Document, place: &str, pointer: &str) -> bool {
    let mut segments = pointer.split('/').skip(1);
    let mut end = 0;
    for wanted in place.split('/').skip(1) {
        let Some(segment) = segments.next() else {
            return false;
        };
        end += 1 + segment.len();
        let fits = match wanted.strip_prefix("name=") {
            Some(name) => {
                let node = ours.root.pointer(&pointer[..end]);
                node.and_then(|n| n.get("name")).is_some_and(|n| n == name)
            }
            None => wanted == "*" || wanted == segment,
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;
    use crate::spec;

    fn ours() -> Document {
        super::super::load::load(&spec::spec_path()).unwrap()
    }

    fn pointers(value: &Value, pointer: &str, out: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(map) => map
                .iter()
                .map(|(k, v)| (super::super::text::escape(k), v))
                .collect(),
            Value::Array(list) => (0..).map(|i: usize| i.to_string()).zip(list).collect(),
            _ => Vec::new(),
        };
        for (key, child) in children {
            pointers(child, &format!("{pointer}/{key}"), out);
        }
        out.push(pointer.to_owned());
    }

    #[test]
    fn the_questions_are_those_of_the_sources() {
        let path = spec::workspace_root().join("openapi/SOURCES.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (_, open) = text.split_once("## Open questions").unwrap();
        let rows = open.lines().filter_map(|l| l.strip_prefix("| "));
        let mut rows: Vec<_> = rows.filter_map(|l| l.split(" |").next()).skip(1).collect();
        rows.sort_unstable();
        let mut asked: Vec<_> = FACTS
            .iter()
            .filter_map(|(fact, ..)| match fact {
                Question(text) => Some(*text),
                _ => None,
            })
            .collect();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked, rows);
    }

    #[test]
    fn every_fact_is_about_a_node_of_the_spec() {
        let ours = ours();
        let mut all = Vec::new();
        pointers(&ours.root, "", &mut all);
        for (_, place, _) in FACTS {
            assert!(all.iter().any(|p| holds(&ours, place, p)), "{place}");
        }
    }

    #[test]
    fn every_mark_of_the_spec_is_a_fact() {
        let ours = ours();
        let mut all = Vec::new();
        pointers(&ours.root, "", &mut all);
        let marked = all
            .iter()
            .filter_map(|p| p.strip_suffix("/x-d1-confidence"))
            // The rows of an error stand in no document but ours.
            .filter(|p| !p.contains("/x-d1-errors/"));
        for pointer in marked {
            let known = FACTS.iter().any(|(fact, place, _)| {
                !matches!(fact, Documented) && holds(&ours, place, pointer)
            });
            assert!(known, "{pointer} is marked, and no fact names it");
        }
    }

    #[test]
    fn what_no_fact_names_is_named_by_its_mark() {
        let ours = ours();
        let place = "/components/schemas/RenewRequest/properties/newCardProductId";
        assert_eq!(
            of(&ours, place, "deprecated").unwrap(),
            "`newCardProductId` (marked `client`)"
        );
        assert_eq!(of(&ours, place, "required"), None, "documented");
        assert_eq!(of(&ours, "/components/schemas/Reason", "pattern"), None);
    }
}
