//! A certificate authority for each sandbox, so that mutual TLS is real and no certificate of one sandbox is of
//! use at another.

use super::key_folder::{self, KeyFolder};
use super::keys::{KeyPair, is_p256};
use crate::secret::Secret;
use crate::settings::StartError;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Public};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Extension, X509Name, X509NameRef, X509Ref, X509Req};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use time::OffsetDateTime;

const DAY: i64 = 86_400;

/// How long the certificates of authorities and clients are valid, in seconds: a team keeps them for years. It is an
/// hour more than whole days, so that the days that are left do not depend on the second in which one is made.
const LIFETIME: i64 = 3_650 * DAY + 3_600;

/// How long the certificate of a server is valid, in seconds. Some clients accept no longer one than 398 days.
const SERVER_LIFETIME: i64 = 365 * DAY + 3_600;

/// A certificate authority.
pub(crate) struct Pki {
    key: KeyPair,
    ca: X509,
    ca_pem: String,
}

/// A certificate that a client calls with.
#[derive(Debug)]
pub(crate) struct ClientCertificate {
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
    /// Empty where the owner of the key asked for the certificate.
    pub(crate) key_pem: Secret,
}

impl Pki {
    /// Takes the certificate authority of an earlier sandbox from these files, or makes a new one.
    pub(crate) fn new(
        folder: &KeyFolder,
        certificate: &str,
        key: &str,
    ) -> Result<Self, StartError> {
        let key = folder.key(key)?;
        let ca = match folder.certificate(certificate, key.private(), key.private()) {
            Some(ca) => ca,
            None => Self::authority(&key)?,
        };
        let ca_pem = pem(&ca)?;
        Ok(Self { key, ca, ca_pem })
    }

