//! Reaching hosts over SSH: what can go wrong has a name of its own, and addresses mean what they say.

mod config;
mod known_keys;
mod login;
mod named;
mod sudo;

use std::io;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::thread;

use testkit::host::{Sudo, TestHost};
use testkit::net::{self, BlackHole};
use testkit::process::Output;

use crate::support::{
    World, assert_code, assert_refused, at, at_port, host, key, not_measured, one_host, tool, world, yes,
};

/// Tells whether anybody has tried to authenticate: what `sshd` logs of a connection names the user then.
fn saw_authentication(log: &str) -> bool {
    ["Accepted ", "Failed ", "authenticating user"].iter().any(|words| log.contains(words))
}

/// Scans with a rule that always passes, and returns the name of what went wrong; `none` when nothing did.
#[track_caller]
fn failure(done: &Output) -> String {
    let host = one_host(done);
    if host["outcome"]["measured"].is_object() {
        assert_code(done, 0);
        return "none".to_owned();
    }
    assert_code(done, 3);
    let failure = &host["outcome"]["not_measured"];
    let message = failure["message"].as_str().unwrap();
    assert!(!message.is_empty() && !message.contains('\n'), "{failure:#}");
    not_measured(&host).to_owned()
}

/// Writes a new private key and returns its path.
fn new_key(world: &World, name: &str, passphrase: &str) -> String {
    let path = world.path(name).to_str().unwrap().to_owned();
    tool("ssh-keygen", &["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", &path]);
    path
}

/// SSH-02.
#[test]
fn each_way_not_to_get_in_has_a_name_of_its_own() {
    let (world, host) = (world(), host());
    host.add_user("ann", "right", "/bin/bash", Sudo::None).unwrap();
    let content = yes(&world);
    let scan = |target: &str, key: &str, world: &World| {
        failure(&world.plumb(&["scan", target, "-i", key, "--content", &content, "--format", "json"]))
    };
    let (good, other) = (key(&host), new_key(&world, "other", ""));
    let bad = world.path("bad");
    std::fs::write(&bad, "not a key\n").unwrap();
    let closed = net::closed_port().unwrap();
    assert_eq!(scan(&at_port("root", closed.port()), &good, &world), "connect_failed");
    assert_eq!(scan(&at("root", &host), bad.to_str().unwrap(), &world), "invalid_key");
    assert!(!saw_authentication(&host.sshd_log().unwrap()), "a key that cannot be read is no attempt");
    assert_eq!(scan(&at("root", &host), &other, &world), "auth_failed");
    assert!(saw_authentication(&host.sshd_log().unwrap()));
    let hole = BlackHole::start().unwrap();
    assert_eq!(scan(&at_port("root", hole.port()), &good, &world), "timeout");
    assert_eq!(hole.connections(), 1, "a scan does not try again by itself");
    let world = world.env("PLUMB_SSH_PASSWORD", "wrong");
    let done = world.plumb(&["scan", &at("ann", &host), "--content", &content, "--format", "json"]);
    assert_eq!(failure(&done), "auth_failed");
    assert!(!(done.stdout + &done.stderr).contains("wrong"), "no message holds the password");
}

#[test]
fn a_target_that_is_none_is_refused_in_one_line() {
    let world = world();
    let table = [
        ("192.0.2.1/32", "prefix length"),
        ("[::1]/128:22", "bracket"),
        ("root@", "host"),
        ("@192.0.2.1", "user"),
        ("root@192.0.2.1:0", "port"),
        ("root@192.0.2.1:65536", "port"),
        ("root@[::1:22", "bracket"),
        ("192.0.2.256", "192.0.2.256"),
        // Ways to write an address that a resolver would follow to another place than it seems.
        ("127.1", "looks like an IPv4 address"),
        ("2130706433", "looks like an IPv4 address"),
        ("0x7f.1", "looks like an IPv4 address"),
        ("root@0x7F000001:22", "looks like an IPv4 address"),
        ("web.0x1.", "looks like an IPv4 address"),
        ("a\x1b[2Jb", "white space"),
        ("-oProxyCommand=id", "-oProxyCommand"),
    ];
    for (target, words) in table {
        let done = world.plumb(&["scan", "--quiet", "--", target]);
        assert_refused(&done, 64, words);
        assert!(!done.stderr.contains('\x1b'), "{:?}", done.stderr);
    }
    assert_eq!(world.plumb(&["host", "list"]).stdout.lines().count(), 1);
}

/// Listens on the IPv6 loopback address and carries each connection to a loopback port.
fn relay_from_ipv6(host: &TestHost) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let (address, target) = (host.address(), host.port());
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect((address, target)) else { return };
            let pair = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))];
            for (from, to) in pair {
                let (Ok(mut from), Ok(mut to)) = (from, to) else { return };
                thread::spawn(move || {
                    drop(io::copy(&mut from, &mut to));
                    drop(to.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
    Ok(port)
}

/// SSH-03.
#[test]
fn an_ipv6_address_and_a_name_are_scanned_and_saved_in_one_form() {
    let (world, host) = (world(), host());
    let (content, key) = (yes(&world), key(&host));
    let scan = |target: &str| {
        failure(&world.plumb(&["scan", target, "-i", &key, "--content", &content, "--format", "json"]))
    };
    let port = relay_from_ipv6(&host).expect("the machine has an IPv6 loopback address");
    assert_eq!(scan(&format!("root@[::1]:{port}")), "none");
    assert_eq!(scan(&format!("root@[0:0:0:0:0:0:0:1]:{port}")), "none");
    assert_eq!(scan(&format!("root@localhost:{}", host.port())), "none");
    let hosts = crate::support::json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"].clone();
    let mut addresses: Vec<&str> =
        hosts.as_array().unwrap().iter().map(|host| host["host"]["address"].as_str().unwrap()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["::1", "localhost"], "two ways to write an address are one host");
}
