//! What an [`Error`] shows of itself: one line, without bodies, headers, tokens or card data.
//!
//! The line names the operation, the kind, status and code, what is known of the cause, the outcome and the correlation
//! id, in this order. D1's own text is not in it: a service logs that explicitly or not at all.

use std::error::Error as StdError;
use std::fmt;

use super::{Error, ErrorKind, ResponseFault};

impl Error {
    /// Returns what is wrong with a response of success.
    pub(crate) fn response_fault(&self) -> Option<&ResponseFault> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// Returns the texts of the errors beneath, outermost first.
    fn source_chain(&self) -> Vec<String> {
        let sources = std::iter::successors(StdError::source(self), |error| (**error).source());
        sources.map(ToString::to_string).collect()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{}: {}", inner.operation, inner.kind)?;
        if let Some(status) = inner.status {
            write!(f, " (HTTP {status}")?;
            if let Some(code) = &inner.code {
                write!(f, ", {code}")?;
            }
            f.write_str(")")?;
        }
        if let Some(fault) = &inner.fault {
            write!(f, ": {fault}")?;
        }
        if let Some(input) = self.invalid_input() {
            write!(f, ": {input}")?;
        }
        if let Some(fault) = self.response_fault() {
            write!(f, ": {fault}")?;
        }
        if let [first, rest @ ..] = inner.causes.as_slice() {
            let meaning = first.meaning().trim_end_matches('.');
            // A 403 carries no code: even a lone documented cause may not be the one.
            let possibly = !rest.is_empty() || inner.kind == ErrorKind::Forbidden;
            let possibly = if possibly { "possibly: " } else { "" };
            write!(f, ": {possibly}{meaning}")?;
            if !rest.is_empty() {
                write!(f, " (or {} more)", rest.len())?;
            }
        }
        if let Some(seconds) = self.clock_offset_seconds() {
            let direction = if seconds < 0 { "behind" } else { "ahead of" };
            let seconds = seconds.unsigned_abs();
            write!(f, "; this machine's clock is {seconds} s {direction} D1's")?;
        }
        write!(f, "; {}", inner.outcome)?;
        if let Some(id) = &inner.correlation_id {
            write!(f, "; correlation id {id}")?;
        }
        if let Some(id) = &inner.token_correlation_id {
            write!(f, "; correlation id of the token exchange {id}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("outcome", &inner.outcome)
            .field("operation", &inner.operation)
            .field("status", &inner.status)
            .field("code", &inner.code)
            .field("correlation_id", &inner.correlation_id)
            .field("token_correlation_id", &inner.token_correlation_id)
            .field("retry_after", &inner.retry_after)
            .field("attempts", &inner.attempts)
            .field("causes", &inner.causes)
            .field("refused_before", &inner.refused_before)
            .field("fault", &inner.fault.map(|fault| fault.to_string()))
            .field("source", &self.source_chain())
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}
