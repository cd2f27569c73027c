//! The client of a worker, from the environment: the variables of the sandbox's `d1.env`.

use std::path::PathBuf;

use clap::Args;
use d1_facade::{Client, Environment, Identity, InvalidInput, SigningKey};

/// Where D1 is, and who calls.
#[derive(Debug, Clone, Args)]
pub(crate) struct D1Settings {
    #[arg(long, env = "D1_BASE_URL")]
    base_url: String,
    #[arg(long, env = "D1_ISSUER_ID", allow_hyphen_values = true)]
    issuer: String,
    #[arg(long, env = "D1_SIGNING_KID", allow_hyphen_values = true)]
    signing_kid: String,
    #[arg(long, env = "D1_SIGNING_KEY", value_name = "FILE")]
    signing_key: PathBuf,
    #[arg(long, env = "D1_CLIENT_CERT", value_name = "FILE")]
    client_certificate: PathBuf,
    #[arg(long, env = "D1_CLIENT_KEY", value_name = "FILE")]
    client_key: PathBuf,
    /// The root certificate to trust instead of the system's
    #[arg(long, env = "D1_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Input(#[from] InvalidInput),
    #[error("cannot read {}: {}", .0.display(), .1.kind())]
    File(PathBuf, std::io::Error),
}

impl D1Settings {
    /// Builds the client that the worker keeps.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        let read = |path: &PathBuf| std::fs::read(path).map_err(|e| Error::File(path.clone(), e));
        let environment = Environment::Custom(self.base_url.clone());
        let signing_key = SigningKey::from_pem(read(&self.signing_key)?, &self.signing_kid)?;
        let mut builder = Client::builder(environment, self.issuer.parse()?)
            .signer(signing_key)
            .client_identity(Identity::from_pem(
                read(&self.client_certificate)?,
                read(&self.client_key)?,
            )?);
        if let Some(ca) = &self.ca {
            builder = builder.root_certificate(read(ca)?).without_system_roots();
        }
        Ok(builder.build()?)
    }
}
