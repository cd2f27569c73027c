//! The client certificate with its private key, as TLS presents it.
//!
//! A certificate from a resolver or from files is checked as one that is given, so that it can be replaced at any time.

use std::path::PathBuf;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::SingleCertAndKey;

use super::certificate::{ClientCertificate, IDENTITY};
use super::keys;
use super::watched::{Files, Watched};
use crate::error::InvalidInput;

/// The client certificate that D1 asks for, with its chain and its private key.
///
/// [`ClientBuilder::client_identity`](crate::ClientBuilder::client_identity) takes it. Clones are cheap. `Debug` shows
/// nothing of it.
///
/// ```no_run
/// use d1_facade::Identity;
/// use std::fs::read;
///
/// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
/// let identity = Identity::from_pem(read("client.pem")?, read("client.key")?)?;
/// let d1 = builder.client_identity(identity).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Identity(Source);

#[derive(Clone)]
enum Source {
    Given(ClientCertificate),
    Resolver(Arc<dyn ResolvesClientCert>),
    Files(Files),
}

impl Identity {
    /// Reads a certificate with its chain, and its private key (RSA or P-256), each from PEM or DER.
    ///
    /// The chain may be in any order. An encrypted key is refused; nothing asks for a passphrase.
    ///
    /// # Errors
    /// When one of them cannot be read or used, or the key is not that of the certificate (fields `client_identity`,
    /// `client_identity_certificate` and `client_identity_key`). The error says what the file holds instead.
    pub fn from_pem(
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, InvalidInput> {
        let given = ClientCertificate::from_pem(certificate.as_ref(), key.as_ref())?;
        Ok(Self(Source::Given(given)))
    }

    /// Reads a certificate, its chain and its private key from a PKCS#12 file (`.p12`, `.pfx`) in DER, which
    /// `passphrase` decrypts. Nothing asks for a passphrase. OpenSSL gets a copy of it, which its bindings do not wipe.
    ///
    /// A file that is encrypted with RC2, as older programs write it, is refused: OpenSSL 3 has RC2 only in its legacy
    /// provider.
    ///
    /// ```no_run
    /// use d1_facade::Identity;
    ///
    /// # fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// let passphrase = std::env::var("CLIENT_P12_PASSPHRASE")?;
    /// let identity = Identity::from_pkcs12(std::fs::read("client.p12")?, &passphrase)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is not such a file, the passphrase is another one, it has no certificate or no key, or the key cannot be
    /// used (fields `client_identity` and `client_identity_key`).
    pub fn from_pkcs12(bytes: impl AsRef<[u8]>, passphrase: &str) -> Result<Self, InvalidInput> {
        let bad = |rule: &'static str| InvalidInput::new(IDENTITY, rule);
        // OpenSSL takes no zero byte, and no passphrase has one.
        if passphrase.contains('\0') {
            return Err(bad(OTHER_PASSPHRASE));
        }
        let file = Pkcs12::from_der(bytes.as_ref());
        let file = file.map_err(|_| bad("must be a PKCS#12 file in DER"))?;
        let parsed = file.parse2(passphrase).map_err(|e| bad(pkcs12_rule(&e)))?;
        let key = parsed
            .pkey
            .ok_or_else(|| bad("is a PKCS#12 file without a private key"))?;
        let key = keys::named_private(key).map_err(|_| bad(DAMAGED_PKCS12))?;
        let leaf = parsed.cert.into_iter();
        let chain = leaf.chain(parsed.ca.into_iter().flatten()).collect();
        Ok(Self(Source::Given(ClientCertificate::new(chain, key)?)))
    }

    /// Takes certificate and key from a resolver of rustls, whose key may be in an HSM or a KMS.
    ///
    /// It may return another certificate at any time; new connections present that one. It is called in each handshake
    /// and before each request, without authorities and with all signature schemes, so that the dates of what it would
    /// present are checked: it must return at once. Where it has no certificate, nothing is sent. Its key signs on a
    /// thread of the runtime, which waits for as long as that takes. A key that fails or panics ends the handshake, and
    /// nothing is sent.
    ///
    /// It needs rustls of the same version. The guide's chapter *Keys in an HSM* has an example.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use d1_facade::Identity;
    /// use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
    /// use rustls::pki_types::CertificateDer;
    ///
    /// # fn f(chain: Vec<CertificateDer<'static>>, key_in_hsm: Arc<dyn SigningKey>) {
    /// let certified = CertifiedKey::new(chain, key_in_hsm);
    /// let identity = Identity::from_resolver(Arc::new(SingleCertAndKey::from(certified)));
    /// # }
    /// ```
    #[must_use]
    pub fn from_resolver(resolver: Arc<dyn ResolvesClientCert>) -> Self {
        Self(Source::Resolver(resolver))
    }

    /// Reads a certificate with its chain and its private key from files, as [`from_pem`](Self::from_pem) does, and
    /// takes what replaces them while the client is in use.
    ///
    /// The files are read again when a request is sent, once a second at most. The request takes the new certificate
    /// then, and connections that were made with another one take no further requests. A pair of which one half is
    /// missing, or does not belong to the other one, or that is out of its dates, is not taken: the certificate before
    /// it stays in use, and a warning says once why.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::Identity;
    ///
    /// // A secret of cert-manager, mounted by Kubernetes.
    /// let identity = Identity::watch("/etc/d1/tls.crt", "/etc/d1/tls.key")?;
    /// let d1 = builder.client_identity(identity).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When one of the files cannot be read now, or [`from_pem`](Self::from_pem) refuses what they hold.
    pub fn watch(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, InvalidInput> {
        let (certificate, key) = (certificate.into(), key.into());
        let files = Files { certificate, key };
        files.read()?.parse()?;
        Ok(Self(Source::Files(files)))
    }

    /// Returns what presents the certificate.
    pub(crate) fn resolver(
        self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ResolvesClientCert>, InvalidInput> {
        Ok(match self.0 {
            Source::Resolver(resolver) => resolver,
            Source::Files(files) => Arc::new(Watched::new(files, provider.clone())?),
            Source::Given(given) => Arc::new(SingleCertAndKey::from(given.certified(provider)?)),
        })
    }
}

debug_fields!(Identity);

const OTHER_PASSPHRASE: &str = "is a PKCS#12 file that this passphrase does not open";
const DAMAGED_PKCS12: &str =
    "is a PKCS#12 file that cannot be read: it is damaged, or of an unknown kind";

/// Returns why OpenSSL does not read a PKCS#12 file.
fn pkcs12_rule(errors: &ErrorStack) -> &'static str {
    let is = |reason: &str| errors.errors().iter().any(|e| e.reason() == Some(reason));
    // A checksum that cannot be computed, as in FIPS mode, does not fit either.
    if is("unsupported") {
        "is a PKCS#12 file whose encryption or checksum this OpenSSL does not have, such as RC2: write it once more \
         with AES, or as PEM where OpenSSL is in FIPS mode"
    } else if is("mac verify failure") {
        OTHER_PASSPHRASE
    } else {
        DAMAGED_PKCS12
    }
}
