//! A client certificate in files that another program replaces, such as cert-manager.
//!
//! The files are read again when something is sent, once a second at most. A watch of the file system would need a
//! thread and would have to follow the links that Kubernetes exchanges; times of change are as coarse as the file
//! system's clock, and are kept by some programs that copy. Two small files cost about 20 µs.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssl::sha::{Sha256, sha256};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::certificate::{CERTIFICATE, ClientCertificate, KEY};
use super::presented::Validity;
use crate::error::InvalidInput;

/// How long what was read is taken for what the files hold.
const INTERVAL: Duration = Duration::from_secs(1);

/// The files of a certificate with its chain, and of its key.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What was read from both files.
pub(super) struct Pair {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Zeroizing<Vec<u8>>,
}

/// Tells one pair from another without keeping a key.
type Digest = [u8; 32];

impl Files {
    /// Reads both files.
    pub(super) fn read(&self) -> Result<Pair, InvalidInput> {
        let unreadable =
            |field| move |_| InvalidInput::new(field, "is in a file that cannot be read");
        let key = fs::read(&self.key).map(Zeroizing::new);
        Ok(Pair {
            certificate: fs::read(&self.certificate).map_err(unreadable(CERTIFICATE))?,
            key: key.map_err(unreadable(KEY))?,
        })
    }
}

impl Pair {
    /// Reads the certificate and its key, which must belong together.
    pub(super) fn parse(&self) -> Result<ClientCertificate, InvalidInput> {
        ClientCertificate::from_pem(&self.certificate, &self.key)
    }

    fn digest(&self) -> Digest {
        let mut digest = Sha256::new();
        for part in [&self.certificate[..], &self.key[..]] {
            digest.update(&sha256(part));
        }
        digest.finish()
    }
}

/// Presents the newest usable certificate of two files.
pub(super) struct Watched {
    files: Files,
    provider: Arc<CryptoProvider>,
    state: Mutex<State>,
}

struct State {
    certified: Arc<CertifiedKey>,
    /// Of the pair that is presented. There always is one.
    presented: Option<Digest>,
    /// Of the pair that was warned of last; of no pair where a file cannot be read.
    warned_of: Option<Option<Digest>>,
    next_check: Instant,
}

impl Watched {
    /// Returns what presents the certificate that the files hold now, and those that replace it.
    pub(super) fn new(files: Files, provider: Arc<CryptoProvider>) -> Result<Self, InvalidInput> {
        let pair = files.read()?;
        let state = State {
            certified: Arc::new(pair.parse()?.certified(&provider)?),
            presented: Some(pair.digest()),
            warned_of: None,
            next_check: Instant::now() + INTERVAL,
        };
        Ok(Self {
            files,
            provider,
            state: Mutex::new(state),
        })
    }

    /// Reads the files, and takes what they hold if it can be used.
    fn check(&self, state: &mut State) {
        let pair = self.files.read();
        let digest = pair.as_ref().ok().map(Pair::digest);
        if digest == state.presented {
            state.warned_of = None;
            return;
        }
        match pair
            .map_err(|e| e.to_string())
            .and_then(|pair| self.usable(&pair))
        {
            Ok(certified) => {
                state.certified = Arc::new(certified);
                state.presented = digest;
                state.warned_of = None;
                tracing::info!("the client certificate was replaced");
            }
            Err(reason) if state.warned_of != Some(digest) => {
                state.warned_of = Some(digest);
                tracing::warn!(
                    reason,
                    "the files of the client certificate cannot be used: the one before is kept"
                );
            }
            Err(_) => {}
        }
    }

    fn usable(&self, pair: &Pair) -> Result<CertifiedKey, String> {
        let certified = pair.parse().and_then(|read| read.certified(&self.provider));
        let certified = certified.map_err(|e| e.to_string())?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        match Validity::of(&certified).and_then(|validity| validity.fault(now)) {
            Some(fault) => Err(fault.to_string()),
            None => Ok(certified),
        }
    }
}

impl ResolvesClientCert for Watched {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now >= state.next_check {
            state.next_check = now + INTERVAL;
            self.check(&mut state);
        }
        Some(state.certified.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

debug_fields!(Watched);
