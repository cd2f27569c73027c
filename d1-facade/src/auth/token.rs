//! An access token, and where tokens come from.
//!
//! This module decides what a token may consist of, and what of it can be seen.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, InvalidInput};
use crate::redact::Secret;

/// Longer than any token lives, and short enough to be added to a clock.
pub(super) const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// An access token with its lifetime.
///
/// `Debug` does not show the token, and its memory is wiped when it is dropped.
///
/// ```
/// use std::time::Duration;
/// use d1_facade::auth::AccessToken;
///
/// let token = AccessToken::new("an-opaque-token", Duration::from_secs(900))?;
/// assert_eq!(token.lifetime(), Duration::from_secs(900));
/// assert!(!format!("{token:?}").contains("opaque"));
/// # Ok::<(), d1_facade::InvalidInput>(())
/// ```
pub struct AccessToken {
    /// The `Authorization` header, whose clones share the memory.
    authorization: HeaderValue,
    /// The token itself, for what must not repeat it.
    secret: Arc<Secret>,
    lifetime: Duration,
    scope: Option<String>,
}

impl AccessToken {
    /// Returns a token that is valid for `lifetime`.
    ///
    /// The client counts from the moment at which it called [`TokenSource::fetch`], and takes more than one day for one
    /// day.
    ///
    /// # Errors
    /// When the token is empty or has other characters than visible ASCII (field `access_token`). The error does not
    /// repeat it.
    pub fn new(secret: impl Into<String>, lifetime: Duration) -> Result<Self, InvalidInput> {
        let secret = Zeroizing::new(secret.into());
        let bad = || InvalidInput::new("access_token", "must be visible ASCII characters");
        if secret.is_empty() || !secret.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(bad());
        }
        let header = Zeroizing::new(format!("Bearer {}", *secret).into_bytes());
        let mut authorization =
            HeaderValue::from_maybe_shared(Bytes::from_owner(header)).map_err(|_| bad())?;
        authorization.set_sensitive(true);
        Ok(Self {
            authorization,
            secret: Secret::new(secret.as_str()),
            lifetime,
            scope: None,
        })
    }

    /// Sets the scope (OAuth: `scope`), separated by spaces; none by default.
    #[must_use]
    pub fn with_scope(mut self, scope: Option<String>) -> Self {
        self.scope = scope;
        self
    }

    /// Returns the token itself, for a source that shares it with other processes.
    ///
    /// It allows calls to D1, together with the client certificate, until it ends. Do not log it, and do not store it
    /// where other services can read it. The caller must wipe its copies.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        let header = self.authorization.as_bytes();
        let secret = header.strip_prefix(b"Bearer ".as_slice()).unwrap_or(header);
        // Visible ASCII, as `new` has checked.
        std::str::from_utf8(secret).unwrap_or_default()
    }

    /// Returns whether it is the token `secret`, for a source that keeps tokens of its own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use d1_facade::auth::AccessToken;
    ///
    /// let token = AccessToken::new("an-opaque-token", Duration::from_secs(900))?;
    /// assert!(token.is("an-opaque-token") && !token.is("another-token"));
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    ///
    /// The comparison takes the same time wherever the two differ.
    #[must_use]
    pub fn is(&self, secret: &str) -> bool {
        let own = self.expose_secret().as_bytes();
        own.len() == secret.len() && openssl::memcmp::eq(own, secret.as_bytes())
    }

    /// Returns how long the token is valid, from when it was obtained.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns the scope (OAuth: `scope`), separated by spaces, where D1 sent one.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns the same token with another lifetime. It shares the memory.
    pub(crate) fn living_for(&self, lifetime: Duration) -> Self {
        Self {
            authorization: self.authorization.clone(),
            secret: self.secret.clone(),
            lifetime,
            scope: self.scope.clone(),
        }
    }

    /// Returns the token for a [`Redactor`](crate::redact::Redactor).
    pub(crate) fn secret(&self) -> Arc<Secret> {
        self.secret.clone()
    }

    /// Returns the value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }
}

