//! Who the client is to D1: the signed assertion, and the access token that it is traded for.

mod assertion;
mod cache;
mod exchange;
mod token;

pub use assertion::{AssertionPolicy, SigningKey};
pub(crate) use cache::TokenCache;
pub(crate) use exchange::Exchange;
pub use token::{AccessToken, TokenFuture, TokenSource};
