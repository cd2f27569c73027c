//! The cards of an issuer, and the rules by which D1 changes them.

pub(crate) mod cards;
pub(crate) mod credentials;
pub(crate) mod history;
pub(crate) mod ledger;
pub(crate) mod renewal;
pub(crate) mod rules;
