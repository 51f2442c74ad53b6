//! Ed25519 key pairs made by `ssh-keygen`, new for every host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{HostError, quoted};
use crate::process::run;

/// Longest `ssh-keygen` may take for one key.
const KEYGEN_LIMIT: Duration = Duration::from_secs(30);

/// A key pair on disk.
pub(super) struct Key {
    path: PathBuf,
    public: String,
}

impl Key {
    /// Makes a key pair at `folder`/`name` and `.pub`, without a passphrase.
    pub(super) fn generate(folder: &Path, name: &str) -> Result<Key, HostError> {
        let path = folder.join(name);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path);
        let what = "make a key with ssh-keygen";
        let done = run(keygen, b"", KEYGEN_LIMIT).map_err(|err| HostError::Tool { what, err })?;
        if !done.success() {
            return Err(HostError::Inside { what, code: done.code, said: done.stderr });
        }
        let file = path.with_file_name(format!("{name}.pub"));
        let public =
            fs::read_to_string(file).map_err(|err| HostError::File { what: "read a public key", err })?;
        // Type and key, without the comment.
        let public = public.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Ok(Key { path, public })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Returns `type base64`.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// Returns the script that makes this the key of the host it runs on.
    pub(super) fn install_as_host_key(&self) -> Result<String, HostError> {
        let private = fs::read_to_string(&self.path)
            .map_err(|err| HostError::File { what: "read a private key", err })?;
        Ok(format!(
            "umask 077\nprintf '%s' {} >/etc/ssh/ssh_host_ed25519_key\numask 022\n\
             printf '%s\\n' {} >/etc/ssh/ssh_host_ed25519_key.pub\n",
            quoted(&private),
            quoted(&self.public)
        ))
    }
}
