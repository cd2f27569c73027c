//! The client certificate with its private key, as TLS presents it.
//!
//! What would fail in a handshake is found when an identity is read: a key of another certificate, a kind of key that
//! TLS cannot use, a certificate that cannot be read. The dates are not checked then, since a certificate can expire
//! while the process runs: `presented` checks those of the certificate that would be presented now, before each request.
//! A certificate from a resolver is checked in the same way, so that it can be replaced at any time.
//!
//! The chain is presented with the certificate of the key first and each issuer after the certificate that it
//! signed, whatever their order in the file: TLS 1.2 requires both (RFC 5246, section 7.4.2).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509VerifyResult};
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::presented::present;
use super::watched::{Files, Pair, Watched};
use super::{keys, pem};
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
    Loaded(Loaded),
    Resolver(Arc<dyn ResolvesClientCert>),
    Files(Files),
}

/// A chain, the leaf first, and the key of the leaf.
#[derive(Clone)]
struct Loaded {
    chain: Vec<CertificateDer<'static>>,
    key: PKey<Private>,
}

/// The names in errors of certificate and key together, and of each of them.
const IDENTITY: &str = "client_identity";
const CERTIFICATE: &str = "client_identity_certificate";
const KEY: &str = "client_identity_key";

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
        let loaded = Loaded::from_pem(certificate.as_ref(), key.as_ref())?;
        Ok(Self(Source::Loaded(loaded)))
    }

    /// Reads a certificate, its chain and its private key from a PKCS#12 file (`.p12`, `.pfx`) in DER, which
    /// `passphrase` decrypts. Nothing asks for a passphrase.
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
        Ok(Self(Source::Loaded(Loaded::new(chain, key)?)))
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
        let pair = files.read()?;
        Loaded::from_pem(&pair.certificate, &pair.key)?;
        Ok(Self(Source::Files(files)))
    }

    /// Returns the certificate itself, in DER.
    pub(crate) fn leaf(&self) -> Option<Vec<u8>> {
        let leaf = |chain: &[CertificateDer<'_>]| chain.first().map(|leaf| leaf.to_vec());
        match &self.0 {
            Source::Loaded(loaded) => leaf(&loaded.chain),
            Source::Resolver(resolver) => leaf(&present(&**resolver)?.cert),
            Source::Files(files) => {
                let pair = files.read().ok()?;
                leaf(&Loaded::from_pem(&pair.certificate, &pair.key).ok()?.chain)
            }
        }
    }

    /// Returns what presents the certificate.
    pub(crate) fn resolver(
        self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ResolvesClientCert>, InvalidInput> {
        let load = |pair: &Pair, provider: &CryptoProvider| {
            Loaded::from_pem(&pair.certificate, &pair.key)?.certified(provider)
        };
        Ok(match self.0 {
            Source::Resolver(resolver) => resolver,
            Source::Files(files) => Arc::new(Watched::new(files, load, provider.clone())?),
            Source::Loaded(loaded) => Arc::new(SingleCertAndKey::from(loaded.certified(provider)?)),
        })
    }
}

impl Loaded {
    fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, InvalidInput> {
        let key = keys::private_key(KEY, key)?;
        Self::new(read(CERTIFICATE, certificate)?, key)
    }

    fn new(mut chain: Vec<X509>, key: PKey<Private>) -> Result<Self, InvalidInput> {
        let of_key = |c: &X509| c.public_key().is_ok_and(|public| public.public_eq(&key));
        let Some(leaf) = chain.iter().position(of_key) else {
            let rule = "has a key that is not that of its certificate";
            return Err(InvalidInput::new(IDENTITY, rule));
        };
        // rustls-openssl loads every key, and signs with those that it can.
        if !keys::is_for_tls(&key) {
            let kind = keys::kind_of(&key);
            let rule = format!("has a key that cannot be used: it is {kind}, and {USABLE}");
            return Err(InvalidInput::new(KEY, rule));
        }
        // Some programs write the authorities first.
        chain[..=leaf].rotate_right(1);
        order(&mut chain);
        let chain = to_der(CERTIFICATE, &chain)?;
        Ok(Self { chain, key })
    }

    /// Returns the certificate with its key. rustls itself would refuse a certificate of X.509 version 1, which other
    /// clients present and whose key was found to be this one.
    fn certified(self, provider: &CryptoProvider) -> Result<CertifiedKey, InvalidInput> {
        let key = keys::pkcs8(KEY, &self.key)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
        let loaded = provider.key_provider.load_private_key(key);
        let key = loaded.map_err(|_| {
            InvalidInput::new(KEY, "has a key that the crypto_provider does not take")
        })?;
        Ok(CertifiedKey::new(self.chain, key))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

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

/// Sorts a chain so that each certificate is followed by that of its issuer, as far as it is there.
fn order(chain: &mut [X509]) {
    for next in 1..chain.len() {
        let (sorted, rest) = chain.split_at_mut(next);
        let signs = |issuer: &X509| {
            sorted
                .last()
                .is_some_and(|last| issuer.issued(last) == X509VerifyResult::OK)
        };
        match rest.iter().position(signs) {
            Some(at) => rest.swap(0, at),
            None => break,
        }
    }
}

/// The keys that D1 documents.
const USABLE: &str = "D1 takes RSA of 4096 bits or EC on P-256";

/// Reads every certificate of a file to DER.
pub(crate) fn certificates(
    field: &'static str,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, InvalidInput> {
    to_der(field, &read(field, bytes)?)
}

/// Reads every certificate of a file.
fn read(field: &'static str, bytes: &[u8]) -> Result<Vec<X509>, InvalidInput> {
    let blocks = pem::blocks(field, bytes)?;
    let certificates = blocks.iter().filter(|block| block.is_certificate());
    let certificates: Result<Vec<X509>, _> = certificates
        .map(|block| X509::from_der(&block.der))
        .collect();
    match certificates {
        Ok(none) if none.is_empty() => Err(keys::no_such_key(field, &blocks, "a CERTIFICATE")),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(unreadable(field)),
    }
}

fn to_der(
    field: &'static str,
    certificates: &[X509],
) -> Result<Vec<CertificateDer<'static>>, InvalidInput> {
    let der = certificates
        .iter()
        .map(|c| c.to_der().map(CertificateDer::from));
    der.collect::<Result<_, _>>().map_err(|_| unreadable(field))
}

fn unreadable(field: &'static str) -> InvalidInput {
    InvalidInput::new(field, "has a certificate that cannot be read")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use openssl::asn1::Asn1Time;
    use openssl::bn::BigNum;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::x509::X509Name;

    use super::*;

    fn name(text: &str) -> X509Name {
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_text("CN", text).unwrap();
        name.build()
    }

    /// The certificate of `subject`, by `issuer`.
    fn certificate(subject: &str, issuer: &str, key: &PKey<Private>) -> X509 {
        let mut builder = X509::builder().unwrap();
        builder.set_subject_name(&name(subject)).unwrap();
        builder.set_issuer_name(&name(issuer)).unwrap();
        builder.set_pubkey(key).unwrap();
        let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&serial).unwrap();
        let epoch = Asn1Time::from_unix(0).unwrap();
        builder.set_not_before(&epoch).unwrap();
        builder.set_not_after(&epoch).unwrap();
        builder.sign(key, MessageDigest::sha256()).unwrap();
        builder.build()
    }

    #[test]
    fn a_chain_in_any_order_is_shown_from_the_leaf_on() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let keys = [(); 3].map(|()| PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap());
        let [own, between, top] = &keys;
        let chain = [
            certificate("leaf", "between", own),
            certificate("between", "root", between),
            certificate("root", "root", top),
        ];
        let pem = |n: usize| String::from_utf8(chain[n].to_pem().unwrap()).unwrap();
        let key = own.private_key_to_pem_pkcs8().unwrap();
        let expected: Vec<_> = chain
            .iter()
            .map(|c| CertificateDer::from(c.to_der().unwrap()))
            .collect();
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let file: String = order.map(pem).concat();
            let Source::Loaded(Loaded { chain, .. }) = Identity::from_pem(file, &key).unwrap().0
            else {
                unreachable!("it was read");
            };
            assert_eq!(chain, expected, "{order:?}");
        }
    }
}
