//! Writes the journal: an entry is on the disk before its caller continues.
//!
//! A thread takes all entries that have come in, writes them together and syncs once for all of them, so that hundreds
//! of entries cost as much as one.

use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::sync::oneshot;

use super::entry::{Entry, LineResult};
use crate::new_file;

/// A journal that is written.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    /// `None` when there is no journal.
    writer: Option<Sender<Append>>,
}

struct Append {
    lines: Vec<u8>,
    written: oneshot::Sender<io::Result<()>>,
}

impl Journal {
    /// Returns a journal that writes nothing.
    pub(super) fn none() -> Self {
        Self { writer: None }
    }

    /// Creates a journal. A file that exists is never overwritten.
    pub(super) fn create(path: &Path, first: &[Entry]) -> io::Result<Self> {
        let file = new_file::create(path)?;
        file.lock()?;
        let journal = Self::start(file, first)?;
        sync_folder(path)?;
        Ok(journal)
    }

    /// Continues a journal, whose first `length` bytes are whole.
    pub(super) fn go_on(mut file: File, length: u64, first: &[Entry]) -> io::Result<Self> {
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        Self::start(file, first)
    }

    fn start(mut file: File, first: &[Entry]) -> io::Result<Self> {
        file.write_all(&lines(first)?)?;
        file.sync_all()?;
        let (sender, receiver) = channel();
        thread::spawn(move || write(file, &receiver));
        Ok(Self {
            writer: Some(sender),
        })
    }

    /// Appends entries, after all that were appended before. What is returned ends when they are on the disk, and need
    /// not be awaited for that; without entries, when all that were appended before are.
    pub(super) fn append(
        &self,
        entries: &[Entry],
    ) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let sent = self.writer.as_ref().map(|writer| {
            let (written, wait) = oneshot::channel();
            let lines = lines(entries)?;
            let sent = writer.send(Append { lines, written });
            sent.map_err(|_| gone())?;
            Ok(wait)
        });
        async {
            match sent {
                None => Ok(()),
                Some(Ok(wait)) => wait.await.unwrap_or_else(|_| Err(gone())),
                Some(Err(error)) => Err(error),
            }
        }
    }

    /// Appends the results of lines.
    pub(super) fn append_results(
        &self,
        results: &[LineResult],
    ) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let entries: Vec<_> = results.iter().cloned().map(Entry::Ended).collect();
        self.append(&entries)
    }
}

/// The writer ended, which it does only after a failure.
fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

fn lines(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut lines, entry)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Writes what comes. After a failure nothing more is written: what the file holds then is not known.
fn write(mut file: File, appends: &Receiver<Append>) {
    while let Ok(first) = appends.recv() {
        let mut waiting = vec![first.written];
        let mut bytes = first.lines;
        while let Ok(append) = appends.try_recv() {
            bytes.extend(append.lines);
            waiting.push(append.written);
        }
        let result = file.write_all(&bytes).and_then(|()| file.sync_data());
        let failure = result.as_ref().err().map(io::Error::kind);
        for written in waiting {
            // The caller may have stopped waiting.
            let _ = written.send(failure.map_or(Ok(()), |kind| Err(kind.into())));
        }
        if failure.is_some() {
            return;
        }
    }
}

/// Locks the journal of an earlier run: two runs with one journal would send lines twice.
pub(super) fn lock(file: &File) -> Result<(), String> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err("is in use by another run".to_owned()),
        Err(TryLockError::Error(error)) => Err(format!("cannot be locked: {}", error.kind())),
    }
}

/// A new file is there after a crash only once its folder is on the disk.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Where folders cannot be opened, their file system sees to it.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
