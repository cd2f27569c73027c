//! What arrives at the exporter: a span for each call, under the use case, without card data.
#![allow(clippy::unwrap_used)]

use super::*;
use opentelemetry::Value;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};

async fn exported() -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let (subscriber, provider) = spans_to(exporter.clone());
    let sandbox = Sandbox::start().await.unwrap();
    let guard = tracing::subscriber::set_default(subscriber);
    run(&sandbox).await.unwrap();
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
