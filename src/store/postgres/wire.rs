//! The stream under a connection: clear, local or TLS, and read along for errors' codes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    sqlstate::{FirstState, Frames},
    tls::{SslMode, Tls},
};

/// `SSLRequest`: its length and the number that stands for it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A server that is gone without a word is noticed after about a minute.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// What was sent to a server that is gone would otherwise be sent again for a quarter of an hour.
#[cfg(target_os = "linux")]
const UNANSWERED: Duration = Duration::from_secs(60);

enum Transport {
    Clear(TcpStream),
    #[cfg(unix)]
    Local(tokio::net::UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream that remembers the code of the first error that passed through it.
pub(super) struct Wire {
    transport: Transport,
    frames: Frames,
}

impl Wire {
    /// Connects to one host, a name, an address or the directory of a socket.
    ///
    /// # Errors
    /// With a text that may be shown.
    pub(super) async fn connect(host: &str, port: u16, tls: &Tls) -> Result<Self, String> {
        #[cfg(unix)]
        if host.starts_with('/') {
            let path = format!("{host}/.s.PGSQL.{port}");
            let stream = tokio::net::UnixStream::connect(path).await.map_err(told)?;
            return Ok(Self::over(Transport::Local(stream)));
        }
        let transport = match tls.mode {
            SslMode::Disable => Transport::Clear(tcp(host, port).await?),
            SslMode::Prefer => match negotiate(host, port, tls).await {
                Ok(Some(stream)) => stream,
                // As libpq: without TLS where the server has none, or none that it can agree on.
                Ok(None) | Err(Refusal::Tls(_)) => Transport::Clear(tcp(host, port).await?),
                Err(Refusal::Io(error)) => return Err(error),
            },
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                match negotiate(host, port, tls).await {
                    Ok(Some(stream)) => stream,
                    Ok(None) => {
                        return Err("the server speaks no TLS, which sslmode requires".to_owned());
                    }
                    Err(Refusal::Tls(error) | Refusal::Io(error)) => return Err(error),
                }
            }
        };
        Ok(Self::over(transport))
    }

    /// Where the codes of errors are to be read.
    pub(super) fn first_state(&self) -> FirstState {
        self.frames.first_state()
    }

    fn over(transport: Transport) -> Self {
        Self {
            transport,
            frames: Frames::default(),
        }
    }
}

enum Refusal {
    Io(String),
    Tls(String),
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(told)?;
    stream.set_nodelay(true).map_err(told)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL);
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&keepalive).map_err(told)?;
    #[cfg(target_os = "linux")]
    socket
        .set_tcp_user_timeout(Some(UNANSWERED))
        .map_err(told)?;
    Ok(stream)
}

/// Asks for TLS; `None` where the server has none.
async fn negotiate(host: &str, port: u16, tls: &Tls) -> Result<Option<Transport>, Refusal> {
    let config = tls.client_config().map_err(Refusal::Io)?;
    let name = tls.server_name(host).map_err(Refusal::Tls)?;
    let mut stream = tcp(host, port).await.map_err(Refusal::Io)?;
    let io = |error| Refusal::Io(told(error));
    stream.write_all(&SSL_REQUEST).await.map_err(io)?;
    // One byte, so that nothing sent in clear behind it is taken for what came through TLS.
    if stream.read_u8().await.map_err(io)? != b'S' {
        return Ok(None);
    }
    let connector = TlsConnector::from(config);
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Some(Transport::Tls(Box::new(stream)))),
        Err(error) => Err(Refusal::Tls(format!("TLS: {error}"))),
    }
}

fn told(error: io::Error) -> String {
    error.to_string()
}

macro_rules! each {
    ($wire:expr, $stream:ident => $call:expr) => {
        match &mut $wire.transport {
            Transport::Clear($stream) => $call,
            #[cfg(unix)]
            Transport::Local($stream) => $call,
            Transport::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        let result = each!(wire, stream => Pin::new(stream).poll_read(cx, buffer));
        wire.frames
            .read(buffer.filled().get(before..).unwrap_or_default());
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
