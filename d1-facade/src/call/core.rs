//! What all calls of one client share.
//!
//! Cards and calls hold it, so that nothing below the client needs the client itself.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::limiter::AnyLimiter;
use super::options::CallOptions;
use super::retry::RetryPolicy;
use super::transport::Transport;
use crate::auth::{CurrentSigner, TokenCache};
use crate::crypto::EncryptionKey;
use crate::error::InvalidInput;
use crate::values::ReasonCodeFallback;

/// What all calls of one client share. Its clones share the connections and the token.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) transport: Arc<Transport>,
    pub(crate) tokens: TokenCache,
    /// What a change does when its reason code is refused, unless it says so itself.
    pub(crate) fallback: ReasonCodeFallback,
    /// When a call is sent again, unless it says so itself.
    pub(crate) retry: Arc<dyn RetryPolicy>,
    pub(crate) limiters: Vec<Arc<dyn AnyLimiter>>,
    /// The options that each call begins with.
    pub(crate) defaults: CallOptions,
    /// Who calls in the name of the issuers.
    pub(crate) aggregator: Option<String>,
    /// What signs the assertions, unless the tokens come from elsewhere.
    pub(crate) signer: Option<CurrentSigner>,
    /// D1's keys, the default one first.
    pub(crate) encryption_keys: Arc<RwLock<Vec<EncryptionKey>>>,
}

impl Core {
    /// Returns the key with this `kid`; without one, the first that was configured.
    pub(crate) fn encryption_key(&self, kid: Option<&str>) -> Result<EncryptionKey, InvalidInput> {
        let keys = self.encryption_keys.read();
        let keys = keys.unwrap_or_else(PoisonError::into_inner);
        let key = match kid {
            Some(kid) => keys.iter().find(|k| k.kid() == kid),
            None => keys.first(),
        };
        key.cloned().ok_or_else(|| {
            InvalidInput::new(
                "encryption_key",
                match kid {
                    Some(_) => "must be configured with the kid that the renewal names",
                    None => "must be configured to send card credentials",
                },
            )
        })
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("host", &self.transport.base_url())
            .finish_non_exhaustive()
    }
}
