//! A PostgreSQL server of our own for tests, benchmarks and development, from Debian's programs.
//!
//! One server is shared by all test processes that run at a time: the first one starts it, each has databases of
//! its own, and it goes some seconds after the last one, however that ended. It listens on a free loopback
//! port and on a socket in its private folder, and runs as an ordinary user also for root. Knows addresses and
//! the text of statements it is given; no schema.

use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::net::free_port;
use crate::process::{ProcessError, run};
use crate::wait;

mod error;
mod wire;

pub use error::PostgresError;
pub use wire::Wire;

const KEEPER: &str = include_str!("postgres/keeper.sh");

/// Where Debian's packages put the programs, a folder for each major version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// Who runs the server when root asks for it.
const SERVER_USER: &str = "postgres";

/// The superuser of every server; over the socket it needs no password.
pub const SUPERUSER: &str = "postgres";

/// How long a server without users lives on. Seconds.
const PATIENCE: u32 = 5;

/// Longest a program may take; ten million rows on a slow disk take two minutes.
const TOOL_LIMIT: Duration = Duration::from_secs(300);

/// Most attempts to start a server, should another program take its port.
const STARTS_MAX: u32 = 3;

/// Everything but durability. The language orders text otherwise than by its bytes, so that a statement that
/// forgot to say how it orders is seen.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 64MB
max_wal_size = 2GB
autovacuum = off
log_min_messages = warning
timezone = 'UTC'
";

/// What makes a server fast that nobody needs after a crash.
const FORGETFUL: &str = "
fsync = off
full_page_writes = off
synchronous_commit = off
";

/// Local connections reach a folder that only we can enter; over the port everybody shows a password.
const ACCESS: &str = "\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
";

/// Whether what a server was told survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// In memory where there is such a place: for tests.
    Forgetful,
    /// On disk, synced at each commit: for faults.
    Durable,
    /// As [`Durability::Durable`], and as its manual would have it on this machine: a quarter of the memory for buffers
    /// (section 20.4.1), and statistics that are kept. For benchmarks.
    Measured,
}

/// How a server ends that nobody ends in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    /// An immediate shutdown: it tells nobody, and writes nothing more.
    Stopped,
    /// SIGKILL to all its processes at once.
    Killed,
}

/// A running server, for as long as this value or another user of it lives.
#[derive(Debug)]
pub struct Cluster {
    run: PathBuf,
    port: u16,
    home: PathBuf,
    /// The lock that tells the server's keeper that it is used.
    user: File,
    /// The folder of a private server.
    folder: Option<tempfile::TempDir>,
}

impl Cluster {
    /// Returns the server that all tests of this user share, starting it where none runs.
    ///
    /// # Errors
    ///
    /// [`PostgresError`]: what is missing or failed.
    pub fn shared() -> Result<Cluster, PostgresError> {
        let mut recipe = DefaultHasher::new();
        (KEEPER, SETTINGS, FORGETFUL, ACCESS).hash(&mut recipe);
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let home = base.join(format!("plumb-pg-{}-{:08x}", own_uid()?, recipe.finish() >> 32));
        make_home(&home)?;
        Cluster::in_home(&home, Durability::Forgetful, None)
    }

    /// Starts a server that nobody else uses.
    ///
    /// # Errors
    ///
    /// As [`Cluster::shared`].
    pub fn private(durability: Durability) -> Result<Cluster, PostgresError> {
        let folder = tempfile::Builder::new().prefix("plumb-pg-").tempdir();
        let folder = folder.map_err(|err| PostgresError::File { path: std::env::temp_dir(), err })?;
        let home = folder.path().to_owned();
        fs::set_permissions(&home, Permissions::from_mode(0o711)).map_err(file_error(&home))?;
        Cluster::in_home(&home, durability, Some(folder))
    }

