//! A request body whose bytes can be withdrawn until the HTTP stack reads them.
//!
//! HTTP stacks hide whether they have written a request. This body knows: its first byte is handed out on
//! request, once. If it is withdrawn before that, it is certain that no byte of it leaves.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

/// Says whether a request's body may have been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// No byte of the body was written, and none ever will be.
    No,
    /// Some of it may have been written, or all.
    Maybe,
}

/// The right to withdraw the body of one request. Clones are the same right.
///
/// It is decided once: either the HTTP stack begins to read the body, or the caller withdraws it before.
#[derive(Clone, Default)]
pub struct Claim(Arc<OnceLock<Decision>>);

/// What was decided about a body.
enum Decision {
    /// The HTTP stack began to read it at this time.
    Read(Instant),
    Waived,
    Withdrawn,
}

impl Claim {
    /// Returns the claim to the body of a request that is still to be sent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Withdraws the body, unless the HTTP stack has begun to read it. The answer is final.
    pub fn withdraw(&self) -> Written {
        match self.0.get_or_init(|| Decision::Withdrawn) {
            Decision::Withdrawn => Written::No,
            Decision::Read(_) | Decision::Waived => Written::Maybe,
        }
    }

    /// Gives up the right to withdraw: for a request that something else sends, or that has no body.
    pub fn waive(&self) {
        self.0.get_or_init(|| Decision::Waived);
    }

    /// Returns when the HTTP stack began to read the body.
    pub(crate) fn read_at(&self) -> Option<Instant> {
        match self.0.get() {
            Some(Decision::Read(at)) => Some(*at),
            Some(Decision::Waived | Decision::Withdrawn) | None => None,
        }
    }

    /// Lets the HTTP stack read, unless the body was withdrawn.
    fn read(&self) -> bool {
        let decision = self.0.get_or_init(|| Decision::Read(Instant::now()));
        !matches!(decision, Decision::Withdrawn)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("is_read", &self.read_at().is_some())
            .finish_non_exhaustive()
    }
}

/// The body of a request.
pub(crate) struct RequestBody(Option<Payload>);

impl RequestBody {
    pub(crate) fn new(bytes: Bytes, claim: Claim) -> Self {
        let payload = Payload { bytes, claim };
        Self((!payload.bytes.is_empty()).then_some(payload))
    }
}

impl Body for RequestBody {
    type Data = Payload;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Payload>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|payload| Ok(Frame::data(payload))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |p| p.bytes.len() as u64))
    }
}

/// The bytes of a body. The stack may hold them for a long time before it reads them.
pub(crate) struct Payload {
    bytes: Bytes,
    claim: Claim,
}

/// What is handed out in place of a body that was withdrawn while its frame was being written, so that the frame
/// keeps its length. No JSON and no UTF-8 text has this byte.
const FILLER: [u8; 1024] = [0xFF; 1024];

impl Buf for Payload {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        if self.claim.read() {
            &self.bytes
        } else {
            &FILLER[..self.bytes.len().min(FILLER.len())]
        }
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(claim: &Claim) -> Payload {
        Payload {
            bytes: Bytes::from_static(b"{}"),
            claim: claim.clone(),
        }
    }

    #[test]
    fn what_was_read_cannot_be_withdrawn() {
        let claim = Claim::new();
        let body = payload(&claim);
        assert_eq!(body.remaining(), 2);
        assert!(
            claim.read_at().is_none(),
            "asking for the length reads nothing"
        );
        assert_eq!(body.chunk(), b"{}");
        assert_eq!(claim.withdraw(), Written::Maybe);
        assert_eq!(body.chunk(), b"{}");
    }

    #[test]
    fn what_was_withdrawn_is_never_handed_out_and_keeps_its_length() {
        let claim = Claim::new();
        let mut body = payload(&claim);
        assert_eq!(claim.withdraw(), Written::No);
        assert_eq!(body.chunk(), [0xFF, 0xFF]);
        assert_eq!(body.copy_to_bytes(2), Bytes::from_static(&[0xFF, 0xFF]));
        assert_eq!(claim.withdraw(), Written::No, "it stays withdrawn");
    }
}
