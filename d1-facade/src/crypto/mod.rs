//! Keys, certificates and card data: how they are read from files, checked, and encrypted.
//!
//! | question | file |
//! |---|---|
//! | Which files are read, and what is said of the others? | `pem` |
//! | Which keys are accepted, and where does their `kid` come from? | `keys` |
//! | Which certificate is presented to D1, and until when? | `identity` |
//! | What may a PAN or an expiry be? | `credentials` |
//! | How are card credentials encrypted? | `jwe` |
//! | With which key is a token encrypted? | `agreement` |
//!
//! Everything here refuses what it cannot use with an [`InvalidInput`](crate::InvalidInput) that names the field and
//! the rule, and shows none of what it holds.

mod agreement;
mod credentials;
mod identity;
mod jwe;
pub(crate) mod keys;
mod pem;

pub use credentials::{AuxiliaryPan, CardCredentials, Expiry, Pan};
pub(crate) use identity::{Identity, Validity, certificates};
pub use jwe::EncryptionKey;
