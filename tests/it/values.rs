//! The values that callers send and D1 returns, as texts and in serde.

use std::fmt::Debug;
use std::str::FromStr;

use d1_facade::{
    ApiOperation, CardId, CardState, CorrelationId, EncryptedData, IssuerId, OperationId,
    OperationStatus, OperationType, Reason, ReasonCode, RequestorType,
};
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
