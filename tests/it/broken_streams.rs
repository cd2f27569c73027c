//! Connections that end or drag on in the middle of something: HTTP/2 GOAWAY, idle connections that were
//! closed, answers that drip in.

use std::error::Error as _;
use std::time::Duration;

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Card, Error, ErrorKind, Outcome};
use d1_tests::fault_server::{Act, FaultServer, answer, goaway};
use d1_tests::own_time::in_time;
use d1_tests::{CARD, PAN, any_root, bare_builder_for, http2_client};

const LIST: &str = "{\"operations\":[]}";

fn eager() -> ExponentialBackoff {
    ExponentialBackoff::default().initial_delay(Duration::from_millis(1))
}

/// The card at a server that speaks HTTP/2 without TLS.
fn http2_card(server: &FaultServer) -> Card {
    let builder = bare_builder_for(&server.url()).http_client(http2_client());
    let client = builder.retry(eager()).build().unwrap();
    client.card(CARD.parse().unwrap())
}

/// Everything that can be read of an error.
fn everything(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {:?}", error.troubleshooting_text());
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(" {source} {source:?}");
        next = source.source();
    }
    text
}

#[tokio::test]
async fn a_server_that_leaves_is_asked_again_for_a_read_and_not_for_a_change() {
    // INTERNAL_ERROR: whether the stream was dealt with is not said.
    let bytes = goaway(0x7fff_ffff, 2, PAN);
    let server = FaultServer::start(move |_, _| Act::Say(bytes.clone())).await;
    let error = http2_card(&server).operations().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 3));
    let error = http2_card(&server).suspend().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 1));
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn what_a_server_says_when_it_leaves_is_in_no_error() {
    for reason in 0..14 {
        for last_stream in [0, 1, 0x7fff_ffff] {
            let bytes = goaway(last_stream, reason, &format!("you said {PAN}"));
            let server = FaultServer::start(move |_, _| Act::Say(bytes.clone())).await;
            let error = http2_card(&server).operations().await.unwrap_err();
            let text = everything(&error);
            assert!(!text.contains("you said") && !text.contains(PAN), "{text}");
        }
    }
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_costs_a_read_nothing() {
    // The first answer says that the connection stays open, and then it is reset.
    let kept = answer(200, "application/json", LIST);
    let kept = String::from_utf8(kept)
        .unwrap()
        .replace("connection: close\r\n", "");
    let server = FaultServer::start(move |_, n| match n {
        0 => Act::SayAndReset(kept.clone().into_bytes()),
        _ => Act::answer(200, "application/json", LIST),
    })
    .await;
    let builder = bare_builder_for(&server.url()).root_certificate(any_root());
    let client = builder
        .without_system_roots()
        .retry(eager())
        .build()
        .unwrap();
    let card = client.card(CARD.parse().unwrap());
    // The reset can overtake the first answer: then that is asked for again.
    card.operations().await.unwrap();
    card.operations().await.unwrap();
    assert!(server.connections() > 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_drips_in_ends_with_the_calls_time() {
    let patience = Duration::from_secs(5);
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    let body = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for (what, said, drop) in [
        ("status line", b"HT".to_vec(), b"".to_vec()),
        ("headers", head, b"x".to_vec()),
        ("body", body, b" ".to_vec()),
        ("chunks", chunked, b"1\r\n \r\n".to_vec()),
    ] {
        let server =
            FaultServer::start(move |_, _| Act::SayAndDrip(said.clone(), drop.clone())).await;
        let builder = bare_builder_for(&server.url())
            .root_certificate(any_root())
            .without_system_roots()
            .retry(ExponentialBackoff::default().max_attempts(1))
            .timeout(patience);
        let card = builder.build().unwrap().card(CARD.parse().unwrap());
        let read = in_time(patience, Some(&server), card.operations().into_future()).await;
        let error = read.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{what}: {error:?}");
        match in_time(patience, Some(&server), card.suspend().into_future()).await {
            // Only its status is needed, and that it has.
            Ok(receipt) => assert!(what == "body" || what == "chunks", "{receipt:?}"),
            Err(error) => assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::Timeout, Outcome::Unknown),
                "{what}"
            ),
        }
    }
}
