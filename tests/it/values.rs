//! The values that callers send and D1 returns, as texts and in serde.

use std::fmt::Debug;
use std::str::FromStr;

use d1_facade::{
    ApiOperation, CardId, CardState, CorrelationId, EncryptedData, ErrorKind, Inconclusive,
    IssuerId, Operation, OperationId, OperationPage, OperationStatus, OperationType, Outcome,
    PendingChange, Reason, ReasonCode, Receipt, RequestorType, Response,
};
use d1_sandbox::Sandbox;
use d1_tests::{CARD, sandbox_client};
use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

fn is_text_in_serde<T>(text: &str)
where
    T: FromStr<Err: Debug> + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let value: T = text.parse().unwrap();
    assert_eq!(serde_json::to_value(&value).unwrap(), json!(text));
    assert_eq!(serde_json::from_value::<T>(json!(text)).unwrap(), value);
    assert!(serde_json::from_value::<T>(json!(7)).is_err(), "{text}");
}

#[test]
fn every_value_is_its_text_in_serde() {
    is_text_in_serde::<IssuerId>("ISSUER_A-1");
    is_text_in_serde::<CardId>("ReplaceMe01");
    is_text_in_serde::<OperationId>("op-0001");
    is_text_in_serde::<CorrelationId>("support-case 4711");
    is_text_in_serde::<Reason>("customer called back");
    is_text_in_serde::<EncryptedData>("aGVhZGVy..aXY.Y2lwaGVy.dGFn");
    for operation in ApiOperation::ALL {
        is_text_in_serde::<ApiOperation>(operation.operation_id());
    }
    for known in ReasonCode::KNOWN {
        is_text_in_serde::<ReasonCode>(known.as_str());
    }
    is_text_in_serde::<ReasonCode>("NOT_KNOWN_YET");
    is_text_in_serde::<CardState>("NOT_KNOWN_YET");
    is_text_in_serde::<OperationType>("NOT_KNOWN_YET");
    is_text_in_serde::<OperationStatus>("NOT_KNOWN_YET");
    is_text_in_serde::<RequestorType>("NOT_KNOWN_YET");
}

#[test]
fn serde_refuses_what_cannot_be_built_and_does_not_repeat_it() {
    let number = "4111111111111111";
    for refused in [
        serde_json::from_value::<CardId>(json!(number)).unwrap_err(),
        serde_json::from_value::<Reason>(json!(number)).unwrap_err(),
        serde_json::from_value::<ApiOperation>(json!(number)).unwrap_err(),
    ] {
        assert!(!refused.to_string().contains(number), "{refused}");
    }
    // What D1 sends comes through untouched, whatever it is.
    let odd: ReasonCode = serde_json::from_value(json!("not a code")).unwrap();
    assert_eq!(odd, ReasonCode::Unknown("not a code".to_owned()));
    assert!("not a code".parse::<ReasonCode>().is_err());
}

#[test]
fn an_operation_is_read_by_its_operation_id_alone() {
    for operation in ApiOperation::ALL {
        assert_eq!(operation.operation_id().parse(), Ok(*operation));
    }
    let refused = "SuspendCard".parse::<ApiOperation>().unwrap_err();
    assert_eq!(refused.field(), "operation");
}

/// Checks that a value is written as its schema says.
fn fits_its_schema<T: Serialize + JsonSchema>(value: &T) -> serde_json::Value {
    let written = serde_json::to_value(value).unwrap();
    let schema = schema_for!(T).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<_> = validator
        .iter_errors(&written)
        .map(|e| e.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?} in {written} by {schema}");
    written
}

#[tokio::test]
async fn what_calls_return_is_written_as_its_schema_says() {
    let sandbox = Sandbox::start().await.unwrap();
    let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
    let id = CorrelationId::random();
    // Whether its digits may be sent was decided when it was made.
    let digits = Reason::without_pan_check("4111111111111111").unwrap();
    let written = fits_its_schema(&card.suspend().reason(digits).pending());
    let read: PendingChange = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);

    let reason = "order 4711".parse().unwrap();
    let suspend = card.suspend().correlation_id(id.clone()).reason(reason);
    let receipt: Response<Receipt> = suspend.await.unwrap();
    let written = fits_its_schema(&receipt);
    assert_eq!(written["correlationId"], json!(id.as_str()));
    assert_eq!(written["httpStatus"], json!(receipt.http_status()));
    assert_eq!(written["attempts"], json!(1));
    assert_eq!(written["value"]["operation"], json!("suspendCard"));
    assert_eq!(written["value"]["reasonCode"], json!("ISSUER_DECISION"));

    let page: Response<OperationPage> = card.operations().await.unwrap();
    let written = fits_its_schema(&page);
    let listed = &written["value"]["operations"][0];
    assert_eq!(listed["operation"], json!("SUSPEND"));
    assert_eq!(listed["reason"], json!("order 4711"));
    let read: Operation = serde_json::from_value(listed.clone()).unwrap();
    assert_eq!(read.to_json(), page.operations()[0].to_json());
    assert!(serde_json::from_value::<Operation>(json!({"other": 1})).is_err());
    let echo = json!({"operation": "SUSPEND", "reason": "4111111111111111"});
    let read: Operation = serde_json::from_value(echo).unwrap();
    assert_eq!(fits_its_schema(&read)["reason"], json!("[digits]"));

    fits_its_schema(&card.id().clone());
    fits_its_schema(&ReasonCode::CardLost);
    assert_eq!(
        fits_its_schema(&ErrorKind::UnknownCard),
        json!("unknownCard")
    );
    assert_eq!(fits_its_schema(&Outcome::NotSent), json!("notSent"));
    assert_eq!(fits_its_schema(&Inconclusive::TooEarly), json!("tooEarly"));
    let pattern = schema_for!(CardId).to_value()["pattern"].clone();
    assert_eq!(pattern, json!("^[A-Za-z0-9_-]{1,48}$"));
}

/// The snapshot of the public API names every type with a form in serde: none of them is a secret.
#[test]
fn no_secret_can_be_written() {
    let api = include_str!("../public-api/d1_facade.txt");
    let written = |line: &&str| line.starts_with("impl") && line.contains("Serialize for ");
    let names = api.lines().filter(written).filter_map(|line| {
        let name = line.rsplit_once("d1_facade::")?.1;
        name.split('<').next()
    });
    let names: std::collections::BTreeSet<_> = names.collect();
    assert!(names.contains("CardId") && names.len() > 10, "{names:?}");
    for word in [
        "Pan",
        "Expiry",
        "Credentials",
        "Key",
        "Token",
        "Assertion",
        "Identity",
        "Client",
    ] {
        assert!(
            !names.iter().any(|name| name.contains(word)),
            "{word}: {names:?}"
        );
    }
}

#[test]
fn a_random_reason_is_one_that_can_be_sent_and_no_other_has() {
    let reasons: Vec<Reason> = (0..1_000).map(|_| Reason::random()).collect();
    for reason in &reasons {
        assert_eq!(reason.as_str().parse::<Reason>().as_ref(), Ok(reason));
    }
    let distinct: std::collections::HashSet<&str> = reasons.iter().map(Reason::as_str).collect();
    assert_eq!(distinct.len(), reasons.len());
}
