//! The last stages: a token, and a read that does no harm.

use d1_facade::{CardId, Error};

use super::stage::{Finding, words};
use crate::config::Config;
use crate::connect;
use crate::failure::Failure;

/// Whether D1 gives a token.
pub(super) async fn token(config: &Config) -> Finding {
    let client = match connect::client(config) {
        Ok(client) => client,
        Err(failure) => return unusable(&failure),
    };
    match client.access_token().await {
        Ok(token) => {
            let seconds = connect::whole_seconds(token.lifetime());
            Finding::Passed(format!("lives for {seconds} s"))
        }
        Err(error) => failed(&error),
    }
}

/// Whether D1 answers a read. That it does not know the card is an answer as well.
pub(super) async fn read(config: &Config, card: &CardId) -> Finding {
    let client = match connect::client(config) {
        Ok(client) => client,
        Err(failure) => return unusable(&failure),
    };
    match client.card(card.clone()).operations().limit(1).await {
        Ok(_) => Finding::Passed(format!("D1 lists the operations of {card}")),
        Err(error) if error.status() == Some(404) => {
            Finding::Passed(format!("D1 answers: it knows no card {card}"))
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Finding {
    let mut why = error.to_string();
    if let Some(code) = error.code().filter(|code| !why.contains(code)) {
        why = format!("{why}; D1's code: {code}");
    }
    if let Some(text) = error.troubleshooting_text() {
        why = format!("{why}; D1's words: {text}");
    }
    let mut source = std::error::Error::source(error);
    while let Some(beneath) = source {
        why = format!("{why}; {beneath}");
        source = beneath.source();
    }
    Finding::failed(why, error.advice())
}

fn unusable(failure: &Failure) -> Finding {
    Finding::failed(words(failure), "Correct what the line names.")
}
