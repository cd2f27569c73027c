//! `d1-sandbox serve`: a sandbox until it is interrupted.

use clap::ValueEnum;
use d1_sandbox::{Builder, ErrorBodies, IssuerStub, Mode, Sandbox, SuccessStyle};
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Opens the control API and its page on this port of 127.0.0.1; 0 takes a free one
    #[arg(long)]
    control_port: Option<u16>,
    /// Whether the tenant was migrated to V2
    #[arg(long, value_enum, default_value_t = TenantMode::V1)]
    mode: TenantMode,
    /// The issuer id, exactly 10 characters
    #[arg(long, default_value = "ISSUER_A-1")]
    issuer: String,
    /// The id of an aggregator that calls for the issuer
    #[arg(long)]
    aggregator: Option<String>,
    /// The request for a client certificate, a PEM file: the certificate is signed as Thales does it,
    /// and no client key is written
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// The public part of a signing key, a PEM file; needs --signing-kid. Give both again for a second key
    #[arg(long, value_name = "FILE", requires = "signing_kid")]
    signing_key: Vec<PathBuf>,
    /// The id of that key
    #[arg(long, value_name = "KID", requires = "signing_key")]
    signing_kid: Vec<String>,
    /// D1's private key for card data, a PEM file; needs --encryption-kid
    #[arg(long, value_name = "FILE", requires = "encryption_kid")]
    encryption_key: Vec<PathBuf>,
    /// The id of that key
    #[arg(long, value_name = "KID", requires = "encryption_key")]
    encryption_kid: Vec<String>,
    /// Refuses what is otherwise accepted with a warning, because D1 may refuse it
    #[arg(long)]
    strict: bool,
    /// The cards to start with, and other issuers with theirs, YAML or JSON; without it ReplaceMe01
    #[arg(long, value_name = "FILE")]
    cards: Option<PathBuf>,
    /// Makes ids and times of operations, and what chance decides, the same in every run
    #[arg(long)]
    seed: Option<u64>,
    /// How long access tokens live, in seconds
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    token_lifetime: u64,
    /// What a successful change answers
    #[arg(long, value_enum, default_value_t = Success::Body)]
    success: Success,
    /// What the body of an error holds
    #[arg(long, value_enum, default_value_t = Bodies::WithCode)]
    error_bodies: Bodies,
    /// Leaves remainingOperations out of lists
    #[arg(long)]
    without_count: bool,
    /// Where to ask for the credentials of a renewal that brings none, http://host:port; without it
    /// a built-in issuer keeps the PAN
    #[arg(long, value_name = "URL")]
    issuer_endpoint: Option<String>,
    /// Where to write certificates, keys and d1.env
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Answers 204 to every card call without looking at it: a reference for measuring
    #[arg(long)]
    null: bool,
    /// Does not offer HTTP/2
    #[arg(long)]
    http1_only: bool,
    /// Logs as JSON
    #[arg(long)]
    json_logs: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TenantMode {
    V1,
    Migrated,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Success {
    /// 200 with operationId and status
    Body,
    /// 204
    NoContent,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bodies {
    /// error, and errorCode where one is documented
    WithCode,
    /// error alone
    WithoutCode,
    /// No body
    Empty,
}

impl Serve {
    /// Runs until interrupted.
    pub(crate) async fn run(&self) -> Result<(), Box<dyn Error>> {
        let arguments = self;
        listen_to_logs(arguments.json_logs);
        // Listening for signals first: one that comes while starting still ends the program cleanly.
        let interrupted = interruption()?;

        if !arguments.bind.is_loopback() {
            tracing::warn!("other machines can reach this sandbox: use test data only");
        }
        let sandbox = builder(arguments)?.start().await?;
        say_where(&sandbox, arguments.dir.as_deref())?;
        interrupted.await;
        sandbox.shut_down().await;
        Ok(())
    }
}

fn listen_to_logs(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would be told on standard error, which is what cannot be written.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    if json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}

fn say_where(sandbox: &Sandbox, directory: Option<&Path>) -> Result<(), Box<dyn Error>> {
    if let Some(directory) = directory {
        // First, so that whoever reads a line finds the files.
        sandbox.write_files(directory).map_err(|error| {
            format!("cannot write to {}: {}", directory.display(), error.kind())
        })?;
    }
    let mut output = io::stdout().lock();
    writeln!(output, "{}", sandbox.base_url())?;
    if let Some(url) = sandbox.control_url() {
        writeln!(output, "Control page and API: {url}")?;
    }
    match directory {
        Some(directory) => {
            let file = directory.join("d1.env");
            writeln!(
                output,
                "Load {} to point a client at the sandbox.",
                file.display()
            )?;
        }
        None => writeln!(
            output,
            "Start with --dir DIR to get the certificates and keys."
        )?,
    }
    writeln!(output, "Ctrl-C ends the sandbox.")?;
    output.flush()?;
    Ok(())
}

fn builder(arguments: &Serve) -> Result<Builder, Box<dyn Error>> {
    let mut builder = Sandbox::builder()
        .port(arguments.port)
        .bind(arguments.bind)
        .issuer(&arguments.issuer)
        .token_lifetime(Duration::from_secs(arguments.token_lifetime))
        .list_count(!arguments.without_count)
        .mode(match arguments.mode {
            TenantMode::V1 => Mode::V1,
            TenantMode::Migrated => Mode::Migrated,
        })
        .success_style(match arguments.success {
            Success::Body => SuccessStyle::Body,
            Success::NoContent => SuccessStyle::NoContent,
        })
        .error_code_style(match arguments.error_bodies {
            Bodies::WithCode => ErrorBodies::WithCode,
            Bodies::WithoutCode => ErrorBodies::WithoutCode,
            Bodies::Empty => ErrorBodies::Empty,
        });
    if arguments.null {
        builder = builder.null_server();
    }
    if arguments.http1_only {
        builder = builder.http1_only();
    }
    if let Some(port) = arguments.control_port {
        builder = builder.control_port(port);
    }
    if let Some(seed) = arguments.seed {
        builder = builder.seed(seed);
    }
    if let Some(id) = &arguments.aggregator {
        builder = builder.aggregator(id);
    }
    if let Some(url) = &arguments.issuer_endpoint {
        builder = builder.get_card_credentials(IssuerStub::Endpoint { url: url.clone() });
    }
    if let Some(path) = &arguments.cards {
        builder = builder
            .fixtures(&read(path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &arguments.csr {
        builder = builder.client_certificate_request(read(path)?);
    }
    for (path, kid) in pairs("signing", &arguments.signing_key, &arguments.signing_kid)? {
        builder = builder.signing_key(kid, read(path)?);
    }
    let (keys, kids) = (&arguments.encryption_key, &arguments.encryption_kid);
    for (path, kid) in pairs("encryption", keys, kids)? {
        builder = builder.encryption_key(kid, read(path)?);
    }
    if arguments.strict {
        builder = builder.strict();
    }
    Ok(builder)
}

/// Each key with its id.
fn pairs<'a>(
    name: &str,
    keys: &'a [PathBuf],
    kids: &'a [String],
) -> Result<impl Iterator<Item = (&'a PathBuf, &'a String)>, String> {
    if keys.len() != kids.len() {
        return Err(format!("each --{name}-key needs a --{name}-kid"));
    }
    Ok(keys.iter().zip(kids))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {}", path.display(), error.kind()))
}

/// Completes at Ctrl-C, or when the process is asked to terminate.
#[cfg(unix)]
fn interruption() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes at Ctrl-C.
#[cfg(not(unix))]
fn interruption() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler there is nothing to wait for.
        let _ = tokio::signal::ctrl_c().await;
    })
}
