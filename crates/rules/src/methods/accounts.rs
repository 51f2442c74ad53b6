//! `accounts`: statements about the local accounts and groups. Password hashes never leave the host.

use std::collections::{BTreeMap, BTreeSet};

use model::Reason;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::facts::Facts;
use crate::located::Located;
use crate::methods::judge::{Place, in_answer, in_files, none_of};
use crate::outcome::Outcome;
use crate::plan::Needs;
use crate::source::value::ListSource;
use probes::format::keyvalue::Format;
use probes::format::keyvalue::{self, Style};
use probes::format::passwd::{NO_SHELLS, User};
use probes::key;
use probes::shadow::{self, Password};
use probes::shown::bounded;
use probes::unexpected;

/// A statement about the local accounts and groups.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountsSource {
    assert: Assertion,
    /// Names that are left out.
    #[serde(default)]
    exempt: Option<Located<ListSource>>,
}

/// What is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Assertion {
    #[serde(rename = "only_root_has_uid_0")]
    OnlyRootHasUid0,
    NoEmptyPasswords,
    UniqueUids,
    UniqueGids,
    UniqueUserNames,
    UniqueGroupNames,
    GroupsOfUsersExist,
    SystemAccountsHaveNoShell,
    SystemAccountsAreLocked,
    HomesExist,
    #[serde(rename = "root_group_is_gid_0")]
    RootGroupIsGid0,
    #[serde(rename = "only_root_has_gid_0")]
    OnlyRootHasGid0,
    PasswordsAreShadowed,
    AccountsWithoutShellAreLocked,
}

/// See [`AccountsSource`].
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    pub(crate) assertion: Assertion,
    pub(crate) exempt: Vec<String>,
}

impl AccountsSource {
    pub(crate) fn compile(&self, scope: &mut Scope<'_>) -> Option<Accounts> {
        let exempt = match &self.exempt {
            Some(list) => scope.list(list)?,
            None => Vec::new(),
        };
        Some(Accounts { assertion: self.assert, exempt })
    }
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const LOGIN_DEFS: &str = "/etc/login.defs";
/// First user id of people when login.defs does not say (login.defs(5), UID_MIN).
const UID_MIN_DEFAULT: u32 = 1_000;
/// The user id of nobody, who is a system account above UID_MIN.
const UID_NOBODY: u32 = 65_534;

/// What an assertion looks at: the offending entries with their lines, in a file or a probe.
enum Offenders {
    In(&'static str, Vec<(String, u32)>),
    Of(String, Vec<(String, String)>),
}

impl Accounts {
    pub(crate) fn needs(&self, needs: &mut Needs) {
        use Assertion::{
            AccountsWithoutShellAreLocked, GroupsOfUsersExist, HomesExist, NoEmptyPasswords, OnlyRootHasGid0,
            OnlyRootHasUid0, PasswordsAreShadowed, RootGroupIsGid0, SystemAccountsAreLocked,
            SystemAccountsHaveNoShell, UniqueGids, UniqueGroupNames, UniqueUids, UniqueUserNames,
        };
        match self.assertion {
            OnlyRootHasUid0 | OnlyRootHasGid0 | PasswordsAreShadowed | UniqueUids | UniqueUserNames => {
                needs.texts([PASSWD]);
            }
            UniqueGids | UniqueGroupNames | RootGroupIsGid0 => needs.texts([GROUP]),
            GroupsOfUsersExist => needs.texts([PASSWD, GROUP]),
            SystemAccountsHaveNoShell => needs.texts([PASSWD, LOGIN_DEFS]),
            NoEmptyPasswords | AccountsWithoutShellAreLocked => {
                needs.texts([PASSWD]);
                needs.ask(key::SHADOW);
            }
            SystemAccountsAreLocked => {
                needs.texts([PASSWD, LOGIN_DEFS]);
                needs.ask(key::SHADOW);
            }
            HomesExist => {
                needs_persons(needs);
                needs.ask(key::HOMES);
            }
        }
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        self.try_evaluate(facts).unwrap_or_else(Outcome::error)
    }