    fn in_home(
        home: &Path,
        durability: Durability,
        folder: Option<tempfile::TempDir>,
    ) -> Result<Cluster, PostgresError> {
        let starting = open_lock(&home.join("start"))?;
        // Waits as long as another process starts the server, or the keeper stops it; both have their limits.
        starting.lock().map_err(file_error(home))?;
        let user = open_lock(&home.join("users"))?;
        user.lock_shared().map_err(file_error(home))?;
        let patience = if folder.is_some() { 0 } else { PATIENCE };
        let (run, port) = match running(home) {
            Some(found) => found,
            None => start(home, durability, patience)?,
        };
        Ok(Cluster { run, port, home: home.to_owned(), user, folder })
    }

    /// Keeps the server running when nobody uses it, until [`Cluster::let_go`].
    ///
    /// # Errors
    ///
    /// [`PostgresError::File`].
    pub fn keep(&self) -> Result<(), PostgresError> {
        let path = self.home.join("keep");
        File::create(&path).map(|_made| ()).map_err(file_error(&path))
    }

    /// Ends what [`Cluster::keep`] began. The server goes some seconds after its last user.
    ///
    /// # Errors
    ///
    /// [`PostgresError::File`].
    pub fn let_go(&self) -> Result<(), PostgresError> {
        let path = self.home.join("keep");
        match fs::remove_file(&path) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(file_error(&path)(err)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns the folder of its socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.run.join("socket")
    }

    /// Returns its loopback port, which is also part of the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address of one of its databases, for the superuser over the socket.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{SUPERUSER}@localhost:{}/{database}?host={}",
            self.port,
            self.socket_folder().display()
        )
    }

    /// Serves TLS over the port from now on, under a certificate and its key in PEM.
    ///
    /// # Errors
    ///
    /// [`PostgresError`]: a file that cannot be written, or a certificate that the server does not take.
    pub fn serve_tls(&self, certificate: &str, key: &str) -> Result<(), PostgresError> {
        let data = self.run.join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            fs::write(&path, text).map_err(file_error(&path))?;
            fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(file_error(&path))?;
            if own_uid()? == 0 {
                let (uid, gid) = server_user()?;
                chown(&path, Some(uid), Some(gid)).map_err(file_error(&path))?;
            }
        }
        self.sql(SUPERUSER, "ALTER SYSTEM SET ssl = on")?;
        // Sessions that begin later have what the server read last.
        let loaded = || self.sql(SUPERUSER, "SELECT pg_conf_load_time()");
        let before = loaded()?;
        self.sql(SUPERUSER, "SELECT pg_reload_conf()")?;
        if wait::until(wait::LONG, || loaded().is_ok_and(|now| now != before)) {
            return Ok(());
        }
        let said = fs::read_to_string(self.run.join("log")).unwrap_or_default();
        Err(PostgresError::Failed { what: "serve TLS", said })
    }

    /// Ends the server in the middle of whatever it does, and returns once it is there again.
    ///
    /// # Errors
    ///
    /// [`PostgresError`]: it could not be ended, or does not come back.
    pub fn fall(&self, fall: Fall) -> Result<(), PostgresError> {
        let again = self.run.join("again");
        File::create(&again).map_err(file_error(&again))?;
        let pid = self.pid()?;
        let mut processes = vec![pid.clone()];
        let signal = match fall {
            Fall::Stopped => "QUIT",
            Fall::Killed => {
                processes.extend(children(&pid)?);
                "KILL"
            }
        };
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).args(&processes);
        // Some of its processes may have ended by themselves meanwhile.
        run_tool(kill).map_err(|err| PostgresError::Tool { what: "end the server", err })?;
        let is_back = || self.pid().is_ok_and(|now| now != pid) && ready(&self.run).is_some();
        if !wait::until(wait::LONG, is_back) {
            let said = fs::read_to_string(self.run.join("log")).unwrap_or_default();
            return Err(PostgresError::Failed { what: "have the server back", said });
        }
        fs::remove_file(&again).map_err(file_error(&again))
    }

    /// Returns the id of the server's first process.
    fn pid(&self) -> Result<String, PostgresError> {
        let path = self.run.join("data/postmaster.pid");
        let text = fs::read_to_string(&path).map_err(file_error(&path))?;
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Returns `psql` with the words that lead it to one of the databases, as the superuser.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--username", SUPERUSER, "--port", &self.port.to_string()])
            .arg("--host")
            .arg(self.socket_folder())
            .args(["--dbname", database])
            .env("PGCLIENTENCODING", "UTF8");
        psql
    }

    /// Runs statements as the superuser and returns the rows, a line each, with `|` between columns.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Failed`] with the server's words when a statement fails.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String, PostgresError> {
        let mut psql = self.psql(database);
        psql.args(["--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--file", "-"]);
        done("run statements", run(psql, statements.as_bytes(), TOOL_LIMIT))
    }

    /// Makes an empty database that goes when it is dropped.
    ///
    /// # Errors
    ///
    /// As [`Cluster::sql`].
    pub fn database(&self) -> Result<Database<'_>, PostgresError> {
        self.copy("template0", SUPERUSER)
    }

    /// Makes a copy of a template for an owner, which goes when it is dropped.
    ///
    /// # Errors
    ///
    /// As [`Cluster::sql`].
    pub fn copy(&self, template: &str, owner: &str) -> Result<Database<'_>, PostgresError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{count}", std::process::id());
        let make = format!("CREATE DATABASE \"{name}\" OWNER \"{owner}\" TEMPLATE \"{template}\"");
        self.sql(SUPERUSER, &make)?;
        Ok(Database { cluster: self, name })
    }

    /// Returns a template to fill, unless there is one of this name: then there is nothing to do.
    ///
    /// Test processes that ask at once wait for one of them to fill it.
    ///
    /// # Errors
    ///
    /// As [`Cluster::sql`].
    pub fn template(&self, name: &str) -> Result<Option<Template<'_>>, PostgresError> {
        let lock = open_lock(&self.home.join("template"))?;
        lock.lock().map_err(file_error(&self.home))?;
        if self.mark(name).exists() {
            return Ok(None);
        }
        let database = self.database()?;
        Ok(Some(Template { name: name.to_owned(), database, _lock: lock }))
    }

    /// Returns the file that says that a template is filled.
    fn mark(&self, template: &str) -> PathBuf {
        self.run.join(format!("template-{template}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.folder.is_some() && self.user.unlock().is_ok() {
            // The server's files go after the server. Nothing can be reported from here.
            let _gone = wait::until(wait::LONG, || !self.run.exists());
        }
    }
}

