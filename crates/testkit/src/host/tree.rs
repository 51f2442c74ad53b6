//! The Debian tree all test hosts share: built once with `debootstrap`, cached outside the
//! repository under the hash of its recipe.
//!
//! Does not refresh a tree: a new recipe is a new tree, and old ones may be deleted by hand.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{HostError, mirror, need_root};
use crate::cache;
use crate::process::run;

/// The Debian release of the tree.
const SUITE: &str = "bookworm";

/// What the tree holds beyond the required packages. Without `libpam-systemd`, whose session setup
/// waits for a message bus that is not there; with `linux-base`, or scanners see a container.
const PACKAGES: &[&str] = &[
    "apparmor",
    "auditd",
    "busybox",
    "chrony",
    "cron",
    "csh",
    "fish",
    "iproute2",
    "kmod",
    "libpam-pwquality",
    "linux-base",
    "locales",
    "nftables",
    "openssh-server",
    "procps",
    "python3-minimal",
    "rsyslog",
    "sudo",
    "systemd",
    "zsh",
];

/// What runs in the tree after the packages are there.
const FINISH: &str = include_str!("recipe.sh");

/// Longest a build may take; about three minutes with a near mirror.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Most of the build's own words in an error. Bytes.
const SAID_LIMIT: usize = 2_000;

/// A finished tree, the read-only lower layer of every test host.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Returns the Debian 12 tree, building it when this machine does not have it yet.
    ///
    /// Takes minutes the first time and no time later. Test processes that ask at once wait for one
    /// of them to build it. The mirror is the one of the machine's own package sources.
    ///
    /// # Errors
    ///
    /// Every [`HostError`] that ends in "tree" or names a missing root user, cache or mirror.
    pub fn debian12() -> Result<Tree, HostError> {
        need_root()?;
        let cache = cache::folder(|name| std::env::var_os(name)).ok_or(HostError::NoCacheFolder)?;
        let home = cache.join(recipe_hash());
        let root = cache::made_once(&home, |err| HostError::Cache { path: home.clone(), err }, build)?;
        Ok(Tree { root })
    }

    /// Returns the root folder of the tree. Nothing may be written there.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

fn build(target: &Path) -> Result<(), HostError> {
    let mirror = mirror::of_this_machine(SUITE)?;
    let mut debootstrap = Command::new("debootstrap");
    debootstrap
        .arg("--variant=minbase")
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg("--exclude=libpam-systemd")
        .args([SUITE.as_ref(), target.as_os_str(), mirror.as_ref()])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C");
    let done =
        run(debootstrap, b"", BUILD_LIMIT).map_err(|err| HostError::Tool { what: "build the tree", err })?;
    if !done.success() {
        let said = format!("{}{}", done.stdout, done.stderr);
        return Err(HostError::Build { mirror, said: tail(&said) });
    }
    let mut finish = Command::new("chroot");
    finish.arg(target).args(["/bin/sh", "-c", FINISH]).env("LC_ALL", "C");
    let done =
        run(finish, b"", BUILD_LIMIT).map_err(|err| HostError::Tool { what: "finish the tree", err })?;
    if !done.success() {
        return Err(HostError::Build { mirror, said: tail(&done.stderr) });
    }
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(target, mode).map_err(|err| HostError::Cache { path: target.to_owned(), err })
}

fn tail(text: &str) -> String {
    let text = text.trim_end();
    let mut start = text.len().saturating_sub(SAID_LIMIT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

/// Names the recipe: everything that decides what the tree holds.
fn recipe_hash() -> String {
    cache::recipe_name(SUITE, &[SUITE, &PACKAGES.join(","), FINISH].join("\n"))
}

#[cfg(test)]
mod tests;
