//! A party that may call, and what it proves itself by.

use crate::crypto::keys::PublicKey;
use josekit::jws::alg::ecdsa::EcdsaJwsVerifier;
use josekit::{JoseError, jws};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The certificate that the client of a connection has shown; each of its requests carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownCertificate(pub(crate) Arc<CertificateDer<'static>>);

/// An issuer, or an aggregator that calls for issuers.
pub(crate) struct Caller {
    /// By their kid.
    pub(super) verifiers: BTreeMap<String, EcdsaJwsVerifier>,
    certificate: CertificateDer<'static>,
    /// The issuer whose cards it may change; without one, those of all issuers.
    issuer: Option<String>,
}

impl Caller {
    pub(crate) fn new(
        keys: &[PublicKey],
        certificate: CertificateDer<'static>,
        issuer: Option<String>,
    ) -> Result<Self, JoseError> {
        let mut verifiers = BTreeMap::new();
        for key in keys {
            verifiers.insert(key.kid.clone(), jws::ES256.verifier_from_der(&key.der)?);
        }
        Ok(Self {
            verifiers,
            certificate,
            issuer,
        })
    }

    /// Returns whether a certificate is the one that was made for this caller.
    pub(super) fn owns(&self, shown: Option<&ShownCertificate>) -> bool {
        shown.is_some_and(|shown| *shown.0 == self.certificate)
    }

    pub(super) fn may_call_for(&self, issuer: &str) -> bool {
        self.issuer.as_ref().is_none_or(|own| own == issuer)
    }
}
