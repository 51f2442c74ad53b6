//! Trust in host keys: first use, import, change, approval, revocation.

use serde_json::Value;
use testkit::host::TestHost;

use crate::ssh::{failure, saw_authentication};
use crate::support::{
    On, World, assert_code, assert_refused, at, exported, host, json, tool, world, world_on, yes,
};

/// Scans as root; returns the name of what went wrong, or `none`.
fn scan(world: &World, host: &TestHost, more: &[&str]) -> String {
    let content = yes(world);
    let mut words = vec!["--content", content.as_str(), "--format", "json"];
    words.extend(more);
    failure(&world.scan(host, &words))
}

fn known(world: &World) -> Vec<Value> {
    json(&world.plumb(&["known-hosts", "list", "--format", "json"]))["keys"].as_array().unwrap().clone()
}

/// SSH-04, SSH-06.
#[test]
fn an_unknown_key_is_trusted_at_first_use_or_refused_before_authentication() {
    let (world, host) = (world(), host());
    assert_eq!(scan(&world, &host, &["--host-key-policy", "require-known"]), "host_key_unknown");
    assert!(!saw_authentication(&host.sshd_log().unwrap()), "{}", host.sshd_log().unwrap());
    assert_eq!(known(&world).len(), 0);

    let content = yes(&world);
    // A warning is no note: whoever wants no notes hears of it, too.
    let first = world.scan(&host, &["--content", &content, "--quiet"]);
    assert_code(&first, 0);
    assert_eq!(first.stderr.lines().count(), 1, "{}", first.stderr);
    let key = &known(&world)[0]["key"];
    let fingerprint = key["fingerprint"].as_str().unwrap();
    let line = first.stderr.lines().find(|line| line.contains("first use")).unwrap();
    assert!(line.contains(fingerprint) && line.contains(&host.port().to_string()), "{line}");
    let shown = tool("ssh-keygen", &["-l", "-f", host.known_hosts().to_str().unwrap()]);
    assert!(shown.contains(fingerprint), "{shown} is what OpenSSH calls it");
    assert_eq!(key["source"], "first_use");

    let second = world.scan(&host, &["--content", &content, "--host-key-policy", "require-known"]);
    assert_code(&second, 0);
    assert!(!second.stderr.contains("first use"), "{}", second.stderr);
    let ledger = exported(&world);
    assert_eq!(ledger.matches("\"ssh.host_key.trusted\"").count(), 1, "one record a new host");
    assert_eq!(ledger.matches("\"ssh.host_key.unknown\"").count(), 1);
}

/// SSH-04: no passphrase is asked for, no key is opened, nothing is sent, where no key of the host would be accepted.
#[test]
fn nothing_is_opened_for_a_host_whose_key_will_be_refused() {
    let (world, host) = (world().env("NO_COLOR", "1"), host());
    let locked = crate::ssh::new_key(&world, "locked", "open sesame");
    std::fs::create_dir(world.home().join(".ssh")).unwrap();
    std::fs::copy(&locked, world.home().join(".ssh/id_ed25519")).unwrap();
    let (content, target) = (yes(&world), at("root", &host));
    let broken = world.path("broken");
    std::fs::write(&broken, "no key\n").unwrap();
    let ways: [&[&str]; 5] = [
        &[],
        &["-i", &locked],
        &["-i", broken.to_str().unwrap()],
        &["--ask-password"],
        &["--sudo", "--ask-sudo-password"],
    ];
    for way in ways {
        let mut words = vec!["scan", &target, "--content", &content, "--host-key-policy", "require-known"];
        words.extend(way);
        let done = world.type_in_terminal(&words, 200, b"open sesame\n").unwrap();
        assert_code(&done, 3);
        assert!(done.stdout.contains("NOT MEASURED  host_key_unknown"), "{way:?}: {}", done.stdout);
        let asked = ["Passphrase of ", "password: "].iter().any(|words| done.stdout.contains(words));
        assert!(!asked, "{way:?}: {}", done.stdout);
    }
    // Revoked, it is refused under any policy.
    assert_eq!(scan(&world, &host, &[]), "none");
    let fingerprint = known(&world)[0]["key"]["fingerprint"].as_str().unwrap().to_owned();
    assert_code(&world.plumb(&["known-hosts", "revoke", &fingerprint, "--reason", "leaked"]), 0);
    let logged = host.sshd_log().unwrap().len();
    let words = ["scan", &target, "--content", &content, "--format", "json"];
    for way in ways.iter().take(3) {
        assert_eq!(failure(&world.plumb(&[&words[..], way].concat())), "host_key_revoked", "{way:?}");
    }
    assert!(!saw_authentication(&host.sshd_log().unwrap()[logged..]));
    // A host that is known is asked for, whatever else the command names.
    let other = crate::support::host();
    let line = other.host_key_line();
    std::fs::write(world.home().join(".ssh/known_hosts"), line).unwrap();
    let words =
        ["scan", &target, &at("root", &other), "--content", &content, "--host-key-policy", "require-known"];
    let done = world.type_in_terminal(&words, 200, b"open sesame\n").unwrap();
    assert_eq!(done.stdout.matches("Passphrase of ").count(), 1, "{}", done.stdout);
    assert!(
        done.stdout.contains("host_key_revoked") && done.stdout.contains("auth_failed"),
        "{}",
        done.stdout
    );
}

