//! The user's ssh_config(5): a host is what it is for ssh, and nothing else is measured in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use testkit::host::TestHost;

use crate::ssh::{failure, saw_authentication};
use crate::support::{World, assert_code, assert_refused, at, host, json, key, world, yes};

fn configure(world: &World, text: &str) {
    fs::create_dir_all(world.home().join(".ssh")).unwrap();
    fs::write(world.home().join(".ssh/config"), text).unwrap();
}

/// Scans with a rule that always passes; returns the name of what went wrong, `none` when nothing did.
#[track_caller]
fn scan(world: &World, target: &str) -> String {
    failure(&world.plumb(&["scan", target, "--content", &yes(world), "--format", "json"]))
}

fn saved(world: &World, name: &str) -> Value {
    json(&world.plumb(&["host", "show", name, "--format", "json"]))["host"].clone()
}

fn n_saved(world: &World) -> usize {
    json(&world.plumb(&["host", "list", "--format", "json"]))["hosts"].as_array().unwrap().len()
}

/// Returns a block for this host.
fn block(name: &str, host: &TestHost) -> String {
    format!(
        "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n",
        host.port(),
        key(host)
    )
}

#[test]
fn an_alias_of_ssh_config_gives_address_port_user_and_key() {
    let (world, host) = (world(), host());
    let text = format!(
        "Host *.example.org\n  User nobody\nHost db\n  HostName 192.0.2.1\n  User ann\nHost web\n  HostName 127.0.0.1\n  Port {}\n  User root\n  \
         IdentityFile {}\n  ServerAliveInterval 30\n",
        host.port(),
        key(&host)
    );
    configure(&world, &text);
    assert_eq!(scan(&world, "web"), "none");
    let log = host.sshd_log().unwrap();
    assert!(log.contains("Accepted publickey for root"), "{log}");
    assert_eq!(saved(&world, "web")["address"], "127.0.0.1");
    assert_code(&world.plumb(&["host", "add", "db"]), 0);
    assert_eq!(saved(&world, "db")["username"], "ann");
    // What is on the command line wins over the file.
    assert_eq!(scan(&world, "nosuchuser@web"), "auth_failed");
}

#[test]
fn an_ssh_config_that_cannot_be_read_is_told_in_one_line() {
    let world = world();
    let ssh = world.home().join(".ssh");
    fs::create_dir_all(ssh.join("config")).unwrap();
    let done = world.plumb(&["scan", "web", "--quiet"]);
    assert_refused(&done, 78, ".ssh/config");
}

/// ssh_config(5): a `Match` begins a block as `Host` does, and of each setting the first value that is obtained counts.
#[test]
fn a_block_for_another_host_says_nothing_of_this_one() {
    let (world, web, db) = (world(), host(), host());
    let other = format!("Match host db-1\n  HostName 127.0.0.1\n  Port {}\n  User boss\n", db.port());
    let twice = format!("{}  Port {}\n  User boss\n", block("web-1", &web), db.port());
    configure(&world, &format!("{other}{twice}{other}"));
    assert_eq!(scan(&world, "web-1"), "none");
    assert_eq!(saved(&world, "web-1")["port"], web.port());
    assert!(web.sshd_log().unwrap().contains("Accepted publickey for root"));
    assert!(!saw_authentication(&db.sshd_log().unwrap()));
}

/// A private address is another machine's here and behind the jump host: whoever goes there directly measures the wrong one.
#[test]
fn a_host_behind_another_one_is_refused_and_nothing_in_its_place_is_reached() {
    let (world, here) = (world(), host());
    for (keyword, value) in [("ProxyJump", "bastion.example.org"), ("ProxyCommand", "nc %h %p")] {
        configure(&world, &format!("{}  {keyword} {value}\n", block("inner", &here)));
        for words in [["scan", "inner", "--quiet"], ["host", "add", "inner"]] {
            let done = world.plumb(&words);
            assert_refused(&done, 78, "\"inner\" has");
            assert!(done.stderr.contains(&format!("{keyword} \"{value}\"")), "{}", done.stderr);
        }
    }
    assert!(!saw_authentication(&here.sshd_log().unwrap()));
    assert_eq!(n_saved(&world), 0);
    configure(&world, &format!("{}  ProxyJump none\nHost *\n  ProxyJump bastion\n", block("outer", &here)));
    assert_eq!(scan(&world, "outer"), "none");
}

/// An alias may lead to a place that is in the inventory under another name: whose results these are is said.
#[test]
fn results_that_stand_under_another_name_than_asked_are_announced() {
    let (world, host) = (world(), host());
    configure(&world, &(block("a", &host) + &block("b", &host)));
    assert_eq!(scan(&world, "a"), "none");
    let done = world.plumb(&["scan", "b", "--content", &yes(&world), "--format", "json", "--quiet"]);
    assert_eq!(failure(&done), "none");
    let told: Vec<&str> = done.stderr.lines().collect();
    assert!(told.len() == 1 && told[0].contains("b leads to 127.0.0.1"), "{told:?}");
    assert!(told[0].contains("it is scanned as a"), "{told:?}");
    assert_eq!(n_saved(&world), 1);
    // Its own name, and its address as typed, lead nowhere else.
    for target in ["a", &at("root", &host)] {
        let done = world.plumb(&["scan", target, "--content", &yes(&world), "--quiet"]);
        assert_code(&done, 0);
        assert_eq!(done.stderr, "", "{target}");
    }
}

