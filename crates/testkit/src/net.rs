//! Links that are slow, break or say nothing, and ports nobody listens on.
//!
//! Works on bytes over loopback TCP; knows no protocol. Delay is added by holding bytes back, not
//! by shaping: bandwidth stays that of the machine.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Chunks that may be under way in one direction of one connection.
const IN_FLIGHT_LIMIT: usize = 4_096;

/// Bytes read at a time.
const CHUNK: usize = 32 << 10;

/// Connections a [`BlackHole`] keeps open; the oldest is closed beyond that.
const BLACK_HOLE_LIMIT: usize = 1_024;

/// Connections a [`DelayProxy`] remembers so that it can cut them.
const CONNECTION_LIMIT: usize = 4_096;

/// Returns a loopback port that nobody listened on when this was asked.
///
/// # Errors
///
/// What the system said when none was free.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A port that refuses connections for as long as this lives: it is taken, but nobody listens.
pub struct ClosedPort {
    // A connected pair whose one end is bound to the port: the kernel gives the port to nobody else.
    _ends: (TcpStream, TcpStream),
    port: u16,
}

/// Returns a loopback port that refuses connections until the value is dropped.
///
/// # Errors
///
/// What the system said.
pub fn closed_port() -> io::Result<ClosedPort> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _peer) = listener.accept()?;
    // The near end's own port is in use by a connection, so it is not handed out again.
    let port = near.local_addr()?.port();
    Ok(ClosedPort { _ends: (near, far), port })
}

impl ClosedPort {
    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A server that accepts and never says a byte, as a host that hangs does.
pub struct BlackHole {
    listening: Listening,
    accepted: Arc<AtomicU64>,
}

impl BlackHole {
    /// Starts it on a port of its own choice.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn start() -> io::Result<BlackHole> {
        let accepted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&accepted);
        let mut held = VecDeque::new();
        let listening = Listening::start(move |connection| {
            count.fetch_add(1, Ordering::SeqCst);
            held.push_back(connection);
            if held.len() > BLACK_HOLE_LIMIT {
                held.pop_front();
            }
        })?;
        Ok(BlackHole { listening, accepted })
    }

    /// Returns its loopback port.
    pub fn port(&self) -> u16 {
        self.listening.port
    }

    /// Returns how many connections it has accepted.
    pub fn connections(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// Counts of a [`DelayProxy`] and the links it can break.
#[derive(Default)]
struct Link {
    connections: AtomicU64,
    to_target: AtomicU64,
    from_target: AtomicU64,
    /// Bytes from the target after which the link breaks; [`u64::MAX`] for never.
    cut_after: AtomicU64,
    is_cut: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
}

impl Link {
    fn sockets(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        // A list of sockets is never half changed.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for socket in self.sockets().drain(..) {
            // One that is closed already is what is wanted.
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

/// A link to a loopback port that takes its time.
///
/// The round-trip time it adds is twice the one-way delay. It ends when dropped.
pub struct DelayProxy {
    listening: Listening,
    link: Arc<Link>,
}

impl DelayProxy {
    /// Starts a link to `target_port`; each byte takes `one_way` in each direction.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn start(target_port: u16, one_way: Duration) -> io::Result<DelayProxy> {
        let link = Arc::new(Link { cut_after: AtomicU64::new(u64::MAX), ..Link::default() });
        let shared = Arc::clone(&link);
        let listening = Listening::start(move |near| {
            // A target that refuses closes the near end: the caller sees a connection that ends.
            drop(carry(near, target_port, one_way, &shared));
        })?;
        Ok(DelayProxy { listening, link })
    }

    /// Returns the loopback port to connect to.
    pub fn port(&self) -> u16 {
        self.listening.port
    }

    /// Returns how many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.link.connections.load(Ordering::SeqCst)
    }

    /// Returns how many bytes were taken for the target.
    pub fn bytes_to_target(&self) -> u64 {
        self.link.to_target.load(Ordering::SeqCst)
    }

    /// Returns how many bytes were taken from the target.
    pub fn bytes_from_target(&self) -> u64 {
        self.link.from_target.load(Ordering::SeqCst)
    }

    /// Breaks every connection now and refuses to carry new ones.
    pub fn cut(&self) {
        self.link.cut();
    }

    /// Breaks every connection as soon as `bytes` more have come from the target.
    ///
    /// Exactly that many still arrive.
    pub fn cut_after(&self, bytes: u64) {
        let at = self.bytes_from_target().saturating_add(bytes);
        self.link.cut_after.store(at, Ordering::SeqCst);
    }

    /// Carries new connections again after a cut.
    pub fn restore(&self) {
        self.link.cut_after.store(u64::MAX, Ordering::SeqCst);
        self.link.is_cut.store(false, Ordering::SeqCst);
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.link.cut();
    }
}

fn carry(near: TcpStream, target_port: u16, one_way: Duration, link: &Arc<Link>) -> io::Result<()> {
    link.connections.fetch_add(1, Ordering::SeqCst);
    if link.is_cut.load(Ordering::SeqCst) {
        return Ok(());
    }
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, target_port))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    {
        let mut sockets = link.sockets();
        if sockets.len() + 2 > CONNECTION_LIMIT {
            return Err(io::Error::other("too many connections over one link"));
        }
        sockets.extend([near.try_clone()?, far.try_clone()?]);
    }
    pump(near.try_clone()?, far.try_clone()?, one_way, Arc::clone(link), Direction::ToTarget);
    pump(far, near, one_way, Arc::clone(link), Direction::FromTarget);
    Ok(())
}

