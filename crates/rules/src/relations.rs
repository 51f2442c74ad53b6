//! How what a host is hangs together, from its characteristics: what it runs, where that waits for connections, and who may
//! act as root (FCT-29).
//!
//! The ids of all nodes begin with the host's, so that programs of one name on two hosts are two nodes. The value of each
//! edge names its `source`, the family that it was read from: told whole with it, or not at all.

use std::collections::BTreeMap;

use model::{ClaimKey, HostId, Subject, SubjectKind};
use serde_json::{Value, json};

use crate::characteristics::Family;

/// Edges of one family, with their values.
pub type Edges = BTreeMap<ClaimKey, Value>;

/// Returns the edges of a host by the family that tells of them: `service`, `listener`, `sudo`, `group`.
#[must_use]
pub fn relations(host: HostId, told: &BTreeMap<&'static str, Family>) -> BTreeMap<&'static str, Edges> {
    let nodes = Nodes { host };
    let mut all: BTreeMap<&'static str, Edges> = BTreeMap::new();
    if let Some(services) = told.get("service") {
        all.insert("service", running(&nodes, services));
    }
    if let Some(listeners) = told.get("listener") {
        let mut edges = listening(&nodes, listeners);
        // A program that calls itself as a unit does is told once.
        edges.retain(|key, _value| all.get("service").is_none_or(|units| !units.contains_key(key)));
        all.insert("listener", edges);
    }
    if let Some(rights) = told.get("sudo") {
        let hostname = told.get("os").and_then(|os| os.get("hostname")).and_then(Value::as_str);
        let rights: Vec<&str> = rights_here(rights, hostname.unwrap_or_default()).collect();
        if let (Some(groups), Some(users)) = (told.get("group"), told.get("user")) {
            all.insert("group", members(&nodes, &rights, (groups, users)));
        }
        let may = |who: &str| nodes.edge((SubjectKind::Account, who), "may_sudo", nodes.host());
        let edges = rights.iter().filter_map(|who| may(who)).map(|key| (key, json!({"source": "sudo"})));
        all.insert("sudo", edges.collect());
    }
    all
}

/// Names nodes of one host.
struct Nodes {
    host: HostId,
}

impl Nodes {
    fn host(&self) -> Option<Subject> {
        Some(Subject::host(self.host))
    }

    fn node(&self, kind: SubjectKind, name: &str) -> Option<Subject> {
        Subject::on_host(kind, self.host, name).ok().filter(|_subject| !name.trim().is_empty())
    }

    /// Makes the key of an edge from a node; none where a name makes no subject.
    fn edge(
        &self,
        (kind, name): (SubjectKind, &str),
        relation: &str,
        target: Option<Subject>,
    ) -> Option<ClaimKey> {
        let (subject, relation) = (self.node(kind, name)?, relation.to_owned());
        Some(ClaimKey::Edge { subject, relation, target: target? })
    }

    fn runs(&self, name: &str) -> Option<ClaimKey> {
        let target = self.node(SubjectKind::Service, name)?;
        Some(ClaimKey::Edge { subject: Subject::host(self.host), relation: "runs".to_owned(), target })
    }
}

fn running(nodes: &Nodes, services: &Family) -> Edges {
    let active = services.iter().filter(|(_unit, state)| *state == "active");
    active.filter_map(|(unit, _state)| Some((nodes.runs(unit)?, json!({"source": "service"})))).collect()
}

/// Programs that wait for connections run, under the name of their process.
fn listening(nodes: &Nodes, listeners: &Family) -> Edges {
    let mut edges = Edges::new();
    let mut addresses: BTreeMap<ClaimKey, Vec<&str>> = BTreeMap::new();
    for (port, places) in listeners {
        for (address, programs) in places.as_object().into_iter().flatten() {
            for program in programs.as_array().into_iter().flatten().filter_map(Value::as_str) {
                let port = nodes.node(SubjectKind::Network, port);
                if let Some(key) = nodes.edge((SubjectKind::Service, program), "listens_on", port) {
                    addresses.entry(key).or_default().push(address);
                }
                edges.extend(nodes.runs(program).map(|key| (key, json!({"source": "listener"}))));
            }
        }
    }
    let value = |addresses: Vec<&str>| json!({"source": "listener", "addresses": addresses});
    edges.extend(addresses.into_iter().map(|(key, addresses)| (key, value(addresses))));
    edges
}

/// Returns whom a line of sudoers gives something on this host. A line that takes away (`!`) gives nothing.
fn rights_here<'r>(rights: &'r Family, hostname: &'r str) -> impl Iterator<Item = &'r str> {
    let gives =
        |lines: &Value| lines.as_array().into_iter().flatten().any(|line| is_for(&line["hosts"], hostname));
    rights
        .iter()
        .filter(move |(who, lines)| !who.starts_with('!') && gives(lines))
        .map(|(who, _lines)| who.as_str())
}

/// Tells whether a list of hosts may mean this one: only plain names of others do not.
fn is_for(hosts: &Value, hostname: &str) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let other = |item: &Value| {
        item["hostname"].as_str().is_some_and(|name| {
            name != "ALL" && !name.contains(['*', '?', '[']) && short(name) != short(hostname)
        })
    };
    hosts.as_array().is_none_or(|hosts| hosts.iter().any(|item| !other(item)))
}

/// Who is in the groups that sudo speaks of, by group(5) or as the first group of an account.
fn members(nodes: &Nodes, rights: &[&str], (groups, users): (&Family, &Family)) -> Edges {
    let mut edges = Edges::new();
    for who in rights {
        let Some(named) = who.strip_prefix('%').filter(|named| !named.starts_with(':')) else { continue };
        for (name, group) in groups {
            let gid = &group["gid"];
            if named != name && named.strip_prefix('#') != Some(gid.to_string().as_str()) {
                continue;
            }
            let listed = group["members"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let first =
                users.iter().filter(|(_name, user)| user["gid"] == *gid).map(|(name, _user)| name.as_str());
            for member in listed.chain(first) {
                let group = nodes.node(SubjectKind::Account, who);
                let key = nodes.edge((SubjectKind::Account, member), "member_of", group);
                edges.extend(key.map(|key| (key, json!({"source": "group"}))));
            }
        }
    }
    edges
}

#[cfg(test)]
mod tests;