// Without the scope, which is whatever the server said.
debug_fields!(AccessToken, lifetime);

/// Supplies access tokens.
///
/// The client has its own, the [`TokenExchange`](super::TokenExchange), which exchanges assertions for tokens.
/// A service that shares tokens among many processes wraps it with
/// [`ClientBuilder::wrap_token_source`](crate::ClientBuilder::wrap_token_source), as the example
/// `shared_token` does. One that obtains tokens elsewhere replaces it with
/// [`ClientBuilder::token_source`](crate::ClientBuilder::token_source), which has an example.
///
/// ```
/// use std::time::Duration;
/// use d1_facade::Error;
/// use d1_facade::auth::{AccessToken, TokenSource};
///
/// /// Reads the token that another process keeps in a file.
/// struct File(&'static str);
///
/// impl TokenSource for File {
///     async fn fetch(&self) -> Result<AccessToken, Error> {
///         let token = std::fs::read_to_string(self.0).map_err(Error::token_unavailable)?;
///         // The file is read again after a minute.
///         AccessToken::new(token.trim(), Duration::from_secs(60)).map_err(Error::token_unavailable)
///     }
/// }
/// ```
///
/// # When the client fetches
///
/// The client fetches once for all calls that wait, and keeps the token. It fetches the next one
///
/// - at a random time in the second half of the lifetime of a token that replaced none, so that instances that start
///   together do not fetch together;
/// - 60 to 90 seconds before the end of any other token, or a fifth to three tenths of its lifetime before its end
///   where it is valid for less than five minutes.
///
/// The old token serves until its end where the next one cannot be obtained. After a failure without a token in use the
/// source is not called for a pause of 100 ms that doubles with each further failure, up to 5 seconds, or for as long
/// as [`Error::retry_after`](crate::Error::retry_after) says, up to a minute.
pub trait TokenSource: Send + Sync + 'static {
    /// Fetches a token.
    ///
    /// The client does not call it again while one call of it is under way, and gives up after 60 seconds.
    ///
    /// # Errors
    /// [`Error::token_unavailable`], with an [`Unavailable`](super::Unavailable) where the reason passes, or an error of a [`TokenExchange`](super::TokenExchange). Every call that waits for
    /// the token gets a clone of it, and so do calls that follow within its
    /// [`retry_after`](crate::Error::retry_after).
    fn fetch(&self) -> impl Future<Output = Result<AccessToken, Error>> + Send;

    /// Invalidates a token of this source that D1 refused (401).
    ///
    /// A source that keeps tokens must not return this one again. The client fetches another one next, unless the
    /// refused token replaced a refused one less than 10 seconds before. Does nothing by default.
    fn invalidate(&self, token: &AccessToken) {
        let _ = token;
    }
}

/// A [`TokenSource`] of any type.
pub(crate) trait AnyTokenSource: Send + Sync {
    fn fetch(&self) -> BoxFuture<'_, Result<AccessToken, Error>>;
    fn invalidate(&self, token: &AccessToken);
}

impl<S: TokenSource> AnyTokenSource for S {
    fn fetch(&self) -> BoxFuture<'_, Result<AccessToken, Error>> {
        Box::pin(TokenSource::fetch(self))
    }

    fn invalidate(&self, token: &AccessToken) {
        TokenSource::invalidate(self, token);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_is_a_sensitive_header_and_shows_nothing() {
        let token = AccessToken::new("s3cret", Duration::from_secs(900)).unwrap();
        let header = token.authorization();
        assert!(header.is_sensitive());
        assert_eq!(header.to_str().unwrap(), "Bearer s3cret");
        assert_eq!(token.expose_secret(), "s3cret");
        assert!(!format!("{token:?} {header:?}").contains("s3cret"));
        let echoed = token.with_scope(Some("s3cret".to_owned()));
        assert_eq!(echoed.scope(), Some("s3cret"));
        assert!(!format!("{echoed:?}").contains("s3cret"));
    }
}
