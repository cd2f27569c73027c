//! What the server does with each connection and each request.

use rustls::CertificateError;

/// The random plan of one connection.
pub(super) struct Plan(fastrand::Rng);

/// What is done with a connection before its first request.
#[derive(Debug, Clone)]
pub(super) enum OnAccept {
    Serve,
    /// It is served after a while.
    Late,
    Reset,
    /// Nothing is read or said.
    Silent,
    /// The handshake ends with the alert for this.
    RefuseCertificate(CertificateError),
    ResetAfterHandshake,
}

/// What a proxy does with a CONNECT.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnConnect {
    Tunnel,
    Reset,
    Silent,
    Refuse,
    WantPassword,
    Garbage,
}

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The connection breaks before the body is read.
    BreakAtHead,
    /// The change may be carried out, and then the end comes.
    End(Ending),
    /// The change is carried out and answered.
    Succeed(Body),
    /// It is not carried out, and the answer says so.
    Refuse(u16, Body),
    /// It may be carried out, and the answer does not tell.
    Answer(u16, Body),
    /// HTTP/2: the stream is refused.
    RefuseStream,
    /// HTTP/2: the change may be carried out, and the stream is reset.
    ResetStream(u32),
    /// HTTP/2: the connection goes away.
    GoAway { last: Last, reason: u32 },
    /// HTTP/2: another limit of streams from now on, and a success.
    Limit(u32),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Reset,
    Close,
    /// It stays open, and nothing more is said.
    Silence,
    /// A TLS alert that belongs into a handshake.
    Alert(u8),
}

/// How the body of an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Whole,
    /// The connection, or the stream, breaks in the middle.
    Cut,
    /// The connection ends after it.
    ThenClose,
}

/// The last stream that a GOAWAY includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Below,
    At,
    Above,
}

impl Plan {
    pub(super) fn new(seed: u64, number: usize) -> Self {
        let number = u64::try_from(number).unwrap();
        Self(fastrand::Rng::with_seed(seed.wrapping_add(number)))
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.0.usize(..of.len())].clone()
    }

    /// Whether a change that may be carried out is.
    pub(super) fn processes(&mut self) -> bool {
        self.0.bool()
    }

    pub(super) fn on_accept(&mut self) -> OnAccept {
        match self.0.u8(..20) {
            0 => OnAccept::Reset,
            1 => OnAccept::Silent,
            2 => OnAccept::ResetAfterHandshake,
            3 => OnAccept::Late,
            4 | 5 => OnAccept::RefuseCertificate(self.one(&[
                CertificateError::UnknownIssuer,
                CertificateError::BadSignature, // decrypt_error
                CertificateError::ApplicationVerificationFailure, // access_denied
                CertificateError::Expired,
                CertificateError::Revoked,
            ])),
            _ => OnAccept::Serve,
        }
    }

    pub(super) fn on_connect(&mut self) -> OnConnect {
        match self.0.u8(..20) {
            0 => OnConnect::Reset,
            1 => OnConnect::Silent,
            2 => OnConnect::Refuse,
            3 => OnConnect::WantPassword,
            4 => OnConnect::Garbage,
            _ => OnConnect::Tunnel,
        }
    }

    /// How many streams an HTTP/2 server allows; `None` where it does not say.
    pub(super) fn streams(&mut self) -> Option<u32> {
        self.one(&[None, Some(1), Some(2), Some(4), Some(100)])
    }

    /// Whether an HTTP/2 connection is silent from its beginning.
    pub(super) fn is_silent(&mut self) -> bool {
        self.0.u8(..20) == 0
    }

    fn body(&mut self) -> Body {
        self.one(&[
            Body::None,
            Body::Whole,
            Body::Whole,
            Body::Cut,
            Body::ThenClose,
        ])
    }

    pub(super) fn act(&mut self, is_http2: bool) -> Act {
        match self.0.u8(..if is_http2 { 24 } else { 14 }) {
            0..=3 => Act::Succeed(self.one(&[Body::None, Body::Whole, Body::ThenClose])),
            4 => Act::Succeed(Body::Cut),
            5 => Act::BreakAtHead,
            6 => Act::End(Ending::Reset),
            7 => Act::End(Ending::Close),
            8 => Act::End(Ending::Silence),
            9 => Act::End(Ending::Alert(self.one(&[42, 46, 48, 49, 51, 116]))),
            10 | 11 => Act::Refuse(self.one(&[401, 429, 404, 403]), self.body()),
            12 | 13 => Act::Answer(self.one(&[503, 302, 500, 408]), self.body()),
            14..=16 => Act::RefuseStream,
            17 | 18 => Act::ResetStream(self.one(&[0, 1, 2, 8, 11, 13])),
            19..=21 => Act::GoAway {
                last: self.one(&[Last::Below, Last::At, Last::Above]),
                reason: self.one(&[0, 0, 2, 11]),
            },
            _ => Act::Limit(self.one(&[1, 2, 50])),
        }
    }
}