    fn try_evaluate<'a>(&self, facts: &Facts<'a>) -> Result<Outcome<'a>, Reason> {
        let (subject, offenders) = match self.assertion {
            Assertion::OnlyRootHasUid0 => ("accounts with user id 0 besides root", only_root(facts)?),
            Assertion::NoEmptyPasswords => ("accounts without a password", empty_passwords(facts)?),
            Assertion::UniqueUids => (
                "user ids of several accounts",
                repeated(PASSWD, facts.users()?, |u| (u.uid.to_string(), u.line)),
            ),
            Assertion::UniqueGids => (
                "group ids of several groups",
                repeated(GROUP, facts.groups()?, |g| (g.gid.to_string(), g.line)),
            ),
            Assertion::UniqueUserNames => {
                ("repeated user names", repeated(PASSWD, facts.users()?, |u| (u.name.clone(), u.line)))
            }
            Assertion::UniqueGroupNames => {
                ("repeated group names", repeated(GROUP, facts.groups()?, |g| (g.name.clone(), g.line)))
            }
            Assertion::GroupsOfUsersExist => ("accounts whose group does not exist", groups_exist(facts)?),
            Assertion::SystemAccountsHaveNoShell => ("system accounts with a shell", system_shells(facts)?),
            Assertion::SystemAccountsAreLocked => ("system accounts that are not locked", unlocked(facts)?),
            Assertion::HomesExist => ("accounts without a home directory", homes(facts)?),
            Assertion::OnlyRootHasGid0 => ("accounts besides root with group id 0", only_root_group(facts)?),
            Assertion::PasswordsAreShadowed => ("accounts with a password in passwd", unshadowed(facts)?),
            Assertion::AccountsWithoutShellAreLocked => {
                ("accounts without a shell that are not locked", open_without_shell(facts)?)
            }
            Assertion::RootGroupIsGid0 => ("groups besides root with group id 0", root_group(facts)?),
        };
        self.outcome(facts, subject, offenders)
    }

    fn outcome<'a>(
        &self,
        facts: &Facts<'a>,
        subject: &str,
        offenders: Offenders,
    ) -> Result<Outcome<'a>, Reason> {
        let exempt = |name: &str| self.exempt.iter().any(|exempt| exempt == name);
        match offenders {
            Offenders::In(path, found) => {
                let file = facts.needed(path)?;
                let found: Vec<(String, u32)> = found.into_iter().filter(|(name, _)| !exempt(name)).collect();
                let places: Vec<Place<'_>> = found
                    .iter()
                    .filter_map(|(_, line)| {
                        let text = file.lines.get(usize::try_from(*line).ok()?.checked_sub(1)?)?;
                        Some(Place { file: path, line: *line, text })
                    })
                    .collect();
                let finding = in_files(subject, &[file], &[], &places);
                Ok(none_of(found.into_iter().map(|(name, _)| name).collect(), "none", finding))
            }
            Offenders::Of(command, found) => {
                let found: Vec<(String, String)> =
                    found.into_iter().filter(|(name, _)| !exempt(name)).collect();
                let lines: String = found.iter().map(|(_, line)| format!("{line}\n")).collect();
                let finding = in_answer(subject, command, lines.into_bytes());
                Ok(none_of(found.into_iter().map(|(name, _)| name).collect(), "none", finding))
            }
        }
    }
}

fn only_root(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let offends = |user: &&User| user.uid == 0 && user.name != "root";
    let found = facts.users()?.iter().filter(offends).map(|user| (user.name.clone(), user.line)).collect();
    Ok(Offenders::In(PASSWD, found))
}

/// The account root must have the group id 0, and no other may.
fn only_root_group(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let offends = |user: &&User| (user.gid == 0) != (user.name == "root");
    let found = facts.users()?.iter().filter(offends).map(|user| (user.name.clone(), user.line)).collect();
    Ok(Offenders::In(PASSWD, found))
}

fn unshadowed(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let open = facts.users()?.iter().filter(|user| !user.shadowed);
    Ok(Offenders::In(PASSWD, open.map(|user| (user.name.clone(), user.line)).collect()))
}

fn open_without_shell(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let shadow = facts.shadow()?;
    let mut found = Vec::new();
    for user in facts.users()?.iter().filter(|user| NO_SHELLS.contains(&user.shell.as_str())) {
        if let Some(account) = shadow.get(&user.name)
            && !matches!(account.password, Password::Locked | Password::Never)
        {
            found.push((user.name.clone(), account.line.clone()));
        }
    }
    Ok(Offenders::Of(shadow::COMMAND.to_owned(), found))
}

fn empty_passwords(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let mut found: Vec<(String, String)> = facts
        .users()?
        .iter()
        .filter(|user| user.empty_password)
        .map(|user| (user.name.clone(), format!("{}: empty in {PASSWD}", user.name)))
        .collect();
    let shadow = facts.shadow()?;
    let empty = shadow.iter().filter(|(_, account)| account.password == Password::Empty);
    found.extend(empty.map(|(name, account)| (name.clone(), account.line.clone())));
    Ok(Offenders::Of(shadow::COMMAND.to_owned(), found))
}

