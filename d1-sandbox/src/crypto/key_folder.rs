//! The keys and certificates that an earlier sandbox has written into a directory.

use super::keys::{self, KeyPair};
use crate::secret::Secret;
use crate::settings::StartError;
use openssl::asn1::Asn1Time;
use openssl::pkey::{HasPublic, PKeyRef};
use openssl::x509::X509;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const CA: &str = "ca.pem";
pub(crate) const CLIENT_CERTIFICATE: &str = "client.pem";
pub(crate) const CLIENT_KEY: &str = "client.key";
pub(crate) const SIGNING_KEY: &str = "signing.key";
pub(crate) const ISSUER_CLIENT_CA: &str = "issuer-client-ca.pem";
pub(crate) const ISSUER_SERVER_CERTIFICATE: &str = "issuer-server.pem";
pub(crate) const ISSUER_SERVER_KEY: &str = "issuer-server.key";

// The private keys of the sandbox itself, which no client needs, are in a directory of their own.
pub(crate) const CA_KEY: &str = "sandbox/ca.key";
pub(crate) const ISSUER_CLIENT_CA_KEY: &str = "sandbox/issuer-client-ca.key";
pub(crate) const ENCRYPTION_KEY: &str = "sandbox/encryption.key";

/// How many days a certificate must still be valid to be used again.
const DAYS_LEFT: u32 = 30;

/// The private keys of the sandbox itself (PEM). Only a later sandbox needs them.
pub(crate) struct OwnKeys {
    pub(crate) ca: Secret,
    pub(crate) issuer_client_ca: Secret,
    /// Empty where D1's keys were given.
    pub(crate) encryption: Secret,
}

/// Where keys and certificates are looked for before new ones are made. Without a directory all are new.
pub(crate) struct KeyFolder(Option<PathBuf>);

impl KeyFolder {
    pub(crate) fn new(directory: Option<&Path>) -> Self {
        Self(directory.map(Path::to_path_buf))
    }

    /// Returns the directory below this one that has a name.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self(self.file(name))
    }

    /// Returns the private key in a file, or a new one if there is no such file.
    pub(crate) fn key(&self, name: &str) -> Result<KeyPair, StartError> {
        let Some(path) = self.file(name).filter(|path| path.exists()) else {
            return Ok(KeyPair::generate()?);
        };
        let unusable = |rule: &str| {
            let rule = format!("{}: {rule}", path.display());
            StartError::setting("directory", &rule)
        };
        let pem = fs::read(&path)
            .map_err(|error| unusable(&format!("cannot be read: {}", error.kind())))?;
        keys::private_key(&pem, None).ok_or_else(|| {
            unusable("not a PEM with an EC P-256 PRIVATE KEY; without the file a new key is made")
        })
    }

    /// Returns the certificate in a file, if `ca` has signed it for `key` and it does not expire soon.
    pub(crate) fn certificate(
        &self,
        name: &str,
        key: &PKeyRef<impl HasPublic>,
        ca: &PKeyRef<impl HasPublic>,
    ) -> Option<X509> {
        let certificate = X509::from_pem(&fs::read(self.file(name)?).ok()?).ok()?;
        let is_for_key = certificate.public_key().ok()?.public_eq(key);
        let is_signed = certificate.verify(ca).ok()?;
        let lasts = certificate.not_after() > &*Asn1Time::days_from_now(DAYS_LEFT).ok()?;
        (is_for_key && is_signed && lasts).then_some(certificate)
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|directory| directory.join(name))
    }
}
