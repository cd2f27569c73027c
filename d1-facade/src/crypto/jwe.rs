//! Encrypts card credentials to D1's public key (JWE, RFC 7516; ECDH-ES, RFC 7518 section 4.6).
//!
//! The algorithms are fixed: `ECDH-ES` on P-256 and `A256GCM`, which D1 documents. There is no way to choose weaker
//! ones, and nothing here decrypts.

use josekit::jwe::{self, JweHeader};
use openssl::pkey::{PKey, Public};

use super::CardCredentials;
use super::agreement::{self, CONTENT_ENCRYPTION, KeyAgreement};
use super::jwk::KeyField;
use super::keys;
use crate::error::{Error, ErrorKind, Fault, InvalidInput, Outcome};
use crate::values::{ApiOperation, EncryptedData};

/// A public P-256 key of D1 to which card credentials are encrypted, and its `kid`.
///
/// [`ClientBuilder::encryption_key`](crate::ClientBuilder::encryption_key) takes it. Building one takes about as long as
/// encrypting with it, so build it once: clones are cheap. `Debug` shows the `kid` alone.
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
    // Validated when it was read.
    key: PKey<Public>,
    kid: String,
    expires_at: Option<i64>,
}

const FIELD: KeyField = KeyField {
    key: "encryption_key",
    kid: "encryption_kid",
};

impl EncryptionKey {
    /// Reads a key from the JSON of a public JWK (RFC 7517): `kty` EC, `crv` P-256, with `kid`.
    ///
    /// # Errors
    /// When it is not such a key, its point is not on the curve, it has a private part, or no `kid` (fields
    /// `encryption_key` and `encryption_kid`).
    pub fn from_jwk(json: &str) -> Result<Self, InvalidInput> {
        Self::from_bytes(keys::only_jwk(FIELD, json)?, None)
    }

    /// Reads a key from a PEM file (`PUBLIC KEY` or `CERTIFICATE`), with the `kid` that D1 has given it.
    ///
    /// ```no_run
    /// use d1_facade::EncryptionKey;
    ///
    /// let key = EncryptionKey::from_pem(std::fs::read("d1-public.pem")?, "d1-key-1")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it is not a public P-256 key (field `encryption_key`), or the `kid` is not 1 to 256 visible ASCII characters
    /// (field `encryption_kid`). The error says what the file holds instead.
    pub fn from_pem(pem: impl AsRef<[u8]>, kid: &str) -> Result<Self, InvalidInput> {
        Self::from_bytes(pem, Some(kid))
    }

    /// Reads a key from a file of any of the forms PEM, DER, X.509 certificate, JWK and JWK set.
    ///
    /// The `kid` may be in the JWK or be given here; if it is in both, they must be the same. In a JWK set, it chooses
    /// the key; without it, the set must have one P-256 key for encryption alone. It is for services that read the file
    /// from a setting, whatever its form:
    ///
    /// ```no_run
    /// use d1_facade::EncryptionKey;
    ///
    /// # fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// let kid = std::env::var("D1_ENCRYPTION_KID").ok();
    /// let key = EncryptionKey::from_bytes(std::fs::read("d1.key")?, kid.as_deref())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is not a P-256 public key (field `encryption_key`), or has no `kid` or another one than the
    /// one that is given (field `encryption_kid`).
    pub fn from_bytes(bytes: impl AsRef<[u8]>, kid: Option<&str>) -> Result<Self, InvalidInput> {
        let (key, kid) = keys::encryption_key(FIELD, bytes.as_ref(), kid)?;
        let unusable = |_| InvalidInput::new(FIELD.key, "is not a P-256 public key");
        agreement::validate(&key).map_err(unusable)?;
        Ok(Self {
            key,
            kid,
            expires_at: keys::expires_at(bytes.as_ref()),
        })
    }

    /// Returns the end of its certificate, where it was read from one, in seconds since 1970.
    pub(crate) fn expires_at(&self) -> Option<i64> {
        self.expires_at
    }

    /// Returns the id by which D1 knows the key (JOSE: `kid`).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Encrypts card credentials to a compact JWE (D1: `encryptedData`): `ECDH-ES`, `A256GCM`, this key's
    /// `kid`, and no other header.
    ///
    /// A [renewal](crate::Renewal::credentials) does it by itself. This method is for services that keep PANs in
    /// one place and call D1 from another, which then never sees a PAN:
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
    /// Of kind [`Crypto`](ErrorKind::Crypto), when OpenSSL fails.
    pub fn encrypt(&self, credentials: &CardCredentials) -> Result<EncryptedData, Error> {
        let failed = || {
            Error::new(ApiOperation::RenewCard, ErrorKind::Crypto, Outcome::NotSent)
                .with_fault(Fault::ENCRYPTION_FAILED)
        };
        let plaintext = credentials.plaintext().map_err(|_| failed())?;
        let mut header = JweHeader::new();
        header.set_content_encryption(CONTENT_ENCRYPTION);
        header.set_key_id(&self.kid);
        let agreement = KeyAgreement::with(&self.key).map_err(|_| failed())?;
        // josekit's errors may quote what they were given; none of it leaves this function.
        let jwe = jwe::serialize_compact(&plaintext, &header, &agreement);
        jwe.map_err(|_| failed())?
            .parse()
            .map_err(|e| Error::invalid_input_of(ApiOperation::RenewCard, e))
    }
}

debug_fields!(EncryptionKey, kid);
