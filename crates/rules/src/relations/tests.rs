use std::collections::BTreeMap;

use model::HostId;
use serde_json::{Value, json};

use super::relations;
use crate::characteristics::Family;

const HOST: &str = "01940000-0000-7000-8000-000000000001";

/// The edges of a host that tells these families, without its id: `family: subject relation target value`.
fn told(families: &Value) -> Vec<String> {
    let names = ["group", "listener", "os", "service", "sudo", "user"];
    let family = |name: &'static str| {
        let items = families.get(name)?.as_object().unwrap();
        Some((name, items.clone().into_iter().collect::<Family>()))
    };
    let families: BTreeMap<&'static str, Family> = names.into_iter().filter_map(family).collect();
    let host: HostId = HOST.parse().unwrap();
    let mut lines = Vec::new();
    for (family, edges) in relations(host, &families) {
        let one =
            |(key, value): (model::ClaimKey, Value)| format!("{family}: {key} {value}").replace(HOST, "H");
        lines.extend(edges.into_iter().map(one));
    }
    lines
}

#[test]
fn what_runs_is_told_by_units_and_by_who_waits_for_connections_fct_29() {
    let families = json!({
        "service": {"bad.service": "failed", "ssh.service": "active"},
        "listener": {
            "tcp/22": {"0.0.0.0": ["sshd"], "::": ["sshd"]},
            "udp/53": {"127.0.0.53": ["dnsd", "ssh.service"]},
        },
    });
    let wanted = [
        r#"listener: host:H runs service:H/dnsd {"source":"listener"}"#,
        r#"listener: host:H runs service:H/sshd {"source":"listener"}"#,
        r#"listener: service:H/dnsd listens_on network:H/udp/53 {"addresses":["127.0.0.53"],"source":"listener"}"#,
        r#"listener: service:H/ssh.service listens_on network:H/udp/53 {"addresses":["127.0.0.53"],"source":"listener"}"#,
        r#"listener: service:H/sshd listens_on network:H/tcp/22 {"addresses":["0.0.0.0","::"],"source":"listener"}"#,
        r#"service: host:H runs service:H/ssh.service {"source":"service"}"#,
    ];
    assert_eq!(told(&families), wanted);
}

#[test]
fn who_may_act_as_root_is_told_with_the_groups_they_are_in_fct_29() {
    let here = json!([{"hosts": [{"hostname": "ALL"}], "allowed": []}]);
    let elsewhere = json!([{"hosts": [{"hostname": "db-1"}], "allowed": []}]);
    let named = json!([{"hosts": [{"hostname": "db-1"}, {"hostname": "WEB-1.example.org"}], "allowed": []}]);
    let network = json!([{"hosts": [{"networkaddr": "10.0.0.0/8"}], "allowed": []}]);
    let families = json!({
        "os": {"hostname": "web-1"},
        "sudo": {
            "eve": here, "!bob": here, "mallory": elsewhere, "carol": named, "dan": network,
            "%sudo": here, "%#4": here, "%:domain": here,
        },
        "group": {"sudo": {"gid": 27, "members": ["ada"]}, "adm": {"gid": 4, "members": []}, "x": {"gid": 5, "members": ["y"]}},
        "user": {"ada": {"gid": 1000}, "low": {"gid": 4}},
    });
    let wanted = [
        r#"group: account:H/ada member_of account:H/%sudo {"source":"group"}"#,
        r#"group: account:H/low member_of account:H/%#4 {"source":"group"}"#,
        r#"sudo: account:H/%#4 may_sudo host:H {"source":"sudo"}"#,
        r#"sudo: account:H/%:domain may_sudo host:H {"source":"sudo"}"#,
        r#"sudo: account:H/%sudo may_sudo host:H {"source":"sudo"}"#,
        r#"sudo: account:H/carol may_sudo host:H {"source":"sudo"}"#,
        r#"sudo: account:H/dan may_sudo host:H {"source":"sudo"}"#,
        r#"sudo: account:H/eve may_sudo host:H {"source":"sudo"}"#,
    ];
    assert_eq!(told(&families), wanted);
}

#[test]
fn a_family_that_was_not_told_has_no_edges_to_end_fct_29() {
    let host: HostId = HOST.parse().unwrap();
    let families = BTreeMap::from([("sudo", Family::new()), ("package", Family::new())]);
    assert_eq!(relations(host, &families).into_keys().collect::<Vec<_>>(), ["sudo"]);
    let all = BTreeMap::from([("sudo", Family::new()), ("group", Family::new()), ("user", Family::new())]);
    assert_eq!(relations(host, &all).into_keys().collect::<Vec<_>>(), ["group", "sudo"]);
}
