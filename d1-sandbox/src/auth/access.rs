//! What a client needs to call for an issuer: a certificate and a signing key.

use super::caller::Caller;
use crate::crypto::keys::KeyPair;
use crate::crypto::onboarding;
use crate::crypto::pki::{ClientCertificate, Pki};
use crate::secret::Secret;
use crate::settings::{Issuer, StartError};

/// What a client needs to call a sandbox for an issuer. `Debug` shows no keys.
#[derive(Debug)]
pub struct Access {
    issuer: String,
    signing_kid: String,
    signing_key_pem: Secret,
    client: ClientCertificate,
}

impl Access {
    /// Makes or registers what the issuer calls with.
    pub(crate) fn new(
        settings: &Issuer,
        aggregated: bool,
        pki: &Pki,
    ) -> Result<(Self, Caller), StartError> {
        let client = pki.client(settings.client_request.as_ref())?;
        let mut keys = Vec::new();
        for (kid, pem) in &settings.signing_keys {
            keys.push(onboarding::signing_key(kid, pem)?);
        }
        let mut signing_key_pem = Secret::default();
        if keys.is_empty() {
            let own = KeyPair::generate()?;
            signing_key_pem = own.private_pem()?;
            keys.push(own.public()?);
        }
        let issuer = (!aggregated).then(|| settings.id.clone());
        let caller = Caller::new(&keys, client.der.clone(), issuer).map_err(StartError::keys)?;
        let access = Self {
            issuer: settings.id.clone(),
            signing_kid: keys.swap_remove(0).kid,
            signing_key_pem,
            client,
        };
        Ok((access, caller))
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