fn repeated<T>(path: &'static str, entries: &[T], key: impl Fn(&T) -> (String, u32)) -> Offenders {
    let mut lines: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (key, line) in entries.iter().map(key) {
        lines.entry(key).or_default().push(line);
    }
    let several = lines.into_iter().filter(|(_, lines)| lines.len() > 1);
    Offenders::In(
        path,
        several.flat_map(|(key, lines)| lines.into_iter().map(move |line| (key.clone(), line))).collect(),
    )
}

fn groups_exist(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let known: BTreeSet<u32> = facts.groups()?.iter().map(|group| group.gid).collect();
    let lost = facts.users()?.iter().filter(|user| !known.contains(&user.gid));
    Ok(Offenders::In(PASSWD, lost.map(|user| (user.name.clone(), user.line)).collect()))
}

fn uid_min(facts: &Facts<'_>) -> Result<u32, Reason> {
    let style = Style { format: Format::Space, section: None, comment: '#' };
    let Some(file) = facts.text()?.read(LOGIN_DEFS)? else {
        return Ok(UID_MIN_DEFAULT);
    };
    match keyvalue::assignments(file, style, "UID_MIN").pop() {
        Some(found) => {
            found.value.parse().map_err(|_err| unexpected(format!("UID_MIN of {LOGIN_DEFS} is no number")))
        }
        None => Ok(UID_MIN_DEFAULT),
    }
}

fn system_users<'f>(facts: &'f Facts<'_>) -> Result<impl Iterator<Item = &'f User>, Reason> {
    let uid_min = uid_min(facts)?;
    Ok(facts
        .users()?
        .iter()
        .filter(move |user| user.uid != 0 && (user.uid < uid_min || user.uid == UID_NOBODY)))
}

fn system_shells(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let with_shell = system_users(facts)?.filter(|user| !NO_SHELLS.contains(&user.shell.as_str()));
    Ok(Offenders::In(PASSWD, with_shell.map(|user| (user.name.clone(), user.line)).collect()))
}

fn unlocked(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let shadow = facts.shadow()?;
    let mut found = Vec::new();
    for user in system_users(facts)? {
        match shadow.get(&user.name) {
            Some(account) if matches!(account.password, Password::Locked | Password::Never) => {}
            Some(account) => found.push((user.name.clone(), account.line.clone())),
            // Without a line in shadow the field of passwd counts; `x` then matches no password.
            None if user.empty_password => {
                found.push((user.name.clone(), format!("{}: empty in {PASSWD}", user.name)))
            }
            None => {}
        }
    }
    Ok(Offenders::Of(shadow::COMMAND.to_owned(), found))
}

/// Returns the accounts of persons: root and those from UID_MIN on, with a shell.
pub(crate) fn persons<'f>(facts: &'f Facts<'_>) -> Result<impl Iterator<Item = &'f User>, Reason> {
    let uid_min = uid_min(facts)?;
    Ok(facts.users()?.iter().filter(move |user| {
        let person = user.uid == 0 || (user.uid >= uid_min && user.uid != UID_NOBODY);
        person && !NO_SHELLS.contains(&user.shell.as_str())
    }))
}

/// Asks for what [`persons`] reads.
pub(crate) fn needs_persons(needs: &mut Needs) {
    needs.texts([PASSWD, LOGIN_DEFS]);
}

fn homes(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let homes = facts.homes()?;
    let mut found = Vec::new();
    for user in persons(facts)? {
        match homes.get(&user.name) {
            Some(true) => {}
            Some(false) => {
                found.push((user.name.clone(), format!("{}: {} is no directory", user.name, user.home)))
            }
            None => {
                return Err(unexpected(format!(
                    "the home directory probe said nothing about {}",
                    bounded(&user.name)
                )));
            }
        }
    }
    Ok(Offenders::Of("ls -d HOME of every account of a person".to_owned(), found))
}

fn root_group(facts: &Facts<'_>) -> Result<Offenders, Reason> {
    let groups = facts.groups()?;
    let mut found: Vec<(String, u32)> = groups
        .iter()
        .filter(|group| (group.gid == 0) != (group.name == "root"))
        .map(|group| (group.name.clone(), group.line))
        .collect();
    if !groups.iter().any(|group| group.gid == 0) {
        found.push(("root".to_owned(), 1));
    }
    Ok(Offenders::In(GROUP, found))
}
