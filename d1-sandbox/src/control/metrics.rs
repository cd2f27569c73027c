//! Counts in the text format of Prometheus.

use crate::app::App;
use std::fmt::Write as _;

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

pub(super) fn text(app: &App) -> String {
    let name = "d1_sandbox_requests_total";
    let mut text = format!(
        "# HELP {name} Requests, by operation and status; 0 is no answer.\n# TYPE {name} counter\n"
    );
    for ((operation, status), count) in app.records.counts() {
        let labels = format!(r#"operation="{operation}",status="{status}""#);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}{{{labels}}} {count}");
    }
    let tokens = app.authority.exchanges();
    let cards = app.all_cards().map(|(_, cards)| cards.len()).sum();
    let faults = app.faults.len();
    for (name, kind, help, value) in [
        ("tokens_total", "counter", "Access tokens issued.", tokens),
        ("cards", "gauge", "Cards that there are.", cards),
        ("faults", "gauge", "Faults that wait for a call.", faults),
    ] {
        let name = format!("d1_sandbox_{name}");
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    }
    text
}
