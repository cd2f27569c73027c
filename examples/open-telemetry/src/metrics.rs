//! The metrics of the client: where they go, and one line for each number.

use std::fmt::Debug;
use std::io::Write as _;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};

/// What a meter gets goes to `exporter` every minute, and at shutdown: an OTLP exporter in a service.
pub(crate) fn metrics_to(exporter: impl PushMetricExporter) -> SdkMeterProvider {
    let service = Resource::builder().with_service_name("card-desk").build();
    SdkMeterProvider::builder()
        .with_resource(service)
        .with_reader(PeriodicReader::builder(exporter).build())
        .build()
}

/// Returns a line for each series: the name, the attributes in order, and the value, or how many there are.
pub(crate) fn lines(metrics: &ResourceMetrics) -> Vec<String> {
    let scopes = metrics.scope_metrics();
    let all = scopes.flat_map(|scope| scope.metrics());
    let series = all.flat_map(|metric| match metric.data() {
        AggregatedMetrics::F64(data) => series(metric.name(), data),
        AggregatedMetrics::U64(data) => series(metric.name(), data),
        AggregatedMetrics::I64(data) => series(metric.name(), data),
    });
    series.collect()
}

fn series<T: Debug + Copy>(name: &str, data: &MetricData<T>) -> Vec<String> {
    let line = |attributes: &mut dyn Iterator<Item = &KeyValue>, value: String| {
        let mut shown: Vec<_> = attributes
            .map(|a| format!("{}={}", a.key, a.value))
            .collect();
        shown.sort();
        format!("{name} {{{}}} {value}", shown.join(" "))
    };
    match data {
        MetricData::Gauge(gauge) => gauge
            .data_points()
            .map(|point| line(&mut point.attributes(), format!("{:?}", point.value())))
            .collect(),
        MetricData::Sum(sum) => sum
            .data_points()
            .map(|point| line(&mut point.attributes(), format!("{:?}", point.value())))
            .collect(),
        MetricData::Histogram(histogram) => histogram
            .data_points()
            .map(|point| line(&mut point.attributes(), format!("count {}", point.count())))
            .collect(),
        // Only where the service's provider asks for it.
        MetricData::ExponentialHistogram(_) => Vec::new(),
    }
}

impl PushMetricExporter for crate::Printer {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut out = std::io::stdout().lock();
        for line in lines(metrics) {
            let _ = writeln!(out, "{line}");
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
