//! Writes what a client needs to call a sandbox: certificates, keys, and `d1.env` for a shell; and what the next
//! sandbox needs to have the same. Private keys that the sandbox does not have are left out.

use crate::auth::Access;
use crate::crypto::key_folder;
use crate::private_files::{make_directory, write};
use crate::sandbox::Sandbox;
use std::io;
use std::path::{Path, PathBuf};

impl Sandbox {
    /// Writes what a client in another process needs into a directory, and returns the path of `d1.env`,
    /// whose lines a POSIX shell can load: the CA, a client certificate and the keys stand beside it. A
    /// directory that does not exist is created with the mode 0700; each file has the mode 0600. What a client
    /// of [another issuer](crate::Builder::add_issuer) needs is in a directory below, by the issuer's id. What
    /// [the issuer's own server](Self::issuer_server) needs is in `issuer-client-ca.pem`, `issuer-server.pem` and
    /// `issuer-server.key`. The private keys that a later sandbox [takes](crate::Builder::keys_from) are in the
    /// directory `sandbox`; no client needs them.
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
        make_directory(&directory.join("sandbox"))?;
        let (server, own) = (self.issuer_server(), &self.own_keys);
        for (name, content) in [
            (key_folder::ISSUER_CLIENT_CA, server.client_ca_pem()),
            (
                key_folder::ISSUER_SERVER_CERTIFICATE,
                server.certificate_pem(),
            ),
            (key_folder::ISSUER_SERVER_KEY, server.key_pem()),
            (key_folder::CA_KEY, &own.ca),
            (key_folder::ISSUER_CLIENT_CA_KEY, &own.issuer_client_ca),
            (key_folder::ENCRYPTION_KEY, &own.encryption),
        ] {
            if !content.is_empty() {
                write(&directory.join(name), content.as_bytes())?;
            }
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
            (
                "D1_SIGNING_KEY",
                key_folder::SIGNING_KEY,
                access.signing_key_pem(),
            ),
            (
                "D1_ENCRYPTION_JWK",
                "encryption.jwk.json",
                self.encryption_jwk(),
            ),
            ("D1_CA", key_folder::CA, self.ca_pem()),
            (
                "D1_CLIENT_CERT",
                key_folder::CLIENT_CERTIFICATE,
                certificate,
            ),
            ("D1_CLIENT_KEY", key_folder::CLIENT_KEY, key),
        ] {
            if !content.is_empty() {
                let path = directory.join(name);
                write(&path, content.as_bytes())?;
                export(variable, &path.display().to_string());
            }
        }
        export("D1_CONTROL_URL", self.control_url().unwrap_or_default());
        if let Some(token) = self.control_token() {
            export("D1_CONTROL_TOKEN", token);
        }
        let path = directory.join("d1.env");
        write(&path, environment.as_bytes())?;
        Ok(path)
    }
}
