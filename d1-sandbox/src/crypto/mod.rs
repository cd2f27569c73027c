//! Keys, certificates and encrypted card data.

pub(crate) mod jwe;
pub(crate) mod key_folder;
pub(crate) mod keys;
pub(crate) mod pki;
