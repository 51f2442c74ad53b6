//! `home`: statements about the home directories of persons and the dot files in them. Links in a home are not
//! followed. A home that is not there is the business of `accounts`.

use model::{Reason, ReasonCode};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compile::Scope;
use crate::error::At;
use crate::facts::Facts;
use crate::located::{Located, Text};
use crate::methods::accounts::{needs_persons, persons};
use crate::methods::file::parse_mode;
use crate::methods::judge::{in_answer, none_of};
use crate::outcome::Outcome;
use crate::plan::Needs;
use crate::source::value::ListSource;
use probes::format::passwd::User;
use probes::home_files::{self, Entry, HISTORY, NETRC, TRUST_FILES};
use probes::shown::bounded;
use probes::{key, unexpected};

/// A statement about the home directories of accounts of persons.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HomeSource {
    assert: Assertion,
    /// Octal, like "0750": no bit beyond these may be set. For `mode` only.
    #[serde(default)]
    mode_at_most: Option<Text>,
    /// Names of accounts that are left out.
    #[serde(default)]
    exempt: Option<Located<ListSource>>,
}

/// What is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Assertion {
    /// The directory belongs to its user.
    Owned,
    /// The directory has at most the mode.
    Mode,
    /// No regular dot file can be written by group or others.
    DotFiles,
    /// Nothing is named `.rhosts`, `.shosts` or `.forward`.
    NoTrustFiles,
    /// `.netrc` is not there, or is a file of the user with mode 0600 at most.
    Netrc,
    /// `.bash_history` is not there, has mode 0600 at most, or is a link to /dev/null.
    History,
}

/// See [`HomeSource`].
#[derive(Debug, Clone)]
pub(crate) struct Home {
    statement: Statement,
    exempt: Vec<String>,
}

/// An assertion with what it needs.
#[derive(Debug, Clone, Copy)]
enum Statement {
    Owned,
    Mode(u32),
    DotFiles,
    NoTrustFiles,
    Netrc,
    History,
}

/// Mode that files with secrets have at most.
const SECRET_MODE: u32 = 0o600;
/// Write bits of group and others.
const OTHERS_WRITE: u32 = 0o022;

impl HomeSource {
    pub(crate) fn compile(&self, at: At, scope: &mut Scope<'_>) -> Option<Home> {
        let exempt = match &self.exempt {
            Some(list) => scope.list(list)?,
            None => Vec::new(),
        };
        let statement = match (self.assert, &self.mode_at_most) {
            (Assertion::Mode, Some(text)) => Statement::Mode(parse_mode(text, scope)?),
            (Assertion::Mode, None) => {
                scope.error(at, "mode needs mode_at_most");
                return None;
            }
            (_, Some(text)) => {
                scope.error(text.at, "mode_at_most is for the assertion mode only");
                return None;
            }
            (Assertion::Owned, None) => Statement::Owned,
            (Assertion::DotFiles, None) => Statement::DotFiles,
            (Assertion::NoTrustFiles, None) => Statement::NoTrustFiles,
            (Assertion::Netrc, None) => Statement::Netrc,
            (Assertion::History, None) => Statement::History,
        };
        Some(Home { statement, exempt })
    }
}

/// Asks for what every statement reads.
pub(crate) fn needs(needs: &mut Needs) {
    needs_persons(needs);
    needs.ask(key::HOME_FILES);
}

impl Home {
    pub(crate) fn evaluate<'a>(&self, facts: &Facts<'a>) -> Outcome<'a> {
        self.try_evaluate(facts).unwrap_or_else(Outcome::error)
    }

    fn try_evaluate<'a>(&self, facts: &Facts<'a>) -> Result<Outcome<'a>, Reason> {
        let homes = facts.home_files()?;
        let (mut offenders, mut lines) = (Vec::new(), String::new());
        for user in persons(facts)? {
            if self.exempt.contains(&user.name) {
                continue;
            }
            let entries = match homes.get(&user.home) {
                Some(home_files::Home::There(entries)) if entries.iter().any(|entry| entry.name == ".") => {
                    entries
                }
                Some(home_files::Home::Absent) => continue,
                Some(home_files::Home::Denied) => {
                    let text = format!("{}: permission denied", bounded(&user.home));
                    return Err(Reason::new(ReasonCode::PermissionDenied, text));
                }
                Some(home_files::Home::There(_)) | None => {
                    let text = format!("the home files probe said nothing about {}", bounded(&user.home));
                    return Err(unexpected(text));
                }
            };
            for entry in entries.iter().filter(|entry| self.statement.offends(user, entry)) {
                let path = match entry.name.as_str() {
                    "." => user.home.clone(),
                    name => format!("{}/{name}", user.home.trim_end_matches('/')),
                };
                lines.push_str(&line(user, &path, entry));
                offenders.push(bounded(&path));
            }
        }
        let finding = in_answer(self.statement.subject(), home_files::COMMAND, lines.into_bytes());
        Ok(none_of(offenders, "none", finding))
    }
}

fn line(user: &User, path: &str, entry: &Entry) -> String {
    let Entry { kind, mode, uid, target, .. } = entry;
    let link = if *kind == 'l' { format!(" -> {}", bounded(target)) } else { String::new() };
    format!("{}: {kind} {mode:04o} owner {uid} {}{link}\n", bounded(&user.name), bounded(path))
}

impl Statement {
    const fn subject(self) -> &'static str {
        match self {
            Self::Owned => "home directories that do not belong to their user",
            Self::Mode(_) => "home directories that are too open",
            Self::DotFiles => "dot files in homes that group or others can write",
            Self::NoTrustFiles => "files in homes that trust other hosts or send mail on",
            Self::Netrc => ".netrc files in homes that others can use",
            Self::History => "histories in homes that others can read",
        }
    }

    fn offends(self, user: &User, entry: &Entry) -> bool {
        let name = entry.name.as_str();
        let too_open = entry.mode & !SECRET_MODE != 0;
        match self {
            Self::Owned => name == "." && entry.uid != user.uid,
            Self::Mode(most) => name == "." && entry.mode & !most != 0,
            Self::DotFiles => name != "." && entry.kind == 'f' && entry.mode & OTHERS_WRITE != 0,
            Self::NoTrustFiles => TRUST_FILES.contains(&name),
            // A link has no mode of its own, and what it leads to is not looked at.
            Self::Netrc => name == NETRC && (entry.kind != 'f' || too_open || entry.uid != user.uid),
            Self::History if entry.kind == 'l' => name == HISTORY && entry.target != "/dev/null",
            Self::History => name == HISTORY && (entry.kind != 'f' || too_open),
        }
    }
}
