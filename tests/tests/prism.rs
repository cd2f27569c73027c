//! What Prism makes up from the document, before the facade: `cargo xtask conformance prism`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::PathBuf;

use d1_facade::{Card, Client, Environment, Error, ErrorKind, Outcome, Renewal, SigningKey};
use d1_tests::prism::{PRISM, Prism};
use d1_tests::{CARD, ISSUER, bare_builder_for, p256};
use serde_json::Value;

/// How often Prism rolls its dice for each answer that the document has.
const SAMPLES: usize = 40;

const CALLS: [&str; 6] = [
    "suspendCard",
    "resumeCard",
    "deleteCard",
    "renewCard",
    "listOperations",
    "getOperation",
];

fn mock() -> Prism {
    Prism::mock(&PathBuf::from(std::env::var_os(PRISM).unwrap()))
}

async fn call(card: &Card, operation: &str, prefer: &str) -> Result<(), Error> {
    let id = "op-0001".parse().unwrap();
    match operation {
        "suspendCard" => card.suspend().header("prefer", prefer).await.map(drop),
        "resumeCard" => card.resume().header("prefer", prefer).await.map(drop),
        "deleteCard" => card.delete().header("prefer", prefer).await.map(drop),
        "renewCard" => {
            let renewal = card.renew(Renewal::same_card());
            renewal.header("prefer", prefer).await.map(drop)
        }
        "listOperations" => card.operations().header("prefer", prefer).await.map(drop),
        "getOperation" => card.operation(&id).header("prefer", prefer).await.map(drop),
        other => unreachable!("{other}"),
    }
}

/// The documented answers of an operation: the status to ask for, and the names of the examples.
fn answers(document: &Value, operation_id: &str) -> Vec<(u16, Vec<String>)> {
    let operation = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .find(|operation| operation["operationId"] == operation_id)
        .unwrap();
    let responses = operation["responses"].as_object().unwrap();
    let answer = |(status, response): (&String, &Value)| {
        let response = match response["$ref"].as_str() {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => response,
        };
        let examples = response["content"]["application/json"]["examples"].as_object();
        let names = examples.map(|all| all.keys().cloned().collect());
        (
            status.replace('X', "0").parse().unwrap(),
            names.unwrap_or_default(),
        )
    };
    responses.iter().map(answer).collect()
}

#[tokio::test]
#[ignore = "needs Prism: cargo xtask conformance prism"]
async fn the_facade_decodes_every_answer_that_the_document_allows() {
    let prism = mock();
    let document = xtask::spec::load(&xtask::spec::spec_path()).unwrap();
    let card = bare_builder_for(prism.url())
        .root_certificate(d1_tests::any_root())
        .without_system_roots()
        .build()
        .unwrap()
        .card(CARD.parse().unwrap());
    let mut calls = 0;
    for operation in CALLS {
        for (status, examples) in answers(&document, operation) {
            let named = examples.iter().map(|name| format!(", example={name}"));
            let rolled = std::iter::repeat_n(", dynamic=true".to_owned(), SAMPLES);
            for more in named.chain(rolled) {
                let prefer = format!("code={status}{more}");
                let result = call(&card, operation, &prefer).await;
                calls += 1;
                match result {
                    Ok(()) => assert_eq!(status, 200, "{operation} {prefer}"),
                    Err(error) => {
                        assert_eq!(
                            error.status(),
                            Some(status),
                            "{operation} {prefer}: {error}"
                        );
                        assert_ne!(
                            error.kind(),
                            ErrorKind::UnreadableAnswer,
                            "{operation}: {error}"
                        );
                        assert_ne!(error.outcome(), Outcome::NotSent, "{operation}: {error}");
                    }
                }
            }
        }
    }
    let passed = prism
        .said()
        .matches("The request passed the validation rules")
        .count();
    println!("{calls} answers decoded, {passed} requests valid");
    // One more is the token's second try after the first 401.
    assert!(passed >= calls && passed <= calls + 1);
    assert!(!prism.said().contains("did not pass"));
}

#[tokio::test]
#[ignore = "needs Prism: cargo xtask conformance prism"]
async fn the_facade_takes_every_token_that_the_document_allows_or_says_what_it_lacks() {
    let prism = mock();
    let key = p256().private_key_to_pem().unwrap();
    let (mut taken, mut refused) = (0, 0);
    for round in 0..=SAMPLES {
        let prefer = if round == 0 {
            "code=200"
        } else {
            "code=200, dynamic=true"
        };
        let client = Client::builder(
            Environment::Custom(prism.url().to_owned()),
            ISSUER.parse().unwrap(),
        )
        .allow_plain_loopback()
        .root_certificate(d1_tests::any_root())
        .without_system_roots()
        .signing_key(SigningKey::from_pem(&key, "key-1").unwrap())
        .token_header("prefer", prefer)
        .build()
        .unwrap();
        match client.card(CARD.parse().unwrap()).operations().await {
            Ok(_) => taken += 1,
            // The document requires no field of a token, and no form of one.
            Err(error) => {
                assert_eq!(error.outcome(), Outcome::NotSent, "round {round}: {error}");
                assert!(
                    round > 0,
                    "the example of the document was refused: {error}"
                );
                refused += 1;
            }
        }
    }
    println!("{taken} tokens taken, {refused} refused by what they lack");
    let refusals = prism.said().matches("did not pass the validation").count();
    assert_eq!(refusals, 0);
}
