//! The TCP connection under SSH, tied to a holder: when the holder goes, the connection ends, even if
//! the library's background task is waiting for a silent host.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Keeps a [`Link`] alive.
pub(super) struct Holder {
    _alive: oneshot::Sender<()>,
}

/// A TCP stream that reads as aborted once its holder is gone.
pub(super) struct Link {
    stream: TcpStream,
    gone: oneshot::Receiver<()>,
    cut: bool,
}

impl Link {
    pub(super) fn new(stream: TcpStream) -> (Self, Holder) {
        let (alive, gone) = oneshot::channel();
        (Self { stream, gone, cut: false }, Holder { _alive: alive })
    }

    /// Tells whether the holder is gone; registers for it otherwise.
    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.cut = self.cut || Pin::new(&mut self.gone).poll(cx).is_ready();
        self.cut
    }
}

fn aborted<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted)))
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return aborted();
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // A blocked write is woken by the reader's registration: the library polls both from one task.
        if self.cut {
            return aborted();
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
