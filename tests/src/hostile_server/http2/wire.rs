//! A connection into which frames can be put beside those of the HTTP/2 stack, and that can fall silent.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::hostile_server::Tls;

/// The connection. Its clones are the same.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<Inner>>);

struct Inner {
    tls: Option<Tls>,
    /// Whole frames that are still to be written.
    out: Vec<u8>,
    is_mute: bool,
}

impl Wire {
    pub(super) fn new(tls: Tls) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            tls: Some(tls),
            out: Vec::new(),
            is_mute: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Writes nothing from now on.
    pub(super) fn mute(&self) {
        self.lock().is_mute = true;
    }

    /// Ends the connection here, and returns it.
    pub(super) fn take(&self) -> Option<Tls> {
        self.lock().tls.take()
    }

    /// Writes a frame.
    pub(super) async fn inject(&self, frame: &[u8]) {
        self.lock().out.extend_from_slice(frame);
        // A client that has left does not read it.
        let _ = std::future::poll_fn(|context| self.lock().flush(context)).await;
    }
}

impl Inner {
    fn tls(&mut self) -> io::Result<Pin<&mut Tls>> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        Ok(Pin::new(self.tls.as_mut().ok_or_else(gone)?))
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() && !self.is_mute {
            let out = std::mem::take(&mut self.out);
            let written = self.tls()?.poll_write(context, &out);
            let count = match &written {
                Poll::Ready(Ok(count)) => *count,
                _ => 0,
            };
            self.out = out[count..].to_vec();
            ready!(written)?;
        }
        self.out.clear();
        self.tls()?.poll_flush(context)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.lock().tls()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // All of it: what comes between two writes is then between two frames.
        self.lock().out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        ready!(inner.flush(context))?;
        inner.tls()?.poll_shutdown(context)
    }
}
