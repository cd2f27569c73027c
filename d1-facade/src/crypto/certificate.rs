//! Reads certificates, and the private key of one.
//!
//! What would fail in a handshake is found here: a key of another certificate, a kind of key that TLS cannot use, a
//! certificate that cannot be read. The dates are not checked, since a certificate can expire while the process runs:
//! `presented` checks those of the certificate that would be presented now, before each request.
//!
//! The chain is presented with the certificate of the key first and each issuer after the certificate that it
//! signed, whatever their order in the file: TLS 1.2 requires both (RFC 5246, section 7.4.2).

use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509VerifyResult};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::{keys, pem};
use crate::error::InvalidInput;

/// The names in errors of certificate and key together, and of each of them.
pub(super) const IDENTITY: &str = "client_identity";
pub(super) const CERTIFICATE: &str = "client_identity_certificate";
pub(super) const KEY: &str = "client_identity_key";

/// A certificate with its chain, the leaf first, and its key.
#[derive(Clone)]
pub(super) struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PKey<Private>,
}

impl ClientCertificate {
    pub(super) fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, InvalidInput> {
        let key = keys::private_key(KEY, key)?;
        Self::new(read(CERTIFICATE, certificate)?, key)
    }

    pub(super) fn new(mut chain: Vec<X509>, key: PKey<Private>) -> Result<Self, InvalidInput> {
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
    pub(super) fn certified(self, provider: &CryptoProvider) -> Result<CertifiedKey, InvalidInput> {
        let der = self.key.private_key_to_pkcs8();
        let der = der.map_err(|_| InvalidInput::new(KEY, "cannot be written as PKCS#8"))?;
        let loaded = provider
            .key_provider
            .load_private_key(PrivatePkcs8KeyDer::from(der).into());
        let key = loaded.map_err(|_| {
            InvalidInput::new(KEY, "has a key that the crypto_provider does not take")
        })?;
        Ok(CertifiedKey::new(self.chain, key))
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
            let read = ClientCertificate::from_pem(file.as_bytes(), &key).unwrap();
            assert_eq!(read.chain, expected, "{order:?}");
        }
    }
}
