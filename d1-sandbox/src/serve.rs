//! The command that runs a sandbox: `d1-sandbox serve` and `d1 sandbox` are this one, with the same options and
//! the same output.

use crate::auth::signing;
use crate::health;
use crate::sandbox::Sandbox;
use crate::settings::{Builder, IssuerStub, Notifications, Options, StartError};
use std::error::Error as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// The options of a sandbox that runs on its own.
#[derive(Debug, clap::Args)]
// The binary's command of the same name is a group as well.
#[group(skip)]
pub struct Serve {
    #[command(flatten)]
    options: Options,
    /// The issuer id, exactly 10 characters
    #[arg(long, default_value = "ISSUER_A-1")]
    issuer: String,
    /// The request for a client certificate, a PEM file: the certificate is signed as Thales does it,
    /// and no client key is written
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// The public part of a signing key to register, a PEM file; needs --registered-kid. Give both again
    /// for a second key
    #[arg(long, value_name = "FILE", requires = "registered_kid")]
    registered_key: Vec<PathBuf>,
    /// The id of that key
    #[arg(long, value_name = "KID", requires = "registered_key")]
    registered_kid: Vec<String>,
    /// D1's private key for card data, a PEM file; needs --d1-kid. Give both again for a second key
    #[arg(long, value_name = "FILE", requires = "d1_kid")]
    d1_key: Vec<PathBuf>,
    /// The id of that key
    #[arg(long, value_name = "KID", requires = "d1_key")]
    d1_kid: Vec<String>,
    /// The cards to start with, and other issuers with theirs, YAML or JSON; without it ReplaceMe01
    #[arg(long, value_name = "FILE")]
    cards: Option<PathBuf>,
    /// Where to ask for the credentials of a renewal that brings none, http://host:port or
    /// https://host:port; without it a built-in issuer keeps the PAN
    #[arg(long, value_name = "URL")]
    issuer_endpoint: Option<String>,
    /// Where to send a notification after each change, http://host:port or https://host:port: 5 times at
    /// most, with growing pauses
    #[arg(long, value_name = "URL")]
    notify: Option<String>,
    /// The authority of the certificate of that server, a PEM file; without it the server has the certificate
    /// that the sandbox writes into --dir
    #[arg(long, value_name = "FILE")]
    issuer_ca: Option<PathBuf>,
    /// Where to write certificates, keys and d1.env, and to take them from at the next start; without it a
    /// directory that is removed with the sandbox
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// Keeps cards and operations from start to start; a file that exists takes the place of --cards. Only
    /// its owner can read it, but it holds card numbers: use test numbers only
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// Why a sandbox did not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An option, a file or a port cannot be used. The text is one line that names it and the rule.
    #[error("{0}")]
    Input(String),
    /// Standard output cannot be written to.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl From<StartError> for ServeError {
    fn from(error: StartError) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}"));
        Self::Input(format!("{error}{}", cause.unwrap_or_default()))
    }
}

/// The options of `d1-sandbox assertion`.
#[derive(Debug, clap::Args)]
pub struct Assertion {
    /// The issuer id
    #[arg(long, env = "D1_ISSUER_ID")]
    issuer: String,
    /// The private key, a PEM file
    #[arg(long, env = "D1_SIGNING_KEY", value_name = "FILE")]
    key: PathBuf,
    /// The id of the key
    #[arg(long, env = "D1_SIGNING_KID")]
    kid: String,
    /// The time to sign by, in seconds since 1970, as /api/clock has it; by default that of this machine
    #[arg(long, value_name = "SECONDS")]
    now: Option<i64>,
}

impl Assertion {
    /// Prints an assertion that the sandbox accepts for 5 minutes.
    ///
    /// # Errors
    ///
    /// If the key cannot be used, or standard output cannot be written to.
    pub fn run(&self) -> Result<(), ServeError> {
        let pem = read("key", &self.key)?;
        let now = self
            .now
            .unwrap_or_else(|| OffsetDateTime::now_utc().unix_timestamp());
        let token = signing::assertion(pem.as_bytes(), &self.kid, &self.issuer, now);
        let token = token
            .map_err(|rule| ServeError::Input(format!("--key {}: {rule}", self.key.display())))?;
        Ok(writeln!(io::stdout(), "{token}")?)
    }
}

