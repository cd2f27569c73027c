//! Writes what a client needs to call a sandbox: certificates, keys, and `d1.env` for a shell. Private
//! keys that the sandbox does not have are left out.

use crate::auth::Access;
use crate::sandbox::Sandbox;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

impl Sandbox {
    /// Writes what a client in another process needs into a directory, and returns the path of `d1.env`,
    /// whose lines a POSIX shell can load: the CA, a client certificate and the keys stand beside it. A
    /// directory that does not exist is created with the mode 0700; each file has the mode 0600. What a client
    /// of [another issuer](crate::Builder::add_issuer) needs is in a directory below, by the issuer's id. What
    /// [the issuer's own server](Self::issuer_server) needs is in `issuer-client-ca.pem`, `issuer-server.pem` and
    /// `issuer-server.key`.
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let sandbox = d1_sandbox::Sandbox::start().await?;
    /// let environment = sandbox.write_files("target/sandbox".as_ref())?;
    /// println!(". {}", environment.display());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the directory cannot be made or written to.
    pub fn write_files(&self, directory: &Path) -> io::Result<PathBuf> {
        let path = self.write_access(directory, &self.access)?;
        for access in &self.others {
            self.write_access(&directory.join(access.issuer_id()), access)?;
        }
        let server = self.issuer_server();
        for (name, content) in [
            ("issuer-client-ca.pem", server.client_ca_pem()),
            ("issuer-server.pem", server.certificate_pem()),
            ("issuer-server.key", server.key_pem()),
        ] {
            write_file(&directory.join(name), content)?;
        }
        Ok(path)
    }

    fn write_access(&self, directory: &Path, access: &Access) -> io::Result<PathBuf> {
        make_directory(directory)?;
        let directory = directory.canonicalize()?;
        let mut environment = String::new();
        let mut export = |name: &str, value: &str| {
            // A POSIX shell reads what is in quotes as it is.
            let quoted = value.replace('\'', r"'\''");
            environment += &format!("export {name}='{quoted}'\n");
        };
        export("D1_BASE_URL", self.base_url());
        export("D1_ISSUER_ID", access.issuer_id());
        export("D1_SIGNING_KID", access.signing_kid());
        let (certificate, key) = (access.client_certificate_pem(), access.client_key_pem());
        for (variable, name, content) in [
            ("D1_SIGNING_KEY", "signing.key", access.signing_key_pem()),
            (
                "D1_ENCRYPTION_JWK",
                "encryption.jwk.json",
                self.encryption_jwk(),
            ),
            ("D1_CA", "ca.pem", self.ca_pem()),
            ("D1_CLIENT_CERT", "client.pem", certificate),
            ("D1_CLIENT_KEY", "client.key", key),
        ] {
            if !content.is_empty() {
                let path = directory.join(name);
                write_file(&path, content)?;
                export(variable, &path.display().to_string());
            }
        }
        export("D1_CONTROL_URL", self.control_url().unwrap_or_default());
        let path = directory.join("d1.env");
        write_file(&path, &environment)?;
        Ok(path)
    }
}

/// Makes a directory that only its owner can enter, whatever the umask. One that exists is left as it is.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path)?;
    restrict(path, 0o700)
}

/// Writes a new file that only its owner can read, whatever the umask and the mode of an older one.
fn write_file(path: &Path, content: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path)?.write_all(content.as_bytes())?;
    restrict(path, 0o600)
}

/// Sets a mode, of which the umask may have left nothing.
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    let _ = (path, mode);
    Ok(())
}
