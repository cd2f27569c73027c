//! TLS 1.2 or 1.3 to D1, with the client certificate that it asks for.
//!
//! The protocol is rustls: it cannot speak anything older than TLS 1.2, and its errors are types, so that a refused
//! client certificate is distinguished from a broken connection. The cryptography is OpenSSL (`rustls-openssl`), which
//! josekit links anyway. The provider is passed to each configuration. rustls chooses one for the whole process by
//! the features of its crate: if this crate enabled one, and the service another, `ClientConfig::builder()` would
//! panic in the service. `tests/neighbours` proves that it does not.

use std::sync::Arc;

use d1_transport::{TlsOptions, TlsSetupError};
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509VerifyResult};
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

use time::OffsetDateTime;

use crate::error::{ConnectionFault, InvalidInput};
use crate::{keys, pem};

/// A client certificate with its chain, the leaf first, and its private key.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PKey<Private>,
}

/// Certificate and key together, and each of them.
const IDENTITY: &str = "client_identity";
const CERTIFICATE: &str = "client_identity_certificate";
const KEY: &str = "client_identity_key";
const ROOTS: &str = "root_certificate";

impl Identity {
    pub(crate) fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, InvalidInput> {
        let key = keys::private_key(KEY, key)?;
        let mut chain = certificates(CERTIFICATE, certificate)?;
        let of_key = |c: &X509| c.public_key().is_ok_and(|public| public.public_eq(&key));
        let Some(leaf) = chain.iter().position(of_key) else {
            let rule = "has a key that is not that of its certificate";
            return Err(InvalidInput::new(IDENTITY, rule));
        };
        // Some programs write the authorities first.
        chain[..=leaf].rotate_right(1);
        order(&mut chain);
        let chain = chain.iter().map(|c| der(CERTIFICATE, c));
        Ok(Self {
            chain: chain.collect::<Result<_, _>>()?,
            key,
        })
    }

    /// Returns the certificate itself, in DER.
    pub(crate) fn leaf(&self) -> Option<Vec<u8>> {
        self.chain.first().map(|leaf| leaf.to_vec())
    }

    /// When the certificate is valid; `None` where it does not say so in a form that can be read.
    pub(crate) fn validity(&self) -> Option<Validity> {
        let certificate = X509::from_der(self.chain.first()?).ok()?;
        let epoch = Asn1Time::from_unix(0).ok()?;
        let seconds = |time: &Asn1TimeRef| {
            let since = epoch.diff(time).ok()?;
            Some(i64::from(since.days) * 86_400 + i64::from(since.secs))
        };
        Some(Validity {
            from: seconds(certificate.not_before())?,
            until: seconds(certificate.not_after())?,
        })
    }

    /// The certificate and a key that TLS can sign with. rustls itself would refuse a certificate of X.509
    /// version 1, which other clients present and whose key was found to be this one.
    fn certified(self, provider: &CryptoProvider) -> Result<CertifiedKey, InvalidInput> {
        let pkcs8 = keys::pkcs8(KEY, &self.key)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
        let loaded = provider.key_provider.load_private_key(key).ok();
        // rustls-openssl loads every key, and signs with those that it can.
        let usable = loaded.filter(|_| keys::is_for_tls(&self.key));
        let key = usable.ok_or_else(|| {
            let kind = keys::kind_of(&self.key);
            let rule = format!("has a key that cannot be used: it is {kind}, and {USABLE}");
            InvalidInput::new(KEY, rule)
        })?;
        Ok(CertifiedKey::new(self.chain, key))
    }
}

/// The time in which the client certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    from: i64,
    until: i64,
}

impl Validity {
    /// Returns why the certificate must not be used now, if so.
    pub(crate) fn fault(self) -> Option<ConnectionFault> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if now > self.until {
            Some(ConnectionFault::ClientCertificateExpired(self.until))
        } else if now < self.from {
            Some(ConnectionFault::ClientCertificateNotYetValid(self.from))
        } else {
            None
        }
    }
}

/// Lets each certificate be followed by that of its issuer, as far as they are there.
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

/// What TLS takes; D1 documents RSA 4096 and P-256.
const USABLE: &str = "D1 takes RSA of 4096 bits or EC on P-256";

