//! Bad input: a typed error that names field and rule, repeats nothing, and comes before any byte.

use std::time::Duration;

use d1_facade::auth::AccessToken;
use d1_facade::{
    AuxiliaryPan, CardCredentials, CardId, CardState, Client, CorrelationId, EncryptedData,
    Environment, Expiry, IssuerId, OperationId, Pan, Reason, ReasonCode, Renewal,
};
use d1_tests::{EXPIRY, FixedToken, ISSUER, PAN, WRONG, answering, card_at, refused};
use wiremock::ResponseTemplate;

#[test]
fn ids_and_texts() {
    let long = |n: usize| "a".repeat(n);
    for text in [
        "",
        "ISSUER_A-",
        "ISSUER_A-12",
        "ISSUER A-1",
        "ISSUER_A/1",
        "ISSUER_A-\u{e9}",
        WRONG,
    ] {
        refused(text.parse::<IssuerId>(), "issuerId", "exactly 10 of A-Z");
    }
    for text in [
        "",
        "..",
        "a/b",
        "a\\b",
        "a b",
        "a\n",
        "%2e",
        &long(49),
        WRONG,
    ] {
        refused(text.parse::<CardId>(), "cardId", "1 to 48 of");
    }
    for text in [PAN, "4111-1111-1111-1111", "card4111111111111111"] {
        refused(text.parse::<CardId>(), "cardId", "card number");
    }
    for text in ["", "a:b", &long(65), WRONG] {
        refused(text.parse::<OperationId>(), "operationId", "1 to 64 of");
    }
    for text in ["", "semi;colon", "line\nbreak", &long(65), WRONG] {
        refused(text.parse::<Reason>(), "reason", "1 to 64 of");
    }
    for text in ["", "a/b", "a\r\nb", &long(65), WRONG] {
        refused(text.parse::<CorrelationId>(), "x-correlation-id", "1 to");
    }
    for text in [PAN, "case 4111 1111 1111 1111", "x-4111-1111-1111-1111-y"] {
        refused(
            text.parse::<CorrelationId>(),
            "x-correlation-id",
            "card number",
        );
    }
    refused(
        "lost 4111111111111111".parse::<Reason>(),
        "reason",
        "card number",
    );
    for text in ["", "lower", "TWO WORDS", "1CODE", WRONG] {
        refused(text.parse::<ReasonCode>(), "reasonCode", "first of A-Z");
    }
    for text in ["", "a.b.c.d", "a.b.c.d.e.f", &format!("{}....", long(8190))] {
        refused(text.parse::<EncryptedData>(), "encryptedData", "8192");
    }
    assert!(long(48).parse::<CardId>().is_ok() && long(64).parse::<OperationId>().is_ok());
}

#[test]
fn digits_that_are_those_of_an_id_are_taken_where_the_caller_says_so() {
    assert!(CardId::without_pan_check("4111111111111111").is_ok());
    refused(CardId::without_pan_check("a/b"), "cardId", "1 to 48 of");
    refused(
        "a".repeat(49).parse::<CardId>(),
        "cardId",
        "has 49 characters",
    );
    // A random 19-digit number of a service's own: one in about 30 looks like a card number.
    let snowflake = "4111111111111111110";
    refused(
        snowflake.parse::<CorrelationId>(),
        "x-correlation-id",
        "card number",
    );
    assert_eq!(
        CorrelationId::without_pan_check(snowflake)
            .unwrap()
            .as_str(),
        snowflake
    );
    refused(
        CorrelationId::without_pan_check("a/b"),
        "x-correlation-id",
        "1 to 64 of",
    );
    assert!(Reason::without_pan_check("order 4111111111111111110").is_ok());
    refused(Reason::without_pan_check("a/b"), "reason", "1 to 64 of");
}