/// The values are those of ssh_config(5), OpenSSH 9.2.
#[test]
fn what_ssh_accepts_is_no_reason_to_refuse() {
    let world = world();
    let lines = [
        "AddKeysToAgent confirm",
        "AddKeysToAgent ask",
        "AddKeysToAgent 1h",
        "ForwardAgent /run/user/agent",
        "ConnectTimeout none",
        "PubkeyAuthentication unbound",
        "Nonsense 3",
        "LogLevel DEBUG3",
    ];
    let places = lines
        .iter()
        .enumerate()
        .map(|(i, line)| format!("Host web-{i}\n  HostName 192.0.2.1\n  Port {}\n  {line}\n", 2200 + i));
    configure(&world, &format!("IgnoreUnknown Nonsense\n{}", places.collect::<String>()));
    for (i, line) in lines.iter().enumerate() {
        let name = format!("web-{i}");
        assert_code(&world.plumb(&["host", "add", &name]), 0);
        assert_eq!(saved(&world, &name)["port"], 2200 + i, "{line}");
    }
}

#[test]
fn a_file_that_ssh_refuses_stops_nothing_that_needs_no_alias() {
    let (world, host) = (world(), host());
    configure(&world, &block("web", &host));
    assert_eq!(scan(&world, "web"), "none");
    configure(&world, &format!("{}Host *\n  Nonsense yes\n", block("other", &host)));
    let id = saved(&world, "web")["host_id"].as_str().unwrap().to_owned();
    let address = format!("127.0.0.1:{}", host.port());
    for target in ["localhost", "web", "root@web", &id, "127.0.0.1", &address] {
        assert_eq!(scan(&world, target), "none", "{target}");
    }
    let done = world.plumb(&["scan", "other", "--quiet"]);
    // The keyword stands in the seventh line.
    assert_refused(&done, 78, ".ssh/config: line 7: Bad configuration option: nonsense");
    assert!(done.stderr.contains("ssh -G HOST"), "{}", done.stderr);
    let world = world.env("PATH", "/nonexistent");
    assert_refused(&world.plumb(&["scan", "other", "--quiet"]), 78, ".ssh/config is there, and ssh is not");
    assert_eq!(scan(&world, "web"), "none");
    fs::remove_file(world.home().join(".ssh/config")).unwrap();
    assert_code(&world.plumb(&["host", "add", "192.0.2.1"]), 0);
}

/// A word that begins like an option is no host, and nothing of it is an option of ssh.
#[test]
fn a_target_never_becomes_an_option_of_ssh() {
    let world = world();
    configure(&world, "Host *\n  User root\n");
    for target in ["-oProxyCommand=id", "root@-oUser=x", "-Fsomewhere"] {
        assert_refused(&world.plumb(&["scan", "--quiet", "--", target]), 64, "is not a host address");
    }
    assert_eq!(n_saved(&world), 0);
}

/// ssh_config(5), `IdentityFile` and TOKENS: missing files are passed over, `~` and `%d` are the home, `%h` in HostName is the
/// host as typed.
#[test]
fn the_first_key_file_that_is_there_is_used() {
    let host = host();
    let place = format!("Host 127.0.0\n  HostName %h.1\n  Port {}\n  User root\n", host.port());
    let with = |path: &str, copied: &str| {
        let world = world();
        fs::create_dir_all(world.home().join(".ssh/keys")).unwrap();
        fs::copy(host.root_key(), world.home().join(copied)).unwrap();
        configure(&world, &format!("{place}  IdentityFile ~/.ssh/nothere\n  IdentityFile {path}\n"));
        assert_eq!(scan(&world, "127.0.0"), "none", "{path}");
        (world.home().join(copied), saved(&world, "127.0.0")["identity_file"].as_str().unwrap().to_owned())
    };
    for path in ["~/.ssh/keys/%h-%r", "%d/.ssh/keys/%n.1-root"] {
        let (key, used) = with(path, ".ssh/keys/127.0.0.1-root");
        assert_eq!(used, key.to_str().unwrap());
    }
    // Where none is there, the usual ones are tried.
    assert_eq!(with("~/.ssh/nor_this", ".ssh/id_ed25519").1, "");
}

#[test]
fn what_a_match_runs_is_told_no_secret() {
    let world = world().env("PLUMB_SSH_PASSWORD", "hush-1").env("PLUMB_OWNER_DATABASE_PASSWORD", "hush-2");
    let told = world.path("told");
    configure(&world, &format!("Match exec \"env >{}\"\n  HostName 192.0.2.1\n", told.display()));
    assert_code(&world.plumb(&["host", "add", "db"]), 0);
    let told = fs::read_to_string(&told).unwrap();
    assert!(told.contains("HOME=") && !told.contains("hush"), "{told}");
}

#[test]
fn a_file_that_others_may_write_to_is_not_followed() {
    let world = world();
    let ran = world.path("ran");
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    configure(&world, &format!("Match exec \"touch {}\"\n  HostName 192.0.2.1\n", ran.display()));
    let file = world.home().join(".ssh/config");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).unwrap();
    assert_refused(&world.plumb(&["host", "add", "db"]), 78, "others may write to it");
    assert!(!ran.exists());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_code(&world.plumb(&["host", "add", "db"]), 0);
    assert!(ran.exists());
}