#[derive(Clone, Copy)]
enum Direction {
    ToTarget,
    FromTarget,
}

/// A piece of the stream with the moment it may arrive. An empty piece is the end of the stream.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    then_cut: bool,
}

fn pump(mut from: TcpStream, to: TcpStream, one_way: Duration, link: Arc<Link>, direction: Direction) {
    let (sender, receiver) = mpsc::sync_channel(IN_FLIGHT_LIMIT);
    let delivering = Arc::clone(&link);
    thread::spawn(move || deliver(to, &receiver, &delivering));
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        loop {
            let n = from.read(&mut chunk).unwrap_or(0);
            let (kept, then_cut) = count(&link, direction, n);
            let piece = Piece { due: Instant::now() + one_way, bytes: chunk[..kept].to_vec(), then_cut };
            if sender.send(piece).is_err() || n == 0 || then_cut {
                return;
            }
        }
    });
}

/// Counts `n` bytes; returns how many of them may pass and whether the link breaks behind them.
fn count(link: &Link, direction: Direction, n: usize) -> (usize, bool) {
    let n = n as u64;
    let (pass, then_cut) = match direction {
        Direction::ToTarget => {
            link.to_target.fetch_add(n, Ordering::SeqCst);
            (n, false)
        }
        Direction::FromTarget => {
            let before = link.from_target.fetch_add(n, Ordering::SeqCst);
            let left = link.cut_after.load(Ordering::SeqCst).saturating_sub(before);
            (n.min(left), n >= left)
        }
    };
    // It is at most the size of a chunk.
    (usize::try_from(pass).unwrap_or(CHUNK), then_cut)
}

fn deliver(mut to: TcpStream, pieces: &Receiver<Piece>, link: &Link) {
    while let Ok(piece) = pieces.recv() {
        // The delay itself: this is what the link is for, not a wait for something to happen.
        thread::sleep(piece.due.saturating_duration_since(Instant::now()));
        let written = to.write_all(&piece.bytes);
        if piece.then_cut {
            link.cut();
            return;
        }
        if piece.bytes.is_empty() || written.is_err() {
            drop(to.shutdown(Shutdown::Write));
            return;
        }
    }
}

/// A listening port with a thread that hands over what it accepts, until dropped.
pub(crate) struct Listening {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Listening {
    pub(crate) fn start(mut accepted: impl FnMut(TcpStream) + Send + 'static) -> io::Result<Listening> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                accepted(connection);
            }
        });
        Ok(Listening { port, stop, thread: Some(thread) })
    }
}

impl Listening {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // One connection wakes the thread that waits for the next.
        let woken = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            // It has nothing to say, and a destructor could not say it.
            drop(thread.join());
        }
    }
}
