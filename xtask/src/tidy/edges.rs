//! The crate table of ARCHITECTURE.md, held against `cargo metadata`, and what may not come in
//! from outside.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Finding, Rule, Source, TidyError, rust_text::line_of};

/// Which of our crates each may depend on.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ledger", &[]),
    ("probes", &["model"]),
    ("rules", &["model", "probes"]),
    ("import", &["model", "rules"]),
    ("decide", &["model"]),
    ("formats", &["model", "decide"]),
    ("transport", &["model"]),
    ("store", &["model", "ledger"]),
    ("app", &["model", "ledger", "rules", "import", "decide", "formats", "transport", "store"]),
    ("web", &["model", "app"]),
    ("mcp", &["model", "app"]),
    ("plumb", &["model", "formats", "app", "web", "mcp", "ledger"]),
    ("testkit", &["model", "ledger", "rules", "decide", "transport", "store", "app"]),
    ("xtask", &["testkit"]),
    ("fuzz", &["model", "ledger", "rules", "import", "transport", "app", "testkit"]),
    ("benches", &["model", "ledger", "rules", "decide", "transport", "store", "app", "testkit"]),
];

/// What only tests may use.
const TEST_CRATE: &str = "testkit";

/// Crates that bring effects, and the only ones of ours that may name them.
const EFFECTS: &[(&str, &[&str])] = &[
    // A benchmark's floor is the same database without our code.
    ("sqlx", &["store", "benches"]),
    ("libsqlite3-sys", &["store"]),
    ("russh", &["transport"]),
    ("hyper", &["app", "web", "mcp"]),
    ("tokio", &["transport", "store", "app", "web", "mcp", "plumb", "benches"]),
];

/// Crates that may not be anywhere in the tree: one TLS and one crypto library are enough.
const BANNED_CRATES: &[&str] = &["ring", "openssl-sys", "native-tls"];

/// Features that would change what all crates of the tree read and write.
const BANNED_FEATURES: &[(&str, &str)] = &[
    ("serde_json", "preserve_order"),
    ("serde_json", "arbitrary_precision"),
    ("rustls", "ring"),
    ("rustls-webpki", "ring"),
];

/// Asks cargo for all packages and the features they are built with.
pub(crate) fn metadata(root: &Path) -> Result<Value, TidyError> {
    let program = "cargo metadata";
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--locked"]).current_dir(root);
    let done = command.output().map_err(|err| TidyError::Run { program, err })?;
    if !done.status.success() {
        return Err(TidyError::Failed { program, said: String::from_utf8_lossy(&done.stderr).into_owned() });
    }
    serde_json::from_slice(&done.stdout).map_err(|err| TidyError::Metadata { what: err.to_string() })
}

/// Checks edges and features in the answer of `cargo metadata`.
pub(crate) fn check(metadata: &Value) -> Result<Vec<Finding>, TidyError> {
    let mut findings = Vec::new();
    let members: Vec<&str> = list(metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
    let root = text(metadata, "workspace_root")?;
    for package in list(metadata, "packages")? {
        if members.contains(&text(package, "id")?) {
            findings.extend(check_member(package, root)?);
        }
    }
    findings.extend(check_features(metadata)?);
    Ok(findings)
}

fn check_member(package: &Value, root: &str) -> Result<Vec<Finding>, TidyError> {
    let name = text(package, "name")?;
    let manifest = text(package, "manifest_path")?;
    let path = manifest.strip_prefix(root).unwrap_or(manifest).trim_start_matches('/').to_owned();
    let finding = |subject: String| Finding { path: path.clone(), line: 1, rule: Rule::Edge, subject };
    let Some((_name, may)) = TABLE.iter().find(|(crate_name, _may)| *crate_name == name) else {
        return Ok(vec![finding(format!("{name} is not in the table"))]);
    };
    let mut findings = Vec::new();
    for dependency in list(package, "dependencies")? {
        let target = text(dependency, "name")?;
        let for_tests = dependency.get("kind").and_then(Value::as_str) == Some("dev");
        let ours = TABLE.iter().any(|(crate_name, _may)| *crate_name == target);
        let allowed = if ours {
            may.contains(&target) || (for_tests && target == TEST_CRATE)
        } else {
            for_tests || EFFECTS.iter().all(|(effect, users)| *effect != target || users.contains(&name))
        };
        if !allowed {
            findings.push(finding(format!("{name} -> {target}")));
        }
    }
    Ok(findings)
}

fn check_features(metadata: &Value) -> Result<Vec<Finding>, TidyError> {
    let mut findings = Vec::new();
    // Without a resolve there is nothing to look at, which must not read as "nothing found".
    let resolve = metadata.get("resolve").ok_or(TidyError::Metadata { what: "no resolve".into() })?;
    for node in list(resolve, "nodes")? {
        let id = text(node, "id")?;
        for feature in list(node, "features")?.iter().filter_map(Value::as_str) {
            let banned = BANNED_FEATURES.iter().any(|(package, banned)| {
                *banned == feature
                    && (id.contains(&format!("#{package}@")) || id.contains(&format!("/{package}#")))
            });
            if banned {
                let subject = format!("{feature} of {id}");
                findings.push(Finding {
                    path: "Cargo.toml".into(),
                    line: 1,
                    rule: Rule::BannedFeature,
                    subject,
                });
            }
        }
    }
    Ok(findings)
}

/// Finds banned crates in the lock file; other files have none.
pub(crate) fn check_lock(source: &Source) -> Vec<Finding> {
    if source.path != "Cargo.lock" {
        return Vec::new();
    }
    let found = BANNED_CRATES.iter().filter_map(|name| {
        let at = source.text.find(&format!("\nname = \"{name}\"\n"))?;
        Some(source.finding(line_of(&source.text, at + 1), Rule::BannedCrate, *name))
    });
    found.collect()
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, TidyError> {
    value
        .get(key)
        .and_then(Value::as_array)
        .ok_or_else(|| TidyError::Metadata { what: format!("no list `{key}`") })
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, TidyError> {
    value
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| TidyError::Metadata { what: format!("no text `{key}`") })
}
