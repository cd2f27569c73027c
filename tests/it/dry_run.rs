//! A dry run hands out what would be sent, and sends nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use d1_facade::auth::{AccessToken, TokenSource};
use d1_facade::retry::RetryPolicy;
use d1_facade::{CardCredentials, Client, ClientBuilder, Error, ErrorKind, Outcome, Renewal};
use d1_tests::{
    CARD, EXPIRY, sandbox_builder, sandbox_builder_without_tokens, sandbox_client, strict_sandbox,
};

/// Makes each call four times, whatever its error.
struct FourTimes;

impl RetryPolicy for FourTimes {
    fn delay(&self, _: &Error, attempts: u32) -> Option<Duration> {
        (attempts < 4).then_some(Duration::ZERO)
    }
}

/// A source that must not be called.
struct Unasked;

impl TokenSource for Unasked {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        unreachable!("the source was called")
    }
}

#[tokio::test]
async fn a_dry_run_calls_no_token_source() {
    let sandbox = strict_sandbox().await;
    let sources: [fn(ClientBuilder) -> ClientBuilder; 2] = [
        |builder| builder.wrap_token_source(|_| Unasked),
        |builder| builder.token_source(Unasked),
    ];
    for (source, requests) in sources.into_iter().zip([2, 1]) {
        let (sender, handed_out) = std::sync::mpsc::channel();
        let builder = match requests {
            1 => sandbox_builder_without_tokens(&sandbox),
            _ => sandbox_builder(&sandbox),
        };
        let dry = source(builder).dry_run(move |request| sender.send(request).unwrap());
        let dry = dry.build().unwrap();
        dry.card(CARD.parse().unwrap()).suspend().await.unwrap_err();
        assert_eq!(handed_out.try_iter().count(), requests);
    }
}

#[tokio::test]
async fn a_dry_run_hands_out_what_is_sent_otherwise_and_sends_nothing() {
    let sandbox = strict_sandbox().await;
    let (sender, handed_out) = std::sync::mpsc::channel();
    let dry = sandbox_builder(&sandbox)
        .retry(FourTimes)
        .dry_run(move |request| sender.send(request).unwrap())
        .build()
        .unwrap();
    let renew = |client: &Client| {
        let credentials = CardCredentials::new("5555555555554444", EXPIRY).unwrap();
        let renewal = Renewal::to("ReplaceMe02".parse().unwrap()).credentials(credentials);
        client.card(CARD.parse().unwrap()).renew(renewal)
    };
    let error = renew(&dry).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert_eq!(sandbox.requests(), []);

    let prepared: Vec<_> = handed_out.try_iter().collect();
    renew(&sandbox_client(&sandbox)).await.unwrap();
    let sent = sandbox.requests();
    assert_eq!(
        prepared.len(),
        sent.len(),
        "the token's request and one more"
    );
    for (prepared, sent) in prepared.iter().zip(&sent) {
        assert_eq!(prepared.method(), sent.method);
        let url = format!("{}{}", sandbox.base_url(), sent.path);
        assert_eq!(prepared.url(), url);
        let names = |headers: Vec<&str>| {
            headers
                .into_iter()
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
        };
        let sent_names = sent.headers.iter().map(|(name, _)| name.as_str());
        // These two are written for the connection.
        let sent_names = sent_names.filter(|name| !matches!(*name, "host" | "content-length"));
        let prepared_names = prepared.headers().map(|(name, _)| name);
        assert_eq!(names(prepared_names.collect()), names(sent_names.collect()));
        assert!(!prepared.body().is_empty());
        assert_eq!(
            format!("{prepared:?}"),
            "PreparedRequest { method: \"POST\", .. }"
        );
    }
    let headers: Vec<_> = prepared[1].headers().collect();
    assert!(
        headers.contains(&("authorization", "Bearer [masked]")),
        "{headers:?}"
    );
}