/// Reads every certificate of a file.
fn certificates(field: &'static str, bytes: &[u8]) -> Result<Vec<X509>, InvalidInput> {
    let blocks = pem::blocks(field, bytes)?;
    let certificates = blocks.iter().filter(|block| block.is_certificate());
    let certificates: Vec<X509> = certificates
        .map(|block| X509::from_der(&block.der))
        .collect::<Result<_, _>>()
        .map_err(|_| InvalidInput::new(field, "has a certificate that cannot be read"))?;
    if certificates.is_empty() {
        return Err(keys::no_such_key(field, &blocks, "a CERTIFICATE"));
    }
    Ok(certificates)
}

fn der(field: &'static str, certificate: &X509) -> Result<CertificateDer<'static>, InvalidInput> {
    let der = certificate.to_der();
    let der = der.map_err(|_| InvalidInput::new(field, "has a certificate that cannot be read"))?;
    Ok(CertificateDer::from(der))
}

/// Which certificate authorities are trusted to vouch for D1.
#[derive(Default)]
pub(crate) struct Roots {
    extra: Vec<CertificateDer<'static>>,
    /// What was wrong with the first that could not be read.
    bad: Option<InvalidInput>,
    given: bool,
    without_system: bool,
}

impl Roots {
    pub(crate) fn add_pem(&mut self, pem: &[u8]) {
        self.given = true;
        let read = certificates(ROOTS, pem).and_then(|read| {
            read.iter()
                .map(|c| der(ROOTS, c))
                .collect::<Result<Vec<_>, _>>()
        });
        match read {
            Ok(read) => self.extra.extend(read),
            Err(bad) => {
                self.bad.get_or_insert(bad);
            }
        }
    }

    pub(crate) fn without_system(&mut self) {
        self.without_system = true;
    }

    /// Whether any was given, right or wrong.
    pub(crate) fn has_own(&self) -> bool {
        self.given
    }

    pub(crate) fn is_without_system(&self) -> bool {
        self.without_system
    }
}

/// How the client speaks TLS: what `d1-transport` is to make of it.
pub(crate) fn options(
    provider: Option<Arc<CryptoProvider>>,
    roots: Roots,
    identity: Option<Identity>,
) -> Result<TlsOptions, InvalidInput> {
    if let Some(bad) = roots.bad {
        return Err(bad);
    }
    if roots.without_system && roots.extra.is_empty() {
        let rule = "must be given when the system's are not used";
        return Err(InvalidInput::new(ROOTS, rule));
    }
    let provider = provider.unwrap_or_else(|| Arc::new(rustls_openssl::default_provider()));
    let identity = identity.map(|identity| identity.certified(&provider));
    let identity = identity.transpose()?.map(SingleCertAndKey::from);
    Ok(TlsOptions {
        provider,
        roots: roots.extra,
        system_roots: !roots.without_system,
        identity: identity.map(|identity| Arc::new(identity) as _),
    })
}

/// Returns a configuration that trusts no authority.
pub(crate) fn no_trust() -> Result<ClientConfig, InvalidInput> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls_openssl::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| setup_error(TlsSetupError::Provider))?;
    let trusting_none = builder.with_root_certificates(RootCertStore::empty());
    Ok(trusting_none.with_no_client_auth())
}

/// The input at fault where TLS cannot be set up.
pub(crate) fn setup_error(error: TlsSetupError) -> InvalidInput {
    match error {
        TlsSetupError::Provider => InvalidInput::new(
            "crypto_provider",
            "has no cipher suite or no key exchange for TLS 1.2 or 1.3",
        ),
        TlsSetupError::Roots => {
            InvalidInput::new(ROOTS, "is not a certificate that can be trusted")
        }
        TlsSetupError::SystemRoots => InvalidInput::new(
            ROOTS,
            "cannot be verified with the system's: its certificate store cannot be read",
        ),
    }
}

/// Refuses a host that no certificate can be for.
pub(crate) fn check_server_name(base_url: &str) -> Result<(), InvalidInput> {
    let unusable = || InvalidInput::new("environment", "has a host that TLS cannot use");
    let url = reqwest::Url::parse(base_url).map_err(|_| unusable())?;
    // An IPv6 address has brackets in a URL.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    ServerName::try_from(host).map(drop).map_err(|_| unusable())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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
            let identity = Identity::from_pem(file.as_bytes(), &key).unwrap();
            assert_eq!(identity.chain, expected, "{order:?}");
        }
    }
}
