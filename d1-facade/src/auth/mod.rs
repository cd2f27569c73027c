//! Who the client is to D1: the signed assertion, and the access token that it is exchanged for.
//!
//! Most services only need a [`SigningKey`](crate::SigningKey): the client signs an assertion (RFC 7523), exchanges it for an access
//! token over its own connections, and keeps the token for all calls. One exchange serves every call that waits, and
//! the next token is fetched before the first one ends.
//!
//! | to | use |
//! |---|---|
//! | sign with a key in an HSM or a KMS | [`ClientBuilder::signer`](crate::ClientBuilder::signer) with a [`Signer`] |
//! | send other claims | [`AssertionPolicy`] |
//! | share one token among processes, or count exchanges | [`ClientBuilder::wrap_token_source`](crate::ClientBuilder::wrap_token_source) with a [`TokenExchange`] |
//! | obtain tokens elsewhere | [`ClientBuilder::token_source`](crate::ClientBuilder::token_source) with a [`TokenSource`] |

pub(crate) mod assertion;
mod cache;
mod exchange;
mod options;
mod refresh;
mod signer;
mod token;

pub use assertion::AssertionPolicy;
pub(crate) use cache::{CachedToken, TokenCache};
pub use exchange::TokenExchange;
#[cfg(any(fuzzing, test))]
pub(crate) use exchange::access_token;
pub(crate) use options::{TokenOptions, unique_kids};
pub(crate) use signer::CurrentSigner;
pub use signer::Signer;
pub(crate) use token::AnyTokenSource;
pub use token::{AccessToken, TokenSource};

pub use crate::error::Unavailable;

#[cfg(test)]
#[path = "../../../tests/fleet.rs"]
mod fleet_tests;
