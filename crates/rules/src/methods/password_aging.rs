//! `password_aging`: an aging field of every account with a usable password (shadow(5)).

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::{Case, Comparator, Seen, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::Located;
use crate::methods::judge::{in_answer, none_of};
use crate::outcome::Outcome;
use crate::source::value::ListSource;
use probes::shadow::{self, Account, Password};
use probes::shown::bounded;
use probes::unexpected;

comparing! {
    /// A password aging field of every account with a usable password.
    PasswordAgingSource {
        field: Field,
        /// Names that are left out.
        #[serde(default)]
        exempt: Option<Located<ListSource>>,
    }
}

/// A field of shadow(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum Field {
    #[serde(rename = "max_days")]
    Max,
    #[serde(rename = "min_days")]
    Min,
    #[serde(rename = "warn_days")]
    Warn,
    #[serde(rename = "inactive_days")]
    Inactive,
}

/// See [`PasswordAgingSource`].
#[derive(Debug, Clone)]
pub(crate) struct PasswordAging {
    pub(crate) field: Field,
    pub(crate) comparator: Comparator,
    pub(crate) exempt: Vec<String>,
}

impl PasswordAgingSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<PasswordAging> {
        let comparator = self.comparator().compile(scope, at, Case::Exact);
        let exempt = match &self.exempt {
            Some(list) => scope.list(list)?,
            None => Vec::new(),
        };
        Some(PasswordAging { field: self.field, comparator: comparator?, exempt })
    }
}

impl PasswordAging {
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        let accounts = match facts.shadow() {
            Ok(accounts) => accounts,
            Err(reason) => return Outcome::error(reason),
        };
        let (mut offenders, mut lines) = (Vec::new(), String::new());
        for (name, account) in accounts {
            let usable = matches!(account.password, Password::Hash(_) | Password::Other);
            if !usable || self.exempt.contains(name) {
                continue;
            }
            let values: Vec<String> = self.days(account).map(|days| days.to_string()).into_iter().collect();
            let seen = Seen { values: &values, separator: None, case: Case::Exact };
            match self.comparator.judge(&seen) {
                Ok(true) => {}
                Ok(false) => {
                    offenders.push(format!("{name}={}", values.first().map_or("not set", String::as_str)));
                    lines.push_str(&account.line);
                    lines.push('\n');
                }
                Err(problem) => return Outcome::error(unexpected(format!("{}: {problem}", bounded(name)))),
            }
        }
        let subject = format!("accounts with another {}", self.field.name());
        let finding = in_answer(&subject, shadow::COMMAND, lines.into_bytes());
        let expected =
            format!("{} of every account with a password {}", self.field.name(), self.comparator.describe());
        none_of(offenders, &expected, finding)
    }

    const fn days(&self, account: &Account) -> Option<i64> {
        match self.field {
            Field::Max => account.max_days,
            Field::Min => account.min_days,
            Field::Warn => account.warn_days,
            Field::Inactive => account.inactive_days,
        }
    }
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Max => "max_days",
            Self::Min => "min_days",
            Self::Warn => "warn_days",
            Self::Inactive => "inactive_days",
        }
    }
}
