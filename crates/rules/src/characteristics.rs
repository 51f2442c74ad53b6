//! What a host is, from the answers that the rules asked for anyway, and from a few probes that only a whole scan sends (FCT-29).
//!
//! A family is told whole or not at all, so that what is missing from it is gone from the host. Password hashes are
//! never among the answers; what else looks like a secret is masked.

use std::collections::BTreeMap;

use model::{Hello, Observation, Reason, ReasonCode};
use serde_json::{Value, json};

use crate::facts::Facts;
use crate::mask::Masker;
use crate::methods::mount::RUNNING;
use crate::plan::Plan;
use probes::format::{mounts, passwd};
use probes::key;
use probes::shadow::Password;
use probes::text::TextFile;

/// Most items of one family; a family with more is left out.
const ITEMS_MAX: usize = 10_000;
/// Machines, as `uname -m` names them, whose kernel shows addresses as they go over the network.
const BIG_ENDIAN: [&str; 3] = ["s390x", "ppc64", "mips64"];
/// Longest name of an item. Bytes; items with longer names are left out.
const ITEM_BYTES_MAX: usize = 200;

/// What one kind of answer says of a host: item to value.
pub type Family = BTreeMap<String, Value>;

/// Returns what the answers say of a host, by family: `os`, `kernel`, `package`, `service`, `user`, `group`, `mount`,
/// `sshd`, `listener`, `authorized_key`, `sudo`, `file`. A family that was not asked for, or not answered whole, is left out.
#[must_use]
pub fn characteristics(
    plan: &Plan,
    hello: &Hello,
    observations: &[Observation],
    masker: &Masker,
) -> BTreeMap<&'static str, Family> {
    let facts = Facts::new(plan, hello.uid, observations);
    let platform = &hello.platform;
    let families: [(&'static str, Result<Family, Reason>); 12] = [
        ("os", Ok(os(hello))),
        ("kernel", Ok(Family::from([("release".to_owned(), json!(platform.kernel))]))),
        ("package", packages(&facts)),
        ("service", services(&facts)),
        ("user", users(&facts)),
        ("group", groups(&facts)),
        ("mount", mounted(&facts)),
        ("sshd", sshd(&facts)),
        ("listener", listeners(&facts, &platform.arch)),
        ("authorized_key", authorized_keys(&facts)),
        ("sudo", sudo(&facts)),
        ("file", files(&facts)),
    ];
    families.into_iter().filter_map(|(name, family)| Some((name, told(family.ok()?, masker)?))).collect()
}

fn os(hello: &Hello) -> Family {
    let platform = &hello.platform;
    let items = [
        ("id", &platform.id),
        ("version", &platform.version),
        ("name", &platform.name),
        ("arch", &platform.arch),
        ("hostname", &hello.hostname),
    ];
    items.into_iter().map(|(item, value)| (item.to_owned(), json!(value))).collect()
}

/// Masks and bounds a family.
fn told(family: Family, masker: &Masker) -> Option<Family> {
    if family.len() > ITEMS_MAX {
        return None;
    }
    let mut family: Family =
        family.into_iter().filter(|(item, _value)| item.len() <= ITEM_BYTES_MAX).collect();
    // Looked at once as a whole: hardly any family holds what has to be masked.
    let whole: Vec<String> = family.iter().map(|(item, value)| format!("{item} {value}")).collect();
    if masker.mask(whole.join("\n").as_bytes()).1 {
        for value in family.values_mut() {
            mask(value, masker);
        }
        family.retain(|item, _value| !masker.mask(item.as_bytes()).1);
    }
    Some(family)
}

