//! A server that sends back what it was sent in the places that HTTP/2 alone has.

use d1_facade::Identity;
use d1_tests::bare_builder_for;
use d1_tests::fault_server::goaway;
use d1_tests::http2_server::{Http2Act, Http2Server};
use http::{HeaderMap, Response};

use crate::known::{Held, leaks};
use crate::logs::{assert_heard, listen};
use crate::shown::{KnownToken, card_of, every_call};

/// Makes every call at a server that does this with each connection, and shows what comes of them.
async fn calls_at(act: Http2Act, held: &Held) -> String {
    let server = Http2Server::start(act).await;
    let (certificate, key) = &server.identity;
    let client = bare_builder_for(&server.url())
        .token_source(KnownToken(held.token.clone()))
        .root_certificate(&server.root)
        .without_system_roots()
        .client_identity(Identity::from_pem(certificate, key).unwrap())
        .build()
        .unwrap();
    every_call(&card_of(&client), held).await
}

fn headers(held: &Held) -> HeaderMap {
    let Held { pan, token, .. } = held;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-echo", format!("Bearer {token}")),
        ("x-correlation-id", token.clone()),
        ("www-authenticate", format!("Bearer realm=\"{pan}\"")),
        ("set-cookie", format!("session={token}")),
        ("location", format!("/{pan}?{token}")),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

#[tokio::test]
async fn headers_trailers_and_resets_show_nothing() {
    let logs = listen();
    let held = Held::new();
    let mut shown = String::new();
    for status in [200, 204, 302, 400, 500] {
        let body = format!(r#"{{"error":"{}"}}"#, held.token);
        let mut answer = Response::builder().status(status).body(body).unwrap();
        *answer.headers_mut() = headers(&held);
        let answer = Box::new((answer, headers(&held)));
        shown += &calls_at(Http2Act::Answer(answer), &held).await;
    }
    // CANCEL, REFUSED_STREAM, HTTP_1_1_REQUIRED.
    for reason in [8, 7, 13] {
        shown += &calls_at(Http2Act::Reset(reason), &held).await;
    }
    let secrets = held.secrets();
    assert!(
        shown.contains("getOperation") && shown.contains("200"),
        "{shown}"
    );
    assert_heard(&logs.others.text(), &["d1_facade", "hyper_util"]);
    assert_heard(&logs.h2.text(), &["h2::"]);
    for text in [shown.into_bytes(), logs.h2.text(), logs.others.text()] {
        assert_eq!(leaks(&text, &secrets), [""; 0], "seed {}", held.seed);
    }
}

#[tokio::test]
async fn the_words_of_a_server_that_leaves_are_in_the_logs_of_h2_alone() {
    let logs = listen();
    let held = Held::others();
    let echo = format!("{} {}", held.pan, held.token);
    let mut shown = String::new();
    for reason in [0, 1, 11] {
        shown += &calls_at(Http2Act::Frames(goaway(0, reason, &echo)), &held).await;
    }
    let secrets = held.secrets();
    // Were h2 silent one day, this test could be done without.
    assert!(leaks(&logs.h2.text(), &secrets).contains(&"access token"));
    assert_heard(&logs.others.text(), &["d1_facade", "hyper_util"]);
    for text in [shown.into_bytes(), logs.others.text()] {
        assert_eq!(leaks(&text, &secrets), [""; 0], "seed {}", held.seed);
    }
}
