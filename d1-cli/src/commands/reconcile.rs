//! `d1 reconcile`: finds out whether D1 carried out a change that was made before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use d1_facade::{CardId, Client, PendingChange, Reason, ReasonCode};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::change::{CardChange, Kind, renewal};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::{BoundedInt, Known};
use crate::reason_codes;
use crate::session::Session;
use crate::text::{call_name, masked, without_mark};
use crate::verify::{self, Patience};

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// The card; of a renewal, its id before
    #[arg(required_unless_present = "from")]
    card_id: Option<CardId>,
    /// What was to be done to the card
    #[arg(long, value_name = "OP", value_enum, required_unless_present = "from")]
    operation: Option<Kind>,
    /// A time before which nothing of the change was sent: 2026-01-31T21:40:00Z, or 15m for 15 minutes ago (s, m, h, d)
    #[arg(
        long,
        value_name = "TIME",
        value_parser = time,
        required_unless_present = "from"
    )]
    since: Option<SystemTime>,
    /// A time at which the call had ended; now by default
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<SystemTime>,
    /// The reason code that was sent; ISSUER_DECISION by default
    #[arg(long, value_name = "CODE", value_parser = Known::new(reason_codes::parse, ReasonCode::KNOWN.iter().map(ReasonCode::as_str)))]
    reason_code: Option<ReasonCode>,
    /// The reason that was sent
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
    /// The id that a renewal was to give the card
    #[arg(long, value_name = "ID")]
    new_card_id: Option<CardId>,
    /// Reads the change from a file, or from standard input (-): a line of a journal of d1 bulk that has "begun", or
    /// a PendingChange that a service has stored
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["card_id", "operation", "since", "reason_code", "reason", "new_card_id"]
    )]
    from: Option<PathBuf>,
    /// How many seconds D1 is given to carry out a change before its absence from the list counts
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    wait: BoundedInt<1, 3600>,
}

impl Reconcile {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let client = session.client()?;
        let change = match &self.from {
            Some(path) => stored(path)?,
            None => self.described(&client)?,
        };
        // The process that made the call may have ended: only now is it certain that the call has.
        let change = change.ended_by(self.until.unwrap_or_else(SystemTime::now));
        let patience = Patience::settling(self.wait);
        let verification = verify::verify(&client, Some(&change), &[], patience).await;
        session.output.outcome(&json!({
            "command": "reconcile",
            "cardId": change.card().as_str(),
            "operation": call_name(change.operation()),
            "verification": verification.to_json(),
        }));
        let (card, operation) = (change.card(), change.operation());
        verification.print(&session.output, &verify::by_hand(card, operation));
        Ok(verification.exit())
    }

    /// Returns the change that the options describe.
    fn described(&self, client: &Client) -> Result<PendingChange, Failure> {
        let (Some(card), Some(kind), Some(since)) = (&self.card_id, self.operation, self.since)
        else {
            return Err(Failure::input("--since", "is missing"));
        };
        if self.until.is_some_and(|until| until < since) {
            return Err(Failure::input("--until", "must not be before --since"));
        }
        let change = CardChange {
            kind,
            card: card.clone(),
            reason_code: self.reason_code.clone().unwrap_or_default(),
            reason: self.reason.clone(),
            new_card: self.new_card_id.clone(),
            renewal: renewal(self.new_card_id.as_ref()),
        };
        let pending = change.request(client, None).pending();
        Ok(pending.recorded_at(since))
    }
}

/// A change as it was stored.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Line { change: PendingChange },
    Change(PendingChange),
}

/// Reads a change that was stored.
fn stored(path: &Path) -> Result<PendingChange, Failure> {
    let place = format!("--from {}", masked(&path.display().to_string()));
    let text = match path.to_str() {
        Some("-") => io::read_to_string(io::stdin()),
        _ => fs::read_to_string(path),
    };
    let text = text.map_err(|error| Failure::unreadable(&place, &error))?;
    match serde_json::from_slice(without_mark(text.as_bytes())) {
        Ok(Stored::Line { change } | Stored::Change(change)) => Ok(change),
        Err(_) => {
            let rule = r#"must be one line of a journal of d1 bulk that has "begun", or the JSON of one PendingChange"#;
            Err(Failure::input(place, rule))
        }
    }
}

/// Reads a time in the past: as D1 writes it, or how long ago it was.
fn time(text: &str) -> Result<SystemTime, &'static str> {
    let now = SystemTime::now();
    let time = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(time) => Some(SystemTime::from(time)),
        Err(_) => ago(text).and_then(|ago| now.checked_sub(ago)),
    };
    time.filter(|time| *time <= now).ok_or(
        "must be a time in the past: as 2026-01-31T21:40:00Z, or as 15m for 15 minutes ago (s, m, h, d)",
    )
}

/// Reads how long ago something was, as 15m.
fn ago(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
    Some(Duration::from_secs(seconds * u64::from(number)))
}
