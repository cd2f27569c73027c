//! Who the client is to D1: the signed assertion, and the access token that it is traded for.

mod assertion;
mod cache;
mod exchange;
mod options;
mod renewal;
mod token;

pub use assertion::{AssertionPolicy, SigningKey};
pub(crate) use cache::TokenCache;
pub use exchange::Exchange;
#[cfg(any(fuzzing, test))]
pub(crate) use exchange::access_token;
pub(crate) use options::{TokenOptions, unique_kids};
pub use token::{AccessToken, TokenFuture, TokenSource};

#[cfg(test)]
mod fleet_tests;