/// SSH-05.
#[test]
fn keys_belong_to_an_address_and_a_port() {
    let (world, one, other) = (world(), host(), host());
    assert_eq!(scan(&world, &one, &[]), "none");
    assert_eq!(scan(&world, &other, &[]), "none");
    let mut ports: Vec<u64> =
        known(&world).iter().map(|known| known["key"]["port"].as_u64().unwrap()).collect();
    ports.sort_unstable();
    let mut expected = [u64::from(one.port()), u64::from(other.port())];
    expected.sort_unstable();
    assert_eq!(ports, expected);
    for host in [&one, &other] {
        assert_eq!(scan(&world, host, &["--host-key-policy", "require-known"]), "none");
    }
}

/// SSH-08, SSH-09.
#[test]
fn a_changed_key_is_refused_before_authentication_and_never_replaced_until_it_is_approved() {
    let (world, mut host) = (world(), host());
    assert_eq!(scan(&world, &host, &[]), "none");
    let before = known(&world);
    host.regenerate_host_key().unwrap();
    let logged = host.sshd_log().unwrap().len();
    for policy in ["tofu", "require-known", "tofu"] {
        assert_eq!(scan(&world, &host, &["--host-key-policy", policy]), "host_key_mismatch");
    }
    assert!(!saw_authentication(&host.sshd_log().unwrap()[logged..]));
    assert_eq!(known(&world), before);

    let content = yes(&world);
    let refused = world.scan(&host, &["--content", &content]);
    assert!(refused.stdout.contains("hint: ") && refused.stdout.contains("approve"), "{}", refused.stdout);
    let line = host.host_key_line();
    let (_, key) = line.split_once(' ').unwrap();
    let (kind, base64) = key.split_once(' ').unwrap();
    let place = format!("127.0.0.1:{}", host.port());
    let approve = ["known-hosts", "approve", &place, kind, base64, "--reason", "reinstalled, ticket 7"];
    assert_code(&world.plumb(&approve), 0);
    assert_eq!(scan(&world, &host, &["--host-key-policy", "require-known"]), "none");
    let old = before[0]["key"]["fingerprint"].clone();
    for key in known(&world) {
        let key = &key["key"];
        let revoked = key["fingerprint"] == old;
        assert_eq!(key["revoked"], revoked, "{key:#}");
        assert_eq!(key["source"], if revoked { "first_use" } else { "approved" });
    }
    assert!(exported(&world).contains("reinstalled, ticket 7"));
}

