//! What is known of one connection, and the stream that notes it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hyper_util::client::legacy::connect::{Connected, Connection};
use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::streams::StreamSlots;

/// What one connection has shown so far.
#[derive(Debug, Default)]
pub(crate) struct ConnectionFacts {
    /// Tells it from all other connections of the process.
    id: u64,
    /// The TLS alert by which the server ended it.
    alert: OnceLock<AlertDescription>,
    /// Whether a response has come over it.
    has_answered: AtomicBool,
    /// When it last received something.
    received_at: Mutex<Option<Instant>>,
    is_http2: bool,
}

impl ConnectionFacts {
    pub(crate) fn new(is_http2: bool) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        Self {
            id: MADE.fetch_add(1, Ordering::Relaxed),
            is_http2,
            ..Self::default()
        }
    }

    /// The alert by which the server refused the handshake. With TLS 1.3 it comes after the client has finished
    /// its own part and may have written a request, which such a server does not read. Once the server has
    /// answered, the same alert says nothing of a later request.
    pub(crate) fn handshake_alert(&self) -> Option<AlertDescription> {
        let alert = *self.alert.get()?;
        let refused = !self.has_answered.load(Ordering::Acquire) && is_about_handshake(alert);
        refused.then_some(alert)
    }

    pub(crate) fn note_answer(&self) {
        self.has_answered.store(true, Ordering::Release);
    }

    /// Whether nothing has been received since `moment`.
    pub(crate) fn is_silent_since(&self, moment: Instant) -> bool {
        let received_at = self.received_at.lock();
        received_at
            .unwrap_or_else(PoisonError::into_inner)
            .is_none_or(|at| at < moment)
    }

    fn note_received(&self) {
        let received_at = self.received_at.lock();
        *received_at.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2
    }
}

/// The alerts that a server sends only while it decides whether to accept the client (RFC 8446, section 6.2).
fn is_about_handshake(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::HandshakeFailure
            | Alert::InsufficientSecurity
            | Alert::ProtocolVersion
            | Alert::NoCertificate
    )
}

/// A stream of bytes: TLS over a socket, or the socket alone.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream that notes what it shows of its connection.
pub(crate) struct TrackedStream {
    inner: Box<dyn Stream>,
    facts: Arc<ConnectionFacts>,
    slots: Arc<StreamSlots>,
    /// What an HTTP/2 server sends while the connection is set up. It is no sign that it reads requests.
    preface: Option<Vec<u8>>,
    /// What was received while a write had failed, for the next read.
    pushed_back: Vec<u8>,
}

impl TrackedStream {
    pub(crate) fn new(
        inner: Box<dyn Stream>,
        facts: Arc<ConnectionFacts>,
        slots: Arc<StreamSlots>,
    ) -> Self {
        Self {
            inner,
            preface: facts.is_http2.then(Vec::new),
            facts,
            slots,
            pushed_back: Vec::new(),
        }
    }

    fn note_received(&mut self, bytes: &[u8]) {
        let Some(preface) = &mut self.preface else {
            if !bytes.is_empty() {
                self.facts.note_received();
            }
            return;
        };
        preface.extend_from_slice(bytes);
        while let Some((frame, length)) = Frame::first_of(preface) {
            let is_next = frame.is_setup();
            if let Frame::Settings(limit) = frame {
                self.slots.open_http2(self.facts.id, limit);
            }
            preface.drain(..length);
            if !is_next {
                self.preface = None;
                return;
            }
        }
    }

    fn note_error(&self, error: &io::Error) {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = tls {
            let _ = self.facts.alert.set(*alert);
        }
    }

