//! A connection into which frames can be put beside those of the HTTP/2 stack, and that can fall silent.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::hostile_server::Tls;

const SETTINGS: u8 = 4;

/// The connection. Its clones are the same.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<Inner>>);

struct Inner {
    tls: Option<Tls>,
    /// Whole frames that are still to be written.
    out: Vec<u8>,
    is_mute: bool,
    /// What the client has sent, before it is passed on in whole frames. It begins with a preface of 24 bytes.
    received: Vec<u8>,
    passed_on: Vec<u8>,
    has_preface: bool,
    /// How many SETTINGS frames were put in. The HTTP/2 stack does not expect their acknowledgements.
    settings: usize,
}

impl Wire {
    /// Takes a connection over.
    pub fn new(tls: Tls) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            tls: Some(tls),
            out: Vec::new(),
            is_mute: false,
            received: Vec::new(),
            passed_on: Vec::new(),
            has_preface: false,
            settings: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Writes nothing from now on.
    pub fn mute(&self) {
        self.lock().is_mute = true;
    }

    /// Ends the connection here, and returns it.
    pub fn end(&self) -> Option<Tls> {
        self.lock().tls.take()
    }

    /// Writes a frame.
    pub async fn inject(&self, frame: &[u8]) {
        {
            let mut inner = self.lock();
            inner.settings += usize::from(frame[3] == SETTINGS);
            inner.out.extend_from_slice(frame);
        }
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

impl Inner {
    /// Passes on what the client has sent, without the acknowledgements of frames that were put in.
    fn pass_on(&mut self) {
        if !self.has_preface && self.received.len() >= 24 {
            self.has_preface = true;
            self.passed_on.extend(self.received.drain(..24));
        }
        while let (true, &[a, b, c, kind, flags, ..]) = (self.has_preface, &self.received[..]) {
            let length = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
            if self.received.len() < length {
                return;
            }
            let frame = self.received.drain(..length);
            if kind == SETTINGS && flags & 1 == 1 && self.settings > 0 {
                self.settings -= 1;
            } else {
                self.passed_on.extend(frame);
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        while inner.passed_on.is_empty() {
            let mut space = [0; 4096];
            let mut chunk = ReadBuf::new(&mut space);
            ready!(inner.tls()?.poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            inner.received.extend_from_slice(chunk.filled());
            inner.pass_on();
        }
        let count = inner.passed_on.len().min(buffer.remaining());
        buffer.put_slice(&inner.passed_on[..count]);
        inner.passed_on.drain(..count);
        Poll::Ready(Ok(()))
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
