//! What OpenSSL itself can do of a JWE: a key agreement on P-256, with keys that are made once.

use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};

/// The two keys of an agreement.
pub struct Agreement {
    group: EcGroup,
    own: PKey<Private>,
    peer: PKey<Public>,
}

impl Agreement {
    /// Keys of this process.
    #[must_use]
    pub fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let peer = EcKey::generate(&group).unwrap();
        let peer = EcKey::from_public_key(&group, peer.public_key()).unwrap();
        Self {
            own: PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(),
            peer: PKey::from_ec_key(peer).unwrap(),
            group,
        }
    }

    /// One agreement. This alone is what `openssl speed ecdhp256` counts.
    pub fn agree(&self) {
        agree(&self.own, &self.peer);
    }

    /// One agreement with a key that is made for it: the least that a JWE takes.
    pub fn agree_with_new_key(&self) {
        let own = PKey::from_ec_key(EcKey::generate(&self.group).unwrap()).unwrap();
        agree(&own, &self.peer);
    }
}

impl Default for Agreement {
    fn default() -> Self {
        Self::new()
    }
}

fn agree(own: &PKey<Private>, peer: &PKey<Public>) {
    let mut deriver = Deriver::new(own).unwrap();
    deriver.set_peer(peer).unwrap();
    std::hint::black_box(deriver.derive_to_vec().unwrap());
}
