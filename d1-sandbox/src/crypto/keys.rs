//! The P-256 keys of one sandbox: the issuer's signing key and D1's encryption key.

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::sha::sha256;
use zeroize::Zeroizing;

/// The public part of a P-256 key, and the id that it goes by.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    pub(crate) kid: String,
    /// SubjectPublicKeyInfo.
    pub(crate) der: Vec<u8>,
}

/// A P-256 key pair with the forms of it that the sandbox needs. Has no `Debug`: it is private.
pub(crate) struct KeyPair {
    key: PKey<Private>,
    x: String,
    y: String,
    kid: String,
}

impl KeyPair {
    /// Makes a new random key; its id is the RFC 7638 thumbprint.
    pub(crate) fn generate() -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        Self::new(PKey::from_ec_key(EcKey::generate(&group)?)?, None)
    }

    /// Takes a P-256 key; without an id of its own that is the RFC 7638 thumbprint.
    pub(crate) fn new(key: PKey<Private>, kid: Option<&str>) -> Result<Self, ErrorStack> {
        let ec = key.ec_key()?;
        let group = ec.group();
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        let mut context = BigNumContext::new()?;
        ec.public_key()
            .affine_coordinates(group, &mut x, &mut y, &mut context)?;
        let x = URL_SAFE_NO_PAD.encode(x.to_vec_padded(32)?);
        let y = URL_SAFE_NO_PAD.encode(y.to_vec_padded(32)?);
        // RFC 7638 fixes these members, in this order and without spaces.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let thumbprint = || URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()));
        let kid = kid.map_or_else(thumbprint, str::to_owned);
        Ok(Self { key, x, y, kid })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the public key as a JSON Web Key to encrypt to.
    pub(crate) fn encryption_jwk(&self) -> String {
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y,
            "kid": self.kid, "use": "enc", "alg": "ECDH-ES",
        })
        .to_string()
    }

    pub(crate) fn public(&self) -> Result<PublicKey, ErrorStack> {
        Ok(PublicKey {
            kid: self.kid.clone(),
            der: self.key.public_key_to_der()?,
        })
    }

    pub(crate) fn private(&self) -> &PKeyRef<Private> {
        &self.key
    }

    pub(crate) fn private_der(&self) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        self.key.private_key_to_pkcs8().map(Zeroizing::new)
    }

    /// Returns the private key as PKCS#8 in PEM.
    pub(crate) fn private_pem(&self) -> Result<Secret, ErrorStack> {
        let pem = Zeroizing::new(self.key.private_key_to_pem_pkcs8()?);
        Ok(Secret::new(String::from_utf8_lossy(&pem)))
    }
}

/// Returns random bytes as unpadded base64url.
pub(crate) fn random_token(bytes: usize) -> Result<String, ErrorStack> {
    let mut random = vec![0; bytes];
    openssl::rand::rand_bytes(&mut random)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}
