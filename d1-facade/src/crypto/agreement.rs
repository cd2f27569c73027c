//! The key agreement of a JWE: ECDH-ES on P-256 with a key of its own for each token (RFC 7518, section 4.6).
//!
//! josekit writes the token; this module gives it the content key and `epk`. josekit's own encrypter makes the
//! ephemeral key outside of a FIPS module, and has D1's key validated again for each token, which takes a third of the
//! time. Here all operations with keys go through OpenSSL's EVP interface, so that a FIPS module carries them out where
//! one is configured, and D1's key is validated once, by [`validate`].
//!
//! The shared secret and the content key are wiped when they are dropped. OpenSSL wipes the ephemeral key.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::alg::ecdh_es::EcdhEsJweAlgorithm;
use josekit::jwe::{JweAlgorithm, JweContentEncryption, JweEncrypter, JweHeader};
use josekit::{JoseError, Map, Value};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::md_ctx::MdCtx;
use openssl::pkey::{PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use zeroize::Zeroizing;

/// The only content encryption; its key has 256 bits.
pub(super) const CONTENT_ENCRYPTION: &str = "A256GCM";

/// The bytes of a P-256 shared secret, of a coordinate, and of a content key.
type Bytes32 = Zeroizing<[u8; 32]>;

/// Has OpenSSL validate a public key for key agreement.
pub(super) fn validate(peer: &PKey<Public>) -> Result<(), ErrorStack> {
    Deriver::new(&*ephemeral_key(peer)?)?.set_peer_ex(peer, true)
}

/// What one token is encrypted with.
#[derive(Clone)]
pub(super) struct KeyAgreement {
    content_key: Bytes32,
    /// The public part of the ephemeral key, as a JWK.
    epk: Map<String, Value>,
}

impl KeyAgreement {
    /// Agrees with the owner of a [validated](validate) key, by a new ephemeral key.
    pub(super) fn with(peer: &PKey<Public>) -> Result<Self, ErrorStack> {
        let own = ephemeral_key(peer)?;
        let secret = shared_secret(&own, peer)?;
        Ok(Self {
            content_key: concat_kdf(&secret, CONTENT_ENCRYPTION, [b"", b""], 256)?,
            epk: public_jwk(&own)?,
        })
    }
}

/// Makes a key on the curve of another.
fn ephemeral_key(peer: &PKey<Public>) -> Result<PKey<Private>, ErrorStack> {
    let mut context = PkeyCtx::new(peer)?;
    context.keygen_init()?;
    context.keygen()
}

fn shared_secret(own: &PKey<Private>, peer: &PKey<Public>) -> Result<Bytes32, ErrorStack> {
    let mut deriver = Deriver::new(own)?;
    deriver.set_peer_ex(peer, false)?;
    let mut secret = Bytes32::default();
    deriver.derive(&mut *secret)?;
    Ok(secret)
}

/// Derives a key of up to 256 bits by one round of Concat KDF with SHA-256 (RFC 7518, section 4.6.2). A shorter key is
/// at the beginning of what is returned.
fn concat_kdf(
    secret: &Bytes32,
    algorithm: &str,
    parties: [&[u8]; 2],
    bits: u32,
) -> Result<Bytes32, ErrorStack> {
    let mut digest = MdCtx::new()?;
    digest.digest_init(Md::sha256())?;
    digest.digest_update(&1_u32.to_be_bytes())?;
    digest.digest_update(&**secret)?;
    for text in [algorithm.as_bytes(), parties[0], parties[1]] {
        // A `kid` or a party of 4 GiB cannot be passed here.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        digest.digest_update(&length.to_be_bytes())?;
        digest.digest_update(text)?;
    }
    digest.digest_update(&bits.to_be_bytes())?;
    let mut key = Bytes32::default();
    digest.digest_final(&mut *key)?;
    Ok(key)
}

/// Returns the public part of a P-256 key. OpenSSL's safe interface reads a point from a copy of the key alone.
///
/// # Errors
/// When a coordinate does not fit into 32 bytes, or OpenSSL fails.
fn public_jwk(key: &PKey<Private>) -> Result<Map<String, Value>, ErrorStack> {
    let key = key.ec_key()?;
    let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
    let point = key.public_key();
    point.affine_coordinates(key.group(), &mut x, &mut y, &mut *BigNumContext::new()?)?;
    let coordinate = |number: BigNum| Ok(URL_SAFE_NO_PAD.encode(number.to_vec_padded(32)?));
    let member = |name: &str, value: String| (name.to_owned(), Value::String(value));
    Ok(Map::from_iter([
        member("kty", "EC".to_owned()),
        member("crv", "P-256".to_owned()),
        member("x", coordinate(x)?),
        member("y", coordinate(y)?),
    ]))
}

impl JweEncrypter for KeyAgreement {
    fn algorithm(&self) -> &dyn JweAlgorithm {
        &EcdhEsJweAlgorithm::EcdhEs
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    /// Lends the content key: josekit would not wipe one that it owned.
    fn compute_content_encryption_key(
        &self,
        _encryption: &dyn JweContentEncryption,
        _header: &JweHeader,
        written: &mut JweHeader,
    ) -> Result<Option<Cow<'_, [u8]>>, JoseError> {
        written.set_claim("epk", Some(Value::Object(self.epk.clone())))?;
        Ok(Some(Cow::Borrowed(&*self.content_key)))
    }

    /// Returns no encrypted key: ECDH-ES encrypts with the key that was agreed on.
    fn encrypt(
        &self,
        _key: &[u8],
        _header: &JweHeader,
        _written: &mut JweHeader,
    ) -> Result<Option<Vec<u8>>, JoseError> {
        Ok(None)
    }

    fn box_clone(&self) -> Box<dyn JweEncrypter> {
        Box::new(self.clone())
    }
}

debug_redacted!(KeyAgreement);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;

    use super::*;
    use crate::crypto::{KeyField, keys};

    const FIELD: KeyField = KeyField {
        key: "key",
        kid: "kid",
    };

    /// The public key of RFC 7518, appendix C.
    const BOB: &str = r#"{"kty":"EC","crv":"P-256","kid":"bob",
        "x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;

    fn bob() -> PKey<Public> {
        let (bob, _) = keys::encryption_key(FIELD, BOB.as_bytes(), None).unwrap();
        validate(&bob).unwrap();
        bob
    }

    #[test]
    fn the_derivation_is_that_of_rfc_7518_appendix_c() {
        let alice = r#"{"kty":"EC","crv":"P-256","kid":"alice",
            "x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
            "d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"}"#;
        let (alice, _) = keys::signing_key(FIELD, alice.as_bytes(), None).unwrap();
        let secret = shared_secret(&alice, &bob()).unwrap();
        assert_eq!(secret[..4], [158, 86, 217, 29]);
        let key = concat_kdf(&secret, "A128GCM", [b"Alice", b"Bob"], 128).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(&key[..16]), "VqqN6vgjbSBcIijNcacQGg");
        let epk = Value::Object(public_jwk(&alice).unwrap()).to_string();
        assert_eq!(
            epk,
            r#"{"kty":"EC","crv":"P-256","x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0","y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"}"#
        );
    }

    #[test]
    fn a_point_of_another_curve_causes_no_panic() {
        for (curve, fits) in [(Nid::SECP112R1, true), (Nid::SECP521R1, false)] {
            let group = EcGroup::from_curve_name(curve).unwrap();
            let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
            assert_eq!(public_jwk(&key).is_ok(), fits, "{curve:?}");
        }
    }

    #[test]
    fn each_agreement_has_a_key_of_its_own() {
        let [first, second] = [(); 2].map(|()| KeyAgreement::with(&bob()).unwrap());
        assert_ne!(first.epk["x"], second.epk["x"]);
        assert_ne!(*first.content_key, *second.content_key);
    }

    #[test]
    fn an_agreement_is_not_shown() {
        let agreement = KeyAgreement::with(&bob()).unwrap();
        assert_eq!(format!("{agreement:?}"), "KeyAgreement([redacted])");
    }
}
