//! The file that keeps cards and operations from start to start.

use crate::clock::{Clock, ClockState};
use crate::domain::ledger::Ledger;
use crate::pan;
use crate::private_files;
use crate::settings::{Builder, StartError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use tokio::sync::Mutex;

/// The form of the file. Another form needs another number.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct State<L = Ledger> {
    version: u32,
    clock: ClockState,
    /// By the ids of the issuers.
    issuers: BTreeMap<String, L>,
}

impl State {
    pub(crate) fn into_parts(self) -> (ClockState, BTreeMap<String, Ledger>) {
        (self.clock, self.issuers)
    }
}

impl<'l> State<&'l Ledger> {
    pub(crate) fn new(clock: &Clock, issuers: BTreeMap<String, &'l Ledger>) -> Self {
        Self {
            version: VERSION,
            clock: clock.state(),
            issuers,
        }
    }
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A file that keeps the state.
pub(crate) struct StateFile {
    path: PathBuf,
    /// How many changes there were.
    changes: AtomicU64,
    /// How many of them are in the file.
    written: AtomicU64,
    /// Held while the file is written.
    writing: Mutex<()>,
    /// It keeps another sandbox away from the file; none once this one has ended.
    lock: StdMutex<Option<Arc<File>>>,
}

impl StateFile {
    /// Opens the file of the settings, if they have one, and reads the state in it if it exists.
    pub(crate) fn of(settings: &Builder) -> Result<Option<(Self, Option<State>)>, StartError> {
        let Some(path) = &settings.state_file else {
            return Ok(None);
        };
        let (file, state) = Self::open(path)?;
        // The cards of other issuers would be lost.
        let mut others = state.iter().flat_map(|state| state.issuers.keys());
        match others.find(|id| settings.issuers().all(|issuer| issuer.id != **id)) {
            Some(issuer) => {
                let issuer = pan::masked_text(issuer);
                let rule = format!("has cards of {issuer}, which is not an issuer of this sandbox");
                Err(unusable(path, &rule))
            }
            None => Ok(Some((file, state))),
        }
    }

    fn open(path: &Path) -> Result<(Self, Option<State>), StartError> {
        let lock = lock(path).map_err(|rule| unusable(path, &rule))?;
        let state = match fs::read(path) {
            Ok(text) => Some(read(&text).map_err(|rule| unusable(path, &rule))?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(path, &io_rule("read", &error))),
        };
        let file = Self {
            path: path.to_path_buf(),
            changes: AtomicU64::new(1),
            written: AtomicU64::new(0),
            writing: Mutex::default(),
            lock: StdMutex::new(Some(Arc::new(lock))),
        };
        Ok((file, state))
    }

    /// Notes that something has changed.
    pub(crate) fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns whether a change is not in the file yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.written.load(Ordering::SeqCst) < self.changes.load(Ordering::SeqCst)
    }

    /// Writes the changes so far. Of several callers at the same time, one writes for all that wait.
    pub(crate) async fn save(
        &self,
        state: impl FnOnce() -> serde_json::Result<Vec<u8>>,
    ) -> Result<(), StartError> {
        let change = self.changes.load(Ordering::SeqCst);
        let _writing = self.writing.lock().await;
        if self.written.load(Ordering::SeqCst) >= change {
            return Ok(());
        }
        let change = self.changes.load(Ordering::SeqCst);
        let (text, path, lock) = (state(), self.path.clone(), self.lock().clone());
        let write = move || match lock {
            // Held until the file is written.
            Some(_lock) => private_files::replace(&path, &text?),
            None => Ok(()),
        };
        let written = tokio::task::spawn_blocking(write).await;
        written
            .map_err(io::Error::other)
            .and_then(|result| result)
            .map_err(|error| unusable(&self.path, &io_rule("written", &error)))?;
        self.written.store(change, Ordering::SeqCst);
        Ok(())
    }

    /// Leaves the file to another sandbox: nothing more is written.
    pub(crate) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<File>>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(text: &[u8]) -> Result<State, String> {
    let broken = |error: serde_json::Error| {
        // The error quotes names and values.
        let problem = pan::masked_text(&error.to_string());
        format!(
            "not the state of a sandbox: {problem}; without the file the cards are those of the start"
        )
    };
    let found: Versioned = serde_json::from_slice(text).map_err(broken)?;
    if found.version != VERSION {
        let found = found.version;
        return Err(format!(
            "has version {found}, and this sandbox reads version {VERSION} alone"
        ));
    }
    serde_json::from_slice(text).map_err(broken)
}

/// Locks a file beside that of the state, which is replaced with each change.
fn lock(path: &Path) -> Result<File, String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::create(name).map_err(|error| io_rule("written", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err("in use by another sandbox".to_owned()),
        Err(TryLockError::Error(error)) => Err(io_rule("locked", &error)),
    }
}

fn io_rule(used: &str, error: &io::Error) -> String {
    format!("cannot be {used}: {}", error.kind())
}

/// Returns the error of a file that cannot be used.
fn unusable(path: &Path, rule: &str) -> StartError {
    StartError::setting("state", &format!("{}: {rule}", path.display()))
}
