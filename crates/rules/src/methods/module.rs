//! `module`: a kernel module cannot be used: not loaded, not built in, and not loadable.

use model::{Reason, ReasonCode};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::{Located, Text};
use crate::methods::judge::{Place, in_answer, in_files};
use crate::outcome::{self, Answer, Outcome};
use crate::plan::Needs;
use probes::format::modprobe;
use probes::modules::Origin;
use probes::text::TextFile;

/// A kernel module is not available: not loaded, and disabled by `install NAME /bin/false` or not there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleSource {
    /// `-` and `_` are the same.
    name: Text,
    /// Only `false` can be asked for.
    available: Located<bool>,
}

/// See [`ModuleSource`].
#[derive(Debug, Clone)]
pub(crate) struct Module {
    /// With `_` for `-`.
    pub(crate) name: String,
}

impl ModuleSource {
    pub(crate) fn compile(&self, _at: At, scope: &mut Scope<'_>) -> Option<Module> {
        let name = scope.word(&self.name, "a module name", "_-")?;
        if self.available.value {
            scope.error(self.available.at, "available can only be false");
        }
        Some(Module { name: name.replace('-', "_") })
    }
}

/// Where the kernel lists what is loaded.
const LOADED: &str = "/proc/modules";
const CMDLINE: &str = "/proc/cmdline";

impl Module {
    pub(crate) fn needs(&self, needs: &mut Needs) {
        needs.texts(modprobe::DROP_INS.into_iter().chain([LOADED, CMDLINE]));
        needs.modules.insert(self.name.clone());
    }

    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        outcome::layers(Some(self.not_loaded(facts)), Some(self.not_loadable(facts)))
    }

    fn not_loaded<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        // A kernel that takes no modules has no list of them; that /proc is there shows it is no accident.
        let no_modules = TextFile { path: LOADED.to_owned(), ..TextFile::default() };
        let file = match facts.text().and_then(|text| Ok((text.read(LOADED)?, text.read(CMDLINE)?))) {
            Ok((Some(file), _)) => file,
            Ok((None, Some(_))) => &no_modules,
            Ok((None, None)) => {
                let text = format!("neither {LOADED} nor {CMDLINE} is there");
                return Outcome::error(Reason::new(ReasonCode::ToolFailed, text));
            }
            Err(reason) => return Outcome::error(reason),
        };
        let line = file.lines.iter().zip(1_u32..).find(|(line, _)| {
            line.split_whitespace().next().is_some_and(|name| name.replace('-', "_") == self.name)
        });
        let places: Vec<Place<'_>> =
            line.iter().map(|(text, line)| Place { file: LOADED, line: *line, text }).collect();
        // Counts and addresses in that list change all the time: only the line that decided is shown, and
        // the answer is what a search for it prints.
        let mut finding = in_files(&self.name, &[], &[], &places);
        finding.command = format!("grep '^{} ' {LOADED}", self.name);
        finding.answer = Answer::Part(finding.excerpt.clone().unwrap_or_default());
        finding.exit = Some(i32::from(line.is_none()));
        "not loaded".clone_into(&mut finding.expected);
        finding.actual = if line.is_some() { "loaded" } else { "not loaded" }.to_owned();
        finding.holds = Some(line.is_none());
        let value = finding.actual.clone();
        Outcome::decided(line.is_none(), value.into(), vec![finding])
    }

    fn not_loadable<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let patterns: Vec<String> = modprobe::DROP_INS.iter().map(|&glob| glob.to_owned()).collect();
        let files = match facts.text().and_then(|text| text.drop_ins(&patterns)) {
            Ok(files) => files,
            Err(reason) => return Outcome::error(reason),
        };
        let install = modprobe::install(&files, &self.name);
        let disabled = install.as_ref().is_some_and(modprobe::Install::disables);
        let available = match facts.modules() {
            Ok(available) => available.get(&self.name).copied(),
            // What stands in modprobe.d decides for a module that is no part of the kernel's list.
            Err(_) if disabled => Some(Origin::Loadable),
            Err(reason) => return Outcome::error(reason),
        };
        let places: Vec<Place<'_>> =
            install.iter().map(|i| Place { file: &i.file, line: i.line, text: &i.text }).collect();
        let decided: Vec<_> = match &install {
            Some(install) => files.iter().copied().filter(|file| file.path == install.file).collect(),
            None => files,
        };
        let mut finding = in_files(&self.name, &decided, &patterns, &places);
        if install.is_none() {
            let line = available.map_or_else(String::new, |_| format!("{}\n", self.name));
            finding = in_answer(&self.name, probes::modules::COMMAND, line.into_bytes());
        }
        let (pass, actual) = match (available, disabled) {
            (None, _) => (true, "no part of the running kernel"),
            (Some(Origin::Builtin), _) => (false, "built into the kernel"),
            (Some(Origin::Loadable), true) => (true, "disabled by an install line"),
            (Some(Origin::Loadable), false) => (false, "loadable"),
        };
        "not loadable".clone_into(&mut finding.expected);
        actual.clone_into(&mut finding.actual);
        finding.holds = Some(pass);
        Outcome::decided(pass, actual.into(), vec![finding])
    }
}
