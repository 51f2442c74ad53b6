//! Secrets masked on their way out of a scan (TLW-34): the credential in use, and what looks like one.
//!
//! Masks what is shown, stored and hashed; verdicts are made before, from the text as it was.

use std::borrow::Cow;

use model::Digest;
use regex::bytes::{Regex, RegexBuilder};

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "<masked>";
/// Shortest credential that is searched for. Bytes; shorter ones would blot out common words.
const SECRET_BYTES_MIN: usize = 4;

/// Shapes of secrets, each with the part to keep as its first group; what matches as `plain` is none. `{NAME}` and `{VALUE}` stand
/// for [`NAME`] and [`VALUE`].
const SHAPES: [&str; 9] = [
    r"(?s)()-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
    r"(?i)(authorization{QUOTE}[ \t]*[:=][ \t]*)[^\r\n]+",
    // Those in quotes first: a bare one that stands before runs on into what follows it without a blank.
    r"(?i)((?:{NAME}|passwd){QUOTE}[ \t]*=[ \t]*){QUOTED}",
    r"(?i)((?:^|[^\w./-])[\w./-]*{NAME}{QUOTE}[ \t]*:[ \t]*){QUOTED}",
    r"(?i)((?:{NAME}|passwd){QUOTE}[ \t]*=[ \t]*)(?P<value>{VALUE})",
    // Behind a path that ends in such a word, a colon and a blank stands no secret: `/etc/pam.d/common-password: not found`.
    r"(?i)(?P<plain>(?:^|[^\w./-])/[\w./-]*{NAME}: )|((?:^|[^\w./-])[\w./-]*{NAME}{QUOTE}[ \t]*:[ \t]*)(?P<value>{VALUE})",
    // `passwd` is a file, a program, a map of nsswitch.conf(5) and a tag of sudoers(5), too; see [`is_name`]. It begins with its word,
    // for which the text is searched fast.
    r"(?im)(?P<plain>passwd[ \t]*:[ \t]*(?:{MAP}|{SAYS}[ \t][^\r\n]*))|(?P<passwd>passwd{QUOTE}[ \t]*:[ \t]*)(?P<value>{VALUE})",
    r"(password_pbkdf2[ \t]+\S+[ \t]+)\S+",
    // Password hashes of crypt(5).
    r"()\$(?:1|2[abxy]?|5|6|7|y|gy|sha1)\$[./A-Za-z0-9$=,_-]{8,}",
];

/// Words in a shape, each with what it stands for.
const WORDS: [(&str, &str); 6] = [
    ("{NAME}", "(?:password|passphrase|secret|token|api[_-]?key)"),
    // The end of a quoted name, also in JSON within a string.
    ("{QUOTE}", r#"(?:\\*["'])?"#),
    ("{VALUE}", VALUE),
    ("{QUOTED}", QUOTED),
    // Services of nsswitch.conf(5), to the end of the line.
    (
        "{MAP}",
        r"(?:(?:files|compat|db|nis|nisplus|ldap|sss|systemd|winbind|hesiod|dns|mymachines|altfiles|extrausers|cache|usrfiles)\b|\[[^\]\r\n]*\]|[ \t]+)+(?:#[^\r\n]*)?\r?$",
    ),
    // How messages of passwd(1), and of a shell about it, begin.
    (
        "{SAYS}",
        r"(?:password|passwords|authentication|all|user|unknown|unlocking|locking|permission|you|only|cannot|can't|module|critical|invalid|unrecognized|not|no|command|error|warning|expiry)",
    ),
];

/// A value in quotes, with what a shell would join to it. What begins like a separator is joined to nothing: in JSON the quote before
/// it closes a string.
const QUOTED: &str = concat!(
    r#"(?:"(?:[^"\\\r\n]|\\[^\r\n])*"|'(?:[^'\\\r\n]|\\[^\r\n])*')"#,
    r#"(?:(?:\\["'])?(?:"(?:[^"\\\r\n,:;&})\]]|\\[^\r\n])(?:[^"\\\r\n]|\\[^\r\n])*"|'(?:[^'\\\r\n,:;&})\]]|\\[^\r\n])(?:[^'\\\r\n]|\\[^\r\n])*')|[^\s"'\\,;:&})\]<>/])*"#,
);

/// A value: in quotes; in quotes within a string; in a quote that is not closed; or bare, up to white space. What closes a string, a
/// list or an object, and what separates two of them, is a part of a bare value only before more of it: the quote and brace of
/// `{"log": "token=abc"}` stay. Bare values that `&`, `,` or `;` may separate are masked together, for each of these may stand in a
/// secret.
const VALUE: &str = concat!(
    r#"(?:{QUOTED}"#,
    r#"|\\+["'][^"'\\\r\n]*\\+["']"#,
    r#"|["'][^\s"',;:&})\]\\][^\r\n]*"#,
    r#"|[})\]]*(?:[^\s"'\\,;&})\]]|\\[^\r\n])(?:[,;&]*(?:[^\s"'\\,;&})\]]|\\[^\r\n])|["'})\]]+(?:[^\s"'\\,;&})\]]|\\[^\r\n]))*"#,
    r#")"#,
);

/// Masks secrets, and hashes what is left.
#[derive(Debug, Clone)]
pub struct Masker {
    secrets: Vec<Vec<u8>>,
    shapes: Vec<Regex>,
    sha256: fn(&[u8]) -> Digest,
}

/// The shapes of secrets do not compile: a defect of this crate.
#[derive(Debug, thiserror::Error)]
#[error("a pattern of the masker does not compile")]
pub struct MaskerError {
    #[source]
    err: regex::Error,
}

impl Masker {
    /// Makes a masker for the secrets in use; `sha256` computes digests of masked bytes.
    ///
    /// # Errors
    /// When a built-in pattern does not compile; a test shows that they do.
    pub fn new(secrets: &[Vec<u8>], sha256: fn(&[u8]) -> Digest) -> Result<Self, MaskerError> {
        let whole =
            |shape: &str| WORDS.iter().fold(shape.to_owned(), |text, (word, of)| text.replace(word, of));
        let shapes = SHAPES
            .iter()
            .map(|shape| RegexBuilder::new(&whole(shape)).unicode(false).build())
            .collect::<Result<_, _>>()
            .map_err(|err| MaskerError { err })?;
        let mut secrets: Vec<Vec<u8>> =
            secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN).cloned().collect();
        // A secret that holds another is masked whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(Self { secrets, shapes, sha256 })
    }

    /// Returns the bytes with secrets masked, and whether there were any.
    #[must_use]
    pub fn mask(&self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let (mut out, mut masked) = self.mask_used(bytes);
        for shape in &self.shapes {
            if let Some(replaced) = mask_shape(shape, &out).filter(|replaced| *replaced != out) {
                out = replaced;
                masked = true;
            }
        }
        (out, masked)
    }

    /// As [`Masker::mask`], with one more secret, which is known for what it is here alone.
    pub(crate) fn mask_with(&self, bytes: &[u8], secret: Option<&[u8]>) -> (Vec<u8>, bool) {
        let secret = secret.filter(|secret| secret.len() >= SECRET_BYTES_MIN);
        match secret.and_then(|secret| replace(bytes, secret)) {
            Some(bytes) => (self.mask(&bytes).0, true),
            None => self.mask(bytes),
        }
    }

    /// Returns the bytes with the credentials in use masked, and whether there were any.
    fn mask_used(&self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = bytes.to_vec();
        let mut masked = false;
        for secret in &self.secrets {
            if let Some(replaced) = replace(&out, secret) {
                out = replaced;
                masked = true;
            }
        }
        (out, masked)
    }

    /// Returns a text with secrets masked, and whether there were any.
    #[must_use]
    pub fn mask_text(&self, text: &str) -> (String, bool) {
        as_text(text, self.mask(text.as_bytes()))
    }

    /// As [`Masker::mask_text`] for what a rule says, which everybody may read: only the credentials in use are masked.
    pub(crate) fn mask_rule_text(&self, text: &str) -> (String, bool) {
        as_text(text, self.mask_used(text.as_bytes()))
    }

    pub(crate) fn digest(&self, bytes: &[u8]) -> Digest {
        (self.sha256)(bytes)
    }
}

