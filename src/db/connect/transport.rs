//! What the messages to the server travel in: TLS or nothing, with or without the names of
//! prepared statements.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use futures_util::{FutureExt as _, future::BoxFuture};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::unnamed::Unnamed;

type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// How much may wait to be written before the writer has to.
const MOST_WAITING: usize = 64 * 1024;

/// How much is read at once.
const READ: usize = 8 * 1024;

/// Makes the streams of a connector.
#[derive(Clone)]
pub(super) struct Transport {
    tls: Option<MakeRustlsConnect>,
    unnamed: bool,
}

impl Transport {
    /// Messages as they are.
    pub(super) fn named(tls: Option<ClientConfig>) -> Self {
        let tls = tls.map(MakeRustlsConnect::new);
        Self {
            tls,
            unnamed: false,
        }
    }

    /// Messages without the names of prepared statements.
    pub(super) fn unnamed(tls: Option<ClientConfig>) -> Self {
        Self {
            unnamed: true,
            ..Self::named(tls)
        }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("tls", &self.tls.is_some())
            .field("unnamed", &self.unnamed)
            .finish()
    }
}

impl MakeTlsConnect<Socket> for Transport {
    type Stream = Wire;
    type TlsConnect = Opening;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Opening> {
        Ok(Opening {
            transport: self.clone(),
            host: Arc::from(host),
        })
    }
}

/// One stream that is being made.
pub(super) struct Opening {
    transport: Transport,
    host: Arc<str>,
}

impl TlsConnect<Socket> for Opening {
    type Stream = Wire;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Wire>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Transport { tls, unnamed } = self.transport;
        async move {
            let stream = match tls {
                None => Inner::Clear(socket),
                Some(mut tls) => {
                    let tls = MakeTlsConnect::<Socket>::make_tls_connect(&mut tls, &self.host)
                        .map_err(io::Error::other)?;
                    Inner::Encrypted(Box::new(tls.connect(socket).await?))
                }
            };
            Ok(Wire {
                stream,
                unnamed: unnamed.then(Box::default),
                waiting: BytesMut::new(),
                arrived: BytesMut::new(),
            })
        }
        .boxed()
    }
}

enum Inner {
    Clear(Socket),
    Encrypted(Box<Encrypted>),
}

/// A stream of messages.
pub(super) struct Wire {
    stream: Inner,
    unnamed: Option<Box<Unnamed>>,
    /// Messages without names that are not written yet.
    waiting: BytesMut,
    /// Messages that are not read yet.
    arrived: BytesMut,
}

impl Wire {
    /// Writes what waits.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(self.stream.poll_write(cx, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl Inner {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(unnamed) = &mut this.unnamed else {
            return this.stream.poll_read(cx, into);
        };
        // All that was read may be answers that nobody has asked for: not the end.
        while this.arrived.is_empty() {
            let mut bytes = [0; READ];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(this.stream.poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            unnamed.received(read.filled(), &mut this.arrived)?;
        }
        let length = this.arrived.len().min(into.remaining());
        into.put_slice(&this.arrived.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.unnamed.is_none() {
            return this.stream.poll_write(cx, bytes);
        }
        if this.waiting.len() >= MOST_WAITING {
            ready!(this.poll_drain(cx))?;
        }
        if let Some(unnamed) = &mut this.unnamed {
            unnamed.sent(bytes, &mut this.waiting)?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        match &mut self.stream {
            Inner::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        match &mut self.stream {
            Inner::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.stream {
            Inner::Clear(_) => ChannelBinding::none(),
            Inner::Encrypted(stream) => stream.channel_binding(),
        }
    }
}
