//! The P-256 keys of one sandbox: the issuers' signing keys and D1's encryption keys, made or given.

use crate::secret::Secret;
use crate::settings::StartError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jws::ES256;
use josekit::jws::alg::ecdsa::EcdsaJwsVerifier;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, PKey, PKeyRef, Private, Public};
use openssl::sha::sha256;
use zeroize::Zeroizing;

/// A P-256 key pair with the forms of it that the sandbox needs. Has no `Debug`: it is private.
pub(crate) struct KeyPair {
    key: PKey<Private>,
    kid: String,
    /// The public key as a JSON Web Key to encrypt to.
    encryption_jwk: String,
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
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        let mut context = BigNumContext::new()?;
        ec.public_key()
            .affine_coordinates(ec.group(), &mut x, &mut y, &mut context)?;
        let [x, y] = [x.to_vec_padded(32)?, y.to_vec_padded(32)?];
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        // RFC 7638 fixes these members, in this order and without spaces.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let thumbprint = || URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()));
        let kid = kid.map_or_else(thumbprint, str::to_owned);
        let jwk = serde_json::json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y,
            "kid": kid, "use": "enc", "alg": "ECDH-ES",
        });
        Ok(Self {
            key,
            kid,
            encryption_jwk: jwk.to_string(),
        })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn encryption_jwk(&self) -> &str {
        &self.encryption_jwk
    }

    /// Returns what verifies the signatures of the key.
    pub(crate) fn verifier(&self) -> Result<EcdsaJwsVerifier, StartError> {
        verifier(&self.key)
    }

    pub(crate) fn private(&self) -> &PKeyRef<Private> {
        &self.key
    }

    pub(crate) fn public(&self) -> Result<PKey<Public>, ErrorStack> {
        PKey::public_key_from_der(&self.key.public_key_to_der()?)
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

/// Returns what verifies the signatures of a P-256 key.
pub(crate) fn verifier(key: &PKeyRef<impl HasPublic>) -> Result<EcdsaJwsVerifier, StartError> {
    let verifier = ES256.verifier_from_der(key.public_key_to_der()?);
    verifier.map_err(StartError::keys)
}

/// Reads a private key of D1, which D1 calls `kid`.
pub(crate) fn encryption_key(kid: &str, pem: &Secret) -> Result<KeyPair, StartError> {
    const SETTING: &str = "encryption key";
    check_kid(SETTING, kid)?;
    private_key(pem.as_bytes(), Some(kid)).ok_or_else(|| {
        StartError::setting(SETTING, "a PEM with an unencrypted EC P-256 PRIVATE KEY")
    })
}

/// Reads a P-256 key that is not encrypted; without a `kid` its id is the RFC 7638 thumbprint.
pub(super) fn private_key(pem: &[u8], kid: Option<&str>) -> Option<KeyPair> {
    // An encrypted key must not make OpenSSL ask for its passphrase on the terminal.
    let key = PKey::private_key_from_pem_callback(pem, |_| Ok(0)).ok();
    let key = key.filter(|key| is_p256(key))?;
    KeyPair::new(key, kid).ok()
}

/// Reads the public signing key of an issuer, who calls it `kid`.
pub(crate) fn signing_key(kid: &str, pem: &Secret) -> Result<EcdsaJwsVerifier, StartError> {
    const SETTING: &str = "signing key";
    check_kid(SETTING, kid)?;
    PKey::public_key_from_pem(pem.as_bytes())
        .ok()
        .filter(|key| is_p256(key))
        .and_then(|key| verifier(&key).ok())
        .ok_or_else(|| StartError::setting(SETTING, "a PEM with an EC P-256 PUBLIC KEY"))
}

fn check_kid(setting: &'static str, kid: &str) -> Result<(), StartError> {
    let printable = kid.bytes().all(|byte| byte.is_ascii_graphic());
    if kid.is_empty() || !printable {
        return Err(StartError::setting(
            setting,
            "a kid of printable ASCII characters",
        ));
    }
    Ok(())
}

/// Returns whether a key is one of EC P-256.
pub(crate) fn is_p256(key: &PKeyRef<impl HasPublic>) -> bool {
    key.ec_key()
        .is_ok_and(|key| key.group().curve_name() == Some(Nid::X9_62_PRIME256V1))
}

/// Returns random bytes as unpadded base64url.
pub(crate) fn random_token(bytes: usize) -> Result<String, ErrorStack> {
    let mut random = vec![0; bytes];
    openssl::rand::rand_bytes(&mut random)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}
