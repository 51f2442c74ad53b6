//! Rules of the Linux audit system as auditctl(8) takes and lists them, compared by what they record and not
//! by how they are written.

use std::collections::BTreeSet;

/// One rule that tells the kernel what to record, or not to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// `never`: events of this kind are left out.
    never: bool,
    /// `exit`, `task`, `user`, `exclude`, `filesystem`.
    list: String,
    arch: Option<String>,
    /// Empty means all.
    syscalls: BTreeSet<String>,
    /// Conditions besides architecture, path and permissions.
    filters: BTreeSet<String>,
    path: Option<String>,
    /// The path stands for everything below it as well: `-w` and `dir`, and not `path`.
    below: bool,
    /// Of `rwxa`.
    permissions: Option<BTreeSet<char>>,
}

/// One line of a rule file or of `auditctl -l`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Rule(Box<Rule>),
    /// `-A`: before all that came so far.
    First(Box<Rule>),
    /// `-D`: all that came so far is gone.
    DeleteAll,
    /// `-e`: 0 off, 1 on, 2 on and locked until the next start.
    Enabled(u8),
    /// A line that says nothing about what is recorded.
    Other,
}

/// Both kinds of system calls of a 64-bit machine.
const ARCHES: [&str; 2] = ["b64", "b32"];

/// Reads one line; the error says what is not understood.
///
/// # Errors
/// What is not understood, in words.
pub fn parse(text: &str) -> Result<Line, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.first().is_none_or(|word| word.starts_with('#')) {
        return Ok(Line::Other);
    }
    let mut rule = Rule { list: "exit".to_owned(), ..Rule::default() };
    let (mut is_rule, mut first) = (false, false);
    let mut rest = words.into_iter();
    while let Some(option) = rest.next() {
        match option {
            "-D" => return Ok(Line::DeleteAll),
            "-c" | "-i" | "--loginuid-immutable" | "--reset-lost" => return Ok(Line::Other),
            _ => {}
        }
        let argument = rest.next().ok_or_else(|| format!("{option} has no argument"))?;
        match option {
            "-a" | "-A" => {
                (is_rule, first) = (true, option == "-A");
                rule.action(argument)?;
            }
            "-w" => {
                is_rule = true;
                (rule.path, rule.below) = (Some(trimmed(argument)), true);
                rule.permissions.get_or_insert_with(|| "rwxa".chars().collect());
            }
            "-p" => rule.permissions = Some(argument.chars().collect()),
            "-S" => rule.syscalls.extend(argument.split(',').map(str::to_owned)),
            "-F" => rule.field(argument)?,
            "-C" => {
                let filter = comparison(argument)?;
                rule.filters.insert(filter);
            }
            "-e" => return argument.parse().map(Line::Enabled).map_err(|_err| format!("-e {argument}")),
            "-k" | "-q" | "-t" | "-m" => {}
            "-b" | "-f" | "-r" | "-s" | "--backlog_wait_time" => return Ok(Line::Other),
            "-d" | "-W" => return Err(format!("{option} takes a rule away, which is not followed here")),
            other => return Err(format!("{other} is no option of an audit rule")),
        }
    }
    if rule.syscalls.contains("all") {
        rule.syscalls.clear();
    }
    Ok(match (is_rule, first) {
        (false, _) => Line::Other,
        (true, false) => Line::Rule(Box::new(rule)),
        (true, true) => Line::First(Box::new(rule)),
    })
}

/// Returns a path without the slash that auditctl(8) allows at its end.
fn trimmed(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}

/// Splits `name OP value`.
fn split(text: &str) -> Result<(&str, &str, &str), String> {
    let not = || format!("{text} is no condition");
    let start = text.find(['!', '<', '>', '=', '&']).filter(|start| *start > 0).ok_or_else(not)?;
    let (name, rest) = text.split_at(start);
    let end = rest.find(|c| !"!<>=&".contains(c)).unwrap_or(rest.len());
    let (operator, value) = rest.split_at(end);
    Ok((name, operator, value))
}

/// Writes a comparison of two fields in one order.
fn comparison(text: &str) -> Result<String, String> {
    let (left, operator, right) = split(text)?;
    let (left, right) = if left <= right { (left, right) } else { (right, left) };
    Ok(format!("{left} {operator} {right}"))
}

impl Rule {
    fn action(&mut self, text: &str) -> Result<(), String> {
        for word in text.split(',') {
            match word {
                "always" | "possible" => self.never = false,
                "never" => self.never = true,
                "exit" | "task" | "user" | "exclude" | "filesystem" => word.clone_into(&mut self.list),
                other => return Err(format!("{other} is no action or list of an audit rule")),
            }
        }
        Ok(())
    }

    fn field(&mut self, text: &str) -> Result<(), String> {
        let (name, operator, value) = split(text)?;
        match (name, operator) {
            ("key", _) => {}
            ("arch", "=") => self.arch = Some(value.to_owned()),
            ("path" | "dir", "=") => (self.path, self.below) = (Some(trimmed(value)), name == "dir"),
            ("perm", "=") => self.permissions = Some(value.chars().collect()),
            _ => {
                let name = if name == "loginuid" { "auid" } else { name };
                let unset = name.ends_with("uid") && ["4294967295", "-1", "unset"].contains(&value);
                let value = if unset { "unset" } else { value };
                self.filters.insert(format!("{name} {operator} {value}"));
            }
        }
        Ok(())
    }

    /// Tells whether this rule says the same of everything that `wanted` speaks of for one system call.
    fn covers(&self, wanted: &Self, arch: &str, syscall: Option<&String>) -> bool {
        if self.never && self.list == "task" {
            // Nothing that a task does is looked at any more (auditctl(8)).
            return self.filters.is_subset(&wanted.filters);
        }
        let of_path = |path: &String| {
            wanted.path.as_ref().is_some_and(|wanted| {
                let inside = wanted.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'));
                wanted == path || (self.below && (inside || path == "/"))
            })
        };
        let of_permissions = |permissions: &BTreeSet<char>| {
            wanted.permissions.as_ref().is_some_and(|wanted| wanted.is_subset(permissions))
        };
        self.list == wanted.list
            && self.arch.as_deref().is_none_or(|own| own == arch)
            && (self.syscalls.is_empty() || syscall.is_some_and(|name| self.syscalls.contains(name)))
            && self.filters.is_subset(&wanted.filters)
            && self.path.as_ref().is_none_or(of_path)
            && self.permissions.as_ref().is_none_or(of_permissions)
    }

    /// Returns how many parts [`Self::missing_in`] looks for.
    pub fn parts(&self) -> usize {
        self.arch.as_ref().map_or(ARCHES.len(), |_| 1) * self.syscalls.len().max(1)
    }

    /// Returns the parts of this rule that `rules`, in their order, do not record; empty when they record all.
    /// The first rule that speaks of an event decides about it (auditctl(8)).
    pub fn missing_in(&self, rules: &[Rule]) -> Vec<String> {
        let arches = self.arch.as_deref().map_or_else(|| ARCHES.to_vec(), |arch| vec![arch]);
        let syscalls: Vec<Option<&String>> =
            if self.syscalls.is_empty() { vec![None] } else { self.syscalls.iter().map(Some).collect() };
        let mut missing = Vec::new();
        for arch in arches {
            for syscall in &syscalls {
                let decides = |rule: &&Rule| rule.covers(self, arch, *syscall);
                if rules.iter().find(decides).is_none_or(|rule| rule.never) {
                    let what = syscall.or(self.path.as_ref()).map_or("all", String::as_str);
                    missing.push(format!("{arch} {what}"));
                }
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests;
