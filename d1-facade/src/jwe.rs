//! Encrypts card credentials to D1's key (RFC 7516, RFC 7518 section 4.6).

use std::fmt;

use josekit::jwe::alg::ecdh_es::{EcdhEsJweAlgorithm, EcdhEsJweEncrypter};
use josekit::jwe::{self, JweHeader};

use crate::api_operation::ApiOperation;
use crate::credentials::CardCredentials;
use crate::error::{Error, ErrorBuilder, ErrorKind, InvalidInput, Outcome};
use crate::keys::{self, KeyField};
use crate::text::EncryptedData;

/// A public key of D1, to which card credentials are encrypted: a P-256 key and its `kid`.
///
/// ```
/// use d1_facade::EncryptionKey;
///
/// let jwk = r#"{"kty":"EC","crv":"P-256","kid":"d1-key-1",
///     "x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
///     "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;
/// let key = EncryptionKey::from_jwk(jwk)?;
/// assert_eq!(key.kid(), "d1-key-1");
/// # Ok::<(), d1_facade::InvalidInput>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKey {
    // Built once: setting it up costs as much as using it.
    encrypter: EcdhEsJweEncrypter,
    kid: String,
}

/// Why card credentials could not be encrypted. It holds nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EncryptionFailed;

impl fmt::Display for EncryptionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the card credentials could not be encrypted")
    }
}

impl std::error::Error for EncryptionFailed {}

const FIELD: KeyField = KeyField {
    key: "encryption_key",
    kid: "encryption_kid",
};

impl EncryptionKey {
    /// Reads the JSON of a public JWK: `kty` EC, `crv` P-256, with its `kid`.
    ///
    /// # Errors
    /// When it is not such a key, its point is not on the curve, it has a private part, or no `kid`.
    pub fn from_jwk(json: &str) -> Result<Self, InvalidInput> {
        Self::from_bytes(keys::only_jwk(FIELD, json)?, None)
    }

    /// Reads a PEM (`PUBLIC KEY` or `CERTIFICATE`) whose `kid` is given beside it.
    ///
    /// # Errors
    /// When it is not a P-256 public key, or the `kid` is empty.
    pub fn from_pem(pem: impl AsRef<[u8]>, kid: &str) -> Result<Self, InvalidInput> {
        Self::from_bytes(pem, Some(kid))
    }

    /// Reads what stands in a key file: PEM, DER, an X.509 certificate or a JWK. The `kid` of a JWK may be
    /// left out where it is given beside it; if both are there, they must be the same.
    ///
    /// # Errors
    /// When it is not a P-256 public key (field `encryption_key`), or has no `kid` or another one than the
    /// one that is given (field `encryption_kid`).
    pub fn from_bytes(bytes: impl AsRef<[u8]>, kid: Option<&str>) -> Result<Self, InvalidInput> {
        let key = keys::encryption_key(FIELD, bytes.as_ref(), kid)?;
        Ok(Self {
            encrypter: EcdhEsJweAlgorithm::EcdhEs
                .encrypter_from_der(&*key.der)
                .map_err(|_| InvalidInput::new(FIELD.key, "is not a P-256 public key"))?,
            kid: key.kid,
        })
    }

    /// The id by which D1 knows the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Encrypts card credentials to a compact JWE (D1: `encryptedData`): `ECDH-ES`, `A256GCM`, this key's
    /// `kid`, and no other header.
    ///
    /// A [renewal](crate::Renewal::credentials) does it by itself. This is for services that keep PANs in
    /// one place and call D1 from another, which then never sees one:
    ///
    /// ```
    /// use d1_facade::{CardCredentials, EncryptionKey, Renewal};
    ///
    /// # let jwk = r#"{"kty":"EC","crv":"P-256","kid":"d1-key-1",
    /// #     "x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
    /// #     "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;
    /// // Where the PAN is:
    /// let key = EncryptionKey::from_jwk(jwk)?;
    /// let encrypted = key.encrypt(&CardCredentials::new("4111111111111111", "1230")?)?;
    /// let message = encrypted.as_str();
    ///
    /// // Where D1 is called from:
    /// let renewal = Renewal::same_card().encrypted_data(message.parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Of kind [`Crypto`](ErrorKind::Crypto), when OpenSSL cannot.
    pub fn encrypt(&self, credentials: &CardCredentials) -> Result<EncryptedData, Error> {
        let failed =
            || ErrorBuilder::new(ApiOperation::RenewCard, ErrorKind::Crypto, Outcome::NotSent);
        let plaintext = credentials.plaintext().map_err(|_| failed().build())?;
        let jwe = self
            .seal(&plaintext)
            .map_err(|e| failed().source(e).build())?;
        jwe.parse()
            .map_err(|e| Error::invalid_input_of(ApiOperation::RenewCard, e))
    }

    fn seal(&self, plaintext: &[u8]) -> Result<String, EncryptionFailed> {
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        header.set_key_id(&self.kid);
        // josekit's errors may quote what they were given; none of it leaves this function.
        jwe::serialize_compact(plaintext, &header, &self.encrypter).map_err(|_| EncryptionFailed)
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
