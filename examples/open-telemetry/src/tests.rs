//! What arrives at the exporters: a span for each call, under the use case, and metrics of each request, without card
//! data.
#![allow(clippy::unwrap_used)]

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use d1_facade::test_util::Reply;
use d1_sandbox::Fault;
use opentelemetry::Value;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};

/// Lets every span and event be of interest, from before the first of them. Otherwise one that another test reaches
/// first, without a subscriber, can stay off in this process: tracing asks each of them once.
fn listen() {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    });
}

async fn exported() -> Vec<SpanData> {
    listen();
    let exporter = InMemorySpanExporter::default();
    let (subscriber, provider) = spans_to(exporter.clone());
    let sandbox = Sandbox::start().await.unwrap();
    let guard = tracing::subscriber::set_default(subscriber);
    let meters = SdkMeterProvider::default();
    run(&sandbox, meters.meter("card-desk")).await.unwrap();
    drop(guard);
    provider.force_flush().unwrap();
    exporter.get_finished_spans().unwrap()
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    value(span, name).map(|v| v.to_string())
}

fn value<'a>(span: &'a SpanData, name: &str) -> Option<&'a Value> {
    let found = span.attributes.iter().find(|a| a.key.as_str() == name);
    found.map(|a| &a.value)
}

fn call<'a>(spans: &'a [SpanData], operation: &str) -> Vec<&'a SpanData> {
    let is_it = |s: &&SpanData| attribute(s, "d1.operation").as_deref() == Some(operation);
    spans.iter().filter(is_it).collect()
}

#[tokio::test]
async fn each_call_is_a_client_span_under_the_use_case() {
    let spans = exported().await;
    let use_case = spans.iter().find(|s| s.name == "replace a lost card");
    let use_case = use_case.unwrap().span_context.span_id();

    let [suspended, refused] = call(&spans, "suspendCard")[..] else {
        unreachable!("{spans:?}");
    };
    assert_eq!(suspended.parent_span_id, use_case);
    assert_eq!(suspended.span_kind, SpanKind::Client);
    assert_eq!(
        suspended.name,
        "POST /banking/v1/issuers/{issuerId}/cards/{cardId}/operations:suspend"
    );
    assert_eq!(suspended.status, Status::Unset);
    // OpenTelemetry wants numbers to be numbers.
    let status = value(suspended, "http.response.status_code");
    assert_eq!(status, Some(&Value::I64(200)));
    let port = value(suspended, "server.port");
    assert!(matches!(port, Some(Value::I64(_))), "{port:?}");
    assert!(attribute(suspended, "d1.correlation_id").is_some());

    assert!(matches!(refused.status, Status::Error { .. }));
    let status = value(refused, "http.response.status_code");
    assert_eq!(status, Some(&Value::I64(404)));
    assert_eq!(attribute(refused, "error.type").as_deref(), Some("404"));

    // One token serves all calls, and its exchange is within the first of them.
    let [exchange] = call(&spans, "getToken")[..] else {
        unreachable!("{spans:?}");
    };
    assert_eq!(exchange.parent_span_id, suspended.span_context.span_id());
}

