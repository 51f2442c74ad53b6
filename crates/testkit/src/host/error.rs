//! Why there is no test host. Every variant is a failure of the test that asked: nothing is skipped.

use std::io;
use std::path::PathBuf;

use crate::process::ProcessError;

/// Why a tree or a test host could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Mounts and namespaces need root.
    #[error(
        "a test host needs root (mounts and namespaces), and this is user {uid}: run the tests as root on a machine set aside for it"
    )]
    NotRoot {
        /// The effective user id.
        uid: u32,
    },
    /// Neither `HOME` nor a variable that names the cache is set.
    #[error("no folder to cache the tree in: set HOME or {}", crate::cache::CACHE_VARIABLE)]
    NoCacheFolder,
    /// The cache cannot be written.
    #[error("could not use the cache folder of the tree at {path}")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// The package sources cannot be read.
    #[error("could not read the package sources in {path}")]
    Sources {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// The package sources name no Debian mirror.
    #[error("the package sources of this machine name no mirror for {suite}: set {}", super::MIRROR_VARIABLE)]
    NoMirror {
        /// The Debian release looked for.
        suite: String,
    },
    /// The mirror's variable is not text.
    #[error("{} is not valid UTF-8: {text:?}", super::MIRROR_VARIABLE)]
    MirrorName {
        /// What it holds, invalid bytes replaced.
        text: String,
    },
    /// `debootstrap` ended with an error, most often because the mirror cannot be reached.
    #[error("could not build the tree from {mirror} (can this machine reach it?):\n{said}")]
    Build {
        /// The mirror.
        mirror: String,
        /// The last words of the build.
        said: String,
    },
    /// A tool is missing, hangs or cannot be run.
    #[error("could not {what}")]
    Tool {
        /// What was being done.
        what: &'static str,
        /// The cause.
        #[source]
        err: ProcessError,
    },
    /// A file of the host could not be written or read.
    #[error("could not {what}")]
    File {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        #[source]
        err: io::Error,
    },
    /// The host did not come up.
    #[error("the test host did not start: {said}")]
    Start {
        /// What the starting scripts said.
        said: String,
    },
    /// The host's `sshd` does not listen.
    #[error("sshd of the test host does not listen on port {port}; it said:\n{said}")]
    Sshd {
        /// The port asked for.
        port: u16,
        /// Its log.
        said: String,
    },
    /// A command inside the host that has to work did not.
    #[error("could not {what} on the test host (exit code {code:?}): {said}")]
    Inside {
        /// What was being done.
        what: &'static str,
        /// Its exit code, none for a signal.
        code: Option<i32>,
        /// What it said.
        said: String,
    },
}
