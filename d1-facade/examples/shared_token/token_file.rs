//! One access token for all processes of a service on one machine, in a file.
//!
//! Who finds no token in the file, or one that ends soon, locks a second file beside it, exchanges an
//! assertion and puts the new token in the place of the old; the others read it. The operating system
//! takes the lock from a process that dies. Whatever goes wrong with the files costs an exchange of one's
//! own, never a call.
//!
//! The lock is advisory and the clock is the machine's: for the processes of one machine, on a local
//! disk. The folder must be the service's own, with mode 0700.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use d1_facade::Error;
use d1_facade::auth::{AccessToken, TokenSource};
use zeroize::Zeroizing;

/// What a token must have left to be taken from the file, at most a third of its life. The client asks
/// for the next one 60 to 90 seconds before the end, and must not get the old one then.
const ENOUGH: Duration = Duration::from_secs(120);

/// How long the lock is waited for. Who has it and does nothing (stopped, or swapped out) must not hold
/// up everybody else.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Shares the tokens of another source, such as the client's own exchange, through a file. One file is
/// for one issuer (or aggregator) at one environment.
pub(crate) struct TokenFile<S> {
    folder: PathBuf,
    inner: S,
    /// The last token that D1 refused.
    refused: Mutex<Option<Zeroizing<String>>>,
}

/// A token as the file has it: when it was asked for and when it ends, in milliseconds since 1970.
struct Stored {
    asked_at: u64,
    ends_at: u64,
    token: Zeroizing<String>,
}

impl<S: TokenSource> TokenFile<S> {
    pub(crate) fn new(folder: impl Into<PathBuf>, inner: S) -> Self {
        Self {
            folder: folder.into(),
            inner,
            refused: Mutex::new(None),
        }
    }

    async fn shared(&self) -> Result<AccessToken, Error> {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        let lock = loop {
            if let Some(token) = self.usable() {
                return Ok(token);
            }
            match lock(&self.folder) {
                Ok(Some(lock)) => break lock,
                Ok(None) if tokio::time::Instant::now() < give_up => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                // Nobody lets go of the lock, or there can be none.
                Ok(None) | Err(_) => return self.inner.fetch().await,
            }
        };
        // Whoever had the lock before may have left a token.
        if let Some(token) = self.usable() {
            return Ok(token);
        }
        let asked_at = now();
        let token = self.inner.fetch().await?;
        let stored = Stored {
            asked_at,
            ends_at: asked_at.saturating_add(milliseconds(token.lifetime())),
            token: Zeroizing::new(token.expose_secret().to_owned()),
        };
        // A file that cannot be written is a token that is not shared.
        let _ = stored.write(&self.folder);
        // It is let go as well where this future is dropped.
        drop(lock);
        Ok(token)
    }

    /// The token of the file, where it is good for a while.
    fn usable(&self) -> Option<AccessToken> {
        let stored = Stored::read(&self.folder)?;
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.as_ref() == Some(&stored.token) {
            return None;
        }
        AccessToken::new(stored.token.as_str(), stored.left(now())?).ok()
    }
}

impl<S: TokenSource> TokenSource for TokenFile<S> {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        self.shared().await
    }

    fn invalidate(&self, token: &AccessToken) {
        let secret = Zeroizing::new(token.expose_secret().to_owned());
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
        // Nobody else should take it either. With the lock taken, somebody is replacing it already.
        if let Ok(Some(_lock)) = lock(&self.folder)
            && Stored::read(&self.folder).is_some_and(|stored| token.is(&stored.token))
        {
            let _ = fs::remove_file(token_path(&self.folder));
        }
        self.inner.invalidate(token);
    }
}

impl Stored {
    /// How long it may still be used, where that is long enough. A clock that was set back says nothing
    /// about when it ends.
    fn left(&self, now: u64) -> Option<Duration> {
        let life = self.ends_at.checked_sub(self.asked_at)?;
        let left = Duration::from_millis(self.ends_at.checked_sub(now.max(self.asked_at))?);
        let enough = ENOUGH.min(Duration::from_millis(life) / 3);
        (now >= self.asked_at && left > enough).then_some(left)
    }

    /// What the file holds, where it is whole and nobody else can read it.
    fn read(folder: &Path) -> Option<Self> {
        let path = token_path(folder);
        if !is_private(&path) {
            return None;
        }
        let text = Zeroizing::new(fs::read_to_string(path).ok()?);
        let mut lines = text.lines();
        Some(Self {
            asked_at: lines.next()?.parse().ok()?,
            ends_at: lines.next()?.parse().ok()?,
            token: Zeroizing::new(lines.next()?.to_owned()),
        })
    }

    /// Puts it in the place of the old one at once, so that nobody reads half of it. Only who has the
    /// lock writes, so that the name beside it is free, but for what a crash has left.
    fn write(&self, folder: &Path) -> io::Result<()> {
        let beside = folder.join("token.new");
        let _ = fs::remove_file(&beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let text = format!("{}\n{}\n{}\n", self.asked_at, self.ends_at, *self.token);
        let text = Zeroizing::new(text);
        options.open(&beside)?.write_all(text.as_bytes())?;
        fs::rename(beside, token_path(folder))
    }
}

/// The lock, unless somebody else has it. It is let go when the file is dropped, however that happens.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join("token.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn token_path(folder: &Path) -> PathBuf {
    folder.join("token")
}

#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(path: &Path) -> bool {
    // The folder's access list decides.
    path.is_file()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    milliseconds(since.unwrap_or_default())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