    /// After a write that failed because the server has closed the connection: reads first, since why it did may
    /// still be there to be read.
    fn read_why(&mut self, context: &mut Context<'_>, write: io::Error) -> Poll<io::Error> {
        let closed = matches!(
            write.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        );
        if !closed || !self.pushed_back.is_empty() {
            return Poll::Ready(write);
        }
        let mut space = [0; 1024];
        let mut buffer = ReadBuf::new(&mut space);
        match ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer)) {
            Err(read) => {
                self.note_error(&read);
                Poll::Ready(read)
            }
            Ok(()) if buffer.filled().is_empty() => Poll::Ready(write),
            Ok(()) => {
                self.pushed_back = buffer.filled().to_vec();
                // It may be the response: the next read has it.
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Drop for TrackedStream {
    fn drop(&mut self) {
        if self.facts.is_http2 {
            self.slots.close(self.facts.id);
        }
    }
}

impl Connection for TrackedStream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.facts.clone());
        match self.facts.is_http2 {
            true => connected.negotiated_h2(),
            false => connected,
        }
    }
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.pushed_back.is_empty() {
            let result = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
            if let Err(error) = result {
                self.note_error(&error);
                return Poll::Ready(Err(error));
            }
        } else {
            let count = self.pushed_back.len().min(buffer.remaining());
            let rest = self.pushed_back.split_off(count);
            buffer.put_slice(&self.pushed_back);
            self.pushed_back = rest;
        }
        self.note_received(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.inner).poll_write(context, bytes)) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(write) => self.read_why(context, write).map(Err),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.inner).poll_flush(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(write) => self.read_why(context, write).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// An HTTP/2 frame, as far as it matters while a connection is set up.
#[derive(Debug, PartialEq)]
enum Frame {
    /// How many streams the server allows at a time; `None` where it does not say.
    Settings(Option<u32>),
    /// Any other frame about the connection.
    Connection,
    /// The end of the set-up: the server has the client's settings, or speaks of a stream, or breaks HTTP/2.
    Other,
}

impl Frame {
    fn is_setup(&self) -> bool {
        *self != Self::Other
    }

    /// Reads the first frame and its length, if it is there whole (RFC 9113, sections 4.1 and 6.5).
    fn first_of(received: &[u8]) -> Option<(Self, usize)> {
        const HEADER: usize = 9;
        const LARGEST: usize = 16_384;
        const SETTINGS: u8 = 0x4;
        const ACK: u8 = 0x1;
        let &[a, b, c, kind, flags, s, t, u, v, ref rest @ ..] = received else {
            return None;
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let is_ack = kind == SETTINGS && flags & ACK != 0;
        if length > LARGEST || [s, t, u, v] != [0; 4] || is_ack {
            return Some((Self::Other, received.len()));
        }
        let payload = rest.get(..length)?;
        let frame = match kind {
            SETTINGS => Self::Settings(max_concurrent_streams(payload)),
            _ => Self::Connection,
        };
        Some((frame, HEADER + length))
    }
}

fn max_concurrent_streams(settings: &[u8]) -> Option<u32> {
    const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    // The last one holds, should it stand twice.
    settings.chunks_exact(6).rev().find_map(|entry| {
        let &[i, j, a, b, c, d] = entry else {
            return None;
        };
        let is_limit = u16::from_be_bytes([i, j]) == MAX_CONCURRENT_STREAMS;
        is_limit.then_some(u32::from_be_bytes([a, b, c, d]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: [u8; 21] = [
        0, 0, 12, 4, 0, 0, 0, 0, 0, // length 12, SETTINGS
        0, 4, 0, 0, 255, 255, // initial window
        0, 3, 0, 0, 1, 4, // 260 streams
    ];

    #[test]
    fn the_limit_of_streams_is_read_once_it_is_there_whole() {
        for cut in 0..SETTINGS.len() {
            assert_eq!(Frame::first_of(&SETTINGS[..cut]), None);
        }
        let whole = Some((Frame::Settings(Some(260)), 21));
        assert_eq!(Frame::first_of(&SETTINGS), whole);
        assert_eq!(Frame::first_of(&[&SETTINGS[..], b"more"].concat()), whole);
        let empty = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        assert_eq!(Frame::first_of(&empty), Some((Frame::Settings(None), 9)));
    }

    #[test]
    fn the_set_up_ends_with_the_first_frame_that_shows_life() {
        let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        assert_eq!(Frame::first_of(&window), Some((Frame::Connection, 13)));
        let ack = [0, 0, 0, 4, 1, 0, 0, 0, 0];
        let of_a_stream = [0, 0, 0, 0, 1, 0, 0, 0, 1];
        let no_http2 = b"HTTP/1.1 400 Bad Request\r\n";
        for end in [&ack[..], &of_a_stream, no_http2] {
            assert_eq!(Frame::first_of(end), Some((Frame::Other, end.len())));
        }
    }
}
