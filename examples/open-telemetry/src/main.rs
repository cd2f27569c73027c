//! The calls of the client as OpenTelemetry spans, and the metrics of their requests, written to standard output.
//!
//! ```sh
//! cargo run --bin open-telemetry
//! ```

mod metrics;

use std::error::Error as StdError;
use std::io::Write as _;

use d1_facade::{
    CardCredentials, Client, EncryptionKey, Environment, Identity, ReasonCode, Renewal, SigningKey,
};
use d1_sandbox::Sandbox;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::Instrument as _;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry};

/// What is instrumented with `tracing` goes to `exporter`: an OTLP exporter in a service.
fn spans_to(
    exporter: impl SpanExporter + 'static,
) -> (impl tracing::Subscriber, SdkTracerProvider) {
    let service = Resource::builder().with_service_name("card-desk").build();
    let provider = SdkTracerProvider::builder()
        .with_resource(service)
        .with_simple_exporter(exporter) // In a service: `with_batch_exporter`.
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("card-desk"))
        // The spans of a call are INFO; what the HTTP stack says is DEBUG and TRACE.
        .with_filter(LevelFilter::INFO);
    (Registry::default().with(layer), provider)
}

/// A use case of the service: its span is the parent of the calls'.
async fn replace_a_lost_card(d1: &Client) -> Result<(), Box<dyn StdError>> {
    let card = d1.card("ReplaceMe01".parse()?);
    card.suspend().reason_code(ReasonCode::CardLost).await?;
    let credentials = CardCredentials::new("5555555555554444", "1230")?;
    let renewal = Renewal::to("ReplaceMe02".parse()?).credentials(credentials);
    card.renew(renewal).await?;
    Ok(())
}

async fn run(sandbox: &Sandbox, meter: Meter) -> Result<(), Box<dyn StdError>> {
    let d1 = client(sandbox, meter)?;
    let use_case = tracing::info_span!("replace a lost card");
    replace_a_lost_card(&d1).instrument(use_case).await?;
    // The old card is gone: a span with an error.
    let gone = d1.card("ReplaceMe01".parse()?).suspend().await;
    gone.err().ok_or("a card that is gone was suspended")?;
    Ok(())
}

/// Prints spans and metrics. It stands for the OTLP exporters of a service.
#[derive(Debug)]
struct Printer;

impl SpanExporter for Printer {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        let mut out = std::io::stdout().lock();
        for span in spans {
            // Where the reader has left, the calls go on.
            let _ = writeln!(out, "{} ({:?})", span.name, span.status);
            for attribute in span.attributes {
                let _ = writeln!(out, "    {}: {}", attribute.key, attribute.value);
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let (subscriber, provider) = spans_to(Printer);
    tracing::subscriber::set_global_default(subscriber)?;
    let meters = metrics::metrics_to(Printer);
    let sandbox = Sandbox::start().await?;
    run(&sandbox, meters.meter("card-desk")).await?;
    // What a batch has not sent yet is lost without it, and the last numbers are.
    provider.shutdown()?;
    meters.shutdown()?;
    Ok(())
}

fn client(sandbox: &Sandbox, meter: Meter) -> Result<Client, Box<dyn StdError>> {
    let signing_key = SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid())?;
    let client = Client::builder(
        Environment::Custom(sandbox.base_url().to_owned()),
        sandbox.issuer_id().parse()?,
    )
    .signer(signing_key)
    .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk())?)
    .client_identity(Identity::from_pem(
        sandbox.client_certificate_pem(),
        sandbox.client_key_pem(),
    )?)
    .root_certificate(sandbox.ca_pem())
    .without_system_roots()
    .meter(meter)
    .build()?;
    Ok(client)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