/// Masks what has one shape of a secret; nothing where none has.
fn mask_shape(shape: &Regex, text: &[u8]) -> Option<Vec<u8>> {
    let masked = shape.replace_all(text, |found: &regex::bytes::Captures<'_>| {
        let passwd = found.name("passwd");
        if found.name("plain").is_some() || passwd.is_some_and(|word| !is_name(text, word.start())) {
            return found[0].to_vec();
        }
        // The first group that took part; the one of `plain` did not.
        let kept = found.iter().skip(1).flatten().next();
        let mut masked = kept.map_or_else(Vec::new, |kept| kept.as_bytes().to_vec());
        masked.extend_from_slice(MASK.as_bytes());
        // What stands behind one that was masked in its quotes is looked at by itself, and is shorter each time.
        let behind = found.name("value").and_then(|value| value.as_bytes().strip_prefix(MASK.as_bytes()));
        if let Some(behind) = behind.filter(|behind| behind.first().is_some_and(|first| ENDS.contains(first)))
        {
            masked.extend(mask_shape(shape, behind).unwrap_or_else(|| behind.to_vec()));
        }
        masked
    });
    match masked {
        Cow::Borrowed(_) => None,
        Cow::Owned(masked) => Some(masked),
    }
}

/// What can stand behind a value in quotes and is none of it.
const ENDS: &[u8] = br#","';:&}])\/>"#;

/// Tells whether the `passwd` at this place names a value: alone or behind a dot, a dash or an underscore, as `db_passwd`; not at the
/// end of a path, nor as `NOPASSWD` or `PASSWD` of sudoers(5).
fn is_name(text: &[u8], at: usize) -> bool {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let before = &text[..at];
    let start = before.iter().rposition(|byte| !of_name(byte)).map_or(0, |last| last + 1);
    match before[start..].last() {
        None => before.last() != Some(&b'/') && !text[at..].starts_with(b"PASSWD"),
        Some(last) => !last.is_ascii_alphanumeric() && (start == 0 || before[start - 1] != b'/'),
    }
}

fn as_text(text: &str, (bytes, masked): (Vec<u8>, bool)) -> (String, bool) {
    if masked { (String::from_utf8_lossy(&bytes).into_owned(), true) } else { (text.to_owned(), false) }
}

fn replace(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = bytes;
    let mut found = false;
    while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
        found = true;
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(MASK.as_bytes());
        rest = &rest[at + secret.len()..];
    }
    out.extend_from_slice(rest);
    found.then_some(out)
}

#[cfg(test)]
mod tests;
