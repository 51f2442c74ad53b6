//! The `sshd` of a test host: started inside, listening on a free loopback port of the machine.
//!
//! A host with its own network cannot listen there. For it a thread of the test accepts each
//! connection and hands the socket to an `sshd -i` inside, which is how inetd runs it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::{HostError, Inside};
use crate::net::free_port;
use crate::wait;

/// How many free ports are tried: one may be taken between looking and listening.
const PORT_ATTEMPTS: usize = 5;

/// Connections that may be open at once to a host with its own network.
const CONNECTION_LIMIT: usize = 256;

/// The listening side of a host.
pub(super) struct Server {
    inside: Inside,
    log: PathBuf,
    port: u16,
    relay: Option<Relay>,
}

impl Server {
    /// Starts listening on a port of its own choice.
    pub(super) fn start(inside: Inside, log: PathBuf, own_network: bool) -> Result<Server, HostError> {
        File::create(&log).map_err(|err| HostError::File { what: "create the log of sshd", err })?;
        let mut server = Server { inside, log, port: 0, relay: None };
        if own_network {
            server.listen()?;
            return Ok(server);
        }
        let mut attempt = 1;
        loop {
            server.port = free_port().map_err(|err| HostError::File { what: "find a free port", err })?;
            match server.listen() {
                Err(HostError::Sshd { said, .. })
                    if said.contains("Address already in use") && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                }
                done => return done.map(|()| server),
            }
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn log(&self) -> Result<String, HostError> {
        let bytes =
            fs::read(&self.log).map_err(|err| HostError::File { what: "read the log of sshd", err })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Listens on the port of before, or on any for a host with its own network.
    pub(super) fn listen(&mut self) -> Result<(), HostError> {
        if self.inside.own_network {
            self.check_configuration()?;
            let relay = Relay::start(&self.inside, &self.log, self.port)
                .map_err(|err| HostError::File { what: "listen for a host with its own network", err })?;
            self.port = relay.port;
            self.relay = Some(relay);
            return Ok(());
        }
        let before = self.log()?.len();
        let pid = self.spawn()?;
        let heard = format!("Server listening on 127.0.0.1 port {}.", self.port);
        let decided = wait::until(wait::LONG, || {
            !self.is_alive(&pid) || self.log().is_ok_and(|log| log[before..].contains(&heard))
        });
        let said = self.log()?.split_off(before);
        if decided && said.contains(&heard) { Ok(()) } else { Err(HostError::Sshd { port: self.port, said }) }
    }

    /// Stops listening; open sessions stay.
    pub(super) fn stop(&mut self) -> Result<(), HostError> {
        if self.inside.own_network {
            self.relay = None;
            return Ok(());
        }
        let what = "stop sshd";
        let pid = self.inside.must(what, "cat /run/sshd.pid 2>/dev/null || :")?.trim().to_owned();
        if pid.is_empty() {
            return Ok(());
        }
        self.inside.must(what, &format!("kill {pid} 2>/dev/null || :"))?;
        if wait::until(wait::SHORT, || !self.is_alive(&pid)) {
            return Ok(());
        }
        Err(HostError::Sshd { port: self.port, said: "it does not stop".into() })
    }

    fn is_alive(&self, pid: &str) -> bool {
        Path::new(&format!("/proc/{}/root/proc/{pid}", self.inside.pid)).exists()
    }

    fn check_configuration(&self) -> Result<(), HostError> {
        let done = self.inside.sh("check the configuration of sshd", "/usr/sbin/sshd -t")?;
        if done.success() { Ok(()) } else { Err(HostError::Sshd { port: self.port, said: done.stderr }) }
    }

    /// Starts `sshd` in the background with its standard error in the log; returns its number inside.
    fn spawn(&self) -> Result<String, HostError> {
        let log = open_log(&self.log).map_err(|err| HostError::File { what: "open the log of sshd", err })?;
        let script = format!(
            "/usr/sbin/sshd -D -e -o ListenAddress=127.0.0.1 -o Port={} </dev/null >/dev/null & echo $!",
            self.port
        );
        let mut command = self.inside.command();
        command.args(["/bin/sh", "-c", &script]).stdin(Stdio::null()).stderr(log);
        let done = command.output().map_err(|err| HostError::File { what: "start sshd", err })?;
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }
}

/// Accepts connections for a host with its own network and hands each to an `sshd -i` inside.
struct Relay {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens on `port`, or on any when it is 0.
    fn start(inside: &Inside, log: &Path, port: u16) -> io::Result<Relay> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, inside, log) = (Arc::clone(&stop), inside.clone(), log.to_owned());
        let thread = thread::spawn(move || accept_all(&listener, &seen, &inside, &log));
        Ok(Relay { port, stop, thread: Some(thread) })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // One connection wakes the thread that waits for the next.
        let woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            // It has nothing to say, and a destructor could not say it.
            drop(thread.join());
        }
    }
}

fn accept_all(listener: &TcpListener, stop: &AtomicBool, inside: &Inside, log: &Path) {
    let mut servers: Vec<Child> = Vec::new();
    for connection in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        servers.retain_mut(|server| matches!(server.try_wait(), Ok(None)));
        if servers.len() < CONNECTION_LIMIT {
            // A connection that cannot be served is closed, as a real server that is out of
            // processes would do; the test sees that.
            servers.extend(connection.and_then(|socket| serve(socket, inside, log)).ok());
        }
    }
    reap(servers);
}

/// Waits for the servers that still run on a thread of its own: sessions outlive the listener.
fn reap(servers: Vec<Child>) {
    thread::spawn(move || {
        for mut server in servers {
            drop(server.wait());
        }
    });
}

fn serve(socket: TcpStream, inside: &Inside, log: &Path) -> io::Result<Child> {
    let input = OwnedFd::from(socket.try_clone()?);
    inside
        .command()
        .args(["/usr/sbin/sshd", "-i", "-e"])
        .stdin(input)
        .stdout(OwnedFd::from(socket))
        .stderr(open_log(log)?)
        .spawn()
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}
