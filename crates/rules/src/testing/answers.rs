//! Turns the answers that a rule test gives into observations, to the byte as the real probes answer.

use std::collections::BTreeMap;

use model::{Digest, Ending, Observation};

use crate::plan::{Needs, Plan};
use crate::source::given::{Answer, GivenSource, RawAnswer};
use probes::format::{glob, sysctl_d};
use probes::key;

/// Tells what is wrong with a test's answers; nothing when they can be given.
pub(crate) fn check_given(given: &GivenSource) -> Result<(), String> {
    for key in [
        key::SSHD,
        key::STAT,
        key::TEXT,
        key::SHADOW,
        key::PACKAGES,
        key::UNIT_FILES,
        key::UNITS,
        key::SYSCTL,
        key::MODULES,
        key::HOMES,
        key::HOME_FILES,
        key::AUDIT,
        key::WALK,
        "command",
    ] {
        if let Some(answer) = short(given, key) {
            raw(key, answer, &Needs::default())?;
        }
    }
    Ok(())
}

/// Returns the observations of a plan; probes without an answer end with `NoAnswer`.
pub(super) fn observations(
    plan: &Plan,
    needs: &Needs,
    given: &GivenSource,
) -> Result<Vec<Observation>, String> {
    let mut observations = Vec::new();
    for command in &plan.commands {
        let key = command.key.as_str();
        let answer = if key == key::TEXT && given.text_files.is_none() {
            text(given, needs)
        } else if key.starts_with("command:") {
            given.command.as_ref().map(|answer| raw("command", &answer.value, needs)).transpose()?
        } else {
            short(given, key).map(|answer| raw(key, answer, needs)).transpose()?
        };
        observations.push(observation(key, answer));
    }
    Ok(observations)
}

fn short<'g>(given: &'g GivenSource, key: &str) -> Option<&'g Answer> {
    let answer = match key {
        key::SSHD => &given.sshd,
        key::STAT => &given.stat,
        key::TEXT => &given.text_files,
        key::SHADOW => &given.shadow,
        key::PACKAGES => &given.packages,
        key::UNIT_FILES => &given.unit_files,
        key::UNITS => &given.units,
        key::SYSCTL => &given.sysctl,
        key::MODULES => &given.modules_available,
        key::HOMES => &given.homes,
        key::HOME_FILES => &given.home_files,
        key::AUDIT => &given.audit,
        key::WALK => &given.walk,
        "command" => &given.command,
        _ => &None,
    };
    answer.as_ref().map(|answer| &answer.value)
}

fn observation(key: &str, answer: Option<RawAnswer>) -> Observation {
    let ending = match &answer {
        None => Ending::NoAnswer,
        Some(answer) if answer.timed_out => Ending::TimedOut,
        Some(answer) => Ending::Exited(answer.exit),
    };
    let answer = answer.unwrap_or_default();
    Observation {
        key: key.to_owned(),
        ending,
        stdout_len: answer.stdout.len() as u64,
        stdout: answer.stdout.into_bytes(),
        stdout_sha256: Digest([0; 32]),
        stderr: answer.stderr.into_bytes(),
        started_ms: 0,
        ended_ms: 0,
    }
}

fn raw(key: &str, answer: &Answer, needs: &Needs) -> Result<RawAnswer, String> {
    let stdout = match (key, answer) {
        (key::SSHD, Answer::Raw(raw)) => {
            let mut raw = raw.clone();
            // The end mark is the script's; authors write what sshd prints.
            if raw.exit == 0 && !raw.stdout.ends_with(".\n") {
                raw.stdout.push_str(".\n");
            }
            return Ok(raw);
        }
        (_, Answer::Raw(raw)) => return Ok(raw.clone()),
        (key::STAT, Answer::Map(entries)) => stat(entries, needs)?,
        (key::SYSCTL, Answer::Map(entries)) => sysctl(entries, needs),
        (key::PACKAGES, Answer::Map(entries)) => {
            let lines: String =
                entries.iter().map(|(name, version)| format!("{name} {version} installed\n")).collect();
            format!("dpkg\nplumb-test-filler 1 installed\n{lines}.\n")
        }
        (key::UNIT_FILES, Answer::Map(entries)) => {
            let lines: String =
                entries.iter().map(|(name, state)| format!("{name} {state} enabled\n")).collect();
            format!("plumb-test-filler.target static -\n{lines}.\n")
        }
        (key::UNITS, Answer::Map(entries)) => {
            let lines: String =
                entries.iter().map(|(name, state)| format!("{name} loaded {state} x Text\n")).collect();
            format!("plumb-test-filler.target loaded active active Text\n{lines}.\n")
        }
        (key::HOMES, Answer::Map(entries)) => homes(entries)?,
        (key::HOME_FILES, Answer::List(lines)) => home_files(lines)?,
        (key::SHADOW, Answer::List(lines)) => shadow(lines)?,
        (key::MODULES, Answer::List(names)) => {
            let line = |name: &String| match name.strip_suffix(" builtin") {
                Some(name) => format!("builtin {}\n", name.replace('-', "_")),
                None => format!("loadable {}\n", name.replace('-', "_")),
            };
            names.iter().map(line).chain([".\n".to_owned()]).collect()
        }
        (key::AUDIT, Answer::List(lines)) => audit(lines),
        (key::WALK, Answer::List(lines)) => walk(lines)?,
        (key, Answer::Map(_)) => return Err(format!("{key} has no short form that is a mapping")),
        (key, Answer::List(_)) => return Err(format!("{key} has no short form that is a list")),
    };
    Ok(RawAnswer { stdout, ..RawAnswer::default() })
}

