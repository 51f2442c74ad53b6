//! The check methods: one module a method, each with its written shape, its compiled form, what it needs
//! from the host, and how it judges the answer.
//!
//! Adding a method: docs/recipes/add-a-check-method.md.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::facts::Facts;
use crate::located::Located;
use crate::outcome::{self, Outcome};

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod cases;
pub(crate) mod command;
pub(crate) mod file;
pub(crate) mod home;
pub(crate) mod judge;
pub(crate) mod kernel_cmdline;
pub(crate) mod lines;
pub(crate) mod module;
pub(crate) mod mount;
pub(crate) mod package;
pub(crate) mod password_aging;
pub(crate) mod setting;
pub(crate) mod sshd;
pub(crate) mod sysctl;
pub(crate) mod unit;
pub(crate) mod walk;

/// A check as written: exactly one method.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum CheckSource {
    /// Every one must pass.
    All(Located<Vec<CheckSource>>),
    /// At least one must pass.
    Any(Located<Vec<CheckSource>>),
    /// It must fail.
    Not(Box<CheckSource>),
    /// The first whose `when` passes is judged.
    Cases(Located<Vec<cases::CaseSource>>),
    Sshd(Located<sshd::SshdSource>),
    File(Located<file::FileSource>),
    Package(Located<package::PackageSource>),
    Unit(Located<unit::UnitSource>),
    Sysctl(Located<sysctl::SysctlSource>),
    Module(Located<module::ModuleSource>),
    Mount(Located<mount::MountSource>),
    KernelCmdline(Located<kernel_cmdline::KernelCmdlineSource>),
    Accounts(Located<accounts::AccountsSource>),
    Home(Located<home::HomeSource>),
    PasswordAging(Located<password_aging::PasswordAgingSource>),
    Audit(Located<audit::AuditSource>),
    Setting(Located<setting::SettingSource>),
    Lines(Located<lines::LinesSource>),
    Walk(Located<walk::WalkSource>),
    Command(Located<command::CommandSource>),
}

/// A check with names resolved and every part valid.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    All(Vec<Check>),
    Any(Vec<Check>),
    Not(Box<Check>),
    Cases(Vec<cases::Case>),
    Sshd(sshd::Sshd),
    File(file::File),
    Package(package::Package),
    Unit(unit::Unit),
    Sysctl(sysctl::Sysctl),
    Module(module::Module),
    Mount(mount::Mount),
    KernelCmdline(kernel_cmdline::KernelCmdline),
    Accounts(accounts::Accounts),
    Home(home::Home),
    PasswordAging(password_aging::PasswordAging),
    Audit(audit::Audit),
    Setting(setting::Setting),
    Lines(lines::Lines),
    Walk(walk::Walk),
    Command(command::Command),
}

/// What the subject's absence means for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Missing {
    Pass,
    Fail,
    NotApplicable,
}

/// Which layers of a setting are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layers {
    #[default]
    Both,
    /// What is in force now.
    Running,
    /// What will be in force after a restart.
    Persistent,
}

impl Layers {
    pub(crate) const fn running(self) -> bool {
        matches!(self, Self::Both | Self::Running)
    }

    pub(crate) const fn persistent(self) -> bool {
        matches!(self, Self::Both | Self::Persistent)
    }
}

