//! `sysctl`: a kernel parameter, running (/proc/sys) and persistent (sysctl.d(5)).

use model::Source;

use crate::compare::{Case, Comparator, Seen, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::Text;
use crate::methods::judge::{Place, compared, in_answer, in_files};
use crate::methods::{Layers, Missing};
use crate::outcome::{self, Outcome};
use crate::plan::Needs;
use probes::format::sysctl_d;
use probes::sysctl::Running;

comparing! {
    /// A kernel parameter, running and persistent.
    SysctlSource {
        /// With dots, like `kernel.kptr_restrict`.
        key: Text,
        #[serde(default)]
        layers: Layers,
        /// What it means when the running kernel has no such parameter. Default fail.
        #[serde(default)]
        missing: Option<Missing>,
    }
}

/// See [`SysctlSource`].
#[derive(Debug, Clone)]
pub(crate) struct Sysctl {
    /// In /proc/sys form, with slashes.
    pub(crate) path: String,
    /// As written.
    pub(crate) key: String,
    pub(crate) comparator: Comparator,
    pub(crate) layers: Layers,
    pub(crate) missing: Missing,
}

impl SysctlSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Sysctl> {
        let key = scope.word(&self.key, "a kernel parameter", "._-/");
        let comparator = self.comparator().compile(scope, at, Case::Exact);
        let key = key?;
        let path = sysctl_d::key_path(&key);
        if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            scope.error(self.key.at, format!("{key:?} is not a kernel parameter"));
        }
        Some(Sysctl {
            path,
            key,
            comparator: comparator?,
            layers: self.layers,
            missing: self.missing.unwrap_or(Missing::Fail),
        })
    }
}

impl Sysctl {
    pub(crate) fn needs(&self, needs: &mut Needs) {
        if self.layers.running() {
            needs.sysctl.insert(self.path.clone());
        }
        if self.layers.persistent() {
            needs.texts(sysctl_d::DROP_INS.into_iter().chain([sysctl_d::MAIN]));
        }
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let running = self.layers.running().then(|| self.running(facts));
        let persistent = self.layers.persistent().then(|| self.persistent(facts));
        outcome::layers(running, persistent)
    }

    fn running<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let running = match facts.sysctl().and_then(|parameters| parameters.get(&self.path)) {
            Ok(running) => running,
            Err(reason) => return Outcome::error(reason),
        };
        let command = format!("cat /proc/sys/{}", self.path);
        let subject = format!("running {}", self.key);
        match running {
            Running::Value(value) => {
                let mut finding =
                    in_answer(&subject, command, format!("{value}\n").into_bytes()).of_setting(&self.key);
                finding.source = Some(Source { file: format!("/proc/sys/{}", self.path), line: None });
                let seen = Seen { values: &[value], separator: None, case: Case::Exact };
                compared(&self.comparator, &seen, finding)
            }
            Running::Absent => {
                let mut finding = in_answer(&subject, command, Vec::new());
                finding.exit = Some(1);
                if self.comparator.judges_presence() {
                    let seen = Seen { values: &[], separator: None, case: Case::Exact };
                    return compared(&self.comparator, &seen, finding);
                }
                finding.expected = self.comparator.describe();
                "the running kernel has no such parameter".clone_into(&mut finding.actual);
                Outcome::missing(self.missing, serde_json::Value::Null, finding)
            }
        }
    }

    fn persistent<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let patterns: Vec<String> = sysctl_d::DROP_INS.iter().map(|&glob| glob.to_owned()).collect();
        let files = facts.text().and_then(|text| {
            let mut files = text.drop_ins(&patterns)?;
            files.extend(text.read(sysctl_d::MAIN)?);
            Ok(files)
        });
        let files = match files {
            Ok(files) => files,
            Err(reason) => return Outcome::error(reason),
        };
        let found = sysctl_d::persistent(&files, &self.path);
        let subject = format!("persistent {}", self.key);
        let values: Vec<String> = found.iter().map(|found| found.value.clone()).collect();
        let finding = match &found {
            Some(found) => {
                let place = Place { file: &found.file, line: found.line, text: &found.text };
                let decided: Vec<_> = files.iter().copied().filter(|file| file.path == found.file).collect();
                in_files(&subject, &decided, &[], &[place])
            }
            None => in_files(&subject, &files, &patterns, &[]),
        };
        let seen = Seen { values: &values, separator: None, case: Case::Exact };
        compared(&self.comparator, &seen, finding.of_setting(&self.key))
    }
}