fn stat(entries: &BTreeMap<String, String>, needs: &Needs) -> Result<String, String> {
    let (mut lines, mut complaints) = (String::new(), String::new());
    for (path, words) in entries {
        match words.as_str() {
            "absent" => {
                complaints.push_str(&format!("stat: cannot statx '{path}': No such file or directory\n"))
            }
            "denied" => complaints.push_str(&format!("stat: cannot statx '{path}': Permission denied\n")),
            words => lines.push_str(&stat_line(path, words)?),
        }
    }
    for wanted in &needs.stat {
        if !entries.keys().any(|path| path == wanted || glob::matches(wanted, path)) {
            complaints.push_str(&format!("stat: cannot statx '{wanted}': No such file or directory\n"));
        }
    }
    Ok(format!("{lines}--\n{complaints}\n.\n"))
}

fn stat_line(path: &str, words: &str) -> Result<String, String> {
    let parts: Vec<&str> = words.splitn(4, ' ').collect();
    let [mode, owner, group, kind] = parts[..] else {
        return Err(format!("stat of {path} is MODE OWNER GROUP KIND, absent or denied, not {words:?}"));
    };
    let mode = u32::from_str_radix(mode, 8).map_err(|_err| format!("{mode:?} is not a mode"))?;
    let id = |name: &str| name.parse().unwrap_or(if name == "root" { 0_u32 } else { 1_000 });
    let kind = if kind == "file" { "regular file" } else { kind };
    Ok(format!("{mode:o}:{}:{}:{owner}:{group}:{kind}:{path}\n", id(owner), id(group)))
}

fn sysctl(entries: &BTreeMap<String, String>, needs: &Needs) -> String {
    let given: BTreeMap<String, &String> =
        entries.iter().map(|(key, value)| (sysctl_d::key_path(key), value)).collect();
    let line = |path: &String| match given.get(path) {
        Some(value) if *value != "absent" => format!("={path} {value}\n"),
        Some(_) | None => format!("-{path}\n"),
    };
    needs.sysctl.iter().map(line).chain([".\n".to_owned()]).collect()
}

fn homes(entries: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = String::new();
    for (name, state) in entries {
        match state.as_str() {
            "present" => text.push_str(&format!("={name}\n")),
            "absent" => text.push_str(&format!("-{name}\n")),
            other => return Err(format!("a home is present or absent, not {other:?}")),
        }
    }
    Ok(text + ".\n")
}

fn home_files(lines: &[String]) -> Result<String, String> {
    let (mut homes, mut files) = (String::new(), String::new());
    for line in lines {
        let parts: Vec<&str> = line.split(' ').collect();
        let place = |path: &str| path.rsplit_once('/').map(|(home, name)| (home.to_owned(), name.to_owned()));
        match parts[..] {
            ["home", path, mode, uid] => {
                homes.push_str(&format!("={path}\0"));
                files.push_str(&format!("d:{}:{uid}:{path}/.\0.\0\0", mode.trim_start_matches('0')));
            }
            ["absent", path] => homes.push_str(&format!("-{path}\0")),
            ["denied", path] => homes.push_str(&format!("!{path}\0")),
            ["file", path, mode, uid] => {
                let (home, name) = place(path).ok_or("a file of a home is an absolute path")?;
                let mode = mode.trim_start_matches('0');
                files.push_str(&format!("f:{mode}:{uid}:{home}/.\0{name}\0\0"));
            }
            ["link", path, uid, target] => {
                let (home, name) = place(path).ok_or("a link in a home is an absolute path")?;
                files.push_str(&format!("l:777:{uid}:{home}/.\0{name}\0{target}\0"));
            }
            _ => {
                return Err(format!(
                    "a line of home_files is home PATH MODE UID, absent PATH, denied PATH, file PATH MODE UID \
                     or link PATH UID TARGET, not {line:?}"
                ));
            }
        }
    }
    Ok(homes + &files + ".0\0")
}

