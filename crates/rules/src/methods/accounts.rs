//! `accounts`: statements about the local accounts and groups. Password hashes never leave the host.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::located::Located;
use crate::source::value::ListSource;

/// A statement about the local accounts and groups.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountsSource {
    assert: Assertion,
    /// Names that are left out.
    #[serde(default)]
    exempt: Option<Located<ListSource>>,
}

/// What is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Assertion {
    #[serde(rename = "only_root_has_uid_0")]
    OnlyRootHasUid0,
    NoEmptyPasswords,
    UniqueUids,
    UniqueGids,
    UniqueUserNames,
    UniqueGroupNames,
    GroupsOfUsersExist,
    SystemAccountsHaveNoShell,
    SystemAccountsAreLocked,
    HomesExist,
    #[serde(rename = "root_group_is_gid_0")]
    RootGroupIsGid0,
}

/// See [`AccountsSource`].
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    pub(crate) assertion: Assertion,
    pub(crate) exempt: Vec<String>,
}

impl AccountsSource {
    pub(crate) fn compile(&self, scope: &mut Scope<'_>) -> Option<Accounts> {
        let exempt = match &self.exempt {
            Some(list) => scope.list(list)?,
            None => Vec::new(),
        };
        Some(Accounts { assertion: self.assert, exempt })
    }
}