/// The options of `d1-sandbox health`.
#[derive(Debug, clap::Args)]
pub struct Health {
    /// The --dir of the sandbox
    #[arg(long, value_name = "DIRECTORY")]
    dir: PathBuf,
}

impl Health {
    /// Makes a TLS handshake with the sandbox that has written its files into the directory.
    ///
    /// # Errors
    ///
    /// If the sandbox does not accept the client of the directory.
    pub fn run(&self) -> Result<(), ServeError> {
        health::check(&self.dir)
            .map_err(|error| ServeError::Input(format!("--dir {}: {error}", self.dir.display())))
    }
}

impl Serve {
    /// Runs a sandbox until `end` completes.
    ///
    /// Prints the exports that point a client at the sandbox once the sandbox accepts connections and its files
    /// are written. The last line holds `Ctrl-C`.
    ///
    /// # Errors
    ///
    /// If an option, a file or a port cannot be used, or standard output cannot be written to.
    pub async fn run(self, end: impl Future<Output = ()>) -> Result<(), ServeError> {
        let sandbox = self.builder()?.start().await?;
        let temporary = tempfile::Builder::new().prefix("d1-sandbox-").tempdir()?;
        let directory = self.dir.as_deref().unwrap_or(temporary.path());
        let written = sandbox.write_files(directory);
        let exports = written
            .and_then(fs::read_to_string)
            .map_err(|error| unusable("dir", directory, "written to", &error))?;
        let note = "Load these lines, or the file d1.env, in the shell of a client.";
        let page = sandbox.control_url().zip(sandbox.control_token());
        let page = page.map(|(url, token)| format!("# The page: {url}/?token={token}\n"));
        let page = page.unwrap_or_default();
        // In one piece: a reader that stops at the line it looks for must not break the pipe for the next one.
        let text = format!("{exports}# {note}\n{page}# Ctrl-C ends the sandbox.\n");
        let mut output = io::stdout();
        output.write_all(text.as_bytes())?;
        output.flush()?;
        end.await;
        sandbox.shut_down().await;
        Ok(())
    }

    fn builder(&self) -> Result<Builder, ServeError> {
        let mut builder = Sandbox::builder().issuer(&self.issuer);
        builder.options = self.options.clone();
        if let Some(url) = &self.issuer_endpoint {
            builder = builder.get_card_credentials(IssuerStub::Endpoint { url: url.clone() });
        }
        if let Some(url) = &self.notify {
            builder = builder.notify_card_operations(Notifications::to(url));
        }
        if let Some(path) = &self.issuer_ca {
            builder = builder.issuer_ca(read("issuer-ca", path)?);
        }
        if let Some(path) = &self.cards {
            builder = builder.fixtures(&read("cards", path)?).map_err(|error| {
                ServeError::Input(format!("--cards {}: {error}", path.display()))
            })?;
        }
        if let Some(path) = &self.csr {
            builder = builder.client_certificate_request(read("csr", path)?);
        }
        for (path, kid) in pairs("registered", &self.registered_key, &self.registered_kid)? {
            builder = builder.signing_key(kid, read("registered-key", path)?);
        }
        if let Some(directory) = &self.dir {
            builder = builder.keys_from(directory);
        }
        if let Some(path) = &self.state {
            builder = builder.state_file(path);
        }
        for (path, kid) in pairs("d1", &self.d1_key, &self.d1_kid)? {
            builder = builder.encryption_key(kid, read("d1-key", path)?);
        }
        Ok(builder)
    }
}

/// Returns each key with its id.
fn pairs<'a>(
    name: &str,
    keys: &'a [PathBuf],
    kids: &'a [String],
) -> Result<impl Iterator<Item = (&'a PathBuf, &'a String)>, ServeError> {
    if keys.len() != kids.len() {
        let rule = format!("each --{name}-key needs a --{name}-kid");
        return Err(ServeError::Input(rule));
    }
    Ok(keys.iter().zip(kids))
}

fn read(option: &str, path: &Path) -> Result<String, ServeError> {
    fs::read_to_string(path).map_err(|error| unusable(option, path, "read", &error))
}

fn unusable(option: &str, path: &Path, used: &str, error: &io::Error) -> ServeError {
    let (path, kind) = (path.display(), error.kind());
    ServeError::Input(format!("--{option} {path}: cannot be {used}: {kind}"))
}
