//! A server that means ill, or is merely broken: nothing panics, nothing hangs, every answer is an answer
//! or an error of a sensible kind.

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{
    Card, Client, Environment, Error, ErrorKind, OperationPage, OperationType, Outcome, Response,
};
use d1_tests::fault_server::{Act, FaultServer, answer};
use d1_tests::{CARD, FixedToken, ISSUER, any_root};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn card_at(url: &str) -> Card {
    Client::builder(Environment::Custom(url.to_owned()), ISSUER.parse().unwrap())
        .token_source(FixedToken)
        .allow_plain_loopback()
        .root_certificate(any_root())
        .without_system_roots()
        .retry(ExponentialBackoff::default().max_attempts(1))
        .build()
        .unwrap()
        .card(CARD.parse().unwrap())
}

async fn list(bytes: Vec<u8>) -> Result<Response<OperationPage>, Error> {
    let server = FaultServer::start(move |_, _| Act::Say(bytes.clone())).await;
    card_at(&server.url()).operations().await
}

async fn list_json(body: &str) -> Result<Response<OperationPage>, Error> {
    list(answer(200, "application/json", body)).await
}

#[tokio::test]
async fn every_status_from_200_to_599_is_a_result_or_an_error_of_its_kind() {
    for status in 200..=599 {
        let body = answer(status, "text/plain", "");
        let server = FaultServer::start(move |_, _| Act::Say(body.clone())).await;
        let changed = card_at(&server.url()).suspend().await;
        let read = card_at(&server.url()).operations().await.unwrap_err();
        let expected = match status {
            200..=299 => (ErrorKind::InvalidResponse, Outcome::Unknown),
            400 => (ErrorKind::InvalidRequest, Outcome::Refused),
            401 => (ErrorKind::TokenRejected, Outcome::Refused),
            403 => (ErrorKind::Forbidden, Outcome::Refused),
            404 => (ErrorKind::NotFound, Outcome::Refused),
            408 | 300..=399 => (ErrorKind::UnexpectedStatus, Outcome::Unknown),
            429 => (ErrorKind::RateLimited, Outcome::Refused),
            402..=499 => (ErrorKind::UnexpectedStatus, Outcome::Refused),
            _ => (ErrorKind::ServerError, Outcome::Unknown),
        };
        assert_eq!((read.kind(), read.outcome()), expected, "{status}");
        assert_eq!(read.status(), Some(status), "{status}");
        match changed {
            Ok(receipt) => assert!((200..300).contains(&receipt.http_status()), "{status}"),
            Err(error) => assert_eq!((error.kind(), error.outcome()), expected, "{status}"),
        }
    }
}

#[tokio::test]
async fn an_interim_answer_is_not_the_answer() {
    let mut bytes =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec();
    bytes.extend(answer(200, "application/json", "{\"operations\":[]}"));
    assert!(list(bytes).await.unwrap().operations().is_empty());
}

#[tokio::test]
async fn an_answer_of_http_1_0_is_read() {
    let bytes =
        b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"operations\":[]}".to_vec();
    assert!(list(bytes).await.unwrap().operations().is_empty());
}

#[tokio::test]
async fn json_is_read_in_any_order_with_anything_in_it() {
    let page = list_json(
        "\u{20}{\"x\": {\"a\": [1, null, {}]}, \"remainingOperations\": 0, \"operations\": [{\"status\": \"NEW\", \"operationId\": \"op-1\", \"endTime\": null}]} \n",
    )
    .await
    .unwrap();
    assert_eq!(page.operations().len(), 1);
    assert_eq!(page.unknown_fields()["x"]["a"][0], 1);
    // A content type of another kind takes nothing from it.
    let bytes = answer(200, "text/html", "{\"operations\":[]}");
    assert!(list(bytes).await.is_ok());
}

