//! Keys that a PKCS#11 token makes and uses, and never gives out.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, KeyType, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::nid::Nid;
use openssl::sha::sha256;

/// The curve P-256 as PKCS#11 names it: the DER of its object identifier, 1.2.840.10045.3.1.7.
const P256: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

/// The length of an uncompressed point of P-256.
const POINT: usize = 65;

/// A session of the user of the first token that `module` has. One call of it is made at a time.
pub(crate) fn open(module: &str, pin: String) -> Result<Arc<Mutex<Session>>, Box<dyn Error>> {
    let pkcs11 = Pkcs11::new(module)?;
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let slots = pkcs11.get_slots_with_initialized_token()?;
    let slot = slots.first().ok_or("the module has no token")?;
    let session = pkcs11.open_rw_session(*slot)?;
    session.login(UserType::User, Some(&AuthPin::new(pin.into())))?;
    Ok(Arc::new(Mutex::new(session)))
}

/// A P-256 key pair of a token. Clones are the same pair.
#[derive(Clone)]
pub(crate) struct TokenKey {
    session: Arc<Mutex<Session>>,
    private: ObjectHandle,
    /// The public key, as an uncompressed point.
    point: Vec<u8>,
}

impl TokenKey {
    /// Makes a key pair whose private key cannot leave the token.
    pub(crate) fn generate(
        session: Arc<Mutex<Session>>,
        label: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let name = Attribute::Label(label.into());
        let public = [
            Attribute::Token(true),
            Attribute::Verify(true),
            Attribute::KeyType(KeyType::EC),
            Attribute::EcParams(P256.to_vec()),
            name.clone(),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            name,
        ];
        let held = session.lock().unwrap_or_else(PoisonError::into_inner);
        let (public, private) =
            held.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
        let attributes = held.get_attributes(public, &[AttributeType::EcPoint])?;
        drop(held);
        let Some(Attribute::EcPoint(der)) = attributes.into_iter().next() else {
            return Err("the token does not show its public key".into());
        };
        // It is wrapped into an OCTET STRING.
        let start = der
            .len()
            .checked_sub(POINT)
            .ok_or("the point is too short")?;
        Ok(Self {
            session,
            private,
            point: der[start..].to_vec(),
        })
    }

    /// Signs in the token, with ECDSA and SHA-256. Returns r and s, 32 bytes each.
    pub(crate) fn sign(&self, message: &[u8]) -> cryptoki::error::Result<Vec<u8>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.sign(&Mechanism::Ecdsa, self.private, &sha256(message))
    }

    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }

    /// Returns the public key as PEM.
    pub(crate) fn public_pem(&self) -> Result<String, Box<dyn Error>> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let mut context = BigNumContext::new()?;
        let point = EcPoint::from_bytes(&group, &self.point, &mut context)?;
        let key = EcKey::from_public_key(&group, &point)?;
        Ok(String::from_utf8(key.public_key_to_pem()?)?)
    }

    /// Reads back what the token allows, and tries to read the private key.
    ///
    /// # Errors
    /// When the key could leave the token.
    pub(crate) fn check_that_it_stays(&self) -> Result<(), Box<dyn Error>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = [
            Attribute::Sensitive(true),
            Attribute::AlwaysSensitive(true),
            Attribute::Extractable(false),
            Attribute::NeverExtractable(true),
        ];
        let types = rules.each_ref().map(Attribute::attribute_type);
        let found = session.get_attributes(self.private, &types)?;
        if found != rules {
            return Err(format!("the token allows what it must not: {found:?}").into());
        }
        let value = [AttributeType::Value];
        let info = session.get_attribute_info(self.private, &value)?;
        let given = session.get_attributes(self.private, &value)?;
        match (info.as_slice(), given.as_slice()) {
            ([AttributeInfo::Sensitive | AttributeInfo::Unavailable], []) => Ok(()),
            _ => Err("the token gives the private key out".into()),
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").finish_non_exhaustive()
    }
}
