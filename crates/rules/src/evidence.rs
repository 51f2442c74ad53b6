//! Builds the evidence document of one result: excerpts, digests and words, masked and bounded.

use model::{
    Digest, EVIDENCE_BYTES_MAX, Evidence, EvidenceCheck, OUTPUT_EXCERPT_BYTES_MAX, Output, Reason, Source,
};

use crate::mask::{MASK, Masker};
use crate::outcome::{Answer, Finding, Verdict};
use probes::shown::{floor, shown, shown_command};

/// Longest command that evidence shows. Bytes.
const COMMAND_BYTES_MAX: usize = 4_096;
/// Most checks in one document.
const CHECKS_MAX: usize = 60;
/// Bytes of a document that are kept free for what surrounds the checks.
const FRAME_BYTES: usize = 16_384;

/// Builds the evidence of one result.
pub(crate) fn build(verdict: &Verdict, findings: &[Finding<'_>], masker: &Masker) -> Evidence {
    let mut masked = false;
    let error = match verdict {
        Verdict::Error(reason) => {
            let (text, hit) = masker.mask_text(&reason.text);
            masked |= hit;
            Some(Reason::new(reason.code, shown(&text)))
        }
        Verdict::Pass | Verdict::Fail | Verdict::NotApplicable(_) => None,
    };
    let (detail, hit) = detail(verdict, findings, masker);
    masked |= hit;
    // What failed comes first: it is what a reader looks for, and there may be more than fits.
    let mut order: Vec<&Finding<'_>> = findings.iter().collect();
    order.sort_by_key(|finding| finding.holds != Some(false));
    order.truncate(CHECKS_MAX);
    let limit = OUTPUT_EXCERPT_BYTES_MAX.min((EVIDENCE_BYTES_MAX - FRAME_BYTES) / order.len().max(1));
    let mut checks = Vec::new();
    for finding in order {
        let (check, hit) = check(finding, masker, limit);
        masked |= hit;
        checks.push(check);
    }
    fit(Evidence { schema: Evidence::SCHEMA.to_owned(), detail, error, imported: None, checks, masked })
}

/// Halves the longest excerpt until the document fits: escapes in JSON can make it longer than its bytes.
fn fit(mut evidence: Evidence) -> Evidence {
    while serde_json::to_vec(&evidence).map_or(0, |bytes| bytes.len()) > EVIDENCE_BYTES_MAX {
        let Some(longest) = evidence.checks.iter_mut().max_by_key(|check| text_of(&check.output).len())
        else {
            break;
        };
        let text = text_of(&longest.output);
        if text.len() < 64 {
            evidence.checks.pop();
            continue;
        }
        let half = text.len() / 2;
        let shorter = match &longest.output {
            Output::Text(text) => Output::Text(text[..floor(text, half)].to_owned()),
            // A whole number of groups of four stays valid base64.
            Output::Base64(text) => Output::Base64(text[..half / 4 * 4].to_owned()),
        };
        longest.output = shorter;
        longest.cut = true;
    }
    evidence
}

fn text_of(output: &Output) -> &str {
    match output {
        Output::Text(text) | Output::Base64(text) => text,
    }
}

fn check(finding: &Finding<'_>, masker: &Masker, limit: usize) -> (EvidenceCheck, bool) {
    let mut hit = false;
    let mut mask = |text: &str| {
        let (text, masked) = masker.mask_text(text);
        hit |= masked;
        text
    };
    let command = shown_command(&mask(&finding.command), COMMAND_BYTES_MAX);
    let (expected, expected_hit) = masker.mask_rule_text(&finding.expected);
    let expected = shown(&expected);
    let (actual, actual_hit) = actual_of(finding, masker);
    let actual = shown(&actual);
    let source =
        finding.source.as_ref().map(|source| Source { file: shown(&mask(&source.file)), line: source.line });
    // In a line such as `password s3cret` only the name tells, which was looked for.
    let secret = Some(finding.actual.as_bytes()).filter(|_actual| actual_hit);
    let (bytes, output_sha256, output_len, answer_hit) = answer((&finding.answer, secret), masker);
    let (excerpt, excerpt_hit) = match &finding.excerpt {
        Some(excerpt) => masker.mask_with(excerpt, secret),
        None => (bytes, answer_hit),
    };
    let (output, cut) = excerpt_of(&excerpt, limit);
    let is_cut = matches!(finding.answer, Answer::Whole(observation) if observation.is_cut());
    let check = EvidenceCheck {
        command,
        output,
        output_sha256,
        output_len,
        cut: cut || is_cut,
        exit_status: finding.exit,
        expected,
        actual,
        source,
    };
    (check, hit || expected_hit || actual_hit || answer_hit || excerpt_hit)
}

/// Returns the answer's bytes, digest and length, all of them after masking. Of an answer that was cut and holds a secret the
/// digest is that of what was kept: what else came was never there to be masked.
fn answer((answer, secret): (&Answer<'_>, Option<&[u8]>), masker: &Masker) -> (Vec<u8>, Digest, u64, bool) {
    match answer {
        Answer::Whole(observation) => {
            let (bytes, hit) = masker.mask_with(&observation.stdout, secret);
            if hit {
                let digest = masker.digest(&bytes);
                let len = if observation.is_cut() { observation.stdout_len } else { bytes.len() as u64 };
                return (bytes, digest, len, true);
            }
            (bytes, observation.stdout_sha256, observation.stdout_len, false)
        }
        Answer::Part(part) => {
            let (bytes, hit) = masker.mask_with(part, secret);
            let digest = masker.digest(&bytes);
            let len = bytes.len() as u64;
            (bytes, digest, len, hit)
        }
    }
}

/// Keeps at most `limit` written bytes, exactly: as text when clean, else in base64.
fn excerpt_of(bytes: &[u8], limit: usize) -> (Output, bool) {
    let clean = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| clean(text)) {
        let end = floor(text, limit);
        return (Output::Text(text[..end].to_owned()), end < text.len());
    }
    let end = bytes.len().min(limit / 4 * 3);
    (Output::Base64(base64(&bytes[..end])), end < bytes.len())
}

/// Encodes bytes (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let index = (bits >> shift & 63) as usize;
            out.push(if at <= group.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    out
}

/// Tells whether what was found is the value of a setting that is named like a secret: alone, without its name, it does not
/// look like one. What was found of a file, or of all accounts, is no such value, whatever their path or the sentence
/// about them ends in.
fn is_secret(finding: &Finding<'_>, masker: &Masker) -> bool {
    let Some(name) = finding.setting.as_deref().filter(|_name| !finding.actual.is_empty()) else {
        return false;
    };
    let (named, hit) = masker.mask_text(&format!("{name}={}", finding.actual));
    hit && !named.contains(&finding.actual)
}

/// Returns what was found and is a secret by the name of its setting.
pub(crate) fn secrets<'f>(findings: &'f [Finding<'_>], masker: &Masker) -> Vec<&'f str> {
    let secrets = findings.iter().filter(|finding| is_secret(finding, masker));
    secrets.map(|finding| finding.actual.as_str()).collect()
}

/// Returns what was found without its secrets, and whether there were any.
fn actual_of(finding: &Finding<'_>, masker: &Masker) -> (String, bool) {
    if is_secret(finding, masker) {
        return (MASK.to_owned(), true);
    }
    masker.mask_text(&finding.actual)
}

/// Says in one sentence what decided, and whether a secret was masked in it: each part alone, for two parts side by side may
/// look like a name and its secret.
fn detail(verdict: &Verdict, findings: &[Finding<'_>], masker: &Masker) -> (String, bool) {
    let of = |holds: bool, otherwise: &str| {
        let Some(finding) = findings.iter().find(|finding| finding.holds == Some(holds)) else {
            return (otherwise.to_owned(), false);
        };
        let (subject, subject_hit) = masker.mask_text(&finding.subject);
        let (actual, actual_hit) = actual_of(finding, masker);
        let (expected, expected_hit) = masker.mask_rule_text(&finding.expected);
        let said = shown(&format!("{subject}: found {actual}, expected {expected}"));
        (said, subject_hit || actual_hit || expected_hit)
    };
    match verdict {
        Verdict::Pass => of(true, "as expected"),
        Verdict::Fail => of(false, "not as expected"),
        Verdict::NotApplicable(reason) | Verdict::Error(reason) => {
            let (text, hit) = masker.mask_text(&reason.text);
            (shown(&text), hit)
        }
    }
}
