//! What to ask a host: the union of what the selected rules need, as few commands as possible.

use std::collections::{BTreeMap, BTreeSet};

use model::{Command, Lane};

use crate::methods::Check;
use crate::methods::home;
use crate::rule::CompiledRule;
use crate::select::Selected;
use probes::key;
use probes::walk::Sort;

/// Longest a probe may run unless its rule says otherwise. Milliseconds (EXE-09).
pub const TIMEOUT_MS: u32 = 30_000;
/// Most standard output that is kept of one probe. Bytes.
pub const KEEP_BYTES_MAX: usize = 4_194_304;
/// Most standard output that is read of one probe. Bytes (EXE-11).
pub const READ_BYTES_MAX: usize = 10_485_760;

/// The commands of one scan and the rules that judge their answers.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In the order in which they run; keys are unique.
    pub commands: Vec<Command>,
    pub(crate) rules: Vec<CompiledRule>,
    /// Free shell text with its time limit to the key that answers it.
    pub(crate) shell: BTreeMap<(String, u32), String>,
}

/// What the selected rules need to know.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Keys of the probes that take no parameters.
    fixed: BTreeSet<&'static str>,
    pub(crate) stat: BTreeSet<String>,
    pub(crate) text: BTreeSet<String>,
    pub(crate) sysctl: BTreeSet<String>,
    pub(crate) modules: BTreeSet<String>,
    /// Units whose enablement matters.
    pub(crate) unit_files: BTreeSet<String>,
    pub(crate) walk: BTreeSet<Sort>,
    shell: BTreeMap<(String, u32), String>,
    rule: String,
}

impl Needs {
    /// Returns the union of what rules need.
    pub(crate) fn of(rules: &[CompiledRule], timeout_ms: u32) -> Self {
        let mut needs = Self::default();
        for rule in rules {
            rule.id.as_str().clone_into(&mut needs.rule);
            for check in rule.when.iter().chain([&rule.check]) {
                check.needs(&mut needs, timeout_ms);
            }
        }
        needs
    }

    /// Asks for a probe that takes no parameters, by its key.
    pub(crate) fn ask(&mut self, key: &'static str) {
        self.fixed.insert(key);
    }

    /// Asks for the text of files.
    pub(crate) fn texts<'a>(&mut self, paths: impl IntoIterator<Item = &'a str>) {
        self.text.extend(paths.into_iter().map(str::to_owned));
    }

    /// Asks for a free shell command; the same text with the same limit is sent once.
    pub(crate) fn shell(&mut self, run: &str, timeout_ms: u32) {
        let taken = |key: &String| self.shell.values().any(|other| other == key);
        let mut key = format!("command:{}", self.rule);
        for n in 2.. {
            if !taken(&key) {
                break;
            }
            key = format!("command:{}:{n}", self.rule);
        }
        self.shell.entry((run.to_owned(), timeout_ms)).or_insert(key);
    }
}

impl Plan {
    /// Returns the ids of the rules that [`crate::evaluate`] will give results for, in order.
    pub fn rule_ids(&self) -> impl ExactSizeIterator<Item = &model::RuleId> {
        self.rules.iter().map(|rule| &rule.id)
    }

    /// Asks, behind what the rules need, for what a host is and no rule asks about; see [`crate::characteristics`].
    pub fn ask_what_it_is(&mut self, timeout_ms: u32) {
        let digests = probes::digests::script();
        let own = [
            (key::LISTENERS, probes::listeners::SCRIPT),
            (key::AUTHORIZED_KEYS, probes::authorized_keys::SCRIPT),
            (key::SUDOERS, probes::sudoers::SCRIPT),
            (key::DIGESTS, &digests),
        ];
        self.commands.extend(own.map(|(key, script)| command(key, script.to_owned(), timeout_ms)));
    }
}

/// Plans the commands for the selected rules; `timeout_ms` is the limit of each probe that has none of
/// its own (1,000 to 300,000).
#[must_use]
pub fn plan(selected: Selected, timeout_ms: u32) -> Plan {
    let needs = Needs::of(&selected.rules, timeout_ms);
    let commands = commands(&needs, timeout_ms);
    Plan { commands, rules: selected.rules, shell: needs.shell }
}

