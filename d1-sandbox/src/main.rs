//! Runs a sandbox on its own, for clients that are not Rust tests.

use clap::{Parser, Subcommand, ValueEnum};
use d1_sandbox::{Builder, ErrorBodies, IssuerStub, Mode, Sandbox, SuccessStyle};
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A local stand-in for the card operations of Thales D1.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a sandbox and runs until interrupted
    Serve(Box<Serve>),
}

#[derive(Debug, clap::Args)]
struct Serve {
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
    /// The cards to start with, YAML or JSON; without it ReplaceMe01
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

/// The exit code for what the caller can mend: arguments, files, ports.
const BAD_INPUT: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(arguments) = Arguments::parse().command;
    match serve(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error
                .source()
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            // With standard error gone as well, the exit code has to do.
            let _ = writeln!(io::stderr(), "d1-sandbox: {error}{cause}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

async fn serve(arguments: &Serve) -> Result<(), Box<dyn Error>> {
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

fn listen_to_logs(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}

fn say_where(sandbox: &Sandbox, directory: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    writeln!(output, "{}", sandbox.base_url())?;
    if let Some(url) = sandbox.control_url() {
        writeln!(output, "Control page and API: {url}")?;
    }
    match directory {
        Some(directory) => {
            let written = write_files(sandbox, directory).map_err(|error| {
                format!("cannot write to {}: {}", directory.display(), error.kind())
            });
            written?;
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
        let text = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {}", path.display(), error.kind()))?;
        builder = builder
            .fixtures(&text)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(builder)
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

fn write_files(sandbox: &Sandbox, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let directory = directory.canonicalize()?;
    let file = |name: &str| quoted(&directory.join(name));
    let environment = [
        ("D1_BASE_URL", quoted(Path::new(sandbox.base_url()))),
        ("D1_ISSUER_ID", quoted(Path::new(sandbox.issuer_id()))),
        ("D1_SIGNING_KID", quoted(Path::new(sandbox.signing_kid()))),
        ("D1_SIGNING_KEY", file("signing.key")),
        ("D1_ENCRYPTION_JWK", file("encryption.jwk.json")),
        ("D1_CA", file("ca.pem")),
        ("D1_CLIENT_CERT", file("client.pem")),
        ("D1_CLIENT_KEY", file("client.key")),
        (
            "D1_CONTROL_URL",
            quoted(Path::new(sandbox.control_url().unwrap_or_default())),
        ),
    ]
    .map(|(name, value)| format!("export {name}={value}\n"))
    .concat();
    for (name, content, private) in [
        ("ca.pem", sandbox.ca_pem(), false),
        ("client.pem", sandbox.client_certificate_pem(), false),
        ("client.key", sandbox.client_key_pem(), true),
        ("signing.key", sandbox.signing_key_pem(), true),
        ("encryption.jwk.json", sandbox.encryption_jwk(), false),
        ("d1.env", environment.as_str(), false),
    ] {
        write_file(&directory.join(name), content, private)?;
    }
    Ok(())
}

/// Quotes for a POSIX shell.
fn quoted(text: &Path) -> String {
    format!("'{}'", text.display().to_string().replace('\'', r"'\''"))
}

/// Writes a new file, so that a private one never has the mode of an older one.
fn write_file(path: &Path, content: &str, private: bool) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if private { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = private;
    options.open(path)?.write_all(content.as_bytes())
}
