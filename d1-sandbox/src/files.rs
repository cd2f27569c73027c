//! Writes what a client needs to call a sandbox: certificates, keys, and `d1.env` for a shell. Private
//! keys that the sandbox does not have are left out.

use crate::Sandbox;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

impl Sandbox {
    /// Writes what a client in another process needs into a directory, which is made if need be: the CA, a
    /// client certificate, the keys, and `d1.env`, whose lines a POSIX shell can load. The path is that of
    /// `d1.env`.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made or written to.
    pub fn write_files(&self, directory: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let environment = self.environment(&directory);
        for (name, content, private) in [
            ("ca.pem", self.ca_pem(), false),
            ("client.pem", self.client_certificate_pem(), false),
            ("client.key", self.client_key_pem(), true),
            ("signing.key", self.signing_key_pem(), true),
            ("encryption.jwk.json", self.encryption_jwk(), false),
            ("d1.env", environment.as_str(), false),
        ] {
            if !content.is_empty() {
                write_file(&directory.join(name), content, private)?;
            }
        }
        Ok(directory.join("d1.env"))
    }

    fn environment(&self, directory: &Path) -> String {
        let file = |name: &str| quoted(&directory.join(name));
        [
            ("D1_BASE_URL", quoted(Path::new(self.base_url()))),
            ("D1_ISSUER_ID", quoted(Path::new(self.issuer_id()))),
            ("D1_SIGNING_KID", quoted(Path::new(self.signing_kid()))),
            ("D1_SIGNING_KEY", file("signing.key")),
            ("D1_ENCRYPTION_JWK", file("encryption.jwk.json")),
            ("D1_CA", file("ca.pem")),
            ("D1_CLIENT_CERT", file("client.pem")),
            ("D1_CLIENT_KEY", file("client.key")),
            (
                "D1_CONTROL_URL",
                quoted(Path::new(self.control_url().unwrap_or_default())),
            ),
        ]
        .into_iter()
        .filter(|(name, _)| match *name {
            "D1_CLIENT_KEY" => !self.client_key_pem().is_empty(),
            "D1_SIGNING_KEY" => !self.signing_key_pem().is_empty(),
            _ => true,
        })
        .map(|(name, value)| format!("export {name}={value}\n"))
        .collect()
    }
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
