//! Everything that a value, an error or a call shows.

use std::error::Error as StdError;
use std::fmt::{Debug, Write as _};
use std::time::Duration;

use d1_facade::auth::{AccessToken, TokenSource};
use d1_facade::{Card, CardCredentials, Client, Error, Renewal};
use d1_tests::CARD;

use crate::known::Held;

/// Everything that a value or an error shows, with its sources.
pub(crate) fn shown<T: Debug>(result: &Result<T, Error>) -> String {
    let mut out = format!("{result:?} {result:#?}");
    if let Err(error) = result {
        out += &shown_error(error);
    }
    out
}

/// Everything that an error shows, with its sources.
pub(crate) fn shown_error(error: &Error) -> String {
    let mut out = format!(
        " {error} {error:#} {error:?} {} {:?} {:?} {:?}",
        error.advice(),
        error.code(),
        error.troubleshooting_text(),
        error.unknown_fields(),
    );
    if let Some(refused) = error.refused_before() {
        out += &shown_error(refused);
    }
    let mut source = error.source();
    while let Some(e) = source {
        write!(out, " {e} {e:?}").unwrap();
        source = e.source();
    }
    out
}

/// Makes every call once, and shows what comes of it.
pub(crate) async fn every_call(card: &Card, held: &Held) -> String {
    let visa = CardCredentials::new(held.pan.as_str(), held.expiry.as_str()).unwrap();
    let visa = visa
        .with_auxiliary(held.auxiliary_pan.as_str(), held.expiry.as_str())
        .unwrap();
    let american_express =
        CardCredentials::new(held.american_express.as_str(), held.expiry.as_str()).unwrap();
    let american_express = american_express.with_psn("07").unwrap();
    let id = "op-000001".parse().unwrap();
    let renew = card.renew(Renewal::same_card().credentials(visa));
    let suspend = card.suspend();
    [
        format!("{renew:?} {suspend:?}"),
        shown(&renew.await),
        shown(
            &card
                .renew(Renewal::same_card().credentials(american_express))
                .await,
        ),
        shown(&suspend.await),
        shown(&card.resume().await),
        shown(&card.operations().await),
        shown(&card.operation(&id).with_digital_card().await),
        // A caller's mistake: a card number where none belongs.
        shown(&card.suspend().header("x-note", &held.pan).await),
        shown(&card.suspend().body_field("note", held.pan.as_str()).await),
        shown(&card.delete().await),
    ]
    .concat()
}

/// A token that is known to the test.
#[derive(Clone)]
pub(crate) struct KnownToken(pub(crate) String);

impl TokenSource for KnownToken {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        let token = AccessToken::new(self.0.as_str(), Duration::from_secs(900));
        Ok(token.unwrap())
    }
}

pub(crate) fn card_of(client: &Client) -> Card {
    client.card(CARD.parse().unwrap())
}
