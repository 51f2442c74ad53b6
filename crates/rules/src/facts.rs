//! The answers of one host, parsed at most once each and only when a rule asks.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use model::{Ending, Observation, Reason, ReasonCode};

use crate::plan::Plan;
use probes::format::passwd::{Group, User};
use probes::key;
use probes::shown::first_line;

type Cell<T> = OnceCell<Result<T, Reason>>;

/// The answers of one host.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) plan: &'a Plan,
    /// Effective user id of the shell that ran the probes.
    pub(crate) uid: u32,
    observations: BTreeMap<&'a str, &'a Observation>,
    sshd: Cell<probes::sshd::Settings>,
    stat: Cell<probes::stat::Metadata>,
    text: Cell<probes::text::TextFiles>,
    shadow: Cell<probes::shadow::Accounts>,
    packages: Cell<probes::packages::Packages>,
    unit_files: Cell<probes::units::Table>,
    units: Cell<probes::units::Table>,
    sysctl: Cell<probes::sysctl::Parameters>,
    modules: Cell<probes::modules::Available>,
    homes: Cell<probes::homes::Homes>,
    home_files: Cell<probes::home_files::HomeFiles>,
    audit: Cell<probes::audit::Loaded>,
    walk: Cell<probes::walk::Hits>,
    users: Cell<Vec<User>>,
    groups: Cell<Vec<Group>>,
}

/// Returns a parsed fact, parsing it at the first call.
fn once<T>(cell: &Cell<T>, make: impl FnOnce() -> Result<T, Reason>) -> Result<&T, Reason> {
    cell.get_or_init(make).as_ref().map_err(Clone::clone)
}

impl<'a> Facts<'a> {
    /// Takes the answers of one host; of two with one key the first counts.
    pub(crate) fn new(plan: &'a Plan, uid: u32, answers: &'a [Observation]) -> Self {
        let mut observations: BTreeMap<&str, &Observation> = BTreeMap::new();
        for observation in answers {
            observations.entry(observation.key.as_str()).or_insert(observation);
        }
        Self {
            plan,
            uid,
            observations,
            sshd: Cell::new(),
            stat: Cell::new(),
            text: Cell::new(),
            shadow: Cell::new(),
            packages: Cell::new(),
            unit_files: Cell::new(),
            units: Cell::new(),
            sysctl: Cell::new(),
            modules: Cell::new(),
            homes: Cell::new(),
            home_files: Cell::new(),
            audit: Cell::new(),
            walk: Cell::new(),
            users: Cell::new(),
            groups: Cell::new(),
        }
    }

    /// Returns an answer that ended by itself and is whole, with its exit status.
    pub(crate) fn answer(&self, key: &str) -> Result<(&'a Observation, i32), Reason> {
        let no_answer = || Reason::new(ReasonCode::NoAnswer, format!("the probe {key} gave no answer"));
        let observation = *self.observations.get(key).ok_or_else(no_answer)?;
        let exit = match observation.ending {
            Ending::Exited(exit) => exit,
            Ending::NoAnswer => return Err(no_answer()),
            Ending::TimedOut => {
                let code = if key == key::WALK { ReasonCode::Budget } else { ReasonCode::CommandTimeout };
                return Err(Reason::new(code, format!("the probe {key} ran longer than it may")));
            }
        };
        if observation.is_cut() {
            let text = format!(
                "the answer of the probe {key} has {} bytes, of which {} were kept",
                observation.stdout_len,
                observation.stdout.len()
            );
            return Err(Reason::new(ReasonCode::OutputCut, text));
        }
        Ok((observation, exit))
    }

    /// Returns an answer that ended by itself and of which more came than is kept: nothing can be judged by it, but its beginning,
    /// length and digest are known (EXE-12).
    pub(crate) fn cut(&self, key: &str) -> Option<(&'a Observation, i32)> {
        let observation = *self.observations.get(key)?;
        match observation.ending {
            Ending::Exited(exit) if observation.is_cut() => Some((observation, exit)),
            Ending::Exited(_) | Ending::NoAnswer | Ending::TimedOut => None,
        }
    }