#[tokio::test]
async fn no_span_has_a_card_number_a_card_id_or_a_token() {
    let spans = exported().await;
    assert!(call(&spans, "renewCard").len() == 1);
    let shown = format!("{spans:?}");
    for secret in ["5555555555554444", "ReplaceMe", "Bearer", "eyJ"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// The lines of what a provider exports when it is flushed.
struct Recorded {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

impl Recorded {
    fn new() -> Self {
        listen();
        let exporter = InMemoryMetricExporter::default();
        Self {
            provider: metrics::metrics_to(exporter.clone()),
            exporter,
        }
    }

    fn meter(&self) -> Meter {
        self.provider.meter("card-desk")
    }

    /// Returns the lines whose name is `name`, from after the host on.
    fn lines(&self, name: &str) -> Vec<String> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let exported = self.exporter.get_finished_metrics().unwrap();
        let mut lines: Vec<_> = exported.iter().flat_map(metrics::lines).collect();
        lines.retain(|line| line.starts_with(name));
        lines.sort();
        lines
    }
}

/// A client without sockets, whose n-th request gets the n-th reply.
fn scripted(recorded: &Recorded, replies: Vec<Reply>) -> Client {
    let sent = AtomicUsize::new(0);
    let builder = Client::builder(Environment::Staging, "ISSUER_A-1".parse().unwrap());
    let reply = move |_| replies[sent.fetch_add(1, Ordering::Relaxed)].clone();
    let builder = builder.in_memory(reply).meter(recorded.meter());
    builder.build().unwrap()
}

const SUSPEND: &str = "d1.operation=suspendCard http.request.method=POST";
const STAGING: &str = "server.address=api.d1-stg.thalescloud.io server.port=443";

#[tokio::test(start_paused = true)]
async fn each_attempt_is_a_request_and_one_that_repeats_another_is_a_retry() {
    let recorded = Recorded::new();
    let busy = Reply::status(429).header("retry-after", "1");
    let replies = vec![Reply::not_sent(), busy, Reply::status(204), Reply::lost()];
    let card = scripted(&recorded, replies).card("ReplaceMe01".parse().unwrap());
    assert_eq!(card.suspend().await.unwrap().attempts(), 3);
    card.suspend().await.unwrap_err();
    let suspend = |more: &str| format!("{{{SUSPEND}{more} {STAGING}}}");
    let failed = |kind: &str| {
        format!("{{d1.operation=suspendCard error.type={kind} http.request.method=POST {STAGING}}}")
    };
    let mut expected = [
        format!("{} count 1", suspend(" http.response.status_code=204")),
        format!("{} count 1", failed("no connection")),
        format!("{} count 1", failed("the connection broke")),
        format!(
            "{{d1.operation=suspendCard error.type=429 http.request.method=POST \
             http.response.status_code=429 {STAGING}}} count 1"
        ),
    ]
    .map(|line| format!("http.client.request.duration {line}"));
    expected.sort();
    assert_eq!(recorded.lines("http.client.request.duration"), expected);
    let none = format!("http.client.active_requests {} 0", suspend(""));
    assert_eq!(recorded.lines("http.client.active_requests"), [none]);
    let retries = format!("d1.client.retries {} 2", suspend(""));
    assert_eq!(recorded.lines("d1.client.retries"), [retries]);
}

#[tokio::test]
async fn the_token_exchange_is_a_request_and_the_age_of_the_token_goes_with_its_client() {
    let recorded = Recorded::new();
    let sandbox = Sandbox::start().await.unwrap();
    let d1 = client(&sandbox, recorded.meter()).unwrap();
    assert_eq!(recorded.lines("d1.client.token.age").len(), 0);
    let card = d1.card("ReplaceMe01".parse().unwrap());
    card.suspend().await.unwrap();
    sandbox.revoke_tokens();
    card.operations().await.unwrap();
    let durations = recorded.lines("http.client.request.duration");
    let count = |parts: &[&str]| {
        let is_it = |line: &&String| parts.iter().all(|part| line.contains(part));
        let found: Vec<_> = durations.iter().filter(is_it).collect();
        let [line] = found.as_slice() else {
            unreachable!("{parts:?} in {durations:?}");
        };
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(count(&["getToken", "status_code=200"]), "2");
    assert_eq!(count(&["suspendCard", "status_code=200"]), "1");
    assert_eq!(
        count(&["listOperations", "error.type=401", "status_code=401"]),
        "1"
    );
    assert_eq!(count(&["listOperations", "status_code=200"]), "1");
    assert_eq!(recorded.lines("d1.client.retries").len(), 1);
    let ages = recorded.lines("d1.client.token.age");
    assert!(
        ages.len() == 1 && ages[0].contains("server.address=localhost"),
        "{ages:?}"
    );
    let shown = format!("{:?}", recorded.lines(""));
    for secret in ["ReplaceMe", sandbox.issuer_id(), "Bearer", "eyJ", "https:"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    drop((card, d1));
    assert_eq!(
        recorded.lines("d1.client.token.age").len(),
        0,
        "no client, no token"
    );
}

#[tokio::test]
async fn a_request_that_is_given_up_is_under_way_no_more() {
    let recorded = Recorded::new();
    let sandbox = Sandbox::start().await.unwrap();
    let card = client(&sandbox, recorded.meter())
        .unwrap()
        .card("ReplaceMe01".parse().unwrap());
    card.operations().await.unwrap();
    sandbox.fail_next(Fault::stall());
    let hanging = tokio::spawn(card.operations().into_future());
    let active = || recorded.lines("http.client.active_requests {d1.operation=listOperations");
    while !active()[0].ends_with(" 1") {
        tokio::task::yield_now().await;
    }
    hanging.abort();
    hanging.await.unwrap_err();
    assert!(active()[0].ends_with(" 0"), "{:?}", active());
    let cancelled =
        "http.client.request.duration {d1.operation=listOperations error.type=cancelled";
    assert_eq!(recorded.lines(cancelled).len(), 1);
}