    fn authority(key: &KeyPair) -> Result<X509, ErrorStack> {
        // With one name for all, a certificate of another sandbox would look like a forged one of this.
        let mut id = BigNum::new()?;
        id.rand(64, MsbOption::MAYBE_ZERO, false)?;
        let name = name(&format!("D1 sandbox CA {}", id.to_hex_str()?))?;
        let mut builder = builder(&name, &name, key.private(), LIFETIME)?;
        let mut usage = KeyUsage::new();
        for extension in [
            BasicConstraints::new().critical().ca().pathlen(0).build()?,
            usage.critical().key_cert_sign().crl_sign().build()?,
            SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?,
        ] {
            builder.append_extension(extension)?;
        }
        builder.sign(key.private(), MessageDigest::sha256())?;
        Ok(builder.build())
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(crate) fn ca_key_pem(&self) -> Result<Secret, ErrorStack> {
        self.key.private_pem()
    }

    /// Issues a client certificate: the one that is asked for, or one with a key of its own. One that an earlier
    /// sandbox has issued for the same key is used again.
    pub(crate) fn client(
        &self,
        folder: &KeyFolder,
        request: Option<&Secret>,
    ) -> Result<ClientCertificate, StartError> {
        let issued = |subject: &X509NameRef, key: &PKeyRef<Public>| {
            let kept = folder.certificate(key_folder::CLIENT_CERTIFICATE, key, self.key.private());
            let usage = [ExtendedKeyUsage::new().client_auth().build()?];
            kept.map_or_else(|| self.sign(subject, key, LIFETIME, usage), Ok)
        };
        let (certificate, key_pem) = if let Some(request) = request {
            let (request, key) = client_request(request)?;
            (issued(request.subject_name(), &key)?, Secret::default())
        } else {
            let (name, key) = (
                name("D1 sandbox client")?,
                folder.key(key_folder::CLIENT_KEY)?,
            );
            (issued(&name, &*key.public()?)?, key.private_pem()?)
        };
        Ok(ClientCertificate {
            pem: pem(&certificate)?,
            der: der(&certificate)?,
            key_pem,
        })
    }

    /// Returns the TLS configuration of a server bound to `address` that clients also call by these names.
    pub(crate) fn server_config(
        &self,
        address: IpAddr,
        names: &[String],
    ) -> Result<ServerConfig, StartError> {
        let mut others = SubjectAlternativeName::new();
        if !address.is_loopback() && !address.is_unspecified() {
            others.ip(&address.to_string());
        }
        for name in names {
            match name.parse::<IpAddr>() {
                Ok(_) => others.ip(name),
                Err(_) => others.dns(name),
            };
        }
        let key = KeyPair::generate()?;
        let certificate = self.server("D1 sandbox", &key, others)?;
        let chain = vec![der(&certificate)?, der(&self.ca)?];
        let key = PrivatePkcs8KeyDer::from(key.private_der()?.to_vec());
        self.tls(chain, key.into()).map_err(StartError::keys)
    }

    /// Returns the certificate (PEM) of a server on this machine, and its private key (PEM): those of an earlier
    /// sandbox, or new ones.
    pub(crate) fn loopback_server(
        &self,
        folder: &KeyFolder,
    ) -> Result<(String, Secret), StartError> {
        let key = folder.key(key_folder::ISSUER_SERVER_KEY)?;
        let kept = key_folder::ISSUER_SERVER_CERTIFICATE;
        let certificate = match folder.certificate(kept, key.private(), self.key.private()) {
            Some(certificate) => certificate,
            None => self.server("Issuer", &key, SubjectAlternativeName::new())?,
        };
        Ok((pem(&certificate)?, key.private_pem()?))
    }

    /// Issues a certificate for a server that is called by the names of this machine and by others.
    fn server(
        &self,
        name: &str,
        key: &KeyPair,
        mut names: SubjectAlternativeName,
    ) -> Result<X509, ErrorStack> {
        names.dns("localhost").ip("127.0.0.1").ip("::1");
        let names = names.build(&X509::builder()?.x509v3_context(None, None))?;
        let usage = ExtendedKeyUsage::new().server_auth().build()?;
        let name = self::name(name)?;
        self.sign(&name, key.private(), SERVER_LIFETIME, [usage, names])
    }

    fn tls(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<ServerConfig, Box<dyn Error>> {
        // The provider is passed along, never installed: the process may have chosen another one.
        let provider = Arc::new(rustls_openssl::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.ca)?)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Signs a certificate for `key`, with the extensions of every leaf and others.
    fn sign(
        &self,
        subject: &X509NameRef,
        key: &PKeyRef<impl HasPublic>,
        lifetime: i64,
        others: impl IntoIterator<Item = X509Extension>,
    ) -> Result<X509, ErrorStack> {
        let mut builder = builder(subject, self.ca.subject_name(), key, lifetime)?;
        let context = builder.x509v3_context(Some(&self.ca), None);
        let extensions = [
            BasicConstraints::new().critical().build()?,
            KeyUsage::new().critical().digital_signature().build()?,
            AuthorityKeyIdentifier::new().keyid(true).build(&context)?,
        ];
        for extension in extensions.into_iter().chain(others) {
            builder.append_extension(extension)?;
        }
        builder.sign(self.key.private(), MessageDigest::sha256())?;
        Ok(builder.build())
    }
}

/// Reads the request for a client certificate, and its key.
fn client_request(csr: &Secret) -> Result<(X509Req, PKey<Public>), StartError> {
    let broken = |rule| StartError::setting("client certificate request", rule);
    let (request, key) = X509Req::from_pem(csr.as_bytes())
        .and_then(|request| request.public_key().map(|key| (request, key)))
        .ok()
        .filter(|(request, key)| request.verify(key).unwrap_or(false))
        .ok_or_else(|| broken("a PEM with a CERTIFICATE REQUEST, signed with its own key"))?;
    // What D1 documents that it takes.
    if !(is_p256(&key) || key.id() == Id::RSA && key.bits() == 4096) {
        return Err(broken("an RSA key of 4096 bits, or EC P-256"));
    }
    let common_names = request.subject_name().entries_by_nid(Nid::COMMONNAME);
    if common_names.count() != 1 {
        return Err(broken("one common name (CN)"));
    }
    Ok((request, key))
}

/// Returns a certificate of X.509 version 3 that is not signed yet.
fn builder(
    subject: &X509NameRef,
    issuer: &X509NameRef,
    key: &PKeyRef<impl HasPublic>,
    lifetime: i64,
) -> Result<X509Builder, ErrorStack> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let serial = serial.to_asn1_integer()?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&serial)?;
    builder.set_issuer_name(issuer)?;
    builder.set_subject_name(subject)?;
    builder.set_pubkey(key)?;
    let (from, until) = (now - DAY, now + lifetime);
    builder.set_not_before(&*Asn1Time::from_unix(from)?)?;
    builder.set_not_after(&*Asn1Time::from_unix(until)?)?;
    Ok(builder)
}

fn name(common_name: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    Ok(name.build())
}

fn der(certificate: &X509Ref) -> Result<CertificateDer<'static>, ErrorStack> {
    certificate.to_der().map(CertificateDer::from)
}

fn pem(certificate: &X509Ref) -> Result<String, ErrorStack> {
    let pem = certificate.to_pem()?;
    Ok(String::from_utf8_lossy(&pem).into_owned())
}