/// A database of one test. It goes when this is dropped, with whoever is still connected.
#[derive(Debug)]
pub struct Database<'c> {
    cluster: &'c Cluster,
    name: String,
}

impl Database<'_> {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its address, for the superuser over the socket.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// Runs statements in it, as [`Cluster::sql`] does.
    ///
    /// # Errors
    ///
    /// As [`Cluster::sql`].
    pub fn sql(&self, statements: &str) -> Result<String, PostgresError> {
        self.cluster.sql(&self.name, statements)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // Nothing can be reported from here; the server goes soon, and its databases with it.
        drop(self.cluster.sql(SUPERUSER, &format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name)));
    }
}

/// A database to fill, from which others are copied afterwards.
#[derive(Debug)]
pub struct Template<'c> {
    name: String,
    database: Database<'c>,
    _lock: File,
}

impl Template<'_> {
    /// Returns the name of the database to fill.
    pub fn database(&self) -> &str {
        &self.database.name
    }

    /// Returns the address to fill it at. Close every connection before [`Template::finish`].
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// Gives it its name: from here on databases are copied from it.
    ///
    /// # Errors
    ///
    /// As [`Cluster::sql`].
    pub fn finish(self) -> Result<(), PostgresError> {
        let (from, to) = (&self.database.name, &self.name);
        let rename = format!("ALTER DATABASE \"{from}\" RENAME TO \"{to}\"");
        self.database.cluster.sql(SUPERUSER, &rename)?;
        let mark = self.database.cluster.mark(to);
        File::create(&mark).map(|_made| ()).map_err(file_error(&mark))
    }
}

