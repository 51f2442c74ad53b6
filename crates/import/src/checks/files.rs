//! Checks of files: their content, kind, mode and owners.

use serde_json::{Value, json};

use super::{Letters, Notes, comparison, host, literal};
use crate::params::Params;
use crate::tree::Problem;

pub(super) fn exists(params: &mut Params<'_>, wanted: bool) -> Result<Value, Problem> {
    let there = json!({"file": {"path": literal(&params.filled("path")?), "missing": "fail"}});
    Ok(if wanted { there } else { json!({"not": there}) })
}

pub(super) fn permissions(params: &mut Params<'_>) -> Result<Value, Problem> {
    let mut file = json!({"path": literal(&params.filled("path")?), "missing": "fail"});
    let mut asks = false;
    if let Some(mode) = params.present("mode")?.filter(|text| !text.is_empty()) {
        file["mode"] = json!(format!("{:0>4}", mode.trim_start_matches('0')));
        asks = true;
    }
    for key in ["owner", "group"] {
        if let Some(name) = params.present(key)?.filter(|text| !text.is_empty()) {
            file[key] = json!([literal(&name)]);
            asks = true;
        }
    }
    if !asks {
        let message = format!("at least one of mode, owner and group is needed in {}", params.name);
        return Err(Problem::new(params.at, message));
    }
    Ok(json!({"file": file}))
}

pub(super) fn content_match(params: &mut Params<'_>) -> Result<Value, Problem> {
    let (path, pattern) = (params.filled("path")?, params.filled("pattern")?);
    Ok(any_line(&[path], &format!("(?:{pattern})")))
}

/// Every line that is not blank must be part of some line of the file.
pub(super) fn content(params: &mut Params<'_>) -> Result<Value, Problem> {
    let (path, expected) = (params.filled("path")?, params.filled("expected_content")?);
    let lines: Vec<Value> = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| any_line(std::slice::from_ref(&path), &format!("(?:{})", regex::escape(line))))
        .collect();
    if lines.is_empty() {
        return Err(Problem::new(params.at, "expected_content of file_content is blank"));
    }
    Ok(json!({"all": lines}))
}

/// Says that some line of the files matches.
pub(crate) fn any_line(files: &[String], pattern: &str) -> Value {
    let files: Vec<String> = files.iter().map(|file| literal(file)).collect();
    json!({"lines": {"files": files, "any_matches": pattern, "missing": "fail"}})
}

/// What separates a key from its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Equals,
    Colon,
    Space,
}

/// The files of the SSH server, which are asked of the server itself.
const SSHD_FILES: [&str; 2] = ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d"];
/// Files whose drop-ins are read before the main file by the program that owns them.
const MAIN_IS_LAST: [&str; 1] = ["/etc/security/pwquality.conf"];

pub(super) fn config_value(params: &mut Params<'_>, notes: &mut Notes) -> Result<Value, Problem> {
    let (path, key) = (params.filled("path")?, params.filled("key")?);
    let expected = params.required("expected")?;
    let delimiter = params.present("delimiter")?.filter(|text| !text.is_empty());
    let scan_pattern = params.present("scan_pattern")?.filter(|text| !text.is_empty());
    let drop_ins = params.present("dropin_dir")?.filter(|text| !text.is_empty());
    if SSHD_FILES.iter().any(|file| path == *file || path.starts_with(&format!("{file}/"))) {
        let message = format!("{path} is not read: sshd itself is asked for the setting that is in force");
        notes.not_honored.push((params.at, message));
        return host::sshd_setting(params, &key, &expected);
    }
    let delimiter = match delimiter.as_deref() {
        None | Some("=") => Delimiter::Equals,
        Some(":") => Delimiter::Colon,
        Some(text) if text.trim().is_empty() => Delimiter::Space,
        Some(other) => {
            return Err(Problem::new(
                params.at,
                format!("the delimiter {other:?} is not known: = and white space are"),
            ));
        }
    };
    if let Some(suffix) = scan_pattern {
        let glob = format!("{path}/*.{}", suffix.trim_start_matches("*."));
        return by_line(params, &[glob], &key, (delimiter, &expected));
    }
    let odd_key = key.chars().any(|c| c.is_whitespace() || c == '=');
    if expected.is_empty() || odd_key || delimiter == Delimiter::Colon {
        let files = [path].into_iter().chain(drop_ins.map(|dir| format!("{dir}/*.conf")));
        return by_line(params, &files.collect::<Vec<_>>(), &key, (delimiter, &expected));
    }
    let (comparator, value) = comparison(params, &expected, Letters::EitherCase)?;
    let format = if delimiter == Delimiter::Equals { "equals" } else { "space" };
    let repeat = if drop_ins.is_some() { "last" } else { "first" };
    let mut setting = json!({
        "file": literal(&path), "key": literal(&key), "format": format, "repeat": repeat, comparator: value,
    });
    if let Some(dir) = drop_ins {
        setting["drop_ins"] = json!([literal(&format!("{dir}/*.conf"))]);
        if MAIN_IS_LAST.contains(&path.as_str()) {
            setting["main"] = json!("last");
            let message = format!("{path} is read after its drop-ins, as the program that owns it does");
            notes.not_honored.push((params.at, message));
        }
    }
    Ok(json!({"setting": setting}))
}

/// Says it of lines, where the key is no single word, the value empty or the files a pattern.
fn by_line(
    params: &mut Params<'_>,
    files: &[String],
    key: &str,
    (delimiter, expected): (Delimiter, &str),
) -> Result<Value, Problem> {
    if params.present("comparator")?.is_some_and(|operator| !operator.is_empty() && operator != "==") {
        let message =
            "a comparator other than == needs a key of one word, in one file, with = or white space";
        return Err(Problem::new(params.at, message));
    }
    let words: Vec<String> = key.split_whitespace().map(regex::escape).collect();
    let key = words.join(r"\s+");
    let between = if delimiter == Delimiter::Space { r"\s+" } else { r"\s*[=:]\s*" };
    let pattern = if expected.is_empty() {
        format!(r"^\s*{key}\s*$")
    } else {
        format!(r"^\s*{key}{between}(?i:{})\s*$", regex::escape(expected))
    };
    Ok(any_line(files, &pattern))
}
