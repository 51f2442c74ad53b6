//! The HTTP side of a witness: one route to submit, one to monitor, and limits on everything.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ledger::VerifierKey;
use ledger::witness::{KnownLog, REQUEST_BYTES_MAX, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::folder::Folder;
use super::watch::{Denied, Witness};
use crate::context::Clock;
use crate::error::{Error, Kind};
use crate::tls;

/// Most connections at one time; more wait in the system's queue.
const CONNECTIONS_MAX: u32 = 128;
/// Longest the head of a request may take, and the wait for one on an open connection.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest the body of a request may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest life of a connection.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(300);
/// Longest that requests under way may take once the end was asked for.
const END_TIME_MAX: Duration = Duration::from_secs(5);
/// Largest head of a request. Bytes.
const HEAD_BYTES_MAX: usize = 16_384;
/// Most logs that one witness watches.
const LOGS_MAX: usize = 1_000;
/// Pause after a connection could not be accepted, which mostly means that too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";

/// What a witness is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds key, lock and checkpoints.
    pub folder: PathBuf,
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Name of a new key. A key that is there keeps its own.
    pub name: Option<String>,
    /// `VKEY` of a log whose origin is the key's name, or `VKEY ORIGIN`.
    pub logs: Vec<String>,
    /// Files of the certificate and of its private key, PEM; without them connections are not encrypted.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub clock: Clock,
}

/// A witness that holds its folder and its address, and waits to be run.
pub struct Server {
    listener: TcpListener,
    witness: Arc<Witness>,
    tls: Option<TlsAcceptor>,
    clock: Clock,
}

impl Server {
    /// Takes the folder and the address.
    ///
    /// # Errors
    /// When a log's key does not read, another process holds the folder, what it holds is damaged, or the
    /// address is taken.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let logs = known_logs(&options.logs)?;
        let tls =
            options.tls.as_ref().map(|(certificate, key)| tls::acceptor(certificate, key)).transpose()?;
        let folder = Folder::take(&options.folder)?;
        let cosigner = folder.cosigner(options.name.as_deref())?;
        let witness = Arc::new(Witness::new(folder, cosigner, logs)?);
        let unusable = |err| {
            Error::new(Kind::Unavailable, format!("could not listen on {}: {err}", options.listen))
                .hint("name another address by --listen; port 0 takes any that is free")
        };
        let listener = TcpListener::bind(options.listen).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        Ok(Self { listener, witness, tls, clock: options.clock })
    }

    /// Returns the line of a policy file that names this witness: `witness NAME VKEY URL`.
    ///
    /// # Errors
    /// When the system does not tell the address.
    pub fn policy_line(&self) -> Result<String, Error> {
        let address = self.listener.local_addr();
        let address = address.map_err(|err| Error::new(Kind::Unavailable, format!("no address: {err}")))?;
        let key = self.witness.cosigner().public();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("witness {} {key} {scheme}://{address}", key.name()))
    }

    /// Serves until `stop` becomes true, then ends requests under way. `notice` is called with a line for the
    /// operator: what was refused although its log signed it, and what could not be stored.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn run(self, mut stop: watch::Receiver<bool>, notice: fn(&str)) -> Result<(), Error> {
        let broken = |err| Error::new(Kind::Unavailable, format!("could not serve: {err}"));
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(broken)?;
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let service = Arc::new(Service { witness: self.witness, clock: self.clock, notice });
        loop {
            let accepted = tokio::select! {
                _ended = stop.wait_for(|stop| *stop) => break,
                accepted = accept(&listener, &slots) => accepted,
            };
            let Some((slot, stream)) = accepted else {
                // Mostly too many files are open: without the pause this would be a busy loop.
                drop(timeout(ACCEPT_PAUSE, stop.wait_for(|stop| *stop)).await);
                continue;
            };
            let (service, stop, tls) = (Arc::clone(&service), stop.clone(), self.tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => connection(stream, service, stop).await,
                    // Who does not get through the handshake in time gets nothing.
                    Some(tls) => {
                        if let Ok(Ok(stream)) = timeout(HEAD_TIME_MAX, tls.accept(stream)).await {
                            connection(stream, service, stop).await;
                        }
                    }
                }
                drop(slot);
            });
        }
        drop(listener);
        // All slots are free when the last connection has ended; a client that does not end is left.
        drop(timeout(END_TIME_MAX, slots.acquire_many(CONNECTIONS_MAX)).await);
        Ok(())
    }
}

/// Waits for a free slot, then for a connection.
async fn accept(
    listener: &tokio::net::TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::sync::OwnedSemaphorePermit, TcpStream)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    let (stream, _from) = listener.accept().await.ok()?;
    Some((slot, stream))
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
) {
    let handle = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), handle);
    let mut connection = std::pin::pin!(connection);
    let served = timeout(CONNECTION_TIME_MAX, async {
        tokio::select! {
            // A broken connection is the client's affair; whatever was cosigned is stored.
            ended = connection.as_mut() => return drop(ended),
            _stop = stop.wait_for(|stop| *stop) => {}
        }
        connection.as_mut().graceful_shutdown();
        drop(connection.await);
    });
    drop(served.await);
}

