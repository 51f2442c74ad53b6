//! Who may do what: the committed matrix and the statements that give a role exactly what stands
//! in it (CHG-11, DBS-08). Runs nothing itself: see `db::roles`, and
//! `db::authorizer` for a file, where a command has the same rights.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::StoreError;
pub use crate::db::bind;

const MATRIX: &str = include_str!("../migrations/postgres/privileges.txt");
/// Longest name of a role. Bytes (postgresql.org/docs/current/sql-syntax-lexical.html, NAMEDATALEN less one).
const NAME_BYTES_MAX: usize = 63;

/// A part that database users play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    App,
    Verify,
    Exec,
    Projector,
    AuthLookup,
    QueueClaim,
    Admin,
}

impl Role {
    /// Every role with its name in the matrix.
    pub const ALL: [(&str, Self); 7] = [
        ("app", Self::App),
        ("verify", Self::Verify),
        ("exec", Self::Exec),
        ("projector", Self::Projector),
        ("auth_lookup", Self::AuthLookup),
        ("queue_claim", Self::QueueClaim),
        ("admin", Self::Admin),
    ];

    /// Returns its name in the matrix.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    /// Tells whether somebody logs in as it; the others own a function each.
    pub(crate) const fn logs_in(self) -> bool {
        !matches!(self, Self::AuthLookup | Self::QueueClaim)
    }

    /// Returns what it may do, in the words of the catalog: `table facts SELECT`, `table facts UPDATE(t_superseded)`.
    #[must_use]
    pub fn rights(self) -> BTreeSet<String> {
        let of_line = |(kind, name, rights): (&str, &str, Vec<&str>)| -> Vec<String> {
            rights.iter().map(|right| format!("{kind} {name} {right}")).collect()
        };
        self.lines().flat_map(of_line).collect()
    }

    /// Returns what it may do with each table, in the words of the matrix: `SELECT`, `UPDATE(t_superseded)`.
    pub(crate) fn tables(self) -> BTreeMap<&'static str, Vec<&'static str>> {
        self.lines()
            .filter(|(kind, ..)| *kind == "table")
            .map(|(_kind, name, rights)| (name, rights))
            .collect()
    }

    fn lines(self) -> impl Iterator<Item = (&'static str, &'static str, Vec<&'static str>)> {
        MATRIX.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
            let mut words = line.split_whitespace();
            let (role, kind, name) = (words.next()?, words.next()?, words.next()?);
            (role == self.name()).then(|| (kind, name, words.collect()))
        })
    }
}

/// A name that may stand in a statement: lower-case letters, digits and underscores, in quotes (DBS-01).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// Takes a name.
    ///
    /// # Errors
    /// When it is not 1 to 63 of `a` to `z`, `0` to `9` and `_`, or begins with a digit.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let begins = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        if is_plain && begins && text.len() <= NAME_BYTES_MAX {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(NAME_BYTES_MAX).collect();
        Err(StoreError::Invalid {
            problem: format!(
                "{shown:?} is no name of a role: it takes 1 to {NAME_BYTES_MAX} of a to z, 0 to 9 and _, and no digit first"
            ),
        })
    }

    /// Returns the name without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A part, and the role of the database that gets its rights: `app=plumb_app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub role: Role,
    pub to: Identifier,
}

impl FromStr for Grant {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let names = || Role::ALL.map(|(name, _)| name).join(", ");
        let (part, to) = text.split_once('=').ok_or_else(|| StoreError::Invalid {
            problem: format!("{text:?} is not a part and a role, as in app=plumb_app; parts are {}", names()),
        })?;
        let role = Role::ALL.iter().find(|(name, _)| *name == part).map(|(_, role)| *role);
        let role = role.ok_or_else(|| StoreError::Invalid {
            problem: format!("{part:?} is no part that a role can have: they are {}", names()),
        })?;
        Ok(Self { role, to: Identifier::parse(to)? })
    }
}

/// Returns the statements that take everything from a role, or from PUBLIC.
pub(crate) fn revokes(from: &str, database: &str) -> String {
    format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {from};
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM {from};
         REVOKE ALL ON SCHEMA public FROM {from};
         REVOKE ALL ON DATABASE {database} FROM {from};"
    )
}

impl Grant {
    /// Returns the statements that give the role what stands in the matrix and nothing else. The name of the database
    /// comes quoted.
    pub(crate) fn statements(&self, database: &str) -> String {
        let to = &self.to;
        let mut all = revokes(&to.to_string(), database);
        for (kind, name, rights) in self.role.lines() {
            let on = match kind {
                "database" => format!("DATABASE {database}"),
                "schema" => format!("SCHEMA {name}"),
                "function" => format!("FUNCTION {name}"),
                _ => format!("TABLE {name}"),
            };
            all += &format!("\nGRANT {} ON {on} TO {to};", rights.join(", "));
        }
        all
    }
}

#[cfg(test)]
mod tests;