    /// Returns an answer of a typed probe, whose exit status tells a missing tool.
    pub(crate) fn typed(&self, key: &str) -> Result<(&'a Observation, i32), Reason> {
        let (observation, exit) = self.answer(key)?;
        match exit {
            127 => Err(Reason::new(ReasonCode::ToolMissing, first_line(&observation.stderr))),
            126 => Err(Reason::new(ReasonCode::PermissionDenied, first_line(&observation.stderr))),
            exit => Ok((observation, exit)),
        }
    }

    pub(crate) fn sshd(&self) -> Result<&probes::sshd::Settings, Reason> {
        once(&self.sshd, || {
            let (observation, exit) = self.typed(key::SSHD)?;
            probes::sshd::parse(observation, exit, self.uid)
        })
    }

    /// Returns what `sshd -T` printed.
    pub(crate) fn sshd_text(&self) -> Vec<u8> {
        self.observations.get(key::SSHD).map_or_else(Vec::new, |observation| {
            observation.stdout.strip_suffix(b".\n").unwrap_or(&observation.stdout).to_vec()
        })
    }

    pub(crate) fn stat(&self) -> Result<&probes::stat::Metadata, Reason> {
        once(&self.stat, || probes::stat::parse(self.typed(key::STAT)?.0))
    }

    pub(crate) fn text(&self) -> Result<&probes::text::TextFiles, Reason> {
        once(&self.text, || probes::text::parse(self.typed(key::TEXT)?.0, self.uid))
    }

    pub(crate) fn shadow(&self) -> Result<&probes::shadow::Accounts, Reason> {
        once(&self.shadow, || probes::shadow::parse(self.typed(key::SHADOW)?.0))
    }

    pub(crate) fn packages(&self) -> Result<&probes::packages::Packages, Reason> {
        once(&self.packages, || {
            let (observation, exit) = self.typed(key::PACKAGES)?;
            probes::packages::parse(observation, exit)
        })
    }

    pub(crate) fn unit_files(&self) -> Result<&probes::units::Table, Reason> {
        once(&self.unit_files, || {
            let (observation, exit) = self.typed(key::UNIT_FILES)?;
            probes::units::parse_files(observation, exit)
        })
    }

    pub(crate) fn units(&self) -> Result<&probes::units::Table, Reason> {
        once(&self.units, || {
            let (observation, exit) = self.typed(key::UNITS)?;
            probes::units::parse_units(observation, exit)
        })
    }

    pub(crate) fn sysctl(&self) -> Result<&probes::sysctl::Parameters, Reason> {
        once(&self.sysctl, || probes::sysctl::parse(self.typed(key::SYSCTL)?.0))
    }

    pub(crate) fn modules(&self) -> Result<&probes::modules::Available, Reason> {
        once(&self.modules, || probes::modules::parse(self.typed(key::MODULES)?.0))
    }

    pub(crate) fn homes(&self) -> Result<&probes::homes::Homes, Reason> {
        once(&self.homes, || probes::homes::parse(self.typed(key::HOMES)?.0))
    }

    pub(crate) fn home_files(&self) -> Result<&probes::home_files::HomeFiles, Reason> {
        once(&self.home_files, || probes::home_files::parse(self.typed(key::HOME_FILES)?.0))
    }

    pub(crate) fn audit(&self) -> Result<&probes::audit::Loaded, Reason> {
        once(&self.audit, || {
            let (observation, exit) = self.typed(key::AUDIT)?;
            probes::audit::parse(observation, exit, self.uid)
        })
    }

    pub(crate) fn walk(&self) -> Result<&probes::walk::Hits, Reason> {
        once(&self.walk, || probes::walk::parse(self.typed(key::WALK)?.0))
    }

    /// Returns the accounts of /etc/passwd.
    pub(crate) fn users(&self) -> Result<&Vec<User>, Reason> {
        once(&self.users, || probes::format::passwd::users(self.needed("/etc/passwd")?))
    }

    /// Returns the groups of /etc/group.
    pub(crate) fn groups(&self) -> Result<&Vec<Group>, Reason> {
        once(&self.groups, || probes::format::passwd::groups(self.needed("/etc/group")?))
    }

    /// Returns a file that every host has.
    pub(crate) fn needed(&self, path: &str) -> Result<&probes::text::TextFile, Reason> {
        self.text()?
            .read(path)?
            .ok_or_else(|| Reason::new(ReasonCode::ToolFailed, format!("there is no {path}")))
    }
}
