//! A loopback port that leads to a server's socket and counts round trips.
//!
//! Knows as much of the protocol as that needs: the server ends each answer with `ReadyForQuery`, and every message
//! but the first of a client has a type and a length (postgresql.org/docs/current/protocol-message-formats.html).

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::Cluster;
use crate::net::Listening;

/// Bytes read at a time.
const CHUNK: usize = 32 << 10;

/// A message's type and length.
const HEADER: usize = 5;

/// The type of the message that ends an answer.
const READY_FOR_QUERY: u8 = b'Z';

/// A way to a server over which round trips are counted. Connect without encryption: what is encrypted cannot be
/// counted. Ends when dropped.
pub struct Wire {
    listening: Listening,
    trips: Arc<AtomicU64>,
}

impl Wire {
    /// Opens a way to this server; who connects over it is trusted as over the socket.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn to(cluster: &Cluster) -> io::Result<Wire> {
        let socket = cluster.socket_folder().join(format!(".s.PGSQL.{}", cluster.port()));
        let trips = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&trips);
        let listening = Listening::start(move |near| {
            // A server that refuses closes the near end: the caller sees a connection that ends.
            drop(UnixStream::connect(&socket).and_then(|far| carry(near, far, Arc::clone(&shared))));
        })?;
        Ok(Wire { listening, trips })
    }

    /// Returns the loopback port to connect to.
    pub fn port(&self) -> u16 {
        self.listening.port()
    }

    /// Returns how many answers the server has ended, on all connections.
    pub fn round_trips(&self) -> u64 {
        self.trips.load(Ordering::SeqCst)
    }
}

fn carry(near: TcpStream, far: UnixStream, trips: Arc<AtomicU64>) -> io::Result<()> {
    near.set_nodelay(true)?;
    let (mut from_near, mut to_far) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        // Either end closes when it likes.
        drop(io::copy(&mut from_near, &mut to_far));
        drop(to_far.shutdown(Shutdown::Write));
    });
    thread::spawn(move || {
        drop(answers(far, &near, &trips));
        drop(near.shutdown(Shutdown::Both));
    });
    Ok(())
}

/// Hands on what the server says, and counts before it does, so that whoever has an answer finds it counted.
fn answers(mut from: UnixStream, mut to: &TcpStream, trips: &AtomicU64) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut messages = Messages::default();
    loop {
        let n = from.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        trips.fetch_add(messages.ends_in(&chunk[..n]), Ordering::SeqCst);
        to.write_all(&chunk[..n])?;
    }
}

/// Where in the stream of messages a chunk begins.
#[derive(Default)]
struct Messages {
    header: Vec<u8>,
    /// Bytes of the current message that are still to come.
    left: usize,
}

impl Messages {
    /// Counts the answers that end in this chunk.
    fn ends_in(&mut self, mut chunk: &[u8]) -> u64 {
        let mut ends = 0;
        while !chunk.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(chunk.len());
                (self.left, chunk) = (self.left - passed, &chunk[passed..]);
                continue;
            }
            let wanted = (HEADER - self.header.len()).min(chunk.len());
            self.header.extend_from_slice(&chunk[..wanted]);
            chunk = &chunk[wanted..];
            if let [kind, length @ ..] = self.header.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                ends += u64::from(*kind == READY_FOR_QUERY);
                // The length counts itself.
                self.left =
                    usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX).saturating_sub(4);
                self.header.clear();
            }
        }
        ends
    }
}
