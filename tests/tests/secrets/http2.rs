//! A server that sends back what it was sent in the places that HTTP/2 alone has.

use d1_tests::fault_server::{Act, FaultServer, goaway};
use d1_tests::{bare_builder_for, http2_client};

use crate::known::{Held, leaks};
use crate::logs::{assert_heard, listen};
use crate::shown::{KnownToken, card_of, every_call};

#[tokio::test]
async fn the_words_of_a_server_that_leaves_are_in_the_logs_of_h2_alone() {
    let logs = listen();
    let held = Held::new();
    let echo = format!("{} {}", held.pan, held.token);
    let mut shown = String::new();
    for reason in [0, 1, 11] {
        let said = goaway(0, reason, &echo);
        let server = FaultServer::start(move |_, _| Act::Say(said.clone())).await;
        let builder = bare_builder_for(&server.url()).token_source(KnownToken(held.token.clone()));
        let client = builder.http_client(http2_client()).build().unwrap();
        shown += &every_call(&card_of(&client), &held).await;
    }
    let secrets = held.secrets();
    // Were h2 silent one day, this test could be done without.
    assert!(leaks(&logs.h2.text(), &secrets).contains(&"access token"));
    assert_heard(&logs.others.text(), &["d1_facade", "reqwest"]);
    for text in [shown.into_bytes(), logs.others.text()] {
        assert_eq!(leaks(&text, &secrets), [""; 0], "seed {}", held.seed);
    }
}