impl CheckSource {
    /// Resolves names and checks every part; complaints go to `scope`.
    pub(crate) fn compile(&self, scope: &mut Scope<'_>) -> Option<Check> {
        match self {
            Self::All(checks) => compile_many(checks, scope).map(Check::All),
            Self::Any(checks) => compile_many(checks, scope).map(Check::Any),
            Self::Not(check) => check.compile(scope).map(|check| Check::Not(Box::new(check))),
            Self::Cases(cases) => cases::compile(cases, scope).map(Check::Cases),
            Self::Sshd(source) => source.value.compile(source.at, scope).map(Check::Sshd),
            Self::File(source) => source.value.compile(scope).map(Check::File),
            Self::Package(source) => source.value.compile(source.at, scope).map(Check::Package),
            Self::Unit(source) => source.value.compile(source.at, scope).map(Check::Unit),
            Self::Sysctl(source) => source.value.compile(source.at, scope).map(Check::Sysctl),
            Self::Module(source) => source.value.compile(source.at, scope).map(Check::Module),
            Self::Mount(source) => source.value.compile(source.at, scope).map(Check::Mount),
            Self::KernelCmdline(source) => source.value.compile(source.at, scope).map(Check::KernelCmdline),
            Self::Accounts(source) => source.value.compile(scope).map(Check::Accounts),
            Self::Home(source) => source.value.compile(source.at, scope).map(Check::Home),
            Self::PasswordAging(source) => source.value.compile(source.at, scope).map(Check::PasswordAging),
            Self::Audit(source) => source.value.compile(source.at, scope).map(Check::Audit),
            Self::Setting(source) => source.value.compile(source.at, scope).map(Check::Setting),
            Self::Lines(source) => source.value.compile(source.at, scope).map(Check::Lines),
            Self::Walk(source) => source.value.compile(scope).map(Check::Walk),
            Self::Command(source) => source.value.compile(source.at, scope).map(Check::Command),
        }
    }

    /// Tells whether any part is a free shell check.
    pub(crate) fn has_free_shell(&self) -> bool {
        match self {
            Self::All(checks) | Self::Any(checks) => checks.value.iter().any(Self::has_free_shell),
            Self::Not(check) => check.has_free_shell(),
            Self::Cases(cases) => cases.value.iter().any(cases::CaseSource::has_free_shell),
            Self::Command(_) => true,
            Self::Sshd(_)
            | Self::File(_)
            | Self::Package(_)
            | Self::Unit(_)
            | Self::Sysctl(_)
            | Self::Module(_)
            | Self::Mount(_)
            | Self::KernelCmdline(_)
            | Self::Accounts(_)
            | Self::Home(_)
            | Self::PasswordAging(_)
            | Self::Audit(_)
            | Self::Setting(_)
            | Self::Lines(_)
            | Self::Walk(_) => false,
        }
    }
}

fn compile_many(checks: &Located<Vec<CheckSource>>, scope: &mut Scope<'_>) -> Option<Vec<Check>> {
    if checks.value.is_empty() {
        scope.error(checks.at, "at least one check is needed");
        return None;
    }
    let compiled: Vec<Check> = checks.value.iter().filter_map(|check| check.compile(scope)).collect();
    (compiled.len() == checks.value.len()).then_some(compiled)
}

impl Check {
    /// Judges the answers of one host.
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        match self {
            Self::All(checks) => outcome::all(checks.iter().map(|check| check.evaluate(facts)).collect()),
            Self::Any(checks) => outcome::any(checks.iter().map(|check| check.evaluate(facts)).collect()),
            Self::Not(check) => outcome::not(check.evaluate(facts)),
            Self::Cases(cases) => cases::evaluate(cases, facts),
            Self::Sshd(check) => check.evaluate(facts),
            Self::File(check) => check.evaluate(facts),
            Self::Package(check) => check.evaluate(facts),
            Self::Unit(check) => check.evaluate(facts),
            Self::Sysctl(check) => check.evaluate(facts),
            Self::Module(check) => check.evaluate(facts),
            Self::Mount(check) => check.evaluate(facts),
            Self::KernelCmdline(check) => check.evaluate(facts),
            Self::Accounts(check) => check.evaluate(facts),
            Self::Home(check) => check.evaluate(facts),
            Self::PasswordAging(check) => check.evaluate(facts),
            Self::Audit(check) => check.evaluate(facts),
            Self::Setting(check) => check.evaluate(facts),
            Self::Lines(check) => check.evaluate(facts),
            Self::Walk(check) => check.evaluate(facts),
            Self::Command(check) => check.evaluate(facts),
        }
    }
}
