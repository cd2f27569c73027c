//! The parties that may call: what they prove themselves by, and what their clients need for it.

use super::signing;
use crate::crypto::key_folder::{self, KeyFolder};
use crate::crypto::keys;
use crate::crypto::pki::{ClientCertificate, Pki};
use crate::secret::Secret;
use crate::settings::{Builder, Issuer, StartError};
use josekit::jws::alg::ecdsa::EcdsaJwsVerifier;
use openssl::sha::sha256;
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use time::OffsetDateTime;

/// The certificate that the client of a connection has shown; each of its requests carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownCertificate(pub(crate) Arc<CertificateDer<'static>>);

impl ShownCertificate {
    /// Returns the SHA-256 of the certificate, as OpenSSL writes it.
    pub(crate) fn fingerprint(&self) -> String {
        let bytes = sha256(&self.0).map(|byte| format!("{byte:02X}"));
        bytes.join(":")
    }
}

/// An issuer, or an aggregator that calls for issuers.
pub(crate) struct Caller {
    /// By their kid.
    pub(super) verifiers: BTreeMap<String, EcdsaJwsVerifier>,
    /// Those that were issued for it.
    pub(super) certificates: RwLock<Vec<CertificateDer<'static>>>,
    /// The issuer whose cards it may change; without one, those of all issuers.
    pub(super) issuer: Option<String>,
}

impl Caller {
    /// Returns whether a certificate was issued for this caller.
    pub(super) fn owns(&self, shown: Option<&ShownCertificate>) -> bool {
        let own = self.certificates.read();
        let own = own.unwrap_or_else(PoisonError::into_inner);
        shown.is_some_and(|shown| own.contains(&shown.0))
    }

    pub(super) fn may_call_for(&self, issuer: &str) -> bool {
        self.issuer.as_ref().is_none_or(|own| own == issuer)
    }
}

/// What a client needs to call a sandbox for an issuer. `Debug` shows no keys.
#[derive(Debug)]
pub struct Access {
    issuer: String,
    signing_kid: String,
    signing_key_pem: Secret,
    client: ClientCertificate,
}

impl Access {
    /// Makes what each issuer calls with, that of the builder first; and the callers by the ids in their
    /// assertions.
    pub(crate) fn of_issuers(
        settings: &Builder,
        pki: &Pki,
        folder: &KeyFolder,
    ) -> Result<(Vec<Self>, BTreeMap<String, Caller>), StartError> {
        let (mut accesses, mut callers) = (Vec::new(), BTreeMap::new());
        let mut aggregator = settings.options.aggregator.clone();
        for issuer in settings.issuers() {
            let other = (issuer.id != settings.issuer.id).then(|| folder.below(&issuer.id));
            let (access, mut caller) = Self::new(issuer, pki, other.as_ref().unwrap_or(folder))?;
            let aggregator = aggregator.take();
            caller.issuer = aggregator.is_none().then(|| issuer.id.clone());
            callers.insert(aggregator.unwrap_or_else(|| issuer.id.clone()), caller);
            accesses.push(access);
        }
        Ok((accesses, callers))
    }

    /// Makes or registers what the issuer calls with. The caller may call for all issuers.
    fn new(settings: &Issuer, pki: &Pki, folder: &KeyFolder) -> Result<(Self, Caller), StartError> {
        let client = pki.client(folder, settings.client_request.as_ref())?;
        let mut verifiers = BTreeMap::new();
        for (kid, pem) in &settings.signing_keys {
            verifiers.insert(kid.clone(), keys::signing_key(kid, pem)?);
        }
        let registered = settings.signing_keys.first();
        let (signing_kid, signing_key_pem) = if let Some((kid, _)) = registered {
            (kid.clone(), Secret::default())
        } else {
            let own = folder.key(key_folder::SIGNING_KEY)?;
            verifiers.insert(own.kid().to_owned(), own.verifier()?);
            (own.kid().to_owned(), own.private_pem()?)
        };
        let caller = Caller {
            verifiers,
            certificates: RwLock::new(vec![client.der.clone()]),
            issuer: None,
        };
        let access = Self {
            issuer: settings.id.clone(),
            signing_kid,
            signing_key_pem,
            client,
        };
        Ok((access, caller))
    }

    /// Returns an assertion that the sandbox accepts for 5 minutes, of the aggregator if there is one; none where the
    /// private key is not the sandbox's.
    pub(crate) fn assertion(
        &self,
        aggregator: Option<&str>,
        now: OffsetDateTime,
    ) -> Option<String> {
        let caller = aggregator.unwrap_or(&self.issuer);
        let (pem, now) = (self.signing_key_pem.as_bytes(), now.unix_timestamp());
        signing::assertion(pem, &self.signing_kid, caller, now).ok()
    }

    /// Returns the id of the issuer.
    #[must_use]
    pub fn issuer_id(&self) -> &str {
        &self.issuer
    }

    /// Returns a client certificate (PEM) that the sandbox accepts for this issuer alone: the one that was
    /// asked for, if any.
    #[must_use]
    pub fn client_certificate_pem(&self) -> &str {
        &self.client.pem
    }

    /// Returns the private key of the client certificate, PKCS#8, on P-256; empty where the certificate was
    /// asked for.
    #[must_use]
    pub fn client_key_pem(&self) -> &str {
        &self.client.key_pem
    }

    /// Returns the private key for ES256 assertions, PKCS#8; empty where public parts were registered.
    #[must_use]
    pub fn signing_key_pem(&self) -> &str {
        &self.signing_key_pem
    }

    /// Returns the id of the signing key, the first one of several.
    #[must_use]
    pub fn signing_kid(&self) -> &str {
        &self.signing_kid
    }
}
