//! Witnesses end to end: the binary as a witness, the binary as a log that is cosigned, and made-up peers.

mod client;
mod lag;
mod log;
mod policy;
mod restored;
mod rewritten;
mod server;
mod tls;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::Path;

use testkit::process::{Output, Running};
use testkit::wait;

use crate::support::World;

/// A witness of the binary under test that is up. It is killed when dropped.
pub(crate) struct Served {
    running: Running,
    peer: Peer,
}

impl Deref for Served {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

/// What a client knows of a witness: the line of a policy file that it printed, `witness NAME VKEY URL`.
#[derive(Clone)]
pub(crate) struct Peer {
    line: String,
}

impl Served {
    /// Starts a witness over the folder `name` of the world and waits until it is ready.
    pub(crate) fn start(world: &World, name: &str, logs: &[&str]) -> Served {
        let folder = world.path(name);
        let mut words = serve_words(&folder);
        words.extend(logs.iter().flat_map(|log| ["--log".to_owned(), (*log).to_owned()]));
        Served::start_with(world, &words)
    }

    /// Starts the witness of a folder again where it was before.
    pub(crate) fn start_at(world: &World, name: &str, log: &str, address: &str) -> Served {
        let mut words = serve_words(&world.path(name));
        words[3] = address.to_owned();
        words.extend(["--log", log].map(str::to_owned));
        Served::start_with(world, &words)
    }

    /// Starts a witness with these words and waits until it is ready.
    pub(crate) fn start_with(world: &World, words: &[String]) -> Served {
        let mut running = world.start(words).unwrap();
        let line = running.first_line(wait::LONG);
        let Some(line) = line else { panic!("no line: {:?}", running.finish(wait::SHORT)) };
        Served { running, peer: Peer { line } }
    }

    /// Ends it by a signal and returns what it said.
    pub(crate) fn end(self, signal: &str) -> Output {
        self.running.signal(signal).unwrap();
        self.running.finish(wait::LONG).unwrap()
    }
}

impl Peer {
    /// Returns the vkey.
    pub(crate) fn vkey(&self) -> &str {
        self.line.split(' ').nth(2).unwrap()
    }

    /// Returns the line of a policy file with a name of the test's own.
    pub(crate) fn as_line(&self, name: &str) -> String {
        let url = self.line.split(' ').nth(3).unwrap();
        format!("witness {name} {} {url}\n", self.vkey())
    }

    /// Returns `address:port`.
    pub(crate) fn address(&self) -> &str {
        self.line.split("://").nth(1).unwrap()
    }

    /// Submits a body and returns what came back.
    pub(crate) fn submit(&self, body: &[u8]) -> Reply {
        self.exchange("POST", "/add-checkpoint", body)
    }

    /// Sends one request and returns what came back.
    pub(crate) fn exchange(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: witness\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Reply::of(&self.raw(&[head.as_bytes(), body].concat()))
    }

    /// Sends bytes as they are and returns all bytes that come back.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(wait::LONG)).unwrap();
        // It may refuse before it has read everything, and a reset is then as good as an end.
        drop(stream.write_all(bytes));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        answer
    }
}

/// Returns the words that start a witness, without its logs.
pub(crate) fn serve_words(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    ["witness", "serve", "--listen", "127.0.0.1:0", "--dir", folder].map(str::to_owned).to_vec()
}

/// An HTTP answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Reply {
    fn of(bytes: &[u8]) -> Reply {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { panic!("no answer: {text:?}") };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        let content_type = content_type.unwrap_or_default().to_owned();
        Reply { status, content_type, body: body.to_owned() }
    }
}
