//! What is printed of logs on standard error: with `--verbose` each step of a call, a line each, marked as curl marks
//! them (`*` what happens, `>` what is sent, `<` what is received), and what a sandbox says of its clients. The log of
//! the HTTP stack, which may hold secrets, is not printed.

use std::fmt;
use std::io;

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Prints the logs from now on.
pub(crate) fn listen() {
    let calls = Targets::new()
        .with_target("d1_facade", LevelFilter::DEBUG)
        .with_target("d1_transport", LevelFilter::DEBUG);
    let steps = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .event_format(Marked)
        .with_filter(calls);
    let sandbox = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_filter(Targets::new().with_target("d1_sandbox", LevelFilter::INFO));
    let both = tracing_subscriber::registry().with(steps).with(sandbox);
    both.init();
}

/// The form of a line.
struct Marked;

impl<S, N> FormatEvent<S, N> for Marked
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mark = match event.metadata().name() {
            "d1.request" => '>',
            "d1.response" => '<',
            _ => '*',
        };
        write!(writer, "{mark} ")?;
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
