//! `audit`: what the audit system records, in force and after the next start, compared by meaning.

use model::Reason;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::Located;
use crate::methods::Layers;
use crate::methods::judge::{Place, in_answer, in_files, none_of};
use crate::outcome::{self, Outcome};
use crate::plan::Needs;
use crate::source::value::ListSource;
use probes::format::audit::{self, Line, Rule};
use probes::shown::bounded;
use probes::{key, unexpected};

/// What the audit system is told to record, whatever order, options or keys tell it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditSource {
    /// Each as auditctl(8) takes it; something that records at least the same must be there.
    #[serde(default)]
    rules: Option<Located<ListSource>>,
    /// The configuration must be locked until the next start (`-e 2`).
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    layers: Layers,
}

/// See [`AuditSource`].
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    rules: Vec<(String, Rule)>,
    locked: bool,
    layers: Layers,
}

impl AuditSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Audit> {
        let mut rules = Vec::new();
        if let Some(list) = &self.rules {
            for text in scope.list(list)? {
                match audit::parse(&text) {
                    Ok(Line::Rule(rule)) => rules.push((text, *rule)),
                    Ok(_) => scope.error(list.at, format!("{text:?} records nothing")),
                    Err(what) => scope.error(list.at, format!("{text:?}: {what}")),
                }
            }
        }
        if rules.is_empty() && !self.locked {
            scope.error(at, "at least one of rules and locked is needed");
        }
        Some(Audit { rules, locked: self.locked, layers: self.layers })
    }
}

/// What augenrules(8) puts together.
const RULES_D: &str = "/etc/audit/rules.d/*.rules";
/// What is loaded where nothing stands in the folder.
const RULES: &str = "/etc/audit/audit.rules";
/// `-e` of a locked configuration.
const LOCKED: u8 = 2;

/// What a layer tells the kernel: the rules in their order, and the state of the system.
struct Told {
    rules: Vec<Rule>,
    enabled: u8,
}

impl Audit {
    pub(crate) fn needs(&self, needs: &mut Needs) {
        if self.layers.running() {
            needs.ask(key::AUDIT);
        }
        if self.layers.persistent() {
            needs.texts([RULES_D, RULES]);
        }
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let running = self.layers.running().then(|| self.running(facts).unwrap_or_else(Outcome::error));
        let persistent =
            self.layers.persistent().then(|| self.persistent(facts).unwrap_or_else(Outcome::error));
        outcome::layers(running, persistent)
    }

    fn running<'a>(&self, facts: &Facts<'a>) -> Result<Outcome<'a>, Reason> {
        let loaded = facts.audit()?;
        let told = Told { rules: loaded.rules.clone(), enabled: loaded.enabled };
        let mut text = loaded.lines.join("\n");
        text.push_str(&format!("\nenabled {}\n", loaded.enabled));
        let command = format!("{}; {}", probes::audit::COMMAND, probes::audit::STATUS_COMMAND);
        Ok(self.judge(&told, in_answer("audit rules in force", command, text.into_bytes())))
    }

    fn persistent<'a>(&self, facts: &Facts<'a>) -> Result<Outcome<'a>, Reason> {
        let text = facts.text()?;
        let mut files = text.find(RULES_D)?;
        // augenrules(8) puts every -D before all rules, and the last -e behind them, wherever they stand.
        let augmented = !files.is_empty();
        if !augmented {
            files.extend(text.read(RULES)?);
        }
        let mut told = Told { rules: Vec::new(), enabled: 1 };
        let mut places = Vec::new();
        for file in &files {
            for (line, number) in file.lines.iter().zip(1_u32..) {
                let parsed = audit::parse(line).map_err(|what| {
                    unexpected(format!("{} line {number}, {}: {what}", file.path, bounded(line)))
                })?;
                match parsed {
                    Line::Rule(rule) => told.rules.push(*rule),
                    Line::First(rule) => told.rules.insert(0, *rule),
                    Line::DeleteAll if augmented => {}
                    Line::DeleteAll => told.rules.clear(),
                    Line::Enabled(state) => told.enabled = state,
                    Line::Other => continue,
                }
                places.push(Place { file: &file.path, line: number, text: line });
            }
        }
        let names = [RULES_D.to_owned()];
        Ok(self.judge(&told, in_files("audit rules at start", &files, &names, &places)))
    }

    fn judge<'a>(&self, told: &Told, finding: outcome::Finding<'a>) -> Outcome<'a> {
        let mut lacking = Vec::new();
        for (text, rule) in &self.rules {
            let missing = rule.missing_in(&told.rules);
            if missing.len() == rule.parts() {
                lacking.push(text.clone());
            } else if !missing.is_empty() {
                lacking.push(format!("{text}, of it {}", missing.join(" and ")));
            }
        }
        if told.enabled == 0 {
            lacking.push("auditing is off".to_owned());
        }
        if self.locked && told.enabled != LOCKED {
            lacking.push("not locked".to_owned());
        }
        none_of(lacking, "nothing is missing", finding)
    }
}