/// Finds the server that runs in this folder: the folder of its run, and its port.
fn running(home: &Path) -> Option<(PathBuf, u16)> {
    let run = PathBuf::from(fs::read_to_string(home.join("ready")).ok()?);
    let port = ready(&run)?;
    Some((run, port))
}

/// Returns the port of a server once it accepts connections. Its file says so (src/include/utils/pidfile.h of
/// PostgreSQL: process id first, port fourth, status eighth).
fn ready(run: &Path) -> Option<u16> {
    let text = fs::read_to_string(run.join("data/postmaster.pid")).ok()?;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_alive = Path::new("/proc").join(lines.first()?).is_dir();
    (is_alive && *lines.get(7)? == "ready").then_some(lines.get(3)?.parse().ok()?)
}

fn start(home: &Path, durability: Durability, patience: u32) -> Result<(PathBuf, u16), PostgresError> {
    let programs = newest(Path::new(PROGRAMS))?;
    let mut said = String::new();
    for attempt in 0..STARTS_MAX {
        let run = home.join(format!("{}-{attempt}", std::process::id()));
        initialize(&programs, &run, durability)?;
        let mut keeper = Command::new("setsid");
        keeper
            .args(["sh", "-c", KEEPER, "keeper"])
            .args([home, &run, &programs])
            .arg(patience.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let failed = |err| ProcessError::Start { program: "setsid".to_owned(), err };
        let mut keeper = keeper
            .spawn()
            .map_err(|err| PostgresError::Tool { what: "start the server", err: failed(err) })?;
        let mut port = None;
        let settled = wait::until(wait::LONG, || {
            port = ready(&run);
            port.is_some() || !matches!(keeper.try_wait(), Ok(None))
        });
        if let Some(port) = port {
            let path = home.join("ready");
            fs::write(&path, run.as_os_str().as_encoded_bytes()).map_err(file_error(&path))?;
            return Ok((run, port));
        }
        said = fs::read_to_string(run.join("log")).unwrap_or_default();
        if !settled {
            break;
        }
    }
    Err(PostgresError::Failed { what: "start the server", said })
}

/// Makes the files of a new server.
fn initialize(programs: &Path, run: &Path, durability: Durability) -> Result<(), PostgresError> {
    // What a process with the same id left behind; the lock says that nobody is at it.
    if run.exists() {
        fs::remove_dir_all(run).map_err(file_error(run))?;
    }
    let socket = run.join("socket");
    for folder in [run, &socket] {
        fs::DirBuilder::new().mode(0o700).create(folder).map_err(file_error(folder))?;
        if own_uid()? == 0 {
            let (uid, gid) = server_user()?;
            chown(folder, Some(uid), Some(gid)).map_err(file_error(folder))?;
        }
    }
    let data = run.join("data");
    let mut initdb = as_server_user(&programs.join("initdb"))?;
    initdb
        .args(["--username", SUPERUSER, "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync"])
        .args(["--locale-provider=icu", "--icu-locale=en-US", "--no-instructions"])
        .arg("--pgdata")
        .arg(&data);
    done("make the files of a server", run_tool(initdb))?;
    let port = free_port().map_err(file_error(run))?;
    let lasting = match durability {
        Durability::Forgetful => FORGETFUL.to_owned(),
        Durability::Durable => String::new(),
        Durability::Measured => format!("shared_buffers = {}kB\nautovacuum = on\n", memory_kb()? / 4),
    };
    let settings =
        format!("{SETTINGS}{lasting}port = {port}\nunix_socket_directories = '{}'\n", socket.display());
    for (name, text) in [("postgresql.auto.conf", settings.as_str()), ("pg_hba.conf", ACCESS)] {
        let path = data.join(name);
        // The file is there and the server's: it keeps its owner.
        fs::write(&path, text).map_err(file_error(&path))?;
    }
    Ok(())
}

/// Returns how much memory the machine has (proc(5), `MemTotal`). In kB.
fn memory_kb() -> Result<u64, PostgresError> {
    let path = Path::new("/proc/meminfo");
    let text = fs::read_to_string(path).map_err(file_error(path))?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    total.ok_or_else(|| file_error(path)(std::io::ErrorKind::InvalidData.into()))
}

fn run_tool(command: Command) -> Result<crate::process::Output, ProcessError> {
    run(command, b"", TOOL_LIMIT)
}

fn done(
    what: &'static str,
    output: Result<crate::process::Output, ProcessError>,
) -> Result<String, PostgresError> {
    let output = output.map_err(|err| PostgresError::Tool { what, err })?;
    if output.success() {
        Ok(output.stdout)
    } else {
        Err(PostgresError::Failed { what, said: output.stderr })
    }
}

/// Returns the programs of the newest version that is installed.
fn newest(folder: &Path) -> Result<PathBuf, PostgresError> {
    let versions = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    versions
        .filter(|path| path.join("bin/postgres").is_file() && path.join("bin/initdb").is_file())
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse::<u32>().ok()?, path.join("bin"))))
        .max()
        .map(|(_version, programs)| programs)
        .ok_or_else(|| PostgresError::NotInstalled { folder: folder.to_owned() })
}

