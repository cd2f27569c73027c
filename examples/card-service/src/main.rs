//! A service that changes cards, with a file as its journal: one instance, no database.
#![allow(clippy::print_stdout, clippy::print_stderr)] // A service has a logger in their place.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs::{File, OpenOptions, read_to_string};
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::{Json, Router, http::StatusCode, routing::put};
use d1_facade::{
    CardId, Change, Client, CorrelationId, Error, ErrorKind, Inconclusive, Outcome, PendingChange,
    Reason, Reconciliation, Renewal,
};
use serde::{Deserialize, Serialize};

// ANCHOR: order
/// The body of a request, such as `{"suspend": "ReplaceMe01"}`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Order {
    Suspend(CardId),
    Resume(CardId),
    Delete(CardId),
    Renew(CardId, CardId),
}

impl Order {
    fn change(&self, d1: &Client) -> Change {
        match self.clone() {
            Self::Suspend(card) => d1.card(card).suspend(),
            Self::Resume(card) => d1.card(card).resume(),
            Self::Delete(card) => d1.card(card).delete(),
            Self::Renew(card, new_card) => d1.card(card).renew(Renewal::to(new_card)),
        }
    }
}

// ANCHOR_END: order

// ANCHOR: journal
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Progress {
    Sending,
    /// The call ended without an answer, or the process did: it is reconciled.
    Unknown,
    Done,
    /// It may be ordered again under the same id.
    NotDone,
    /// D1's list cannot tell. Its card takes no other change until a person has decided.
    Undecided,
}

/// A line of the journal. It holds no card data.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    id: CorrelationId,
    order: Order,
    progress: Progress,
    pending: PendingChange,
}

struct Journal {
    file: File,
    entries: BTreeMap<String, Entry>,
}

impl Journal {
    fn open(path: &str) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut entries = BTreeMap::new();
        for line in read_to_string(path)?
            .lines()
            .filter(|line| !line.is_empty())
        {
            // A line that is cut short was being written when the process ended: its change was not sent yet.
            let Ok(mut entry) = serde_json::from_str::<Entry>(line) else {
                continue;
            };
            if entry.progress == Progress::Sending {
                entry.progress = Progress::Unknown;
            }
            entries.insert(entry.id.to_string(), entry);
        }
        Ok(Self { file, entries })
    }

    /// Writes an entry, and returns when it is on the disk.
    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let line = format!("\n{}", serde_json::to_string(entry)?);
        tokio::task::block_in_place(|| {
            self.file.write_all(line.as_bytes())?;
            self.file.sync_data()
        })?;
        self.entries.insert(entry.id.to_string(), entry.clone());
        Ok(())
    }

    /// Writes a change down before it is sent. The error is the status of an order that is not sent.
    fn begin(&mut self, entry: &Entry) -> Result<(), StatusCode> {
        let blocks = |other: &Entry| {
            let ended = matches!(other.progress, Progress::Done | Progress::NotDone);
            !ended && other.pending.card() == entry.pending.card()
        };
        match self.entries.get(entry.id.as_str()) {
            Some(known) if known.order != entry.order => Err(StatusCode::UNPROCESSABLE_ENTITY),
            Some(known) if known.progress == Progress::Done => Err(StatusCode::OK),
            Some(known) if known.progress != Progress::NotDone => Err(StatusCode::ACCEPTED),
            _ if self.entries.values().any(blocks) => Err(StatusCode::CONFLICT),
            _ => self
                .write(entry)
                .map_err(|_| StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

// ANCHOR_END: journal

// ANCHOR: service
#[derive(Clone)]
struct Service {
    d1: Client,
    journal: Arc<Mutex<Journal>>,
}

impl Service {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn make(self, id: CorrelationId, order: Order) -> StatusCode {
        // A reason of its own, by which the change is found in D1's list.
        let change = order
            .change(&self.d1)
            .reason(Reason::random())
            .correlation_id(id.clone());
        let pending = change.pending();
        let mut entry = Entry {
            id,
            order,
            progress: Progress::Sending,
            pending,
        };
        if let Err(status) = self.journal().begin(&entry) {
            return status;
        }
        let (progress, status) = match change.await {
            Ok(_) => (Progress::Done, StatusCode::OK),
            Err(error) => {
                eprintln!("{error}; {}", error.advice());
                entry.pending = error.pending_change().cloned().unwrap_or(entry.pending);
                match error.outcome() {
                    Outcome::NotSent | Outcome::Refused => (Progress::NotDone, status(&error)),
                    _ => (Progress::Unknown, StatusCode::ACCEPTED),
                }
            }
        };
        self.record(&Entry { progress, ..entry });
        status
    }

    /// Asks D1 for the changes whose outcome is unknown.
    async fn reconcile(&self) {
        let mut entries: Vec<Entry> = self.journal().entries.values().cloned().collect();
        entries.retain(|entry| entry.progress == Progress::Unknown);
        for entry in entries {
            use Inconclusive::{StillPending, TooEarly};
            let progress = match self.d1.reconcile(&entry.pending).unique_reason().await {
                Ok(Reconciliation::Done(_)) => Progress::Done,
                Ok(Reconciliation::NotDone(_)) => Progress::NotDone,
                Ok(Reconciliation::Inconclusive(TooEarly | StillPending)) | Err(_) => continue,
                Ok(_) => Progress::Undecided,
            };
            self.record(&Entry { progress, ..entry });
        }
    }

    /// Writes an outcome down. If that fails, the next process reconciles the change.
    fn record(&self, entry: &Entry) {
        if let Err(error) = self.journal().write(entry) {
            eprintln!("an outcome cannot be written down: {error}");
        }
    }
}

/// Returns the status for a change that was not made.
fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::UnknownCard => StatusCode::NOT_FOUND,
        // D1 answers so to a change, without a code; a gateway's 404 has no documented causes.
        ErrorKind::NotFound if !error.causes().is_empty() => StatusCode::NOT_FOUND,
        ErrorKind::InvalidInput | ErrorKind::InvalidRequest => StatusCode::UNPROCESSABLE_ENTITY,
        _ if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    }
}

// ANCHOR_END: service

// ANCHOR: http
/// `PUT /changes/{id}`: two requests with the same id make one change.
async fn make(
    State(service): State<Service>,
    Path(id): Path<CorrelationId>,
    Json(order): Json<Order>,
) -> StatusCode {
    // A caller that disconnects drops this future, but not the task.
    let made = tokio::spawn(service.make(id, order)).await;
    made.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// `GET /changes/{id}`
async fn find(
    State(service): State<Service>,
    Path(id): Path<CorrelationId>,
) -> Result<Json<Progress>, StatusCode> {
    let journal = service.journal();
    let entry = journal.entries.get(id.as_str());
    entry
        .map(|entry| Json(entry.progress))
        .ok_or(StatusCode::NOT_FOUND)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let journal = Journal::open(&setting("JOURNAL", "journal.jsonl"))?;
    let journal = Arc::new(Mutex::new(journal));
    let service = Service {
        d1: Client::from_env()?,
        journal,
    };
    let reconciler = service.clone();
    tokio::spawn(async move {
        loop {
            reconciler.reconcile().await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    let router = Router::new()
        .route("/changes/{id}", put(make).get(find))
        .with_state(service);
    let listener = tokio::net::TcpListener::bind(setting("LISTEN", "127.0.0.1:8080")).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
// ANCHOR_END: http
