//! Facts and edges that come from scans of real hosts.

use serde_json::{Value, json};

use super::{asked, facts, members, refused};
use crate::support::{On, assert_code, at, host, json as parsed, world_on};

/// FCT-29, FCT-19: a scan records what the host is, once; the next one only what changed, and what is gone.
fn fct_29_a_scan_records_what_the_host_is_and_then_only_what_changes(on: On) {
    let (world, host) = (world_on(on), host());
    let count = |table: &str| world.count(table);
    world.scan(&host, &[]);
    let name = at("root", &host);
    let subject = format!("host:{name}");
    let told = |predicate: &str| {
        let answer = asked(&world, &["fact", "get", &subject, predicate, "--type", "observed"]);
        facts(&answer).first().cloned()
    };
    let os = told("os").unwrap();
    assert_eq!((&os["value"]["id"], &os["classification"]), (&json!("debian"), &json!("normal")));
    assert!(os["reason"].as_str().unwrap().starts_with("scan "), "{os:#}");
    assert!(told("kernel").unwrap()["value"]["release"].as_str().unwrap().contains('.'));
    let user = told("user").unwrap();
    let root = &user["value"]["root"];
    assert_eq!((&root["uid"], &root["home"]), (&json!(0), &json!("/root")));
    assert_eq!(told("group").unwrap()["value"]["root"]["gid"], 0);
    assert!(told("package").unwrap()["value"]["dpkg"][0].is_string());
    assert!(told("sshd").unwrap()["value"]["port"][0].is_string());
    let everything = asked(&world, &["fact", "get", &subject]).to_string();
    assert!(!everything.contains("$y$") && !everything.contains("$6$"), "a password hash is a fact");

    let (rows, seen) = (count("facts"), user["last_seen_at"].clone());
    let entries = count("log_entries");
    world.scan(&host, &[]);
    assert_eq!(count("facts"), rows, "an unchanged host has no new facts");
    let unchanged = count("log_entries") - entries;
    let again = told("user").unwrap();
    assert_eq!((&again["fact_id"], &again["t_recorded"]), (&user["fact_id"], &user["t_recorded"]));
    assert!(again["last_seen_at"].as_str() > seen.as_str(), "{again:#}");

    host.must(
        "echo 'eve:x:4242:4242::/home/eve:/bin/sh' >>/etc/passwd; echo 'eve:!:19000::::::' >>/etc/shadow",
    )
    .unwrap();
    let entries = count("log_entries");
    world.scan(&host, &[]);
    let eve = &told("user").unwrap()["value"]["eve"];
    assert_eq!((&eve["uid"], &eve["password"]), (&json!(4242), &json!("locked")));
    // The accounts, and the digests of the two files that say so.
    assert_eq!(count("facts"), rows + 2);
    // Rules about accounts may find something, too.
    assert!(count("log_entries") - entries > unchanged);
    host.must("sed -i /^eve:/d /etc/passwd /etc/shadow").unwrap();
    world.scan(&host, &[]);
    assert_eq!(told("user").unwrap()["value"], user["value"]);
    let history = asked(&world, &["fact", "history", &subject, "user", "--type", "observed"]);
    let [_now, before, first] = facts(&history).as_slice() else { panic!("{history:#}") };
    assert!(before["superseded_reason"].as_str().unwrap().starts_with("scan "), "{history:#}");
    assert_eq!((&first["fact_id"], &first["superseded_by"]), (&user["fact_id"], &before["seq"]));
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
    assert_code(&world.plumb(&["state", "verify"]), 0);
}
on_each!(fct_29_a_scan_records_what_the_host_is_and_then_only_what_changes);

/// A public key, and its fingerprint: the SHA-256 of the key's bytes in base64 (worked out apart from any of this).
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGqM/Py3AkHZLhGyAMDebjKph5wl2ejSxPsHGtZP33Cc my-comment";
const FINGERPRINT: &str = "ED25519 SHA256:pAQLAs8RcfZ6oBNGyHcj9WfbUva/mopccLVPHlnWCxs";