fn as_server_user(program: &Path) -> Result<Command, PostgresError> {
    let mut command = if own_uid()? == 0 {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", SERVER_USER, "--regid", SERVER_USER, "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    Ok(command)
}

/// Returns user and group of the account that runs the server for root.
fn server_user() -> Result<(u32, u32), PostgresError> {
    let path = Path::new("/etc/passwd");
    let text = fs::read_to_string(path).map_err(file_error(path))?;
    let line = text.lines().find(|line| line.split(':').next() == Some(SERVER_USER));
    let ids = line.and_then(|line| {
        let mut fields = line.split(':').skip(2).map(|field| field.parse().ok());
        Some((fields.next()??, fields.next()??))
    });
    ids.ok_or(PostgresError::NoUser)
}

/// Returns the ids of the processes that a process started (proc_pid_stat(5): the fourth field is the parent).
fn children(parent: &str) -> Result<Vec<String>, PostgresError> {
    let path = Path::new("/proc");
    let entries = fs::read_dir(path).map_err(file_error(path))?;
    let stats = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let of_parent = stats.filter_map(|stat| {
        // The second field is a name in brackets, which may hold anything.
        let (pid, rest) = (stat.split(' ').next()?.to_owned(), stat.rsplit_once(") ")?.1.to_owned());
        (rest.split(' ').nth(1)? == parent).then_some(pid)
    });
    Ok(of_parent.collect())
}

fn own_uid() -> Result<u32, PostgresError> {
    let path = Path::new("/proc/self");
    fs::metadata(path).map(|meta| meta.uid()).map_err(file_error(path))
}

/// Makes the folder of the shared server, which the server's user can pass but not list.
fn make_home(home: &Path) -> Result<(), PostgresError> {
    fs::DirBuilder::new().recursive(true).mode(0o711).create(home).map_err(file_error(home))?;
    let meta = fs::symlink_metadata(home).map_err(file_error(home))?;
    let is_ours = meta.is_dir() && meta.uid() == own_uid()? && meta.mode() & 0o022 == 0;
    if is_ours { Ok(()) } else { Err(PostgresError::Foreign { path: home.to_owned() }) }
}

fn open_lock(path: &Path) -> Result<File, PostgresError> {
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(file_error(path))
}

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> PostgresError + use<> {
    let path = path.to_owned();
    move |err| PostgresError::File { path: path.clone(), err }
}

#[cfg(test)]
mod tests;