struct Service {
    witness: Arc<Witness>,
    clock: Clock,
    notice: fn(&str),
}

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if path == "/add-checkpoint" {
            if request.method() != Method::POST {
                return not_allowed("POST");
            }
            return self.add_checkpoint(request.into_body()).await;
        }
        let monitored = path.strip_prefix('/').and_then(|path| path.strip_suffix("/checkpoint"));
        let Some(origin) = monitored else { return plain(StatusCode::NOT_FOUND, "there is nothing here\n") };
        if request.method() != Method::GET {
            return not_allowed("GET");
        }
        match self.witness.checkpoint(origin) {
            Ok(Some(note)) => respond(StatusCode::OK, PLAIN, note.into()),
            Ok(None) => plain(StatusCode::NOT_FOUND, "no checkpoint of this log was cosigned\n"),
            Err(err) => {
                (self.notice)(&format!("could not read a checkpoint: {err}"));
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the checkpoint could not be read\n")
            }
        }
    }

    async fn add_checkpoint(&self, body: Incoming) -> Response<Full<Bytes>> {
        let body = match timeout(BODY_TIME_MAX, Limited::new(body, REQUEST_BYTES_MAX).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(err)) if err.is::<LengthLimitError>() => {
                return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long\n");
            }
            Ok(Err(_broken)) => return plain(StatusCode::BAD_REQUEST, "the request did not arrive whole\n"),
            Err(_late) => return plain(StatusCode::REQUEST_TIMEOUT, "the request took too long\n"),
        };
        let now = u64::try_from(self.clock.now().as_micros() / 1_000_000).unwrap_or(0);
        let witness = Arc::clone(&self.witness);
        // Storing waits for the disk.
        let decided = tokio::task::spawn_blocking(move || {
            let decided = witness.add_checkpoint(&body, now);
            (decided, body)
        });
        let Ok((decided, body)) = decided.await else {
            (self.notice)("internal error: a request was not decided");
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n");
        };
        match decided {
            Ok(line) => respond(StatusCode::OK, PLAIN, line.into()),
            Err(Denied::Refused(refusal)) => {
                if refusal == Refusal::Inconsistent {
                    (self.notice)(&inconsistent(&body));
                }
                let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
                respond(status, refusal.content_type(), refusal.body().into())
            }
            Err(Denied::Store(err)) => {
                (self.notice)(&format!("could not store a checkpoint, nothing was cosigned: {err}"));
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the checkpoint could not be stored\n")
            }
            Err(Denied::Clock) => {
                (self.notice)("the clock is behind the last cosignature, nothing was cosigned");
                plain(StatusCode::SERVICE_UNAVAILABLE, "the clock of the witness is wrong\n")
            }
        }
    }
}

/// Returns the line about a checkpoint that its log signed and that does not extend the cosigned one. With
/// the checkpoint itself it may be proof that the log forked.
fn inconsistent(body: &[u8]) -> String {
    let head = ledger::witness::AddCheckpoint::parse(body).map(|request| request.head);
    head.map_or_else(
        |_err| "checkpoint_inconsistent".to_owned(),
        |head| {
            let root = ledger::hex::encode(&head.root);
            format!("checkpoint_inconsistent: {} signed size {} with root {root}", head.origin, head.size)
        },
    )
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}

fn plain(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(status, PLAIN, Bytes::from_static(body.as_bytes()))
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this path\n");
    response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static(allowed));
    response
}

/// Reads the logs to watch. Several keys of one origin are one log.
fn known_logs(texts: &[String]) -> Result<Vec<KnownLog>, Error> {
    let mut logs: Vec<KnownLog> = Vec::new();
    for text in texts {
        let (vkey, origin) = match text.split_once(' ') {
            Some((vkey, origin)) => (vkey, Some(origin)),
            None => (text.as_str(), None),
        };
        let key: VerifierKey = vkey.parse().map_err(|err| {
            Error::new(Kind::Usage, format!("--log: {err}"))
                .hint("copy it from `plumb ledger status` on the machine that signs, quotes included")
        })?;
        let origin = origin.unwrap_or_else(|| key.name()).to_owned();
        if origin.is_empty() || origin.chars().any(char::is_control) {
            return Err(Error::new(Kind::Usage, "--log: the origin behind the key is empty or not a line"));
        }
        match logs.iter_mut().find(|log| log.origin == origin) {
            Some(log) => log.keys.push(key),
            None => logs.push(KnownLog { origin, keys: vec![key] }),
        }
    }
    if logs.is_empty() || logs.len() > LOGS_MAX {
        let message = format!("a witness watches from 1 to {LOGS_MAX} logs, not {}", logs.len());
        return Err(Error::new(Kind::Usage, message).hint("name each by --log VKEY"));
    }
    Ok(logs)
}
