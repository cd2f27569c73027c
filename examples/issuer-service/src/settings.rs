//! The settings of the service when it starts: options, or variables of the environment. Those of D1 are variables alone,
//! which the client reads: see `ClientBuilder::from_env`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

/// Why the service does not start, or has failed.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A service in front of D1. The variables D1_* are those of the program d1 and of the sandbox's d1.env
#[derive(Debug, Clone, Parser)]
pub struct Settings {
    /// The PostgreSQL database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Where the channels of the bank call; TLS and their authentication are those of the gateway in front of it
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where D1 calls
    #[arg(long, env = "INBOUND_LISTEN", default_value = "127.0.0.1:8443")]
    pub inbound_listen: SocketAddr,
    /// The certificate of the server that D1 calls
    #[arg(long, env = "INBOUND_CERT", value_name = "FILE")]
    pub inbound_certificate: PathBuf,
    /// The private key of that certificate
    #[arg(long, env = "INBOUND_KEY", value_name = "FILE")]
    pub inbound_key: PathBuf,
    /// The authority of D1's client certificate; a caller with a certificate of it gets card numbers
    #[arg(long, env = "INBOUND_CLIENT_CA", value_name = "FILE")]
    pub inbound_client_ca: PathBuf,
    /// The cards of the vault that the example has in place of a real one, JSON
    #[arg(long, env = "VAULT", value_name = "FILE")]
    pub vault: PathBuf,
    /// How long things may take
    #[command(flatten)]
    pub times: Times,
}

/// How long things may take. All are seconds on the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Times {
    /// How long a call of D1 may take, in seconds
    #[arg(long, env = "CALL_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub call_timeout: Duration,
    /// How long after the end of a call D1 may take to list the change, in seconds
    #[arg(long, env = "SETTLING_TIME", default_value = "60", value_parser = seconds)]
    pub settling_time: Duration,
    /// The pause between two looks for changes that must be reconciled, in seconds
    #[arg(long, env = "RECONCILE_EVERY", default_value = "15", value_parser = seconds)]
    pub reconcile_every: Duration,
    /// How long a caller may take to send the head of a request, and between two parts of its body, in seconds
    #[arg(long, env = "READ_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub read_timeout: Duration,
}

/// Reads a file that a setting names.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = std::fs::read(path);
    bytes.map_err(|error| format!("cannot read {}: {}", path.display(), error.kind()).into())
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    seconds
        .and_then(Result::ok)
        .filter(|time| !time.is_zero())
        .ok_or("must be a number of seconds above 0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_above_zero() {
        assert_eq!(seconds("0.05"), Ok(Duration::from_millis(50)));
        for text in ["0", "-1", "1e-12", "NaN", "soon", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
