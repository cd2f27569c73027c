//! The key of a token as each library wants it: the client's assertions, TLS, and the request for a certificate.

use std::sync::Arc;

use d1_facade::auth::{Signer, Unavailable};

use crate::token::TokenKey;

/// Signs assertions with a key of the token.
pub(crate) struct AssertionSigner {
    pub(crate) key: TokenKey,
    pub(crate) kid: String,
}

impl Signer for AssertionSigner {
    fn kid(&self) -> &str {
        &self.kid
    }

    async fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Unavailable> {
        let (key, input) = (self.key.clone(), input.to_owned());
        // PKCS#11 blocks.
        let signed = tokio::task::spawn_blocking(move || key.sign(&input)).await?;
        // A token that was removed, or a session that it closed: the next call may succeed.
        signed.map_err(Unavailable::transient)
    }
}

use d1_facade::Identity;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

/// Presents `chain`, and signs handshakes with a key of the token.
pub(crate) fn identity(chain: Vec<CertificateDer<'static>>, key: TokenKey) -> Identity {
    let certified = CertifiedKey::new(chain, Arc::new(key));
    Identity::from_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

impl rustls::sign::SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        let is_offered = offered.contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
        is_offered.then(|| Box::new(self.clone()) as _)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl rustls::sign::Signer for TokenKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signature = TokenKey::sign(self, message).map_err(|e| e.to_string());
        let der = signature.and_then(|s| der(&s).map_err(|e| e.to_string()));
        der.map_err(rustls::Error::General)
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// Returns a signature as DER: TLS and X.509 have it in this form, PKCS#11 as r and s.
fn der(signature: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let (r, s) = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
    EcdsaSig::from_private_components(r, s)?.to_der()
}

impl rcgen::PublicKeyData for TokenKey {
    fn der_bytes(&self) -> &[u8] {
        self.point()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for TokenKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = TokenKey::sign(self, message).ok();
        let der = signature.and_then(|signature| der(&signature).ok());
        der.ok_or(rcgen::Error::RemoteKeyError)
    }
}