fn mask(value: &mut Value, masker: &Masker) {
    match value {
        Value::String(text) => *text = masker.mask_text(text).0,
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, masker)),
        Value::Object(members) => members.values_mut().for_each(|member| mask(member, masker)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Installed packages with their versions; several of a name are architectures or kernels side by side.
fn packages(facts: &Facts<'_>) -> Result<Family, Reason> {
    let version = |line: &String| line.split(' ').nth(1).unwrap_or_default().to_owned();
    let one = |(name, lines): (&String, &Vec<String>)| {
        let mut versions: Vec<String> = lines.iter().map(version).collect();
        versions.sort();
        versions.dedup();
        (name.clone(), json!(versions))
    };
    Ok(facts.packages()?.installed.iter().map(one).collect())
}

/// Services that run or failed; what is loaded and idle comes and goes by itself.
fn services(facts: &Facts<'_>) -> Result<Family, Reason> {
    let services = facts
        .units()?
        .iter()
        .filter(|(name, state)| name.ends_with(".service") && matches!(*state, "active" | "failed"));
    Ok(services.map(|(name, state)| (name.to_owned(), json!(state))).collect())
}

/// Accounts with what kind of password they have, where that could be read.
fn users(facts: &Facts<'_>) -> Result<Family, Reason> {
    let shadow = facts.shadow().ok();
    let users = facts.users()?.iter().map(|user| {
        let password =
            shadow.and_then(|accounts| accounts.get(&user.name)).map(|account| match &account.password {
                Password::Empty => "empty".to_owned(),
                Password::Locked => "locked".to_owned(),
                Password::Never => "none".to_owned(),
                Password::Hash(algorithm) => format!("hash_{algorithm}"),
                Password::Other => "other".to_owned(),
            });
        let value = json!({
            "uid": user.uid, "gid": user.gid, "home": user.home, "shell": user.shell, "password": password,
        });
        (user.name.clone(), value)
    });
    // Whether passwords can be read depends on the login: a family without them would end those of one with them.
    if shadow.is_none() {
        facts.shadow()?;
    }
    Ok(users.collect())
}

fn groups(facts: &Facts<'_>) -> Result<Family, Reason> {
    let one = |group: &passwd::Group| {
        let mut members = group.members.clone();
        members.sort();
        (group.name.clone(), json!({"gid": group.gid, "members": members}))
    };
    Ok(facts.groups()?.iter().map(one).collect())
}

fn mounted(facts: &Facts<'_>) -> Result<Family, Reason> {
    let file: &TextFile = facts.needed(RUNNING)?;
    let one = |entry: mounts::Entry| (entry.point, json!({"type": entry.fs, "options": entry.options}));
    Ok(mounts::entries(file).map(one).collect())
}

fn sshd(facts: &Facts<'_>) -> Result<Family, Reason> {
    let one = |(keyword, values): (&String, &Vec<String>)| (keyword.clone(), json!(values));
    Ok(facts.sshd()?.effective.iter().map(one).collect())
}

/// Refuses what only root sees whole: told by another login it would end half of what was told before.
fn as_root(facts: &Facts<'_>) -> Result<(), Reason> {
    if facts.uid == 0 {
        return Ok(());
    }
    Err(Reason::new(ReasonCode::PermissionDenied, "only root sees all of it"))
}

/// Where programs of the host wait for connections.
fn listeners(facts: &Facts<'_>, arch: &str) -> Result<Family, Reason> {
    as_root(facts)?;
    let is_little_endian = !BIG_ENDIAN.contains(&arch);
    let all = probes::listeners::parse(facts.typed(key::LISTENERS)?.0, is_little_endian)?;
    Ok(all.into_iter().map(|(port, places)| (port, json!(places))).collect())
}

/// Keys that log in to accounts, by their fingerprints.
fn authorized_keys(facts: &Facts<'_>) -> Result<Family, Reason> {
    as_root(facts)?;
    let keys = probes::authorized_keys::parse(facts.typed(key::AUTHORIZED_KEYS)?.0)?;
    Ok(keys.into_iter().map(|(account, keys)| (account, json!(keys))).collect())
}

fn sudo(facts: &Facts<'_>) -> Result<Family, Reason> {
    let (observation, exit) = facts.typed(key::SUDOERS)?;
    let rights = probes::sudoers::parse(observation, exit, facts.uid)?;
    Ok(rights.into_iter().map(|(user, rights)| (user, json!(rights))).collect())
}

/// Digests of the watched files.
fn files(facts: &Facts<'_>) -> Result<Family, Reason> {
    as_root(facts)?;
    let digests = probes::digests::parse(facts.typed(key::DIGESTS)?.0)?;
    Ok(digests.into_iter().map(|(path, digest)| (path, json!({"sha256": digest}))).collect())
}

#[cfg(test)]
mod tests;
