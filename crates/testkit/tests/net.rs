//! Links that delay, break or say nothing do exactly that.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use testkit::net::{BlackHole, DelayProxy, closed_port, free_port};
use testkit::wait;

/// A server that sends back what it gets, for as long as the test process lives.
fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut reader = connection.unwrap();
            let mut writer = reader.try_clone().unwrap();
            thread::spawn(move || std::io::copy(&mut reader, &mut writer));
        }
    });
    port
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(wait::LONG)).unwrap();
    stream
}

#[test]
fn a_delayed_link_carries_every_byte_in_order_and_counts_them() {
    let link = DelayProxy::start(echo(), Duration::from_millis(1)).unwrap();
    let sent: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut stream = connect(link.port());
    let mut writer = stream.try_clone().unwrap();
    let copy = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == sent);
    assert_eq!(link.connections(), 1);
    assert_eq!((link.bytes_to_target(), link.bytes_from_target()), (4_000_000, 4_000_000));
}

#[test]
fn a_round_trip_takes_at_least_twice_the_one_way_delay() {
    // A lower bound only: a busy machine makes it longer, nothing makes it shorter.
    let link = DelayProxy::start(echo(), Duration::from_millis(40)).unwrap();
    let mut stream = connect(link.port());
    let start = Instant::now();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[test]
fn a_link_set_to_break_lets_exactly_that_many_bytes_through() {
    let link = DelayProxy::start(echo(), Duration::ZERO).unwrap();
    link.cut_after(10);
    let mut stream = connect(link.port());
    stream.write_all(b"0123456789abcdef").unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"0123456789");
}

#[test]
fn a_cut_ends_open_connections_and_refuses_new_ones_until_restored() {
    let link = DelayProxy::start(echo(), Duration::ZERO).unwrap();
    let mut stream = connect(link.port());
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    link.cut();
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    assert!(matches!(connect(link.port()).read(&mut [0]), Ok(0) | Err(_)));
    link.restore();
    let mut stream = connect(link.port());
    stream.write_all(b"y").unwrap();
    let mut back = [0];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"y");
    assert_eq!(link.connections(), 3);
}

#[test]
fn a_link_to_nobody_accepts_and_ends() {
    let closed = closed_port().unwrap();
    let link = DelayProxy::start(closed.port(), Duration::ZERO).unwrap();
    assert!(matches!(connect(link.port()).read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_black_hole_accepts_and_says_nothing() {
    let hole = BlackHole::start().unwrap();
    let mut stream = connect(hole.port());
    stream.write_all(b"hello").unwrap();
    assert!(wait::until(wait::SHORT, || hole.connections() == 1));
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_closed_port_refuses_and_cannot_be_taken_while_it_is_held() {
    let closed = closed_port().unwrap();
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, closed.port())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, closed.port())).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
}

#[test]
fn a_free_port_can_be_listened_on() {
    let port = (0..5)
        .map(|_attempt| free_port().unwrap())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    assert!(port.is_some());
}
