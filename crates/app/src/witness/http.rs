//! One request over HTTP, with TLS or without, and limits. Knows nothing of witnesses; does not follow redirects.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::tls;

/// Longest one exchange may take, from looking the name up to the last byte.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Ports of URLs that name none.
const PORT: u16 = 80;
const TLS_PORT: u16 = 443;

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("{url:?} is not a URL of the form https://host[:port][/path]")]
    Url { url: String },
    #[error("no root certificates to check {url:?} with ({why}); SSL_CERT_FILE can name a file")]
    NoRoots { url: String, why: &'static str },
    #[error("no TLS with {host}: {err}")]
    Tls { host: String, err: std::io::Error },
    #[error("could not connect: {err}")]
    Connect { err: std::io::Error },
    #[error("the exchange broke off: {err}")]
    Exchange { err: hyper::Error },
    #[error("the answer is too long or did not arrive whole")]
    Body,
    #[error("no answer within 5 seconds")]
    Late,
}

/// Sends `body` to `path` below the URL and returns the reply, of at most `bytes_max` bytes.
pub(super) async fn post(url: &str, path: &str, body: String, bytes_max: usize) -> Result<Reply, HttpError> {
    in_time(exchange(url, (Method::POST, path), body, bytes_max)).await
}

/// Reads `path` below the URL, of at most `bytes_max` bytes.
pub(super) async fn get(url: &str, path: &str, bytes_max: usize) -> Result<Reply, HttpError> {
    in_time(exchange(url, (Method::GET, path), String::new(), bytes_max)).await
}

async fn in_time(exchange: impl Future<Output = Result<Reply, HttpError>>) -> Result<Reply, HttpError> {
    match timeout(TIME_MAX, exchange).await {
        Ok(done) => done,
        Err(_late) => Err(HttpError::Late),
    }
}

async fn exchange(
    url: &str,
    (method, path): (Method, &str),
    body: String,
    bytes_max: usize,
) -> Result<Reply, HttpError> {
    let wrong = || HttpError::Url { url: url.to_owned() };
    let uri: Uri = url.parse().map_err(|_err| wrong())?;
    let with_tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        Some(_) | None => return Err(wrong()),
    };
    let authority = uri.authority().ok_or_else(wrong)?;
    if authority.as_str().contains('@') || uri.query().is_some() {
        return Err(wrong());
    }
    // An IPv6 address stands in brackets in a URL and without them elsewhere.
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if with_tls { TLS_PORT } else { PORT });
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", uri.path().trim_end_matches('/')))
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_err| wrong())?;
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|err| HttpError::Connect { err })?;
    if !with_tls {
        return send(stream, request, bytes_max).await;
    }
    let connector = tls::connector().map_err(|why| HttpError::NoRoots { url: url.to_owned(), why })?;
    let name = ServerName::try_from(host.clone()).map_err(|_err| wrong())?;
    let stream = connector.connect(name, stream).await.map_err(|err| HttpError::Tls { host, err })?;
    send(stream, request, bytes_max).await
}

/// Sends one request over a connection of its own.
async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Reply, HttpError> {
    let broken = |err| HttpError::Exchange { err };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), bytes_max).collect().await;
        let body = body.map_err(|_err| HttpError::Body)?.to_bytes();
        Ok(Reply { status, content_type, body })
    };
    // The connection does the work; it ends when the answer is there and its sender is gone.
    let mut answer = std::pin::pin!(answer);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answered = &mut answer => return answered,
        ended = &mut connection => ended.map_err(broken)?,
    }
    answer.await
}
