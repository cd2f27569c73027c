//! Routing by the document, and what its validators say.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use serde_json::json;

#[test]
fn every_operation_of_the_document_is_served() {
    assert_eq!(Spec::shared().unwrap().routes.len(), Call::ALL.len());
}

#[test]
fn paths_lead_to_their_operations() {
    let spec = Spec::shared().unwrap();
    let base = "/banking/v1/issuers/ISSUER_A-1/cards/A%2FB/operations";
    for (method, suffix, expected) in [
        (Method::POST, ":suspend", Call::Suspend),
        (Method::POST, "%3Aresume", Call::Resume),
        (Method::GET, "", Call::List),
        (Method::GET, "/op-1", Call::Get),
    ] {
        let path = format!("{base}{suffix}");
        let (route, values) = spec
            .find(&method, &path)
            .unwrap_or_else(|_| panic!("{path}"));
        assert_eq!(route.call, expected);
        assert_eq!(values.get(1), Some(&("cardId", Some("A/B".to_owned()))));
    }
    let other = spec.find(&Method::GET, &format!("{base}:suspend"));
    assert_eq!(other.err(), Some(vec!["POST"]));
    for path in [
        "",
        "/",
        "/banking/v1/issuers/X/cards/Y",
        "//authz/v1/oauth2/token",
    ] {
        assert_eq!(
            spec.find(&Method::GET, path).err(),
            Some(Vec::new()),
            "{path}"
        );
    }
    let slash = format!("{base}/op-1/");
    assert_eq!(spec.find(&Method::GET, &slash).err(), Some(Vec::new()));
}

#[test]
fn errors_name_the_place_and_the_rule_but_not_the_value() {
    let spec = Spec::shared().unwrap();
    let secret = json!({ "pan": "4111", "exp": "1230" });
    assert_eq!(
        spec.credentials.check(&secret).unwrap_err(),
        "/pan violates `pattern`"
    );
    let missing = json!({ "pan": "4111111111111111" });
    assert_eq!(
        spec.credentials.check(&missing).unwrap_err(),
        "the whole value violates `required`"
    );
}

#[test]
fn answers_beyond_the_document_are_noticed() {
    let spec = Spec::shared().unwrap();
    let route = spec
        .routes
        .iter()
        .find(|route| route.call == Call::List)
        .unwrap();
    for (status, body, is_documented) in [
        (200, Some(json!({ "operations": [] })), true),
        (200, Some(json!({ "operations": 1 })), false),
        (403, None, false),
        (500, None, true),
    ] {
        let checked = route.check_reply(status, body.clone().as_mut());
        assert_eq!(checked.is_ok(), is_documented, "{status} {body:?}");
    }
}
