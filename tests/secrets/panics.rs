//! What is shown where code of the caller's panics with a secret in its message.

use std::time::Duration;

use d1_bulk::Bulk;
use d1_facade::Error;
use d1_facade::auth::{AccessToken, TokenSource};
use d1_facade::retry::RetryPolicy;
use d1_tests::{CARD, answering, builder_for};
use futures_util::{StreamExt as _, stream};
use wiremock::ResponseTemplate;

use crate::known::{Held, leaks};
use crate::logs::listen;
use crate::shown::shown;

/// Panics with all that it knows.
#[derive(Clone)]
struct Panicking(String);

impl Panicking {
    fn panic(&self) -> ! {
        // Without the hook, which would print it: that is the caller's own.
        std::panic::resume_unwind(Box::new(self.0.clone()))
    }
}

impl RetryPolicy for Panicking {
    fn delay(&self, _: &Error, _: u32) -> Option<Duration> {
        self.panic()
    }
}

impl TokenSource for Panicking {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        self.panic()
    }
}

#[tokio::test]
async fn the_message_of_a_panic_is_in_no_error_of_a_bulk_and_in_no_log() {
    let logs = listen();
    let held = Held::new();
    let panicking = Panicking(format!("{} Bearer {}", held.pan, held.token));
    let server = answering(ResponseTemplate::new(429)).await;
    let by_retry = builder_for(&server)
        .retry(panicking.clone())
        .build()
        .unwrap();
    let by_token = builder_for(&server)
        .token_source(panicking)
        .build()
        .unwrap();
    let mut all = String::new();
    for client in [by_retry, by_token] {
        let suspend = || client.card(CARD.parse().unwrap()).suspend();
        let requests = stream::iter([(1, suspend()), (2, suspend())]);
        let outcomes = Bulk::new().run(requests).unwrap();
        for outcome in outcomes.collect::<Vec<_>>().await {
            let text = shown(&outcome.result);
            assert!(text.contains("panicked"), "{text}");
            all += &text;
        }
    }
    for text in [all.into_bytes(), logs.others.text(), logs.h2.text()] {
        assert_eq!(leaks(&text, &held.secrets()), [""; 0], "seed {}", held.seed);
    }
}
