//! Reads the hello that the driving shell answers with. The text comes from a foreign host: it is
//! checked field by field and nothing in it is guessed.

use model::{Hello, Platform};

use super::TOOLS;
use crate::error::{TransportError, excerpt};

/// Longest host name. Bytes (RFC 1123, section 2.1).
const HOSTNAME_BYTES_MAX: usize = 255;

/// How this host bounds a probe in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// A `timeout` that makes a process group and takes fractions of a second (coreutils).
    Timeout,
    /// The driver's own watchdog, in whole seconds.
    Watchdog,
}

/// The hello and what only the driver needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) hello: Hello,
    pub(crate) dialect: Dialect,
}

/// Parses a hello.
pub(crate) fn read_hello(text: &[u8]) -> Result<Greeting, TransportError> {
    let bad = |problem: &str| TransportError::Hello { problem: problem.to_owned() };
    let text = std::str::from_utf8(text).map_err(|_err| bad("it is not UTF-8"))?;
    let (head, os_release) = text.split_once("\nos-release\n").ok_or_else(|| bad("it has no os-release"))?;
    let mut lines = head.lines();
    if lines.next() != Some("plumbline-hello 1") {
        return Err(bad("it has another version"));
    }
    let mut field = |name: &str| {
        lines
            .next()
            .and_then(|line| line.strip_prefix(name))
            .map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned())
            .ok_or_else(|| bad(&format!("it has no {name}")))
    };
    let (uid, uname) = (field("uid")?, field("uname")?);
    let (timeout, tools) = (field("timeout")?, field("tools")?);
    let uid = uid.parse().map_err(|_err| bad(&format!("its user id is {:?}", excerpt(uid.as_bytes()))))?;
    let [hostname, kernel, arch] = uname.split(' ').collect::<Vec<_>>()[..] else {
        return Err(bad(&format!("its uname is {:?}", excerpt(uname.as_bytes()))));
    };
    if hostname.len() > HOSTNAME_BYTES_MAX || hostname.chars().any(char::is_control) {
        return Err(bad("its host name is over-long or holds control characters"));
    }
    let dialect = match timeout.as_str() {
        "yes" => Dialect::Timeout,
        "no" => Dialect::Watchdog,
        _ => return Err(bad("it does not tell about timeout")),
    };
    let tools: Vec<String> = tools.split_whitespace().map(ToOwned::to_owned).collect();
    if !tools.iter().all(|tool| TOOLS.contains(&tool.as_str())) {
        return Err(bad("it names a tool that we did not ask about"));
    }
    let platform = Platform::from_os_release(os_release, arch, kernel)?;
    let hello = Hello { uid, hostname: hostname.to_owned(), platform, tools };
    Ok(Greeting { hello, dialect })
}