/// FCT-29: who can get in and what may be done then: listening ports with their programs, keys by fingerprint, rights by
/// sudo and digests of watched files. A scan of one rule does not ask; what is gone is ended.
fn fct_29_a_scan_records_who_may_get_in_and_do_what(on: On) {
    let (world, host) = (world_on(on), host());
    let line = format!("command=\"echo ssh-rsa AAAA\",environment=\"TOKEN=my-token\" {KEY}");
    let plant = format!(
        "useradd -m eve; install -d -o eve ~eve/.ssh; echo '{line}' >~eve/.ssh/authorized_keys; mkfifo ~eve/.ssh/authorized_keys2
         echo 'User_Alias MINE = eve' >/etc/sudoers.d/eve; echo 'MINE ALL=(root) NOPASSWD: /usr/bin/id' >>/etc/sudoers.d/eve
         echo '# nothing' >/etc/cron.d/odd; echo '# nothing' >'/etc/cron.d/with space'"
    );
    host.must(&plant).unwrap();
    let subject = format!("host:{}", at("root", &host));
    let told = |predicate: &str| {
        let answer = asked(&world, &["fact", "get", &subject, predicate, "--type", "observed"]);
        facts(&answer).first().map(|fact| fact["value"].clone())
    };
    world.scan(&host, &["--rule", "sshd_permit_root_login"]);
    assert_eq!((told("listener"), told("file")), (None, None));
    world.scan(&host, &[]);
    let port = format!("tcp/{}", host.port());
    let programs = told("listener").unwrap()[&port]["127.0.0.1"].clone();
    assert_eq!(programs, json!(["sshd"]), "{:#}", told("listener").unwrap());
    assert_eq!(told("authorized_key").unwrap()["eve"], json!([FINGERPRINT]));
    let right = &told("sudo").unwrap()["eve"][0];
    assert_eq!(right["allowed"][0]["Commands"], json!([{"command": "/usr/bin/id"}]), "{right:#}");
    assert_eq!(right["allowed"][0]["Options"], json!([{"authenticate": false}]));
    let nothing = json!({"sha256": "5e49ea838dc30f3eeacf6ca7815f6e3adcf77f467a970d978676790fd90377e1"});
    let files = told("file").unwrap();
    assert_eq!((&files["/etc/cron.d/odd"], &files["/etc/cron.d/with space"]), (&nothing, &nothing));
    assert!(files["/etc/passwd"].is_object() && files["/etc/shadow"].is_null(), "{files:#}");
    let everything = asked(&world, &["fact", "get", &subject]).to_string();
    for private in ["AAAAC3NzaC1lZDI1NTE5AAAAIGqM", "my-comment", "my-token"] {
        assert!(!everything.contains(private), "{private}");
    }

    let rows = world.count("facts");
    world.scan(&host, &[]);
    assert_eq!(world.count("facts"), rows, "an unchanged host has no new facts");
    host.must("rm -r ~eve/.ssh /etc/cron.d/odd; echo '# something' >/etc/sudoers.d/eve").unwrap();
    world.scan(&host, &[]);
    assert_eq!(told("authorized_key").unwrap().get("eve"), None);
    assert_eq!(told("sudo").unwrap().get("eve"), None);
    assert_eq!(told("file").unwrap().get("/etc/cron.d/odd"), None);
    assert_eq!(world.count("facts"), rows + 3);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(fct_29_a_scan_records_who_may_get_in_and_do_what);

/// FCT-29, FCT-17: a scan records what a host runs, where that listens and who may act as root, and the graph is walked
/// from there; an unchanged host has no new edges, what is gone is ended, and what somebody put stays.
fn fct_29_a_scan_records_edges_and_then_only_what_changes(on: On) {
    let (world, host) = (world_on(on), host());
    host.must(
        "useradd -m eve; groupadd wheels; useradd -m -G wheels bob
         printf 'eve ALL=(root) /usr/bin/id\n%%wheels ALL=(ALL) ALL\n' >/etc/sudoers.d/own",
    )
    .unwrap();
    world.scan(&host, &[]);
    let subject = format!("host:{}", at("root", &host));
    let everything = asked(&world, &["fact", "get", &subject, "os", "--type", "observed"]);
    let id = facts(&everything)[0]["subject"].as_str().unwrap().strip_prefix("host:").unwrap().to_owned();
    let edges = |from: &str| {
        let answer = asked(&world, &["edge", "list", from]);
        let text = |edge: &Value, name: &str| edge[name].as_str().unwrap().replace(&id, "H");
        let one = |edge: &Value| format!("{} {}", text(edge, "relation"), text(edge, "target"));
        answer["edges"].as_array().unwrap().iter().map(one).collect::<Vec<_>>()
    };
    let node = |kind: &str, name: &str| format!("{kind}:{id}/{name}");
    let port = format!("listens_on network:H/tcp/{}", host.port());
    assert!(edges(&subject).contains(&"runs service:H/sshd".to_owned()), "{:?}", edges(&subject));
    assert_eq!(edges(&node("service", "sshd")), [port]);
    assert_eq!(edges(&node("account", "eve")), ["may_sudo host:H"]);
    assert_eq!(edges(&node("account", "bob")), ["member_of account:H/%wheels"]);
    let path = |from: &str| {
        let done = world.plumb(&["graph", "path", from, &subject, "--format", "json"]);
        (done.code == Some(0)).then(|| parsed(&done)["path"].as_array().unwrap().len())
    };
    assert_eq!(path(&node("account", "bob")), Some(2));
    let walked = asked(&world, &["graph", "traverse", &subject, "--depth", "2"]);
    let reached = |hop: &Value| hop["target"] == json!(node("network", &format!("tcp/{}", host.port())));
    assert!(walked["edges"].as_array().unwrap().iter().any(reached), "{walked:#}");

    let rows = world.count("edges");
    world.scan(&host, &[]);
    assert_eq!(world.count("edges"), rows, "an unchanged host has no new edges");
    let (own, odd) = (node("account", "carol"), node("account", "odd"));
    assert_code(&world.plumb(&["edge", "put", &own, "may_sudo", &subject, "--reason", "by hand"]), 0);
    let eve = node("account", "eve");
    assert_code(&world.plumb(&["edge", "put", &odd, "may_sudo", &subject, r#"{"source":"sudo"}"#]), 0);
    host.must("rm /etc/sudoers.d/own").unwrap();
    world.scan(&host, &["--rule", "sshd_permit_root_login"]);
    assert_eq!(edges(&eve), ["may_sudo host:H"], "a scan that does not ask ends nothing");
    world.scan(&host, &[]);
    assert_eq!((edges(&eve).len(), path(&node("account", "bob"))), (0, None));
    assert_eq!((edges(&own).len(), edges(&odd).len()), (1, 1), "what somebody put stays");
    let ended = asked(&world, &["edge", "list", &eve, "--recorded-at", "5"]);
    assert_eq!(ended["edges"], json!([]), "{ended:#}");
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
    assert_code(&world.plumb(&["state", "verify"]), 0);
}
on_each!(fct_29_a_scan_records_edges_and_then_only_what_changes);

/// FCT-29: a scan ends what scans recorded, and not what somebody put, whatever that begins with; a put under the
/// very name that it tells is replaced.
fn fct_29_a_scan_ends_no_fact_that_somebody_put(on: On) {
    let (world, host) = (world_on(on), host());
    let scan = || world.scan(&host, &["--rule", "sshd_permit_root_login"]);
    scan();
    let subject = format!("host:{}", at("root", &host));
    let put = |predicate: &str| {
        let words = ["fact", "put", &subject, predicate, "\"noted\"", "--type", "observed"];
        assert_code(&world.plumb(&words), 0);
    };
    let told = |predicate: &str| {
        let answer = asked(&world, &["fact", "get", &subject, predicate]);
        facts(&answer).first().cloned().unwrap_or_default()
    };
    let measured = told("os")["value"].clone();
    put("os/x");
    put("os");
    scan();
    assert_eq!((&told("os/x")["value"], &told("os")["value"]), (&json!("noted"), &measured));
    assert_eq!(told("os/x")["last_seen_at"], Value::Null, "no scan saw it");
    let retire = ["fact", "retire", &subject, "os/x", "--type", "observed", "--reason", "by hand"];
    assert_eq!(asked(&world, &retire)["superseded_reason"], "by hand");
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}
on_each!(fct_29_a_scan_ends_no_fact_that_somebody_put);

/// FCT-29: what a rule said of a host is read as a fact under `rule/<id>`, now, as of then and through time, without a row
/// of its own; nobody writes it.
fn fct_29_results_of_rules_are_read_as_facts_and_never_copied(on: On) {
    let (world, host) = (world_on(on), host());
    let rule = "sshd_permit_root_login";
    let (predicate, name) = (format!("rule/{rule}"), at("root", &host));
    let subject = format!("host:{name}");
    let set = |value: &str| {
        host.must(&format!("echo 'PermitRootLogin {value}' >/etc/ssh/sshd_config.d/00-own.conf")).unwrap();
        world.scan(&host, &["--rule", rule]);
    };
    set("yes");
    let size = world.count("log_entries");
    set("no");
    set("no");
    let one = |words: &[&str]| {
        let answer = asked(&world, words);
        assert_eq!(facts(&answer).len(), 1, "{answer:#}");
        facts(&answer)[0].clone()
    };
    let now = one(&["fact", "get", &subject, &predicate]);
    assert_eq!((&now["value"]["status"], &now["fact_type"]), (&json!("pass"), &json!("observed")));
    assert_eq!((&now["t_superseded"], &now["token"]), (&Value::Null, &now["value"]["value_digest"]));
    assert_eq!(members(&now), members(&one(&["fact", "get", &subject, "os"])), "as any other fact");
    let before = one(&["fact", "as-of", &subject, &predicate, "--recorded-at", &size.to_string()]);
    assert_eq!((&before["value"]["status"], &before["t_superseded"]), (&json!("fail"), &Value::Null));
    let then = now["t_valid"].as_str().unwrap();
    assert_eq!(one(&["fact", "as-of", &subject, &predicate, "--at", then])["fact_id"], now["fact_id"]);

    let history = asked(&world, &["fact", "history", &subject, &predicate]);
    let [newest, oldest] = facts(&history).as_slice() else { panic!("{history:#}") };
    assert_eq!((newest, &oldest["fact_id"]), (&now, &before["fact_id"]));
    assert_eq!((&oldest["superseded_by"], &oldest["t_superseded"]), (&now["seq"], &now["t_recorded"]));
    assert!(oldest["superseded_reason"].as_str().unwrap().starts_with("scan "), "{oldest:#}");
    let page = |before: &str| {
        let words = ["fact", "history", &subject, &predicate, "--limit", "1", "--before", before];
        facts(&asked(&world, &words)).clone()
    };
    assert_eq!(page(&now["seq"].to_string()).first(), Some(oldest));
    assert_eq!(page(&oldest["seq"].to_string()), [Value::Null; 0]);

    let size_now = world.count("log_entries").to_string();
    let diff = |from: &str| {
        let answer = asked(&world, &["fact", "diff", &subject, "--from", from, "--to", &size_now]);
        let of_rule = |found: &&Value| found["after"]["predicate"] == json!(predicate);
        answer["differences"].as_array().unwrap().iter().find(of_rule).cloned()
    };
    let found = diff(&size.to_string()).unwrap();
    assert_eq!((&found["what"], &found["after"]), (&json!("changed"), &now));
    assert_eq!(&found["before"], oldest);
    let found = diff("1").unwrap();
    assert_eq!((&found["what"], &found["before"]), (&json!("added"), &Value::Null));
    assert_eq!(diff(&size_now), None);

    let sql = format!("facts WHERE predicate = '{predicate}'");
    assert_eq!(world.count(&sql), 0);
    let put = ["fact", "put", &subject, &predicate, "1", "--type", "observed"];
    refused(&world.plumb(&put), "read from the change log");
    assert_eq!(facts(&asked(&world, &["fact", "get", &subject, "rule/no_such_rule"])).len(), 0);
    let drift = asked(&world, &["fact", "get", &subject, &predicate, "--type", "drift"]);
    assert_eq!(facts(&drift).len(), 0);
}
on_each!(fct_29_results_of_rules_are_read_as_facts_and_never_copied);