/// SSH-09: a saved host is named as everywhere, and its key belongs to where it is dialled.
#[test]
fn a_key_is_approved_for_a_saved_host_by_its_name_its_id_or_its_address() {
    let (world, mut host) = (world(), host());
    let (target, login) = (at("root", &host), crate::support::key(&host));
    let add = ["host", "add", &target, "--name", "web-1", "-i", &login];
    assert_code(&world.plumb(&add), 0);
    let content = yes(&world);
    let scan = |policy: &str| {
        let words = ["scan", "web-1", "--content", &content, "--format", "json", "--host-key-policy", policy];
        failure(&world.plumb(&words))
    };
    assert_eq!(scan("tofu"), "none");
    let saved = json(&world.plumb(&["host", "show", "web-1", "--format", "json"]));
    let id = saved["host"]["host_id"].as_str().unwrap().to_owned();
    let mut keys = 1;
    for name in ["web-1", "admin@web-1", &id, "127.0.0.1", &format!("127.0.0.1:{}", host.port())] {
        host.regenerate_host_key().unwrap();
        assert_eq!(scan("tofu"), "host_key_mismatch", "{name}");
        let line = host.host_key_line();
        let words: Vec<&str> = line.split(' ').collect();
        let approve =
            ["known-hosts", "approve", name, words[1], words[2], "--reason", "new disk, ticket 812"];
        let done = world.plumb(&approve);
        assert_code(&done, 0);
        assert!(done.stderr.contains(&format!("127.0.0.1 port {}", host.port())), "{}", done.stderr);
        assert_eq!(scan("require-known"), "none", "{name}");
        keys += 1;
        let known = known(&world);
        let place = |known: &Value| (known["key"]["address"].clone(), known["key"]["port"].clone());
        assert!(known.iter().all(|known| place(known) == ("127.0.0.1".into(), host.port().into())));
        let trusted = known.iter().filter(|known| known["key"]["revoked"] == false).count();
        assert_eq!((known.len(), trusted), (keys, 1), "{name}: {known:#?}");
    }
}

/// SSH-09.
#[test]
fn whoever_changes_what_is_trusted_gives_the_key_and_a_reason() {
    let (world, host) = (world(), host());
    assert_eq!(scan(&world, &host, &[]), "none");
    let before = known(&world);
    let fingerprint = before[0]["key"]["fingerprint"].as_str().unwrap();
    let line = host.host_key_line();
    let words: Vec<&str> = line.split(' ').collect();
    let file = host.known_hosts();
    let long = "x".repeat(1_001);
    for reason in ["", " ", &long] {
        let commands: [&[&str]; 3] = [
            &["known-hosts", "approve", "web-1", words[1], words[2], "--reason", reason],
            &["known-hosts", "revoke", fingerprint, "--reason", reason],
            &["known-hosts", "import", file.to_str().unwrap(), "--reason", reason],
        ];
        for words in commands {
            assert_refused(&world.plumb(words), 64, "a reason has 1 to 1,000 characters");
        }
    }
    assert_eq!(known(&world), before);
    let none = world.plumb(&["known-hosts", "approve", "web-1", "--reason", "new disk"]);
    assert_code(&none, 64);
    assert!(none.stderr.contains("<TYPE>") && none.stderr.contains("<BASE64>"), "{}", none.stderr);
    let help = world.plumb(&["known-hosts", "approve", "--help"]).stdout;
    assert!(help.contains("<HOST> <TYPE> <BASE64>\n"), "{help}");
}

/// SSH-09.
#[test]
fn imported_keys_are_known_at_first_contact_in_plain_and_in_hashed_form() {
    let (world, host) = (world(), host());
    let hashed = world.path("hashed");
    std::fs::copy(host.known_hosts(), &hashed).unwrap();
    tool("ssh-keygen", &["-q", "-H", "-f", hashed.to_str().unwrap()]);
    let text = std::fs::read_to_string(&hashed).unwrap();
    assert!(text.starts_with("|1|") && !text.contains("127.0.0.1"), "{text}");
    let place = format!("127.0.0.1:{}", host.port());
    let (plain, hashed) = (host.known_hosts(), hashed);
    let table: [(&std::path::Path, &[&str]); 2] = [(&plain, &[]), (&hashed, &["--host", &place])];
    for (file, more) in table {
        let world = crate::support::world();
        let mut words =
            vec!["known-hosts", "import", file.to_str().unwrap(), "--reason", "from the installer"];
        words.extend(more);
        assert_code(&world.plumb(&words), 0);
        assert_eq!(scan(&world, &host, &["--host-key-policy", "require-known"]), "none", "{file:?}");
        assert_eq!(known(&world)[0]["key"]["source"], "imported");
    }
    // A hashed line that nobody can match is told, not dropped in silence.
    let unmatched = world.plumb(&["known-hosts", "import", hashed.to_str().unwrap()]);
    assert_code(&unmatched, 0);
    assert!(unmatched.stderr.contains("1 line"), "{}", unmatched.stderr);
}