fn commands(needs: &Needs, timeout_ms: u32) -> Vec<Command> {
    let asked = |key: &str| needs.fixed.contains(key);
    let mut commands = Vec::new();
    let mut add = |wanted: bool, key: &str, script: &dyn Fn() -> String| {
        if wanted {
            commands.push(command(key, script(), timeout_ms));
        }
    };
    add(!needs.text.is_empty(), key::TEXT, &|| probes::text::script(&needs.text));
    add(!needs.stat.is_empty(), key::STAT, &|| probes::stat::script(&needs.stat));
    add(!needs.sysctl.is_empty(), key::SYSCTL, &|| probes::sysctl::script(&needs.sysctl));
    add(asked(key::SHADOW), key::SHADOW, &|| probes::shadow::SCRIPT.to_owned());
    add(asked(key::HOMES), key::HOMES, &|| probes::homes::SCRIPT.to_owned());
    add(asked(key::HOME_FILES), key::HOME_FILES, &probes::home_files::script);
    add(asked(key::PACKAGES), key::PACKAGES, &|| probes::packages::SCRIPT.to_owned());
    add(asked(key::SSHD), key::SSHD, &|| probes::sshd::SCRIPT.to_owned());
    add(!needs.unit_files.is_empty(), key::UNIT_FILES, &|| probes::units::files_script(&needs.unit_files));
    add(asked(key::UNITS), key::UNITS, &|| probes::units::UNITS_SCRIPT.to_owned());
    add(!needs.modules.is_empty(), key::MODULES, &|| probes::modules::script(&needs.modules));
    add(asked(key::AUDIT), key::AUDIT, &|| probes::audit::SCRIPT.to_owned());
    let mut shell: Vec<_> = needs.shell.iter().collect();
    shell.sort_by_key(|(_, key)| *key);
    for ((run, timeout_ms), key) in shell {
        commands.push(command(key, run.clone(), *timeout_ms));
    }
    if !needs.walk.is_empty() {
        let walk = command(key::WALK, probes::walk::script(&needs.walk), probes::walk::TIMEOUT_MS);
        commands.push(Command { lane: Lane::Slow, ..walk });
    }
    commands
}

fn command(key: &str, script: String, timeout_ms: u32) -> Command {
    Command {
        key: key.to_owned(),
        script,
        timeout_ms,
        lane: Lane::Fast,
        keep_bytes_max: KEEP_BYTES_MAX,
        read_bytes_max: READ_BYTES_MAX,
    }
}

impl Check {
    fn needs(&self, needs: &mut Needs, timeout_ms: u32) {
        match self {
            Self::All(checks) | Self::Any(checks) => {
                checks.iter().for_each(|check| check.needs(needs, timeout_ms));
            }
            Self::Not(check) => check.needs(needs, timeout_ms),
            Self::Cases(cases) => {
                for check in cases.iter().flat_map(|case| case.when.iter().chain([&case.check])) {
                    check.needs(needs, timeout_ms);
                }
            }
            Self::Sshd(_) => needs.ask(key::SSHD),
            Self::File(file) => {
                needs.stat.insert(file.path.clone());
            }
            Self::Package(_) => needs.ask(key::PACKAGES),
            Self::Unit(unit) => unit.needs(needs),
            Self::Sysctl(sysctl) => sysctl.needs(needs),
            Self::Module(module) => module.needs(needs),
            Self::Mount(mount) => mount.needs(needs),
            Self::KernelCmdline(cmdline) => cmdline.needs(needs),
            Self::Accounts(accounts) => accounts.needs(needs),
            Self::Home(_) => home::needs(needs),
            Self::PasswordAging(_) => needs.ask(key::SHADOW),
            Self::Audit(audit) => audit.needs(needs),
            Self::Setting(setting) => {
                needs.texts(setting.drop_ins.iter().chain([&setting.file]).map(String::as_str));
            }
            Self::Lines(lines) => needs.texts(lines.files.iter().map(String::as_str)),
            Self::Walk(walk) => {
                needs.walk.insert(walk.sort);
            }
            Self::Command(command) => needs.shell(&command.run, command.limit_ms(timeout_ms)),
        }
    }
}
