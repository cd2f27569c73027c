//! What a call tells a `tracing` subscriber, and what it does not.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use d1_facade::{CardCredentials, Method, Renewal};
use d1_tests::{CARD, EXPIRY, PAN, sandbox_client, strict_sandbox};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::Context;
use tracing_subscriber::{Layer, Registry};

use crate::listening::listen;

type Fields = BTreeMap<String, String>;

/// Keeps the fields of every span of the facade, in the order in which they were opened.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(u64, Fields)>>>);

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        self.0.insert(field.name().to_owned(), text);
    }
}

impl Layer<Registry> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, Registry>) {
        if attributes.metadata().name() == "d1.call" {
            let mut fields = Fields::new();
            attributes.record(&mut Collect(&mut fields));
            self.0.lock().unwrap().push((id.into_u64(), fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, Registry>) {
        let mut spans = self.0.lock().unwrap();
        if let Some((_, fields)) = spans.iter_mut().rev().find(|(i, _)| *i == id.into_u64()) {
            values.record(&mut Collect(fields));
        }
    }
}

#[tokio::test]
async fn a_span_has_opentelemetrys_names_and_no_url() {
    let spans = Spans::default();
    let guard = listen(spans.clone());
    let sandbox = strict_sandbox().await;
    let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
    let id = || "00000000-test".parse().unwrap();
    let credentials = CardCredentials::new(PAN, EXPIRY).unwrap();
    let renewal = Renewal::same_card().credentials(credentials);
    card.renew(renewal).correlation_id(id()).await.unwrap();
    sandbox.revoke_tokens();
    card.operation(&"op-x".parse().unwrap())
        .correlation_id(id())
        .await
        .unwrap_err();
    let path = format!("/banking/v1/issuers/{}/cards/{CARD}", card.issuer());
    let raw = sandbox_client(&sandbox).request(Method::Delete, path);
    raw.correlation_id(id()).await.unwrap_err();
    drop(guard);

    let mut seen: Vec<Fields> = spans
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|(_, f)| f.clone())
        .collect();
    for fields in &mut seen {
        let shown = format!("{fields:?}");
        for absent in [CARD, PAN, sandbox.issuer_id(), "https://"] {
            assert!(!shown.contains(absent), "{absent} in {shown}");
        }
        let port = fields
            .insert("server.port".into(), "[port]".into())
            .unwrap();
        assert!(sandbox.base_url().ends_with(&port));
        if fields["d1.operation"] == "getToken" {
            fields.insert("d1.correlation_id".into(), "[random]".into());
        }
    }
    insta::assert_json_snapshot!(seen);
}