#[test]
fn the_users_own_known_hosts_counts_and_is_never_written() {
    let (world, mut host) = (world(), host());
    let file = world.home().join(".ssh/known_hosts");
    std::fs::create_dir(world.home().join(".ssh")).unwrap();
    let text = format!("# mine\n{}\n", host.host_key_line());
    std::fs::write(&file, &text).unwrap();
    assert_eq!(scan(&world, &host, &["--host-key-policy", "require-known"]), "none");
    assert_eq!(known(&world)[0]["key"]["source"], "imported");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);

    // A first contact with a host that shows another key than the user knows.
    host.regenerate_host_key().unwrap();
    let fresh = crate::support::world();
    std::fs::create_dir(fresh.home().join(".ssh")).unwrap();
    std::fs::write(fresh.home().join(".ssh/known_hosts"), &text).unwrap();
    assert_eq!(scan(&fresh, &host, &[]), "host_key_mismatch");
}

#[test]
fn a_revoked_key_is_refused_even_at_first_use() {
    let (world, host) = (world(), host());
    assert_eq!(scan(&world, &host, &[]), "none");
    let fingerprint = known(&world)[0]["key"]["fingerprint"].as_str().unwrap().to_owned();
    let revoke = ["known-hosts", "revoke", &fingerprint, "--reason", "leaked"];
    assert_code(&world.plumb(&revoke), 0);
    let logged = host.sshd_log().unwrap().len();
    assert_eq!(scan(&world, &host, &["--host-key-policy", "tofu"]), "host_key_revoked");
    assert!(!saw_authentication(&host.sshd_log().unwrap()[logged..]));
    assert_eq!(world.last_scan(&at("root", &host))["failure_reason"], "host_key_revoked");
}

/// SSH-09: what was revoked is revoked, whatever a file of somebody else says, until a person approves it.
#[test]
fn no_import_brings_a_revoked_key_back() {
    let (world, host) = (world(), host());
    assert_eq!(scan(&world, &host, &[]), "none");
    let fingerprint = known(&world)[0]["key"]["fingerprint"].as_str().unwrap().to_owned();
    assert_code(&world.plumb(&["known-hosts", "revoke", &fingerprint, "--reason", "leaked"]), 0);
    let before = known(&world);
    let line = host.host_key_line();
    let (_, key) = line.split_once(' ').unwrap();
    let other = crate::ssh::new_key(&world, "other", "");
    let other = std::fs::read_to_string(format!("{other}.pub")).unwrap();
    let file = world.path("nightly");
    // The place where it was revoked, another name of it, and a host that has nothing to do with it.
    std::fs::write(&file, format!("{line}\nweb-1,web-2 {key}\nweb-3 {other}")).unwrap();
    let import = ["known-hosts", "import", file.to_str().unwrap()];
    let done = world.plumb(&import);
    assert_code(&done, 0);
    assert_eq!(done.stderr.matches(&format!("left out: {fingerprint} of ")).count(), 3, "{}", done.stderr);
    assert!(done.stderr.contains("imported 1 key"), "{}", done.stderr);
    assert!(done.stderr.contains("left out 3 revoked keys"), "{}", done.stderr);
    let quiet = world.plumb(&["--quiet", "known-hosts", "import", file.to_str().unwrap()]);
    assert!(quiet.stderr.contains(&fingerprint), "a warning is no note: {}", quiet.stderr);
    let after = known(&world);
    assert!(after.contains(&before[0]), "{after:#?}");
    assert_eq!(after.iter().filter(|known| known["key"]["fingerprint"] == *fingerprint).count(), 1);
    assert_eq!(scan(&world, &host, &["--host-key-policy", "tofu"]), "host_key_revoked");

    let (kind, base64) = key.split_once(' ').unwrap();
    let place = format!("127.0.0.1:{}", host.port());
    let approve = ["known-hosts", "approve", &place, kind, base64, "--reason", "it was not leaked"];
    assert_code(&world.plumb(&approve), 0);
    assert_eq!(scan(&world, &host, &["--host-key-policy", "require-known"]), "none");
}

