//! What is known of one connection, and the stream that tracks it.
//!
//! Two questions cannot be answered by an error of the HTTP stack, and are answered by what passes over the connection:
//! whether the server refused the handshake after the client had finished its own part (an alert that comes before any
//! sign of acceptance), and whether it has read anything since a request was written (a frame that responds to one).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hyper_util::client::legacy::connect::{Connected, Connection};
use rustls::{AlertDescription, HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::frames::{Frame, FrameReader};
use crate::streams::StreamSlots;

/// How many connections a client has open, with those that take no further requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenConnections {
    /// Those that speak HTTP/1.1.
    pub http1: usize,
    /// Those that speak HTTP/2.
    pub http2: usize,
}

/// Counts open connections.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCount {
    http1: AtomicUsize,
    http2: AtomicUsize,
}

impl ConnectionCount {
    pub(crate) fn now(&self) -> OpenConnections {
        OpenConnections {
            http1: self.http1.load(Ordering::Relaxed),
            http2: self.http2.load(Ordering::Relaxed),
        }
    }

    fn of(&self, is_http2: bool) -> &AtomicUsize {
        match is_http2 {
            true => &self.http2,
            false => &self.http1,
        }
    }
}

/// What one connection has shown.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    /// Tells it from all other connections of the process. Later ones have larger numbers.
    pub(crate) id: u64,
    pub(crate) is_http2: bool,
    made_at: Instant,
    /// Whether it takes no further requests.
    is_left: AtomicBool,
    /// The alert by which the server refused the handshake.
    refusal: OnceLock<AlertDescription>,
    /// When the server last showed that it reads what it is sent.
    read_at: Mutex<Option<Instant>>,
}

impl ConnectionState {
    pub(crate) fn new(is_http2: bool) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        Self {
            id: MADE.fetch_add(1, Ordering::Relaxed),
            is_http2,
            made_at: Instant::now(),
            is_left: AtomicBool::new(false),
            refusal: OnceLock::new(),
            read_at: Mutex::new(None),
        }
    }

    /// Returns the alert by which the server refused the handshake. With TLS 1.3 it comes after the client has finished
    /// its own part and may have written a request, which such a server does not read.
    pub(crate) fn refusal(&self) -> Option<AlertDescription> {
        self.refusal.get().copied()
    }

    /// Takes no further requests over it.
    pub(crate) fn leave(&self, slots: &StreamSlots) {
        self.is_left.store(true, Ordering::Relaxed);
        slots.close(self.id);
    }

    /// Returns whether the server has shown no sign of reading since `moment`.
    pub(crate) fn is_silent_since(&self, moment: Instant) -> bool {
        self.read_at().is_none_or(|at| at < moment)
    }

    fn read_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.read_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether an alert is one that a server sends only while it decides whether to accept the client (RFC 8446,
/// section 6.2).
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
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Returns whether the server has shown that its handshake is over.
    fn is_established(&self) -> bool;
}

impl Stream for TcpStream {
    fn is_established(&self) -> bool {
        true
    }
}

impl Stream for TlsStream<Box<dyn Stream>> {
    fn is_established(&self) -> bool {
        let (_, tls) = self.get_ref();
        // TLS 1.2 ends with the server's part, and a resumed session asks for no certificate. With TLS 1.3, a server
        // that asks for one sends tickets after it has verified it (RFC 8446, section 4.6.1).
        tls.protocol_version() != Some(ProtocolVersion::TLSv1_3)
            || tls.handshake_kind() == Some(HandshakeKind::Resumed)
            || tls.tls13_tickets_received() > 0
    }
}

/// A stream that tracks what it shows of its connection.
pub(crate) struct TrackedStream {
    inner: Box<dyn Stream>,
    state: Arc<ConnectionState>,
    slots: Arc<StreamSlots>,
    open: Arc<ConnectionCount>,
    frames: Option<FrameReader>,
    /// What was received while a write had failed, for the next read.
    pushed_back: Vec<u8>,
}

impl TrackedStream {
    pub(crate) fn new(
        inner: Box<dyn Stream>,
        state: Arc<ConnectionState>,
        slots: Arc<StreamSlots>,
        open: Arc<ConnectionCount>,
    ) -> Self {
        open.of(state.is_http2).fetch_add(1, Ordering::Relaxed);
        Self {
            inner,
            open,
            frames: state.is_http2.then(FrameReader::default),
            state,
            slots,
            pushed_back: Vec::new(),
        }
    }

    /// Tracks what was received.
    fn track_received(&mut self, mut bytes: &[u8]) {
        let Some(frames) = &mut self.frames else {
            if !bytes.is_empty() {
                *self.state.read_at() = Some(Instant::now());
            }
            return;
        };
        while let Some(frame) = frames.next(&mut bytes) {
            match frame {
                Frame::Settings(_) if self.state.is_left.load(Ordering::Relaxed) => {}
                Frame::Settings(limit) => self.slots.open_http2(self.state.id, limit),
                Frame::GoAway => self.state.leave(&self.slots),
                Frame::Answer => *self.state.read_at() = Some(Instant::now()),
                // The server has read what the client said first, and maybe nothing after it.
                Frame::SettingsAck => {
                    let mut read_at = self.state.read_at();
                    read_at.get_or_insert(self.state.made_at);
                }
                Frame::Other => {}
            }
        }
    }

    /// Tracks an alert that refuses the handshake.
    fn track_error(&self, error: &io::Error) {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(rustls::Error::AlertReceived(alert)) = tls
            && is_about_handshake(*alert)
            && self.state.read_at().is_none()
            && !self.inner.is_established()
        {
            let _ = self.state.refusal.set(*alert);
        }
    }

    /// Reads after a write that failed because the server has closed the connection, since the reason may still be
    /// there to be read. Returns the error of the read where there is one, else that of the write.
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
                self.track_error(&read);
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
        let open = self.open.of(self.state.is_http2);
        open.fetch_sub(1, Ordering::Relaxed);
        if self.state.is_http2 {
            self.state.leave(&self.slots);
        }
    }
}

impl Connection for TrackedStream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.state.clone());
        match self.state.is_http2 {
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
                self.track_error(&error);
                return Poll::Ready(Err(error));
            }
        } else {
            let count = self.pushed_back.len().min(buffer.remaining());
            let rest = self.pushed_back.split_off(count);
            buffer.put_slice(&self.pushed_back);
            self.pushed_back = rest;
        }
        self.track_received(&buffer.filled()[before..]);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_connection_that_was_left_opens_no_streams() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for is_left in [false, true] {
            let tcp = TcpStream::connect(address).await.unwrap();
            let slots = Arc::new(StreamSlots::new());
            let state = Arc::new(ConnectionState::new(true));
            let mut stream =
                TrackedStream::new(Box::new(tcp), state.clone(), slots.clone(), Arc::default());
            if is_left {
                state.leave(&slots);
            }
            // It allows four streams.
            let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4];
            stream.track_received(&settings);
            let _first = slots.take_free().unwrap();
            assert_eq!(slots.take_free().is_none(), is_left);
        }
    }
}
