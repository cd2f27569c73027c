//! The stream of operations: every one once, to the end, and never for ever.

use d1_facade::{ErrorKind, Operation};
use d1_tests::card_at;
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A history of `total` operations, of which `arrivals` come in while it is read: one before each
/// page.
struct History {
    total: usize,
    arrivals: usize,
    counted: bool,
    with_ids: bool,
    honours_offset: bool,
    pages: std::sync::atomic::AtomicUsize,
}

fn history(total: usize) -> History {
    History {
        total,
        arrivals: 0,
        counted: true,
        with_ids: true,
        honours_offset: true,
        pages: 0.into(),
    }
}

impl Respond for History {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let page = self.pages.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let total = self.total + self.arrivals.min(page);
        let number = |name: &str, default| {
            let value = request.url.query_pairs().find(|(k, _)| k == name);
            value.map_or(default, |(_, v)| v.parse().unwrap())
        };
        let offset = if self.honours_offset {
            number("offset", 0)
        } else {
            0
        };
        let limit = number("limit", 10);
        let operations: Vec<Value> = (0..total)
            .rev()
            .skip(offset)
            .take(limit)
            .map(|n| match self.with_ids {
                true => json!({"operationId": format!("op-{n}"), "operation": "SUSPEND"}),
                false => json!({"operation": "SUSPEND", "startTime": format!("2022-01-01T00:00:{n:02}Z")}),
            })
            .collect();
        let mut page = json!({});
        if self.counted {
            page["remainingOperations"] = json!(total.saturating_sub(offset + operations.len()));
        }
        page["operations"] = json!(operations);
        ResponseTemplate::new(200).set_body_json(page)
    }
}

async fn serve(history: History) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(history)
        .mount(&server)
        .await;
    server
}

async fn read(server: &MockServer, limit: u64) -> Result<Vec<Operation>, d1_facade::Error> {
    let card = card_at(server);
    card.operations().limit(limit).stream().try_collect().await
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn every_operation_comes_once_with_a_count_and_without() {
    for total in [0, 1, 9, 10, 11, 25] {
        for counted in [true, false] {
            for with_ids in [true, false] {
                let shape = History {
                    counted,
                    with_ids,
                    ..history(total)
                };
                let server = serve(shape).await;
                let all = read(&server, 10).await.unwrap();
                assert_eq!(all.len(), total, "counted {counted}, ids {with_ids}");
                let extra = usize::from(!counted && total > 0);
                assert_eq!(requests(&server).await, total.div_ceil(10).max(1) + extra);
            }
        }
    }
}

#[tokio::test]
async fn operations_that_slip_into_the_next_page_are_not_given_twice() {
    let server = serve(History {
        arrivals: 2,
        ..history(10)
    })
    .await;
    let all = read(&server, 3).await.unwrap();
    let mut ids: Vec<String> = all.iter().map(|o| o.id().unwrap().to_string()).collect();
    assert_eq!(ids.len(), 10);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}

#[tokio::test]
async fn a_server_that_ignores_the_offset_does_not_make_the_stream_endless() {
    for with_ids in [true, false] {
        let shape = History {
            honours_offset: false,
            with_ids,
            ..history(20)
        };
        let server = serve(shape).await;
        let error = read(&server, 5).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert_eq!(requests(&server).await, 3);
    }
}

#[tokio::test]
async fn a_stream_starts_at_the_offset_and_ends_with_an_error() {
    let server = serve(history(12)).await;
    let card = card_at(&server);
    let tail: Vec<Operation> = card
        .operations()
        .offset(10)
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(tail.len(), 2);

    let server = d1_tests::answering(ResponseTemplate::new(500)).await;
    let error = read(&server, 5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerError);
    assert_eq!(requests(&server).await, 1);
}

#[tokio::test]
async fn what_d1_may_add_breaks_nothing_and_can_be_read() {
    let page = json!({
        "newField": [1],
        "operations": [
            {"operationId": "op~1", "operation": "TELEPORT", "status": "MAYBE",
             "requestorType": "ROBOT", "startTime": "yesterday", "newField": {"a": 1},
             "endTime": "2022-06-16T06:28:02+02:00", "reasonCode": "NEW_CODE"},
            {},
        ],
    });
    let server = d1_tests::answering(ResponseTemplate::new(200).set_body_json(page)).await;
    let page = card_at(&server).operations().await.unwrap();
    assert_eq!(page.unknown_fields()["newField"], json!([1]));
    assert_eq!(page.remaining_operations(), None);
    let [strange, empty] = page.operations() else {
        unreachable!("two operations");
    };
    assert_eq!(strange.operation().unwrap().as_str(), "TELEPORT");
    assert_eq!(strange.status().unwrap().as_str(), "MAYBE");
    assert_eq!(strange.requestor_type().unwrap().as_str(), "ROBOT");
    assert_eq!(strange.reason_code().unwrap().as_str(), "NEW_CODE");
    assert_eq!(
        strange.id().unwrap().as_str(),
        "op~1",
        "an id against the rules is kept"
    );
    assert_eq!(
        (strange.start_time(), strange.start_time_text()),
        (None, Some("yesterday"))
    );
    assert_eq!(strange.end_time().unwrap().offset().whole_hours(), 2);
    assert_eq!(strange.unknown_fields()["newField"], json!({"a": 1}));
    assert_eq!(strange.to_json()["operation"], "TELEPORT");
    assert!(empty.id().is_none() && empty.to_json().is_empty());

    // Used in a path, the id against the rules is refused before anything is sent.
    let error = card_at(&server)
        .operation(&strange.id().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.invalid_input().unwrap().field(), "operationId");
    assert_eq!(requests(&server).await, 1);
}

#[tokio::test]
async fn the_pages_of_a_stream_are_one_use_case() {
    let server = serve(history(12)).await;
    read(&server, 5).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    let first = &requests[0].headers["x-correlation-id"];
    assert!(
        requests
            .iter()
            .all(|r| r.headers["x-correlation-id"] == first)
    );
}