/// SSH-06: the key that was revoked for one address is not trusted at first use of another one, nor by way of the
/// user's own file.
#[test]
fn a_revoked_key_is_no_first_use_of_another_place() {
    let (world, mut host) = (world(), host());
    assert_eq!(scan(&world, &host, &[]), "none");
    let fingerprint = known(&world)[0]["key"]["fingerprint"].as_str().unwrap().to_owned();
    assert_code(&world.plumb(&["known-hosts", "revoke", &fingerprint, "--reason", "leaked"]), 0);
    let content = yes(&world);
    let target = format!("root@localhost:{}", host.port());
    let key = crate::support::key(&host);
    let words = ["scan", &target, "-i", &key, "--content", &content, "--format", "json"];
    let logged = host.sshd_log().unwrap().len();
    assert_eq!(failure(&world.plumb(&words)), "host_key_revoked");
    let ssh = world.home().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    std::fs::write(ssh.join("known_hosts"), host.host_key_line().replace("127.0.0.1", "localhost")).unwrap();
    let done = world.plumb(&words);
    assert_eq!(failure(&done), "host_key_revoked");
    assert!(done.stderr.contains(&fingerprint), "{}", done.stderr);
    // The user knows the host by that key: another one is a change, and no first contact.
    host.regenerate_host_key().unwrap();
    assert_eq!(failure(&world.plumb(&words)), "host_key_mismatch");
    assert!(!saw_authentication(&host.sshd_log().unwrap()[logged..]));
    assert_eq!(known(&world).len(), 1);
}

/// sshd(8), SSH_KNOWN_HOSTS FILE FORMAT: `@revoked *` is how a stolen key is named.
#[test]
fn a_key_that_is_revoked_for_every_name_is_trusted_of_none() {
    let (world, host) = (world(), host());
    let line = host.host_key_line();
    let revoked = format!("@revoked * {}\n", line.trim().split_once(' ').unwrap().1);
    // An import, before any host is saved: the file trusts the key of one host, and revokes it.
    let file = world.path("known");
    std::fs::write(&file, format!("{}\n{revoked}", line.trim())).unwrap();
    assert_code(&world.plumb(&["known-hosts", "import", file.to_str().unwrap()]), 0);
    assert!(known(&world).iter().all(|known| known["key"]["revoked"] == true), "{:?}", known(&world));
    assert_eq!(scan(&world, &host, &[]), "host_key_revoked");

    // The user's own file: that key is refused at first contact, and any other one is no change.
    let (world, mut host) = (crate::support::world(), host);
    std::fs::create_dir(world.home().join(".ssh")).unwrap();
    std::fs::write(world.home().join(".ssh/known_hosts"), revoked).unwrap();
    assert_eq!(scan(&world, &host, &[]), "host_key_revoked");
    host.regenerate_host_key().unwrap();
    assert_eq!(scan(&world, &host, &[]), "none");
}

