//! Reads policy files line by line. Whatever the format does not say is an error with its line.

use std::collections::BTreeMap;

use super::{Group, Log, Member, Policy, Witness};
use crate::note::VkeyError;

/// Largest policy file. Bytes.
pub const POLICY_BYTES_MAX: usize = 65_536;
/// Longest line of a policy file. Bytes.
pub const LINE_BYTES_MAX: usize = 4_096;
/// Most logs of a policy.
pub const LOGS_MAX: usize = 64;
/// Most witnesses of a policy.
pub const WITNESSES_MAX: usize = 64;
/// Most groups of a policy.
pub const GROUPS_MAX: usize = 64;

/// The name that is predefined: no quorum.
const NONE: &[u8] = b"none";

/// A policy file that does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PolicyError {
    /// Counted from 1.
    pub line: usize,
    pub problem: PolicyProblem,
}

/// What is wrong with a line of a policy file, or with the whole when it is the last line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    #[error("a policy file has at most 65,536 bytes, and 4,096 in a line")]
    TooLong,
    #[error("a policy has at most 64 {0}")]
    TooMany(&'static str),
    #[error("the last line does not end with a line feed: the file may be cut off")]
    CutOff,
    #[error("it holds a control character other than tab")]
    ControlCharacter,
    #[error("{0:?} is not one of log, witness, group and quorum")]
    Keyword(String),
    #[error("it is not written as: {0}")]
    Form(&'static str),
    #[error("{0}")]
    Vkey(#[from] VkeyError),
    #[error("the URL is not UTF-8")]
    Url,
    #[error("the same public key was given in line {0}")]
    DuplicateKey(usize),
    #[error("the name {0:?} is already taken")]
    NameTaken(String),
    #[error("the name none is predefined, and only a quorum can be it")]
    NoneName,
    #[error("{0:?} is not defined in a line before")]
    Undefined(String),
    #[error("{0:?} is a member of a group already")]
    MemberTwice(String),
    #[error("{threshold:?} is not all, any or a number from 1 to {members}")]
    Threshold { threshold: String, members: usize },
    #[error("there is a quorum already, in line {0}")]
    SecondQuorum(usize),
    #[error("no line says what the quorum is")]
    NoQuorum,
}

/// A defined name: what it stands for and whether a group has it as member.
struct Defined {
    member: Member,
    used: bool,
}

#[derive(Default)]
struct Parser<'a> {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    /// The quorum and its line.
    quorum: Option<(Option<Member>, usize)>,
    names: BTreeMap<&'a [u8], Defined>,
    log_keys: BTreeMap<[u8; 32], usize>,
    witness_keys: BTreeMap<[u8; 32], usize>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Policy, PolicyError> {
    if bytes.len() > POLICY_BYTES_MAX {
        return Err(PolicyError { line: 1, problem: PolicyProblem::TooLong });
    }
    let mut parser = Parser::default();
    let mut number = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        number += 1;
        let at = |problem| PolicyError { line: number, problem };
        let text = line.strip_suffix(b"\n").ok_or_else(|| at(PolicyProblem::CutOff))?;
        parser.line(number, text).map_err(at)?;
    }
    let at_end = |problem| PolicyError { line: number.max(1), problem };
    let (quorum, _line) = parser.quorum.ok_or_else(|| at_end(PolicyProblem::NoQuorum))?;
    Ok(Policy { logs: parser.logs, witnesses: parser.witnesses, groups: parser.groups, quorum })
}

impl<'a> Parser<'a> {
    fn line(&mut self, number: usize, line: &'a [u8]) -> Result<(), PolicyProblem> {
        if line.len() > LINE_BYTES_MAX {
            return Err(PolicyProblem::TooLong);
        }
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(PolicyProblem::ControlCharacter);
        }
        let mut items = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|item| !item.is_empty());
        let Some(keyword) = items.next().filter(|item| !item.starts_with(b"#")) else { return Ok(()) };
        let rest: Vec<&[u8]> = items.collect();
        match keyword {
            b"log" => self.log(number, &rest),
            b"witness" => self.witness(number, &rest),
            b"group" => self.group(&rest),
            b"quorum" => self.define_quorum(number, &rest),
            other => Err(PolicyProblem::Keyword(shown(other))),
        }
    }

    fn log(&mut self, number: usize, items: &[&[u8]]) -> Result<(), PolicyProblem> {
        let (vkey, url) = match items {
            [vkey] => (vkey, None),
            [vkey, url] => (vkey, Some(read_url(url)?)),
            _ => return Err(PolicyProblem::Form("log VKEY [URL]")),
        };
        let key: crate::VerifierKey = read_vkey(vkey)?;
        if let Some(first) = self.log_keys.insert(*key.bytes(), number) {
            return Err(PolicyProblem::DuplicateKey(first));
        }
        if self.logs.len() == LOGS_MAX {
            return Err(PolicyProblem::TooMany("logs"));
        }
        self.logs.push(Log { key, url });
        Ok(())
    }

    fn witness(&mut self, number: usize, items: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let (name, vkey, url) = match items {
            [name, vkey] => (*name, vkey, None),
            [name, vkey, url] => (*name, vkey, Some(read_url(url)?)),
            _ => return Err(PolicyProblem::Form("witness NAME VKEY [URL]")),
        };
        let key: crate::cosignature::CosignerKey = read_vkey(vkey)?;
        if let Some(first) = self.witness_keys.insert(*key.bytes(), number) {
            return Err(PolicyProblem::DuplicateKey(first));
        }
        if self.witnesses.len() == WITNESSES_MAX {
            return Err(PolicyProblem::TooMany("witnesses"));
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: String::from_utf8_lossy(name).into_owned(), key, url });
        Ok(())
    }

    fn group(&mut self, items: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let (name, threshold, names) = match items {
            [name, threshold, names @ ..] if !names.is_empty() => (*name, *threshold, names),
            _ => return Err(PolicyProblem::Form("group NAME all|any|NUMBER MEMBER...")),
        };
        let needed = match threshold {
            b"all" => Some(names.len()),
            b"any" => Some(1),
            number => plain_number(number).filter(|number| (1..=names.len()).contains(number)),
        };
        let needed = needed
            .ok_or_else(|| PolicyProblem::Threshold { threshold: shown(threshold), members: names.len() })?;
        if self.groups.len() == GROUPS_MAX {
            return Err(PolicyProblem::TooMany("groups"));
        }
        let members = names.iter().map(|name| self.take_member(name)).collect::<Result<_, _>>()?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { needed, members });
        Ok(())
    }

    /// Takes a defined name as member of a group; each can be one once, so that no witness counts twice.
    fn take_member(&mut self, name: &[u8]) -> Result<Member, PolicyProblem> {
        if name == NONE {
            return Err(PolicyProblem::NoneName);
        }
        let defined = self.names.get_mut(name).ok_or_else(|| PolicyProblem::Undefined(shown(name)))?;
        if defined.used {
            return Err(PolicyProblem::MemberTwice(shown(name)));
        }
        defined.used = true;
        Ok(defined.member)
    }

    fn define(&mut self, name: &'a [u8], member: Member) -> Result<(), PolicyProblem> {
        if name == NONE {
            return Err(PolicyProblem::NoneName);
        }
        match self.names.insert(name, Defined { member, used: false }) {
            None => Ok(()),
            Some(_earlier) => Err(PolicyProblem::NameTaken(shown(name))),
        }
    }

    fn define_quorum(&mut self, number: usize, items: &[&[u8]]) -> Result<(), PolicyProblem> {
        let [name] = items else { return Err(PolicyProblem::Form("quorum NAME|none")) };
        if let Some((_quorum, first)) = self.quorum {
            return Err(PolicyProblem::SecondQuorum(first));
        }
        let quorum = if *name == NONE {
            None
        } else {
            let defined = self.names.get(name).ok_or_else(|| PolicyProblem::Undefined(shown(name)))?;
            Some(defined.member)
        };
        self.quorum = Some((quorum, number));
        Ok(())
    }
}

fn read_vkey<K: std::str::FromStr<Err = VkeyError>>(item: &[u8]) -> Result<K, PolicyProblem> {
    let text = std::str::from_utf8(item).map_err(|_err| VkeyError { problem: "it is not UTF-8" })?;
    Ok(text.parse()?)
}

fn read_url(item: &[u8]) -> Result<String, PolicyProblem> {
    std::str::from_utf8(item).map(str::to_owned).map_err(|_err| PolicyProblem::Url)
}

/// Reads a decimal number without sign and leading zeros.
fn plain_number(item: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(item).ok()?;
    text.parse::<usize>().ok().filter(|number| number.to_string() == text)
}

/// Returns the start of an item for a message.
fn shown(item: &[u8]) -> String {
    String::from_utf8_lossy(item).chars().take(80).collect()
}
