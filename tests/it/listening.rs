//! What the facade logs, for the tests that read it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, Once};

use d1_facade::Outcome;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

/// Gives what this thread logs to `layer`, until the guard is dropped.
pub(crate) fn listen<L>(layer: L) -> DefaultGuard
where
    L: Layer<Registry> + Send + Sync,
{
    keep_dropped_changes();
    tracing::subscriber::set_default(Registry::default().with(layer))
}

/// Keeps the outcomes of dropped changes, on all threads, from the first call on.
///
/// [`listen`] needs this subscriber of the whole process as well: as long as there was only one subscriber,
/// `tracing` asks the thread that reaches a log line first whether it is wanted (`Rebuilder::JustOne` of
/// tracing-core 0.1.36), and remembers a "never" of a thread without a subscriber for all threads.
pub(crate) fn keep_dropped_changes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = Registry::default()
            .with(DroppedChanges)
            .with(LevelFilter::WARN);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The outcome that the warning about a dropped change states.
pub(crate) fn outcome_of_dropped(correlation_id: &str) -> Outcome {
    DROPPED.lock().unwrap()[correlation_id]
}

/// By correlation id.
static DROPPED: LazyLock<Mutex<HashMap<String, Outcome>>> = LazyLock::new(Mutex::default);

struct DroppedChanges;

#[derive(Default)]
struct Fields {
    id: String,
    outcome: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "d1.correlation_id" => self.id = format!("{value:?}").trim_matches('"').to_owned(),
            "outcome" => self.outcome = format!("{value:?}"),
            _ => {}
        }
    }
}

impl Layer<Registry> for DroppedChanges {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, Registry>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let all = [Outcome::NotSent, Outcome::Refused, Outcome::Unknown];
        let outcome = all.into_iter().find(|o| o.to_string() == fields.outcome);
        if let Some(outcome) = outcome {
            DROPPED.lock().unwrap().insert(fields.id, outcome);
        }
    }
}
