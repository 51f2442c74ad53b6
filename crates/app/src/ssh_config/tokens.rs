//! Tokens and the tilde in the path of a key file (ssh_config(5), section TOKENS).

use std::path::{Path, PathBuf};

/// What the tokens stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'v> {
    /// `%d`, and `~` at the beginning.
    pub(super) home: &'v Path,
    /// `%n`: the host as it was typed.
    pub(super) typed: &'v str,
    /// `%h`: the host as it is reached.
    pub(super) host: &'v str,
    /// `%p`.
    pub(super) port: u16,
    /// `%r`: the user on the host.
    pub(super) user: &'v str,
    /// `%u`: the user on this machine.
    pub(super) local_user: &'v str,
}

/// Puts values for tokens and the home folder for a tilde.
///
/// # Errors
/// What is not understood, as the end of a sentence: a token of no meaning here, a variable, the home of another user.
pub(super) fn expand(written: &str, values: &Values<'_>) -> Result<PathBuf, String> {
    if written.contains("${") {
        return Err("names a variable, which is not understood".to_owned());
    }
    let home = values.home.to_str().ok_or("lies in a home folder that is not UTF-8")?;
    let (mut path, rest) = match written.strip_prefix('~') {
        None => (String::new(), written),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => (home.to_owned(), rest),
        Some(_user) => return Err("lies in the home of another user, which is not looked up".to_owned()),
    };
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            path.push(letter);
            continue;
        }
        match letters.next() {
            Some('%') => path.push('%'),
            Some('d') => path.push_str(home),
            Some('h') => path.push_str(values.host),
            Some('n') => path.push_str(values.typed),
            Some('p') => path.push_str(&values.port.to_string()),
            Some('r') => path.push_str(values.user),
            Some('u') => path.push_str(values.local_user),
            Some(other) => {
                return Err(format!("has the token %{}, which is not understood", other.escape_default()));
            }
            None => return Err("ends in the middle of a token".to_owned()),
        }
    }
    Ok(PathBuf::from(path))
}
