//! Nothing in the repository names a place of one machine or the host of a package registry.

use super::{Finding, Rule, Source};

/// Folders that exist on somebody's machine only. Put together here so that this file passes.
const FOLDERS: &[&str] = &[
    concat!("/wo", "rk"),
    concat!("/root/", ".cargo"),
    concat!("/root/", ".rustup"),
    concat!("/tmp/", "plumb"),
];

/// Hosts of package registries and mirrors.
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("pypi", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("archive.ubuntu", ".com"),
];

/// Written by cargo, which names the registry.
const LOCK: &str = "Cargo.lock";

pub(crate) fn check(source: &Source) -> Vec<Finding> {
    // Published test vectors and recorded answers stay as they were found.
    if source.path == LOCK || source.path.contains("testdata/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        if let Some(folder) = FOLDERS.iter().find(|folder| names_folder(line, folder)) {
            findings.push(source.finding(at + 1, Rule::MachinePath, *folder));
        }
        if let Some(host) = HOSTS.iter().find(|host| names_host(line, host)) {
            findings.push(source.finding(at + 1, Rule::RegistryHost, *host));
        }
    }
    findings
}

/// An absolute path: nothing that could be part of a path stands before it.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _folder)| {
        let inside = |c: char| c.is_alphanumeric() || "_-./~}".contains(c);
        let longer = |c: char| c.is_alphanumeric() || "_-".contains(c);
        !line[..at].ends_with(inside) && !line[at + folder.len()..].starts_with(longer)
    })
}

fn names_host(line: &str, host: &str) -> bool {
    line.match_indices(host).any(|(at, _host)| {
        let longer = |c: char| c.is_alphanumeric() || c == '-';
        !line[..at].ends_with(longer) && !line[at + host.len()..].starts_with(longer)
    })
}
