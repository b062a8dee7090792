//! Notices whether a connection has said anything yet: hyper waits for an HTTP/2 preface without a limit.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of the HTTP/2 client preface and the head of the SETTINGS frame that must follow it, in bytes
/// (RFC 9113 §3.4 and §4.1).
pub(super) const PREFACE: usize = 24 + 9;

/// A connection whose received bytes are counted, up to [`PREFACE`].
pub(super) struct Counted<Io> {
    io: Io,
    received: Arc<AtomicUsize>,
}

impl<Io> Counted<Io> {
    pub(super) fn new(io: Io) -> (Self, Received) {
        let received = Arc::new(AtomicUsize::new(0));
        (Self { io, received: received.clone() }, Received(received))
    }
}

/// How much a connection has said.
pub(super) struct Received(Arc<AtomicUsize>);

impl Received {
    /// Whether an HTTP/2 preface can have arrived whole.
    pub(super) fn preface(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= PREFACE
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Counted<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        let received = self.received.load(Ordering::Relaxed); // only this connection's task writes it
        if received < PREFACE {
            let more = buffer.filled().len().saturating_sub(before);
            self.received.store(received.saturating_add(more), Ordering::Relaxed);
        }
        polled
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Counted<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
