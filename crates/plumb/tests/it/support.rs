//! What the end-to-end tests share: a host, a data directory of their own with the binary under test,
//! and readers of its JSON. States no truth about the product.

#![allow(dead_code, reason = "modules use what they need")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::host::{HostOptions, TestHost, Tree};
use testkit::plumb::Plumb;
use testkit::postgres::Database;
use testkit::process::Output;

use crate::database::{number, sql};
use crate::server;

/// The binary under test with a data directory, a home folder and a place for files, all its own.
///
/// Everything of [`Plumb`] can be called on it.
pub(crate) struct World {
    plumb: Plumb,
    folder: tempfile::TempDir,
    server: Option<Database<'static>>,
}

/// Which database a story is told on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

impl Deref for World {
    type Target = Plumb;

    fn deref(&self) -> &Plumb {
        &self.plumb
    }
}

/// Makes an empty data directory for the binary under test.
pub(crate) fn world() -> World {
    let folder = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
    let plumb = Plumb::new(Path::new(env!("CARGO_BIN_EXE_plumb")), &folder.path().join("data")).unwrap();
    World { plumb, folder, server: None }
}

/// Makes an empty data directory whose record is kept in this sort of database.
pub(crate) fn world_on(on: On) -> World {
    if on == On::Sqlite {
        return world();
    }
    let database = server::database();
    let world = world()
        .env("PLUMB_DATABASE_URL", &server::address(&database, &server::user(&database, "app")))
        .env("PLUMB_OWNER_DATABASE_URL", &server::address(&database, database.name()));
    server::migrate(&world, &database);
    World { server: Some(database), ..world }
}

/// Starts a plain Debian 12 host; it goes when it is dropped.
pub(crate) fn host() -> TestHost {
    host_with(&HostOptions::default())
}

/// Starts a host that differs from the plain one.
pub(crate) fn host_with(options: &HostOptions) -> TestHost {
    TestHost::start(&Tree::debian12().unwrap(), options).unwrap()
}

/// Returns how `plumb scan` names a host with its login: `user@127.0.0.1:port`.
pub(crate) fn at(user: &str, host: &TestHost) -> String {
    at_port(user, host.port())
}

/// Returns how `plumb scan` names a loopback port with its login.
pub(crate) fn at_port(user: &str, port: u16) -> String {
    format!("{user}@127.0.0.1:{port}")
}

impl World {
    /// Sets a variable for all runs.
    #[must_use]
    pub(crate) fn env(self, name: &str, value: &str) -> World {
        World { plumb: self.plumb.env(name, value), ..self }
    }

    /// Returns a path for a file of the test's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the path of the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.data().join("plumb.db")
    }

    /// Returns how many rows a table has, in whichever database the record is kept.
    pub(crate) fn count(&self, table: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table};");
        match &self.server {
            Some(server) => server.sql(&query).unwrap().trim().parse().unwrap(),
            None => number(&self.database(), &query),
        }
    }

    /// Runs statements as whoever has the file or runs the server; returns the rows as lines, columns split by `|`.
    #[track_caller]
    pub(crate) fn by_hand(&self, statements: &str) -> Vec<String> {
        match &self.server {
            Some(server) => server.sql(statements).unwrap().lines().map(str::to_owned).collect(),
            None => sql(&self.database(), statements),
        }
    }

    /// Runs the binary with words that are all text.
    pub(crate) fn plumb(&self, words: &[&str]) -> Output {
        self.run(words).unwrap()
    }

    /// Runs `plumb scan` on a host as root with its root key, and `more` words.
    pub(crate) fn scan(&self, host: &TestHost, more: &[&str]) -> Output {
        self.scan_as("root", host, more)
    }

    /// Runs `plumb scan` on a host as `user` with the root key, and `more` words.
    pub(crate) fn scan_as(&self, user: &str, host: &TestHost, more: &[&str]) -> Output {
        let (target, key) = (at(user, host), key(host));
        let mut words = vec!["scan", target.as_str(), "-i", key.as_str()];
        words.extend(more);
        self.plumb(&words)
    }

    /// Runs `plumb scan --format json` on a host as root; returns its document of that one host.
    pub(crate) fn scan_json(&self, host: &TestHost, more: &[&str]) -> Value {
        let mut words = vec!["--format", "json"];
        words.extend(more);
        one_host(&self.scan(host, &words))
    }

    /// Returns the recorded scans of the host, newest first, as `plumb host show` gives them.
    pub(crate) fn scans(&self, name: &str) -> Vec<Value> {
        let shown = json(&self.plumb(&["host", "show", name, "--format", "json"]));
        shown["scans"].as_array().unwrap().clone()
    }

    /// Returns the newest recorded scan of the host.
    pub(crate) fn last_scan(&self, name: &str) -> Value {
        self.scans(name).swap_remove(0)
    }

    /// Writes a rule folder of the test's own and returns its path, for `--content`.
    ///
    /// `rules` are pairs of a rule id and the text of its file.
    pub(crate) fn content(&self, rules: &[(impl AsRef<str>, String)]) -> String {
        let folder = self.path("content");
        fs::create_dir_all(folder.join("rules/test")).unwrap();
        for (id, text) in rules {
            fs::write(folder.join(format!("rules/test/{}.yaml", id.as_ref())), text).unwrap();
        }
        folder.to_str().unwrap().to_owned()
    }
}