/// SSH-08: a host that has a trusted key is met by that one, whatever else it offers and was revoked.
#[test]
fn a_trusted_key_beside_a_revoked_one_of_another_type_lets_the_scan_in() {
    let (world, mut host) = (world(), host());
    assert_eq!(scan(&world, &host, &[]), "none");
    let revoked = known(&world)[0]["key"]["fingerprint"].as_str().unwrap().to_owned();
    host.must("ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key").unwrap();
    host.restart_sshd().unwrap();
    assert_code(&world.plumb(&["known-hosts", "revoke", &revoked, "--reason", "leaked"]), 0);
    let public = host.must("cat /etc/ssh/ssh_host_ecdsa_key.pub").unwrap();
    let words: Vec<&str> = public.split_whitespace().collect();
    let place = format!("127.0.0.1:{}", host.port());
    let approve = ["known-hosts", "approve", &place, words[0], words[1], "--reason", "its other key"];
    assert_code(&world.plumb(&approve), 0);
    assert_eq!(scan(&world, &host, &["--host-key-policy", "require-known"]), "none");

    // Another key of that type: what was expected is the trusted one, and the revoked one is no word of it.
    host.must("rm /etc/ssh/ssh_host_ecdsa_key*; ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key")
        .unwrap();
    host.restart_sshd().unwrap();
    let content = yes(&world);
    let done = world.scan(&host, &["--content", &content]);
    assert_code(&done, 3);
    let trusted = known(&world).iter().find(|known| known["key"]["revoked"] == false).unwrap().clone();
    let trusted = trusted["key"]["fingerprint"].as_str().unwrap();
    assert!(done.stdout.contains("host_key_mismatch"), "{}", done.stdout);
    assert!(done.stdout.contains(&format!("known is {trusted}")), "{}", done.stdout);
    assert!(!done.stdout.contains(&revoked), "{}", done.stdout);

    // With no trusted key left, nothing that was revoked is told to be known.
    assert_code(&world.plumb(&["known-hosts", "revoke", trusted, "--reason", "gone"]), 0);
    assert_eq!(scan(&world, &host, &[]), "host_key_revoked");
    host.must("rm /etc/ssh/ssh_host_ed25519_key*").unwrap();
    host.restart_sshd().unwrap();
    let done = world.scan(&host, &["--content", &content]);
    assert!(done.stdout.contains("every key that is known of it was revoked"), "{}", done.stdout);
}

/// SSH-03, SSH-09: what cannot be dialled is passed over with a warning and hides no other key; what can be is kept as it
/// is dialled; a file is imported whole or not at all.
fn an_import_keeps_addresses_as_they_are_dialled_and_names_what_it_passes_over(on: On) {
    let world = world_on(on);
    let key = std::fs::read_to_string(format!("{}.pub", crate::ssh::new_key(&world, "key", ""))).unwrap();
    let file = world.path("known");
    let hosts = ["[web-1]:0", "[0:0:0:0:0:0:0:1]:2201", "web_$", "2001:DB8::0001", "[web-2]:70000,web-3"];
    let text: String = hosts.iter().map(|hosts| format!("{hosts} {key}")).collect();
    std::fs::write(&file, text).unwrap();
    // A host of this machine has no port, and a line for every host is none for it.
    assert_code(&world.plumb(&["host", "add", "localhost"]), 0);
    std::fs::write(world.path("every"), format!("* {key}")).unwrap();
    let every = world.plumb(&["known-hosts", "import", world.path("every").to_str().unwrap()]);
    assert_code(&every, 0);
    let done = world.plumb(&["known-hosts", "import", file.to_str().unwrap()]);
    assert_code(&done, 0);
    for line in [1, 3, 5] {
        let warning = format!("known:{line}: passed over: a host is no address");
        assert!(done.stderr.contains(&warning), "{warning}: {}", done.stderr);
    }
    let known = known(&world);
    let place = |known: &Value| {
        (known["key"]["address"].as_str().unwrap().to_owned(), known["key"]["port"].as_u64().unwrap())
    };
    let mut places: Vec<(String, u64)> = known.iter().map(place).collect();
    places.sort();
    let expected = [("2001:db8::1", 22), ("::1", 2201), ("web-3", 22)];
    assert_eq!(places, expected.map(|(address, port)| (address.to_owned(), port)));

    std::fs::write(&file, format!("{}web-9 {key}", "#\n".repeat(100_000))).unwrap();
    let done = world.plumb(&["known-hosts", "import", file.to_str().unwrap()]);
    assert_refused(&done, 64, "more than 100,000 lines");
    let ssh = world.home().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    std::fs::copy(&file, ssh.join("known_hosts")).unwrap();
    assert_refused(&world.plumb(&["scan", "localhost"]), 78, "more than 100,000 lines");
}
on_each!(an_import_keeps_addresses_as_they_are_dialled_and_names_what_it_passes_over);
