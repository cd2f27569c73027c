//! What stands on the command line of many commands, and the rules of its values.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use d1_facade::CorrelationId;

use crate::config::Name;

/// In which form results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON document a line
    Ndjson,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// How results are printed
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Prints errors and what was asked to be shown, and nothing where a change is done
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Tells on standard error what happens
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
}

/// The settings as flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SettingFlags {
    /// The file with the profiles; without it ./d1.toml, then d1/d1.toml of the user's configuration
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The profile of the file that holds
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Where D1 is, https://host; that of the profile unless said otherwise
    #[arg(long, global = true, value_name = "URL")]
    base_url: Option<String>,
    /// The id of the issuer, 10 characters
    #[arg(long, global = true, value_name = "ID")]
    issuer_id: Option<String>,
    /// The id of the aggregator that calls for the issuer
    #[arg(long, global = true, value_name = "ID")]
    aggregator_id: Option<String>,
    /// The private key that assertions are signed with: a file, PEM or JWK
    #[arg(long, global = true, value_name = "FILE")]
    signing_key: Option<String>,
    /// The id by which D1 knows the signing key
    #[arg(long, global = true, value_name = "KID")]
    signing_kid: Option<String>,
    /// D1's public key for card credentials: a file, JWK or PEM
    #[arg(long, global = true, value_name = "FILE")]
    encryption_jwk: Option<String>,
    /// The id of D1's public key, where it is a PEM
    #[arg(long, global = true, value_name = "KID")]
    encryption_kid: Option<String>,
    /// The client certificate with its chain: a file, PEM
    #[arg(long, global = true, value_name = "FILE")]
    client_cert: Option<String>,
    /// The private key of the client certificate: a file, PEM
    #[arg(long, global = true, value_name = "FILE")]
    client_key: Option<String>,
    /// The certificate authority to trust instead of the system's: a file, PEM
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<String>,
    /// The proxy to call through, http://host:port
    #[arg(long, global = true, value_name = "URL")]
    proxy: Option<String>,
    /// How long a call may take, in seconds
    #[arg(long, global = true, value_name = "SECONDS")]
    timeout: Option<String>,
    /// How long an idle connection is kept, in seconds; less than what gateways on the way allow
    #[arg(long, global = true, value_name = "SECONDS")]
    idle_timeout: Option<String>,
}

impl SettingFlags {
    /// What was given for a setting.
    pub(crate) fn get(&self, key: Name) -> Option<&str> {
        match key {
            Name::BaseUrl => &self.base_url,
            Name::IssuerId => &self.issuer_id,
            Name::AggregatorId => &self.aggregator_id,
            Name::SigningKey => &self.signing_key,
            Name::SigningKid => &self.signing_kid,
            Name::EncryptionJwk => &self.encryption_jwk,
            Name::EncryptionKid => &self.encryption_kid,
            Name::ClientCert => &self.client_cert,
            Name::ClientKey => &self.client_key,
            Name::Ca => &self.ca,
            Name::Proxy => &self.proxy,
            Name::Timeout => &self.timeout,
            Name::IdleTimeout => &self.idle_timeout,
        }
        .as_deref()
    }
}

/// What every command that calls D1 takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct CallFlags {
    /// Prints the request with secrets masked; sends nothing, and gets no token
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The correlation id to send instead of a random one
    #[arg(long, value_name = "ID")]
    pub(crate) correlation_id: Option<CorrelationId>,
}

/// A whole number from `LEAST` to `MOST`; what is refused is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole<const LEAST: u64, const MOST: u64>(pub(crate) u64);

impl<const LEAST: u64, const MOST: u64> FromStr for Whole<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) if (LEAST..=MOST).contains(&number) => Ok(Self(number)),
            _ => Err(format!("must be a whole number from {LEAST} to {MOST}")),
        }
    }
}

/// Reads a number of requests per second.
pub(crate) fn rate(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be a number of requests per second from 0.001 to 1000000"),
    }
}
