//! What the service is told when it starts: options, or variables of the environment. Those of D1 are the variables of
//! the sandbox's `d1.env`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Client, EncryptionKey, Environment, Identity, InvalidInput, SigningKey};

/// A service in front of D1
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
    /// Where D1 is
    #[arg(long, env = "D1_BASE_URL")]
    pub base_url: String,
    /// The issuer id
    #[arg(long, env = "D1_ISSUER_ID", allow_hyphen_values = true)]
    pub issuer: String,
    /// The id of the signing key
    #[arg(long, env = "D1_SIGNING_KID", allow_hyphen_values = true)]
    pub signing_kid: String,
    /// The key that signs the assertions
    #[arg(long, env = "D1_SIGNING_KEY", value_name = "FILE")]
    pub signing_key: PathBuf,
    /// D1's public key
    #[arg(long, env = "D1_ENCRYPTION_JWK", value_name = "FILE")]
    pub encryption_jwk: PathBuf,
    /// The client certificate
    #[arg(long, env = "D1_CLIENT_CERT", value_name = "FILE")]
    pub client_certificate: PathBuf,
    /// The private key of the client certificate
    #[arg(long, env = "D1_CLIENT_KEY", value_name = "FILE")]
    pub client_key: PathBuf,
    /// The root certificate to trust instead of the system's
    #[arg(long, env = "D1_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// How long changes may take, and when they are reconciled
    #[command(flatten)]
    pub times: Times,
}

/// How long changes may take, and when they are reconciled. All are seconds on the command line.
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
}

/// Why a setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value breaks a rule; the text names the setting and the rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// A file cannot be read.
    #[error("cannot read {}: {}", .0.display(), .1.kind())]
    File(PathBuf, std::io::Error),
}

impl Settings {
    /// Reads D1's public key.
    ///
    /// # Errors
    /// If the file cannot be read or is not such a key.
    pub fn encryption_key(&self) -> Result<EncryptionKey, SettingsError> {
        Ok(EncryptionKey::from_bytes(
            read(&self.encryption_jwk)?,
            None,
        )?)
    }

    /// Builds the client, which the service keeps.
    ///
    /// # Errors
    /// If a file cannot be read, or a value is not valid.
    pub fn client(&self) -> Result<Client, SettingsError> {
        let environment = Environment::Custom(self.base_url.clone());
        let signing_key = SigningKey::from_pem(read(&self.signing_key)?, &self.signing_kid)?;
        let identity =
            Identity::from_pem(read(&self.client_certificate)?, read(&self.client_key)?)?;
        // Someone waits for the response: one attempt more, and the rest is the channel's to repeat.
        let retry = ExponentialBackoff::default().max_attempts(2);
        let mut builder = Client::builder(environment, self.issuer.parse()?)
            .signer(signing_key)
            .encryption_key(self.encryption_key()?)
            .client_identity(identity)
            .timeout(self.times.call_timeout)
            .retry(retry);
        if let Some(ca) = &self.ca {
            builder = builder.root_certificate(read(ca)?).without_system_roots();
        }
        Ok(builder.build()?)
    }
}

/// Reads a file that a setting names.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|e| SettingsError::File(path.to_owned(), e))
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