#[tokio::test]
async fn one_odd_field_takes_nothing_from_the_others() {
    let page = list_json(
        r#"{"operations": [
            {"operationId": "op-1", "operation": "SUSPEND", "startTime": 5, "status": null},
            {"operationId": {"id": 2}, "operation": "RESUME", "new": 1},
            7
        ], "remainingOperations": "3", "x": 1}"#,
    )
    .await
    .unwrap();
    let [first, second, third] = page.operations() else {
        unreachable!("three operations");
    };
    assert_eq!(first.id().unwrap().as_str(), "op-1");
    assert_eq!(first.operation(), Some(OperationType::Suspend));
    assert_eq!(first.start_time_text(), None);
    assert_eq!(first.to_json()["startTime"], 5);
    assert_eq!(first.unknown_fields()["startTime"], 5);
    assert_eq!(second.id(), None);
    assert_eq!(second.operation(), Some(OperationType::Resume));
    assert_eq!(second.unknown_fields()["new"], 1);
    assert_eq!(third.to_json()[""], 7, "nothing is lost");
    assert_eq!(page.remaining_operations(), Some(3));
    assert_eq!(page.unknown_fields()["x"], 1);

    for (body, remaining) in [
        (r#"{"operations": null, "remainingOperations": 0}"#, Some(0)),
        (r#"{"operations": [], "remainingOperations": null}"#, None),
        (r#"{"operations": [], "operations": []}"#, None),
    ] {
        let page = list_json(body).await.unwrap();
        assert!(page.operations().is_empty(), "{body}");
        assert_eq!(page.remaining_operations(), remaining, "{body}");
    }

    let body = answer(
        200,
        "application/json",
        r#"{"operationId": 5, "operation": "RENEW"}"#,
    );
    let server = FaultServer::start(move |_, _| Act::Say(body.clone())).await;
    let operation = card_at(&server.url()).operation(&"op-1".parse().unwrap());
    let operation = operation.await.unwrap();
    assert_eq!(operation.operation(), Some(OperationType::Renew));
    assert_eq!(operation.to_json()["operationId"], 5);
}

#[tokio::test]
async fn json_that_is_broken_is_an_error() {
    let deep = "[".repeat(100_000);
    let nested = format!("{{\"operations\":{}}}", "{\"a\":".repeat(5_000));
    for body in [
        deep.as_str(),
        nested.as_str(),
        "{\"operations\":[],\"remainingOperations\":1e400}",
        "{\"operations\":\u{0}[]}",
        "{\"operations\":5}",
        "[]",
        "null",
        "\u{feff}{}",
    ] {
        let error = list_json(body).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidResponse,
            "{}",
            &body[..20.min(body.len())]
        );
    }
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n".to_vec();
    bytes.extend([0xff, 0xfe, 0x00, 0x80]);
    assert_eq!(
        list(bytes).await.unwrap_err().kind(),
        ErrorKind::InvalidResponse
    );
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_by_the_limit_and_not_by_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // 256 MiB: more than the limit, and than the buffers of a connection.
    let sending = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = format!("{:x}\r\n{}\r\n", 65_536, " ".repeat(65_536));
        stream.write_all(head.as_bytes()).await?;
        for _ in 0..4096 {
            stream.write_all(chunk.as_bytes()).await?;
        }
        stream.write_all(b"0\r\n\r\n").await
    });
    let error = card_at(&url).operations().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResponseTooLarge);
    let sent = sending.await.unwrap();
    assert!(sent.is_err(), "the client read all of it");
}

#[tokio::test]
async fn headers_without_end_or_without_sense_are_an_error() {
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(1 << 20));
    for head in [
        many,
        long,
        "no colon\r\n".to_owned(),
        "x\u{0}: y\r\n".to_owned(),
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{head}content-length: 2\r\n\r\n{{}}").into_bytes();
        let error = list(bytes).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Transport, Outcome::Unknown)
        );
    }
}

#[tokio::test]
async fn an_error_body_in_any_shape_keeps_status_and_kind() {
    for body in [
        "",
        "{",
        "[]",
        "5",
        "null",
        "<html>",
        "{\"error\":{\"nested\":1}}",
        "{\"error\":\"a\",\"error\":\"b\"}",
        "{\"errorCode\":\"\"}",
        "{\"errorCode\":\"a code\nwith a line\"}",
    ] {
        let error = list(answer(404, "application/json", body))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::NotFound, Some(404)),
            "{body}"
        );
        assert!(!error.to_string().contains('\n'), "one line: {error}");
        assert_eq!(error.code(), None, "{body}");
    }
}
