//! Keys, certificates and card data: how they are read from files, checked, and encrypted.
//!
//! | question | file |
//! |---|---|
//! | Which files are read, and what is said of the others? | `pem` |
//! | Which keys are accepted, and where does their `kid` come from? | `keys` |
//! | How is a JWK read, and which one of a JWK set? | `jwk` |
//! | Which certificate and key can be presented? | `certificate` |
//! | Where does the client certificate come from? | `identity` |
//! | When do files have another one? | `watched` |
//! | Has it changed, and until when is it valid? | `presented` |
//! | What may a PAN or an expiry be? | `credentials` |
//! | How are card credentials encrypted? | `jwe` |
//! | With which key is a token encrypted? | `agreement` |
//! | Does a FIPS module carry it out? | `fips` |
//!
//! Everything here refuses what it cannot use with an [`InvalidInput`](crate::InvalidInput) that names the field and
//! the rule, and shows none of what it holds.

mod agreement;
mod certificate;
mod credentials;
pub(crate) mod fips;
mod identity;
mod jwe;
mod jwk;
pub(crate) mod keys;
mod pem;
mod presented;
mod watched;

pub(crate) use certificate::certificates;
pub use credentials::{AuxiliaryPan, CardCredentials, Expiry, Pan};
pub use identity::Identity;
pub use jwe::EncryptionKey;
pub(crate) use jwk::KeyField;
pub(crate) use presented::Presented;
