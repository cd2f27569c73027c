//! An access token, and where tokens come from.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, InvalidInput};
use crate::redact::Secret;

/// Longer than any token lives, and short enough to be added to a clock.
pub(super) const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// An access token with its life time. It is shown nowhere, and its memory is wiped when it is
/// dropped.
pub struct AccessToken {
    /// The `Authorization` header, whose clones share the memory.
    authorization: HeaderValue,
    /// The token itself, for what must not repeat it.
    secret: Arc<Secret>,
    lifetime: Duration,
    scope: Option<String>,
}

impl AccessToken {
    /// A token that lives for `lifetime` from now on.
    ///
    /// # Errors
    /// When it is empty, or has characters that a header cannot carry.
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

    /// Adds what the token allows.
    #[must_use]
    pub fn with_scope(mut self, scope: Option<String>) -> Self {
        self.scope = scope;
        self
    }

    /// The token itself, for a source that shares it with other processes. Whoever has it can call D1
    /// with the client certificate until the token ends: it belongs into no log, and into no store that
    /// others can read. Copies are the caller's to wipe.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        let header = self.authorization.as_bytes();
        let secret = header.strip_prefix(b"Bearer ".as_slice()).unwrap_or(header);
        // Visible ASCII, as `new` has checked.
        std::str::from_utf8(secret).unwrap_or_default()
    }

    /// Whether it is the token `secret`, for a source that keeps tokens of its own. The time it takes
    /// does not depend on where they differ.
    #[must_use]
    pub fn is(&self, secret: &str) -> bool {
        let own = self.expose_secret().as_bytes();
        own.len() == secret.len() && openssl::memcmp::eq(own, secret.as_bytes())
    }

    /// How long it lives, from when it was obtained.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// What it allows, separated by blanks, where D1 said so.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The same token, whose life time is another. It shares the memory.
    pub(crate) fn living_for(&self, lifetime: Duration) -> Self {
        Self {
            authorization: self.authorization.clone(),
            secret: self.secret.clone(),
            lifetime,
            scope: self.scope.clone(),
        }
    }

    /// The token, for a [`Redactor`](crate::redact::Redactor).
    pub(crate) fn secret(&self) -> Arc<Secret> {
        self.secret.clone()
    }

    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The scope is whatever the server said, which may be anything.
        f.debug_struct("AccessToken")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// Where access tokens come from.
///
/// The client has its own, the [`Exchange`](super::Exchange), which trades assertions for tokens.
/// Services that share tokens among many processes put theirs around it with
/// [`ClientBuilder::token_source_with`](crate::ClientBuilder::token_source_with), as the example
/// `shared_token` does; those that get tokens elsewhere put theirs in its place with
/// [`ClientBuilder::token_source`](crate::ClientBuilder::token_source).
///
/// Either way the client asks once however many calls wait, and keeps what it gets: a token that came
/// where there was none until some time in the second half of its life, so that instances that start
/// together do not renew together; any other until 60 to 90 seconds before its end. Of a token that
/// lives for less than five minutes those are a fifth to three tenths of its life.
pub trait TokenSource: Send + Sync + 'static {
    /// Obtains a token.
    fn fetch(&self) -> TokenFuture<'_>;

    /// Hears that D1 refused a token of this source (401), so that a source that keeps tokens does not
    /// give this one out again. The client asks for another one next, unless the refused one came for
    /// a refused one only seconds before.
    fn refused(&self, token: &AccessToken) {
        let _ = token;
    }
}

/// What [`TokenSource::fetch`] returns.
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<AccessToken, Error>> + Send + 'a>>;

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