/// Returns the path of the key that logs in to the host.
pub(crate) fn key(host: &TestHost) -> String {
    host.root_key().to_str().unwrap().to_owned()
}

/// Parses standard output as one JSON document; a failure shows all that was said.
pub(crate) fn json(done: &Output) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|err| panic!("not JSON ({err}): {done:#?}"))
}

/// Returns the only host of a scan document.
pub(crate) fn one_host(done: &Output) -> Value {
    let document = json(done);
    let hosts = document["hosts"].as_array().unwrap();
    assert_eq!(hosts.len(), 1, "{document:#}");
    hosts[0].clone()
}

/// Returns what a measured host's document says of it.
#[track_caller]
pub(crate) fn measured(host: &Value) -> &Value {
    let measured = &host["outcome"]["measured"];
    assert!(measured.is_object(), "not measured: {host:#}");
    measured
}

/// Returns the reason for which a host was not measured.
#[track_caller]
pub(crate) fn not_measured(host: &Value) -> &str {
    let reason = host["outcome"]["not_measured"]["reason"].as_str();
    reason.unwrap_or_else(|| panic!("it was measured: {host:#}"))
}

/// Returns the status of every rule of a measured host.
#[track_caller]
pub(crate) fn statuses(host: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let results = measured(host)["results"].as_array().unwrap();
    results.iter().map(|result| (text(&result["rule_id"]), text(&result["status"]))).collect()
}

/// Asserts an exit status, showing everything that was said when it is another.
#[track_caller]
pub(crate) fn assert_code(done: &Output, code: i32) {
    assert_eq!(done.code, Some(code), "stdout:\n{}\nstderr:\n{}", done.stdout, done.stderr);
}

/// Asserts that a command refused in one clear line: its exit status, nothing on standard output, and on
/// standard error one line that holds `words`, with at most a hint behind an empty line.
#[track_caller]
pub(crate) fn assert_refused(done: &Output, code: i32, words: &str) {
    assert_code(done, code);
    assert_eq!(done.stdout, "", "{done:#?}");
    let lines: Vec<&str> = done.stderr.lines().collect();
    let problem = lines[0];
    assert!(problem.starts_with("plumb: ") && problem.contains(words), "{words:?} is not in {problem:?}");
    match lines[1..] {
        [] => {}
        ["", hint] => assert!(hint.starts_with("hint: "), "{done:#?}"),
        _ => panic!("more than one line and a hint: {done:#?}"),
    }
}

/// Returns a rule file: `check` is YAML in flow form.
pub(crate) fn rule(id: &str, severity: &str, check: &str) -> (String, String) {
    let text = format!(
        "id: {id}\ntitle: Title of {id}\ndescription: D.\nrationale: R.\nseverity: {severity}\n\
         tags: [tested]\nplatforms: [{{id: debian}}]\ncheck: {check}\n"
    );
    (id.to_owned(), text)
}

/// Returns a rule that runs shell text on the host and passes when that prints `yes`.
///
/// The text is given in double quotes of YAML, so a backslash has to be doubled.
pub(crate) fn shell_rule(id: &str, run: &str) -> (String, String) {
    rule(id, "medium", &format!("{{command: {{run: \"{run}\", equal: \"yes\"}}}}"))
}

/// Content with one rule that passes wherever it is answered.
pub(crate) fn yes(world: &World) -> String {
    world.content(&[shell_rule("yes_rule", "echo yes")])
}

/// Exports the ledger and returns everything in it as one text, invalid UTF-8 replaced.
pub(crate) fn exported(world: &World) -> String {
    let folder = tempfile::tempdir_in(world.folder.path()).unwrap();
    assert_code(&world.plumb(&["ledger", "export", "-o", folder.path().to_str().unwrap()]), 0);
    let mut text = String::new();
    let mut open = vec![folder.path().to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                text += &String::from_utf8_lossy(&fs::read(path).unwrap());
                text.push('\n');
            }
        }
    }
    text
}

/// Runs a tool of this machine that has to succeed; returns its standard output.
pub(crate) fn tool(program: &str, words: &[&str]) -> String {
    let done = std::process::Command::new(program).args(words).output().unwrap();
    assert!(done.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Returns the permission bits of a file or folder.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Returns how many logins by key the log of an sshd holds.
pub(crate) fn logins(log: &str) -> usize {
    log.matches("Accepted publickey").count()
}

/// Returns what is recorded of all hosts now: the posture without the instants of the question itself.
pub(crate) fn recorded(world: &World) -> Value {
    let done = world.plumb(&["posture", "--format", "json"]);
    assert_code(&done, 0);
    let mut hosts = json(&done)["postures"].clone();
    for host in hosts.as_array_mut().unwrap() {
        for field in ["valid_at", "recorded_at", "age_seconds"] {
            assert!(host.as_object_mut().unwrap().remove(field).is_some(), "no {field}");
        }
    }
    hosts
}
