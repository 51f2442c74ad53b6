//! What a host may be called.

use uuid::Uuid;

/// Longest name of a host. Characters.
pub const HOST_NAME_CHARS_MAX: usize = 255;

/// A text that no host can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no name for a host: {problem}")]
pub struct HostNameError {
    pub text: String,
    pub problem: &'static str,
}

/// Checks the name of a host: 1 to 255 characters, none of them a control character, no white space at either end, and
/// not what an id looks like, because whoever gives an id means the host that has it.
///
/// # Errors
/// [`HostNameError`] says what is wrong, with the beginning of the text.
pub fn check_host_name(text: &str) -> Result<(), HostNameError> {
    let problem = if text.trim().is_empty() {
        "it is blank"
    } else if text.chars().count() > HOST_NAME_CHARS_MAX {
        "it has more than 255 characters"
    } else if text.chars().any(char::is_control) {
        "it has a control character"
    } else if text.trim() != text {
        "it begins or ends with white space"
    } else if Uuid::try_parse(text).is_ok() {
        "it looks like the id of a host"
    } else {
        return Ok(());
    };
    Err(HostNameError { text: text.chars().take(80).collect(), problem })
}

#[cfg(test)]
mod tests;
