//! `kernel_cmdline`: a kernel boot parameter, running (/proc/cmdline) and persistent (what the boot loader
//! is configured to pass).

use model::{Reason, ReasonCode};

use crate::compare::{Case, Comparator, Seen, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::Text;
use crate::methods::Layers;
use crate::methods::judge::{Place, compared, in_files};
use crate::outcome::{self, Finding, Outcome};
use crate::plan::Needs;
use probes::format::boot;
use probes::shown::bounded;
use probes::unexpected;

comparing! {
    /// A kernel boot parameter, running and persistent.
    KernelCmdlineSource {
        /// Name before `=`; a parameter without `=` has an empty value.
        parameter: Text,
        #[serde(default)]
        layers: Layers,
    }
}

/// See [`KernelCmdlineSource`].
#[derive(Debug, Clone)]
pub(crate) struct KernelCmdline {
    pub(crate) parameter: String,
    pub(crate) comparator: Comparator,
    pub(crate) layers: Layers,
}

impl KernelCmdlineSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<KernelCmdline> {
        let parameter = scope.word(&self.parameter, "a kernel parameter name", "._-");
        let comparator = self.comparator().compile(scope, at, Case::Exact);
        Some(KernelCmdline { parameter: parameter?, comparator: comparator?, layers: self.layers })
    }
}

const RUNNING: &str = "/proc/cmdline";

impl KernelCmdline {
    pub(crate) fn needs(&self, needs: &mut Needs) {
        if self.layers.running() {
            needs.texts([RUNNING]);
        }
        if self.layers.persistent() {
            needs.texts(boot::GRUB.into_iter().chain([boot::ENTRIES, boot::GRUB_ENV]));
        }
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let running = self.layers.running().then(|| self.running(facts));
        let persistent =
            self.layers.persistent().then(|| self.persistent(facts).unwrap_or_else(Outcome::error));
        outcome::layers(running, persistent)
    }

    fn running<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let file = match facts.needed(RUNNING) {
            Ok(file) => file,
            Err(reason) => return Outcome::error(reason),
        };
        let text = file.lines.join(" ");
        let place = Place { file: RUNNING, line: 1, text: &text };
        let finding = in_files(&format!("running {}", self.parameter), &[file], &[], &[place])
            .of_setting(&self.parameter);
        self.judge(&text, finding)
    }

    fn persistent<'a>(&self, facts: &Facts<'a>) -> Result<Outcome<'a>, Reason> {
        let text = facts.text()?;
        let mut files = Vec::new();
        let mut entries = Vec::new();
        for path in boot::GRUB {
            if let Some(file) = text.read(path)? {
                entries.extend(boot::grub(file));
                files.push(file);
            }
        }
        if entries.is_empty() {
            let env = text.read(boot::GRUB_ENV)?;
            files = text.find(boot::ENTRIES)?;
            for file in &files {
                let entry = boot::specification(file, env).ok_or_else(|| {
                    unexpected(format!("the kernel options of {} are not understood", bounded(&file.path)))
                })?;
                entries.push(entry);
            }
        }
        if entries.is_empty() {
            let text = "no boot loader configuration that is understood names a kernel";
            return Err(Reason::new(ReasonCode::SubjectAbsent, text));
        }
        let mut outcomes: Vec<Outcome<'a>> = Vec::new();
        for entry in &entries {
            let file: Vec<_> = files.iter().copied().filter(|file| file.path == entry.file).collect();
            let place = Place { file: &entry.file, line: entry.line, text: &entry.text };
            let finding = in_files(&format!("persistent {}", self.parameter), &file, &[], &[place])
                .of_setting(&self.parameter);
            outcomes.push(self.judge(&entry.parameters, finding));
        }
        let mut outcome = outcome::all(outcomes);
        // Entries come and go with kernels: the value names the different settings once.
        if let serde_json::Value::Array(values) = &mut outcome.value {
            values.sort_by_key(ToString::to_string);
            values.dedup();
        }
        // One entry decides; the evidence of the others would say the same.
        let decisive = outcome.findings.iter().position(|finding| finding.holds == Some(false)).unwrap_or(0);
        outcome.findings = outcome.findings.drain(..).skip(decisive).take(1).collect();
        Ok(outcome)
    }

    fn judge<'a>(&self, parameters: &str, finding: Finding<'a>) -> Outcome<'a> {
        let mut values = boot::values(parameters, &self.parameter);
        // Of a repeated parameter the last counts, unless the rule looks at the whole list.
        if !self.comparator.judges_list() {
            values = values.pop().into_iter().collect();
        }
        let seen = Seen { values: &values, separator: Some(","), case: Case::Exact };
        compared(&self.comparator, &seen, finding)
    }
}
