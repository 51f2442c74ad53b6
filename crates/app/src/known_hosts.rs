//! Reading known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). Never writes one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use model::Address;

use crate::targets::SSH_PORT;

/// Most lines that are read.
const LINES_MAX: usize = 100_000;

/// A file that is not read, because a part of it would not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has more than 100,000 lines")]
pub struct TooManyLines;

/// A key line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    hosts: Vec<Pattern>,
    pub key_type: String,
    /// Base64 of the wire form, checked to decode.
    pub wire_key: String,
    pub revoked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Plain { text: String, negated: bool },
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

/// A line that is passed over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub number: usize,
    pub problem: &'static str,
}

/// Reads the lines of a known_hosts file, and what of them is passed over: whole lines, and hosts of a line that no
/// connection goes to.
///
/// # Errors
/// [`TooManyLines`]: a host whose line is left out would pass for one that nobody knows.
pub fn parse(text: &str) -> Result<(Vec<Line>, Vec<Skipped>), TooManyLines> {
    let mut lines = Vec::new();
    let mut skipped = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        if number > LINES_MAX {
            return Err(TooManyLines);
        }
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match parse_line(number, text) {
            Ok((line, problem)) => {
                lines.extend((!line.hosts.is_empty()).then_some(line));
                skipped.extend(problem.map(|problem| Skipped { number, problem }));
            }
            Err(problem) => skipped.push(Skipped { number, problem }),
        }
    }
    Ok((lines, skipped))
}

/// Parses one line; also says what is wrong with hosts that were left out of it.
fn parse_line(number: usize, text: &str) -> Result<(Line, Option<&'static str>), &'static str> {
    let mut fields = text.split_whitespace().peekable();
    let marker = fields.next_if(|field| field.starts_with('@'));
    let revoked = match marker {
        None => false,
        Some("@revoked") => true,
        Some("@cert-authority") => return Err("certificate authorities are not supported"),
        Some(_) => return Err("unknown marker"),
    };
    let written = fields.next().ok_or("it has no host")?;
    let key_type = fields.next().ok_or("it has no key type")?;
    if !key_type.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the key type is not text");
    }
    let wire_key = fields.next().ok_or("it has no key")?;
    let wire = BASE64.decode(wire_key).map_err(|_err| "the key is not base64")?;
    if !names_type(&wire, key_type) {
        return Err("the key is not of the type it says");
    }
    let mut hosts = Vec::new();
    let mut problem = None;
    for text in written.split(',') {
        match pattern(text) {
            Ok(pattern) => hosts.push(pattern),
            // Without its exception a line would trust the key of more hosts than it says.
            Err(err) if text.starts_with('!') && !revoked => return Err(err),
            Err(err) => problem = Some(err),
        }
    }
    let line = Line { number, hosts, key_type: key_type.to_owned(), wire_key: wire_key.to_owned(), revoked };
    Ok((line, problem))
}

/// Tells whether a key in wire form begins with its type (RFC 4253, section 6.6).
fn names_type(wire: &[u8], key_type: &str) -> bool {
    let Some((length, rest)) = wire.split_first_chunk::<4>() else { return false };
    let length = u32::from_be_bytes(*length) as usize;
    rest.get(..length) == Some(key_type.as_bytes())
}

fn pattern(text: &str) -> Result<Pattern, &'static str> {
    if let Some(hashed) = text.strip_prefix("|1|") {
        let (salt, hash) = hashed.split_once('|').ok_or("a hashed host has no hash")?;
        let decode = |text| BASE64.decode(text).map_err(|_err| "a hashed host is not base64");
        return Ok(Pattern::Hashed { salt: decode(salt)?, hash: decode(hash)? });
    }
    if text.is_empty() || text.starts_with('|') {
        return Err("a host is empty or hashed in an unknown way");
    }
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if text.contains(['*', '?']) {
        return Ok(Pattern::Plain { text: text.to_ascii_lowercase(), negated });
    }
    let (address, port) = endpoint(text).ok_or("a host is no address or has no port from 1 to 65535")?;
    Ok(Pattern::Plain { text: written(&address, port), negated })
}

/// Reads a host without wildcards: the address as it is dialled (SSH-03), and the port.
fn endpoint(text: &str) -> Option<(String, u16)> {
    let (address, port) = match text.strip_prefix('[') {
        None => (text, SSH_PORT),
        Some(rest) => {
            let (address, port) = rest.split_once("]:")?;
            (address, port.parse().ok().filter(|port| *port > 0)?)
        }
    };
    let address: Address = address.parse().ok()?;
    Some((address.to_string(), port))
}

/// Writes a host as known_hosts does: bare on port 22, else in brackets with the port.
fn written(address: &str, port: u16) -> String {
    if port == SSH_PORT { address.to_owned() } else { format!("[{address}]:{port}") }
}

impl Line {
    /// Tells whether the line speaks of an address and port.
    #[must_use]
    pub fn matches(&self, address: &str, port: u16) -> bool {
        let name = written(address, port);
        let mut found = false;
        for pattern in &self.hosts {
            match pattern {
                Pattern::Plain { text, negated } if glob(text, &name) => {
                    if *negated {
                        return false;
                    }
                    found = true;
                }
                Pattern::Plain { .. } => {}
                Pattern::Hashed { salt, hash } => {
                    found |= hmac_sha1(salt, name.as_bytes()).is_some_and(|mac| mac == *hash);
                }
            }
        }
        found
    }

    /// Returns the addresses and ports that the line names in plain text, without wildcards.
    #[must_use]
    pub fn endpoints(&self) -> Vec<(String, u16)> {
        let plain = self.hosts.iter().filter_map(|pattern| match pattern {
            Pattern::Plain { text, negated: false } if !text.contains(['*', '?']) => Some(text),
            Pattern::Plain { .. } | Pattern::Hashed { .. } => None,
        });
        plain.filter_map(|text| endpoint(text)).collect()
    }

    /// Tells whether the line names no host, only patterns of names: as `@revoked *` does, it says of a key that it is nobody's
    /// and not that a host is known.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        !self.is_hashed() && self.endpoints().is_empty()
    }

    /// Tells whether some host of the line is hashed.
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.hosts.iter().any(|pattern| matches!(pattern, Pattern::Hashed { .. }))
    }
}

fn hmac_sha1(salt: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name);
    Some(mac.finalize().into_bytes().to_vec())
}

/// Matches `*` and `?` (ssh_config(5), PATTERNS) in time linear in the name for each star.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => (p, n) = (p + 1, n + 1),
            Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
            Some(_) | None => {
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                (p, n) = (back + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
