//! The settings that the tokens of a client depend on, and their checks.
//!
//! This module decides which of the settings exclude each other, and which key signs.

use std::sync::Arc;

use super::exchange::NoTokens;
use super::signer::{AnySigner, CurrentSigner, NamedSigner};
use super::{AnyTokenSource, AssertionPolicy, TokenExchange};
use crate::call::{Transport, extra_headers};
use crate::error::{InvalidInput, refuse_beside};

/// Makes a token source from the client's own exchange.
pub(crate) type WrapExchange =
    Box<dyn FnOnce(TokenExchange) -> Arc<dyn AnyTokenSource> + Send + Sync>;

/// Where the tokens of a client come from.
#[derive(Default)]
pub(crate) struct TokenOptions {
    pub(crate) signers: Vec<Arc<dyn AnySigner>>,
    pub(crate) sign_with: Option<String>,
    pub(crate) assertion: Option<AssertionPolicy>,
    pub(crate) token_headers: Vec<(String, String)>,
    pub(crate) own: Option<Arc<dyn AnyTokenSource>>,
    pub(crate) wrap_exchange: Option<WrapExchange>,
}

impl TokenOptions {
    /// Returns the options of a client whose token is one that D1 does not accept.
    #[cfg(feature = "test-util")]
    pub(crate) fn in_memory() -> Self {
        Self {
            own: Some(Arc::new(NoTokens)),
            ..Self::default()
        }
    }

    /// Returns the `kid`s of the signers.
    pub(crate) fn kids(&self) -> Vec<&str> {
        self.signers.iter().map(|signer| signer.kid()).collect()
    }

    /// Builds the token source, with the signer of the client's own exchange, which sends assertions of `subject`.
    pub(crate) fn build(
        self,
        subject: String,
        transport: &Arc<Transport>,
    ) -> Result<(Arc<dyn AnyTokenSource>, Option<CurrentSigner>), InvalidInput> {
        if let Some(source) = self.own {
            let beside = [
                ("signer", !self.signers.is_empty()),
                ("sign_with", self.sign_with.is_some()),
                ("assertion_policy", self.assertion.is_some()),
                ("token_header", !self.token_headers.is_empty()),
                ("wrap_token_source", self.wrap_exchange.is_some()),
            ];
            refuse_beside("token_source", beside)?;
            return match transport.is_dry_run() {
                true => Ok((Arc::new(NoTokens), None)),
                false => Ok((source, None)),
            };
        }
        let policy = self.assertion.unwrap_or_default();
        policy.check()?;
        let headers = extra_headers(&self.token_headers)
            .map_err(|e| InvalidInput::new("token_header", e.rule().to_owned()))?;
        let signer = choose_signer(self.signers, self.sign_with.as_deref())?;
        let signer = CurrentSigner::new(signer);
        let exchange =
            TokenExchange::new(transport.clone(), headers, subject, policy, signer.clone());
        // A source that wraps the exchange may share its tokens: those of a dry run are not to be shared.
        let wrap = self.wrap_exchange.filter(|_| !transport.is_dry_run());
        let source = match wrap {
            Some(wrap) => wrap(exchange),
            None => Arc::new(exchange),
        };
        Ok((source, Some(signer)))
    }
}

/// Returns the signer with this `kid`; without one, the first.
fn choose_signer(
    signers: Vec<Arc<dyn AnySigner>>,
    kid: Option<&str>,
) -> Result<NamedSigner, InvalidInput> {
    let signers = signers.into_iter().map(NamedSigner::new);
    let signers = signers.collect::<Result<Vec<_>, _>>()?;
    unique_kids(signers.iter().map(NamedSigner::kid), "signer")?;
    let rule = match kid {
        Some(_) => "must be given with the kid that sign_with names",
        None => "must be given, or a token_source",
    };
    signers
        .into_iter()
        .find(|signer| kid.is_none_or(|kid| signer.kid() == kid))
        .ok_or_else(|| InvalidInput::new("signer", rule))
}

/// Refuses two keys with the same `kid`.
pub(crate) fn unique_kids<'a>(
    kids: impl Iterator<Item = &'a str>,
    field: &'static str,
) -> Result<(), InvalidInput> {
    let mut seen = std::collections::BTreeSet::new();
    for kid in kids {
        if !seen.insert(kid) {
            return Err(InvalidInput::new(field, "is given twice with the same kid"));
        }
    }
    Ok(())
}