#[tokio::test]
async fn a_card_number_as_the_state_of_a_card_is_not_sent() {
    let server = answering(ResponseTemplate::new(204)).await;
    // A service may take the state from a request of its own.
    let state: CardState = PAN.parse().unwrap();
    let renewal = Renewal::same_card().state(state);
    let error = card_at(&server).renew(renewal).await.unwrap_err();
    let input = error.invalid_input().unwrap();
    assert_eq!(input.field(), "state");
    assert!(!error.to_string().contains(PAN));
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_reason_code_that_was_made_by_hand_is_checked_before_it_is_sent() {
    let code = ReasonCode::Unknown("NEW_CODE".into());
    assert_eq!("NEW_CODE".parse::<ReasonCode>().unwrap(), code);
    for text in ["", "lower", "TWO WORDS", &"A".repeat(65)] {
        let server = answering(ResponseTemplate::new(204)).await;
        let by_hand = ReasonCode::Unknown(text.into());
        let error = card_at(&server).suspend().reason_code(by_hand).await;
        let error = error.unwrap_err();
        assert_eq!(error.invalid_input().unwrap().field(), "reasonCode");
        assert_eq!(server.received_requests().await.unwrap().len(), 0, "{text}");
    }
}

#[test]
fn credentials() {
    for text in [
        "",
        "411111111",
        "41111111111111111111",
        "4111 1111",
        "4111111111111112",
        WRONG,
    ] {
        let error = text.parse::<Pan>().unwrap_err();
        assert_eq!(error.field(), "pan", "{text}");
    }
    assert!(
        Pan::without_luhn_check("4111111111111112").is_ok(),
        "the check has an opt-out"
    );
    refused(Pan::without_luhn_check("411111111111111x"), "pan", "digits");
    for text in ["", "0030", "1330", "123", "12/30", "12305", WRONG] {
        refused(text.parse::<Expiry>(), "exp", "");
    }
    refused("".parse::<AuxiliaryPan>(), "auxiliaryPan", "1 to 19");
    refused(
        AuxiliaryPan::without_luhn_check(WRONG),
        "auxiliaryPan",
        "digits",
    );

    let visa = || CardCredentials::new(PAN, EXPIRY).unwrap();
    refused(visa().with_psn("00"), "psn", "American Express");
    refused(
        visa().with_auxiliary("5555555555554444", "9999"),
        "auxiliaryExp",
        "MMYY",
    );
    refused(
        visa().with_auxiliary("5555555555554443", EXPIRY),
        "auxiliaryPan",
        "Luhn",
    );
    let american_express = CardCredentials::new("378282246310005", EXPIRY).unwrap();
    for text in ["", "1", "123", "1x"] {
        refused(american_express.clone().with_psn(text), "psn", "2 digits");
    }
    assert!(american_express.with_psn("00").is_ok());
}

#[test]
fn american_express_is_known_by_length_and_beginning() {
    for (pan, is_it) in [
        ("378282246310005", true),
        ("343434343434343", true),
        ("371449635398431", true),
        // 15 digits of another scheme; 16 and 14 digits that begin like one.
        ("411111111111116", false),
        ("350000000000000", false),
        ("3411111111111111", false),
        ("37144963539842", false),
    ] {
        let number = Pan::without_luhn_check(pan).unwrap();
        assert_eq!(number.is_american_express(), is_it, "{pan}");
    }
}

#[tokio::test]
async fn requests() {
    let server = answering(ResponseTemplate::new(204)).await;
    let card = card_at(&server);
    for limit in [0, 51, u64::MAX] {
        assert_eq!(
            field(&card.operations().limit(limit).await.unwrap_err()),
            "limit"
        );
    }
    let error = card.operations().offset(u64::MAX).await.unwrap_err();
    assert_eq!(field(&error), "offset");
    let code = ReasonCode::Unknown("not a code".into());
    assert_eq!(
        field(&card.suspend().reason_code(code).await.unwrap_err()),
        "reasonCode"
    );

    for (name, value) in [("reason", "4111"), ("reasonCode", "x"), ("state", "x")] {
        let renew = card.renew(Renewal::same_card()).body_field(name, value);
        assert_eq!(field(&renew.await.unwrap_err()), "body_field", "{name}");
    }
    for name in ["reason", "reasonCode"] {
        let delete = card.delete().body_field(name, "x");
        assert_eq!(field(&delete.await.unwrap_err()), "body_field", "{name}");
    }
    assert!(
        server.received_requests().await.unwrap().is_empty(),
        "nothing was sent"
    );
}

/// The field of an error about an input.
fn field(error: &d1_facade::Error) -> String {
    assert!(!error.was_sent());
    error.invalid_input().unwrap().field().to_owned()
}

#[tokio::test]
async fn renewals() {
    let server = answering(ResponseTemplate::new(204)).await;
    let card = card_at(&server);
    let amex = Renewal::same_card().american_express();
    assert_eq!(field(&card.renew(amex).await.unwrap_err()), "encryptedData");
    let credentials = || CardCredentials::new(PAN, EXPIRY).unwrap();
    for renewal in [
        Renewal::same_card().encrypt_to("kid"),
        Renewal::same_card()
            .encrypted_data("a.b.c.d.e".parse().unwrap())
            .encrypt_to("kid"),
    ] {
        assert_eq!(field(&card.renew(renewal).await.unwrap_err()), "encrypt_to");
    }
    let unknown_key = Renewal::same_card()
        .credentials(credentials())
        .encrypt_to("no-such-kid");
    assert_eq!(
        field(&card.renew(unknown_key).await.unwrap_err()),
        "encryption_key"
    );

    let no_key = Client::builder(Environment::Custom(server.uri()), ISSUER.parse().unwrap())
        .token_source(FixedToken)
        .allow_plain_loopback()
        .build()
        .unwrap()
        .card(card.id().clone());
    let renewal = Renewal::same_card().credentials(credentials());
    assert_eq!(
        field(&no_key.renew(renewal).await.unwrap_err()),
        "encryption_key"
    );
    assert!(
        server.received_requests().await.unwrap().is_empty(),
        "nothing was sent"
    );
}

#[test]
fn tokens() {
    for text in ["", "two words", "line\nbreak", "caf\u{e9}"] {
        refused(
            AccessToken::new(text, Duration::from_secs(1)),
            "access_token",
            "ASCII",
        );
    }
}