fn shadow(lines: &[String]) -> Result<String, String> {
    let mut text = String::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, kind, days @ ..] = &words[..] else {
            return Err(format!(
                "a shadow line is NAME KIND LAST MIN MAX WARN INACTIVE EXPIRE, not {line:?}"
            ));
        };
        if days.len() != 6 {
            return Err(format!(
                "a shadow line is NAME KIND LAST MIN MAX WARN INACTIVE EXPIRE, not {line:?}"
            ));
        }
        let kind = kind.replace("hash:", "hash_");
        text.push_str(&format!("{name}:{kind}:{}\n", days.join(":")));
    }
    Ok(text + ".\n")
}

/// `locked` among the lines locks the configuration; `off` turns auditing off.
fn audit(lines: &[String]) -> String {
    let is = |word: &str| lines.iter().any(|line| line == word);
    let enabled = if is("off") { 0 } else { 1 + u8::from(is("locked")) };
    let rules: Vec<&str> =
        lines.iter().map(String::as_str).filter(|line| !["off", "locked"].contains(line)).collect();
    let rules = if rules.is_empty() { "No rules".to_owned() } else { rules.join("\n") };
    format!("{rules}\n--\nenabled {enabled}\nfailure 1\n.\n")
}

fn walk(lines: &[String]) -> Result<String, String> {
    let mut text = String::new();
    for line in lines {
        let parts: Vec<&str> = line.splitn(5, ' ').collect();
        let [sort, mode, owner, group, path] = parts[..] else {
            return Err(format!("a walk line is KIND MODE OWNER GROUP PATH, not {line:?}"));
        };
        text.push_str(&format!("{sort}:{}:{owner}:{group}:{path}\0", mode.trim_start_matches('0')));
    }
    Ok(text + ".0\0")
}

/// The text probe answers when any of its short forms is given; paths that are not named are absent.
fn text(given: &GivenSource, needs: &Needs) -> Option<RawAnswer> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    if let Some(named) = &given.files {
        files.extend(named.iter().map(|(path, text)| (path.as_str(), text.clone())));
    }
    if let Some(mounts) = &given.mounts {
        files.insert("/proc/self/mounts", mounts.iter().map(|line| format!("{line} 0 0\n")).collect());
    }
    if let Some(modules) = &given.modules {
        let lines = modules.iter().map(|name| format!("{} 16384 0 - Live 0x0\n", name.replace('-', "_")));
        files.insert("/proc/modules", lines.collect());
    }
    if let Some(cmdline) = &given.cmdline {
        files.insert("/proc/cmdline", format!("{cmdline}\n"));
    }
    if files.is_empty() && given.files.is_none() && given.unreadable.is_none() {
        return None;
    }
    let unreadable = given.unreadable.as_deref().unwrap_or(&[]);
    Some(RawAnswer { stdout: text_answer(&files, unreadable, needs), ..RawAnswer::default() })
}

fn text_answer(files: &BTreeMap<&str, String>, unreadable: &[String], needs: &Needs) -> String {
    let mut text = String::new();
    for wanted in &needs.text {
        let is = |path: &str| path == wanted || glob::matches(wanted, path);
        let before = text.len();
        for path in files.keys().filter(|path| is(path)) {
            text.push_str(&format!("@{path}\n"));
        }
        for path in unreadable.iter().filter(|path| is(path)) {
            text.push_str(&format!("!{path}\n"));
        }
        if text.len() == before {
            text.push_str(&format!("-{wanted}\n"));
        }
    }
    for (path, content) in files {
        let lines = content.strip_suffix('\n').unwrap_or(content);
        if content.is_empty() {
            continue;
        }
        text.push_str(&format!(":{path}\n"));
        for line in lines.split('\n') {
            text.push_str(&format!("={line}\n"));
        }
    }
    text + ".\n"
}
