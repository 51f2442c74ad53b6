//! The shape of rule, profile and mapping files, one struct a shape: reader, JSON Schema and reference
//! page come from these types. Meaning (names, bounds, regular expressions) is checked in `compile`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::given::GivenSource;
use super::value::Tunable;
use crate::located::{Located, Text};
use crate::methods::CheckSource;

/// One rule: the wanted state of one thing, how it is measured, and how it is put right.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Plumbline rule")]
pub(crate) struct RuleFile {
    /// Equal to the file's stem: 3 to 80 of a-z, 0-9 and _.
    pub(crate) id: Text,
    /// The wanted state as a sentence, at most 100 characters.
    pub(crate) title: Text,
    /// What is measured and how it is decided.
    pub(crate) description: Text,
    /// Why it matters.
    pub(crate) rationale: Text,
    pub(crate) severity: SeverityName,
    /// The format that the rule was translated from; none for rules in this one.
    #[serde(default)]
    pub(crate) imported: Option<RuleFormat>,
    #[serde(default)]
    pub(crate) tags: Vec<Text>,
    /// Any one must match the host's os-release.
    pub(crate) platforms: Vec<Located<PlatformSource>>,
    /// Tunable parameters, used in the check as "$name".
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Located<ValueSource>>,
    /// When this does not pass, the rule is not applicable.
    #[serde(default)]
    pub(crate) when: Option<CheckSource>,
    /// Exactly one method.
    pub(crate) check: CheckSource,
    #[serde(default)]
    pub(crate) fix: Option<FixSource>,
    /// On what the rule has been seen to pass and to fail.
    #[serde(default)]
    pub(crate) proof: Option<Proof>,
    /// Worked examples: what a host answers and what the rule must say.
    #[serde(default)]
    pub(crate) tests: Vec<Located<TestSource>>,
}

/// How much a failure matters.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SeverityName {
    Critical,
    High,
    Medium,
    Low,
}

/// A rule format of others that is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleFormat {
    Kensa,
}

impl RuleFormat {
    /// Returns the name that results are marked with.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kensa => "kensa",
        }
    }
}

/// Platforms a rule applies to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlatformSource {
    /// `ID` of os-release: `debian`, `rhel`; `*` is every platform.
    pub(crate) id: Text,
    /// Also accept hosts whose `ID_LIKE` names it.
    #[serde(default)]
    pub(crate) like: bool,
    /// Lowest version, inclusive, compared by its dotted numbers.
    #[serde(default)]
    pub(crate) min: Option<Text>,
    /// Highest version, inclusive; "12" includes 12.9.
    #[serde(default)]
    pub(crate) max: Option<Text>,
}

/// A tunable parameter.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueSource {
    #[serde(rename = "type")]
    pub(crate) kind: ValueKind,
    /// What it tunes, for people.
    pub(crate) title: String,
    pub(crate) default: Located<Tunable>,
    /// Least integer.
    #[serde(default)]
    pub(crate) min: Option<i64>,
    /// Greatest integer.
    #[serde(default)]
    pub(crate) max: Option<i64>,
}

/// The type of a tunable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    Integer,
    String,
    List,
}

/// How the wanted state is reached.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FixSource {
    /// What a person does, in words.
    pub(crate) text: Text,
    /// What a program does, typed.
    #[serde(default)]
    pub(crate) mechanism: Option<MechanismSource>,
    pub(crate) disruption: Disruption,
    #[serde(default)]
    pub(crate) reboot: bool,
}

/// On what a rule has been seen to pass and to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A host of one of its platforms.
    Host,
    /// A host of another system that says it is one of them.
    StandIn,
    /// Answers in the rule's own tests only.
    Capture,
}

impl Proof {
    /// Returns the name that rule files use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::StandIn => "stand_in",
            Self::Capture => "capture",
        }
    }
}

/// How much a fix can disturb the host's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disruption {
    Low,
    Medium,
    High,
}

/// A typed fix.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum MechanismSource {
    SshdSetting {
        setting: Text,
        value: Text,
    },
    Sysctl {
        key: Text,
        value: Text,
    },
    FilePermissions {
        path: Text,
        #[serde(default)]
        mode: Option<Text>,
        #[serde(default)]
        owner: Option<Text>,
        #[serde(default)]
        group: Option<Text>,
    },
    Package {
        name: Text,
        installed: bool,
    },
    Unit {
        name: Text,
        #[serde(default)]
        enabled: Option<bool>,
        #[serde(default)]
        active: Option<bool>,
    },
    ModuleDisabled {
        name: Text,
    },
    Setting {
        file: Text,
        key: Text,
        value: Text,
        format: probes::format::keyvalue::Format,
    },
    MountOptions {
        point: Text,
        options: Vec<Text>,
    },
}

/// One worked example of a rule.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestSource {
    pub(crate) name: String,
    /// What the host answers; probes that are not named give no answer.
    pub(crate) given: GivenSource,
    pub(crate) expect: StatusName,
    /// User id of the login. Default 0.
    #[serde(default)]
    pub(crate) uid: u32,
    /// Values that differ from their defaults.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Located<Tunable>>,
}

/// What a test expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusName {
    Pass,
    Fail,
    Error,
    NotApplicable,
}

/// A named choice of rules with values.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileFile {
    pub(crate) id: Text,
    pub(crate) title: Text,
    pub(crate) description: Text,
    #[serde(default)]
    pub(crate) extends: Option<Text>,
    #[serde(default)]
    pub(crate) include: IncludeSource,
    #[serde(default)]
    pub(crate) exclude: ExcludeSource,
    /// Rule id to value name to value.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Located<BTreeMap<String, Located<Tunable>>>>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncludeSource {
    #[serde(default)]
    pub(crate) rules: Vec<Text>,
    #[serde(default)]
    pub(crate) tags: Vec<Text>,
    #[serde(default)]
    pub(crate) severities: Vec<SeverityName>,
    /// Rules that speak to a level of a framework, in the edition for the host's platform.
    #[serde(default)]
    pub(crate) levels: Vec<Located<LevelSource>>,
}

/// A level of a framework.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LevelSource {
    pub(crate) framework: Text,
    /// One of the levels that the framework's mappings name.
    pub(crate) level: Text,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExcludeSource {
    #[serde(default)]
    pub(crate) rules: Vec<Text>,
    #[serde(default)]
    pub(crate) tags: Vec<Text>,
}

/// Which controls of one edition of a framework each rule speaks to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingFile {
    pub(crate) framework: Text,
    pub(crate) edition: Text,
    pub(crate) title: Text,
    /// Where the numbering comes from.
    pub(crate) source: Text,
    /// What the edition is for; none for an edition that is for every platform.
    #[serde(default)]
    pub(crate) platforms: Vec<Located<PlatformSource>>,
    /// Level to every control that the edition has there, with or without a rule of ours. A control stands in each
    /// level that names it.
    #[serde(default)]
    pub(crate) levels: BTreeMap<String, Located<Vec<Text>>>,
    /// Rule id to control ids.
    pub(crate) rules: BTreeMap<String, Located<Vec<Text>>>,
}
