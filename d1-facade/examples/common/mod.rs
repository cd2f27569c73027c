//! A sandbox in one process and its clients in others, for examples that need both.

use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use d1_facade::{Client, ClientBuilder, Environment, Identity, SigningKey};
use d1_sandbox::Sandbox;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn StdError>>;

/// A folder for this run that only its owner can enter; it goes when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes down what a client of the sandbox needs; `url` is where it is to call.
pub(crate) fn write_identity(folder: &Path, sandbox: &Sandbox, url: &str) -> Result<()> {
    for (name, text) in [
        ("url", url),
        ("issuer", sandbox.issuer_id()),
        ("ca.pem", sandbox.ca_pem()),
        ("client.pem", sandbox.client_certificate_pem()),
        ("client.key", sandbox.client_key_pem()),
        ("signing.key", sandbox.signing_key_pem()),
        ("signing.kid", sandbox.signing_kid()),
    ] {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// A builder with what was written down.
pub(crate) fn builder(folder: &Path) -> Result<ClientBuilder> {
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let environment = Environment::Custom(read("url")?);
    Ok(Client::builder(environment, read("issuer")?.parse()?)
        .signer(SigningKey::from_pem(
            read("signing.key")?,
            &read("signing.kid")?,
        )?)
        .client_identity(Identity::from_pem(
            read("client.pem")?,
            read("client.key")?,
        )?)
        .root_certificate(read("ca.pem")?))
}

/// Another process of this very example. It can read when this side leaves, and be heard.
pub(crate) fn start_again(arguments: &[&str], folder: &Path) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).arg(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(command.spawn()?)
}
