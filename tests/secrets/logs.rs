//! What is logged in this process.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::Metadata;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::known::leaks;

/// What was said by some of those who log.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    pub(crate) fn text(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the crate h2 logs, and what all others do: h2 logs the words of a server in a GOAWAY, which is
/// out of the client's reach.
#[derive(Clone, Default)]
pub(crate) struct Logs {
    pub(crate) h2: Said,
    pub(crate) others: Said,
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Said;

    fn make_writer(&'a self) -> Said {
        self.others.clone()
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Said {
        let is_h2 = metadata.target().starts_with("h2::");
        if is_h2 { &self.h2 } else { &self.others }.clone()
    }
}

/// Listens to `tracing` and `log` at their most talkative, for the whole process.
pub(crate) fn listen() -> &'static Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    LOGS.get_or_init(|| {
        let logs = Logs::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(logs.clone())
            .init();
        logs
    })
}

/// Nothing that this thread does is listened to, until it is dropped: for tests that search no log, and would
/// make those of the others long.
pub(crate) fn unheard() -> DefaultGuard {
    tracing::subscriber::set_default(NoSubscriber::default())
}

/// Asserts that all of these have been heard: otherwise a search would prove nothing.
#[track_caller]
pub(crate) fn assert_heard(said: &[u8], talkers: &[&str]) {
    for talker in talkers {
        let heard = memchr::memmem::find(said, talker.as_bytes()).is_some();
        assert!(heard, "{talker} said nothing");
    }
}

#[test]
fn a_planted_leak_in_a_log_is_heard() {
    let logs = listen();
    let planted = [("planted", b"6011000990139424".to_vec())];
    tracing::trace!(target: "planted", "a leak: {}", "6011-0009-9013-9424");
    assert_eq!(leaks(&logs.others.text(), &planted), ["planted"]);
    let planted = [("planted", b"6011000990139425".to_vec())];
    tracing::trace!(target: "h2::planted", "a leak: {}", "6011000990139425");
    assert_eq!(leaks(&logs.h2.text(), &planted), ["planted"]);
    assert!(leaks(&logs.others.text(), &planted).is_empty());
}
