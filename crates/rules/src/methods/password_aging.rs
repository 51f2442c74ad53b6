//! `password_aging`: an aging field of every account with a usable password (shadow(5)).

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::{Case, Comparator, comparing};
use crate::compile::Scope;
use crate::error::At;
use crate::located::Located;
use crate::source::value::ListSource;

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
#[serde(rename_all = "snake_case")]
pub(crate) enum Field {
    MaxDays,
    MinDays,
    WarnDays,
    InactiveDays,
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
