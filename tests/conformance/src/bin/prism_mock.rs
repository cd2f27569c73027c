//! Lets the facade read what Prism makes up from the document: `prism_mock PRISM`.
//!
//! Prints a row for each kind of response; exits with 1 when one of them was read wrong.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::ExitCode;

use d1_facade::{Card, Client, Environment, Error, ErrorKind, Outcome, Renewal, SigningKey};
use d1_tests::prism::Prism;
use d1_tests::{CARD, ISSUER, any_root, bare_builder_for, p256, say};
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

/// Makes a call, and says whether the answer had an operation's id that could be read.
async fn call(card: &Card, operation: &str, prefer: &str) -> Result<bool, Error> {
    let id = "op-0001".parse().unwrap();
    let receipt = match operation {
        "suspendCard" => card.suspend().header("prefer", prefer).await?,
        "resumeCard" => card.resume().header("prefer", prefer).await?,
        "deleteCard" => card.delete().header("prefer", prefer).await?,
        "renewCard" => {
            let renewal = card.renew(Renewal::same_card());
            renewal.header("prefer", prefer).await?
        }
        "listOperations" => {
            let page = card.operations().header("prefer", prefer).await?;
            return Ok(page.operations().iter().any(|found| found.id().is_some()));
        }
        _ => {
            let found = card.operation(&id).header("prefer", prefer).await?;
            return Ok(found.id().is_some());
        }
    };
    Ok(receipt.operation_id().is_some())
}

/// The statuses that the document has for an operation; of a range the first.
fn statuses(document: &Value, operation_id: &str) -> Vec<u16> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values());
    let operation = operations
        .into_iter()
        .find(|operation| operation["operationId"] == operation_id)
        .unwrap();
    let responses = operation["responses"].as_object().unwrap();
    let statuses = responses.keys().map(|status| status.replace('X', "0"));
    statuses.map(|status| status.parse().unwrap()).collect()
}

/// What is wrong with how an answer was read. An example must be read in full; of what chance made, no
/// field need be there. A success that does not prove a change (the example's is pending), or a list that
/// chance ended too early, is an invalid response.
fn judge(status: u16, is_example: bool, result: &Result<bool, Error>) -> Result<(), String> {
    let is_right = match result {
        Ok(has_id) => status == 200 && (*has_id || !is_example),
        Err(error) if error.kind() == ErrorKind::InvalidResponse => {
            let may_prove_nothing = error.operation().changes_card() || !is_example;
            status == 200 && error.status() == Some(status) && may_prove_nothing
        }
        Err(error) => {
            error.status() == Some(status)
                && error.outcome() != Outcome::NotSent
                && (error.troubleshooting_text().is_some() || !is_example)
        }
    };
    is_right
        .then_some(())
        .ok_or_else(|| format!("{status}: {result:?}"))
}

/// All documented answers, as examples or by chance: how many, and what was read wrong.
async fn answers(prism: &Prism, samples: usize, more: &str) -> (usize, Vec<String>) {
    let document = xtask::spec::load(&xtask::spec::spec_path()).unwrap();
    let client = bare_builder_for(prism.url())
        .root_certificate(any_root())
        .without_system_roots()
        .build()
        .unwrap();
    let card = client.card(CARD.parse().unwrap());
    let (mut count, mut wrong) = (0, Vec::new());
    for operation in CALLS {
        for status in statuses(&document, operation) {
            for _ in 0..samples {
                let prefer = format!("code={status}{more}");
                let result = call(&card, operation, &prefer).await;
                count += 1;
                if let Err(why) = judge(status, more.is_empty(), &result) {
                    wrong.push(format!("{operation} {why}"));
                }
            }
        }
    }
    (count, wrong)
}

/// Whether a token that Prism made up is taken. The document requires no field of it, and no form of one:
/// what is refused must be refused before a card's call is sent.
async fn token(prism: &Prism, prefer: &str) -> Result<bool, String> {
    let key = p256().private_key_to_pem().unwrap();
    let url = Environment::Custom(prism.url().to_owned());
    let client = Client::builder(url, ISSUER.parse().unwrap())
        .allow_plain_loopback()
        .root_certificate(any_root())
        .without_system_roots()
        .signer(SigningKey::from_pem(&key, "key-1").unwrap())
        .token_header("prefer", prefer)
        .build()
        .unwrap();
    match client.card(CARD.parse().unwrap()).operations().await {
        Ok(_) => Ok(true),
        Err(error) if error.outcome() == Outcome::NotSent => Ok(false),
        Err(error) => Err(format!("{error:?}")),
    }
}

async fn tokens(prism: &Prism) -> (String, Vec<String>) {
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    for round in 0..=SAMPLES {
        let is_example = round == 0;
        let prefer = if is_example {
            "code=200"
        } else {
            "code=200, dynamic=true"
        };
        match token(prism, prefer).await {
            Ok(true) => taken += 1,
            Ok(false) if !is_example => refused += 1,
            Ok(false) => wrong.push("the document's example was refused".to_owned()),
            Err(why) => wrong.push(why),
        }
    }
    let count = format!("{taken} taken, {refused} refused by what they lack");
    (count, wrong)
}

fn row(what: &str, count: &str, wrong: &[String]) -> bool {
    let verdict = if wrong.is_empty() {
        "ok".to_owned()
    } else {
        format!("failed: {}", wrong.join("; ").replace(['\n', '\t'], " "))
    };
    say!("{what}\t{count}\t{verdict}");
    wrong.is_empty()
}

#[tokio::main]
async fn main() -> ExitCode {
    let program = std::env::args().nth(1).unwrap();
    let prism = Prism::mock(Path::new(&program));
    let (examples, wrong) = answers(&prism, 1, "").await;
    let mut is_good = row(
        "mock: the document's examples",
        &examples.to_string(),
        &wrong,
    );
    let (rolled, wrong) = answers(&prism, SAMPLES, ", dynamic=true").await;
    is_good &= row("mock: answers by chance", &rolled.to_string(), &wrong);
    let (count, wrong) = tokens(&prism).await;
    is_good &= row("mock: tokens", &count, &wrong);

    let said = prism.said();
    let valid = said
        .matches("The request passed the validation rules")
        .count();
    let mut wrong = Vec::new();
    if said.contains("did not pass") || valid < examples + rolled {
        wrong.push("Prism refused a request".to_owned());
    }
    is_good &= row(
        "mock: requests that it found valid",
        &valid.to_string(),
        &wrong,
    );
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
