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
    let mut mask = |text: &str| {
        let (text, hit) = masker.mask_text(text);
        masked |= hit;
        shown(&text)
    };
    let error = match verdict {
        Verdict::Error(reason) => Some(Reason::new(reason.code, mask(&reason.text))),
        Verdict::Pass | Verdict::Fail | Verdict::NotApplicable(_) => None,
    };
    let detail = mask(&sentence(verdict, findings, masker));
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
    let (expected, actual) = (shown(&mask(&finding.expected)), shown(&mask(actual_of(finding, masker))));
    let source =
        finding.source.as_ref().map(|source| Source { file: shown(&mask(&source.file)), line: source.line });
    let (bytes, output_sha256, output_len, answer_hit) = answer(&finding.answer, masker);
    let (excerpt, excerpt_hit) = match &finding.excerpt {
        Some(excerpt) => masker.mask(excerpt),
        None => (bytes, answer_hit),
    };
    let (output, cut) = excerpt_of(&excerpt, limit);
    let check = EvidenceCheck {
        command,
        output,
        output_sha256,
        output_len,
        cut,
        exit_status: finding.exit,
        expected,
        actual,
        source,
    };
    (check, hit || answer_hit || excerpt_hit)
}

/// Returns the answer's bytes, digest and length, all of them after masking.
fn answer(answer: &Answer<'_>, masker: &Masker) -> (Vec<u8>, Digest, u64, bool) {
    match answer {
        Answer::Whole(observation) => {
            let (bytes, hit) = masker.mask(&observation.stdout);
            if hit {
                let digest = masker.digest(&bytes);
                let len = bytes.len() as u64;
                return (bytes, digest, len, true);
            }
            (bytes, observation.stdout_sha256, observation.stdout_len, false)
        }
        Answer::Part(part) => {
            let (bytes, hit) = masker.mask(part);
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

/// Returns what was found, or the mask where it is the value of something that is named like a secret: alone, without its
/// name, it does not look like one.
fn actual_of<'f>(finding: &'f Finding<'_>, masker: &Masker) -> &'f str {
    let (named, is_masked) = masker.mask_text(&format!("{}={}", finding.subject, finding.actual));
    if is_masked && !finding.actual.is_empty() && !named.contains(&finding.actual) {
        return MASK;
    }
    &finding.actual
}

fn sentence(verdict: &Verdict, findings: &[Finding<'_>], masker: &Masker) -> String {
    let said = |finding: &Finding<'_>| {
        format!("{}: found {}, expected {}", finding.subject, actual_of(finding, masker), finding.expected)
    };
    let of = |holds: bool| findings.iter().find(|finding| finding.holds == Some(holds)).map(said);
    match verdict {
        Verdict::Pass => of(true).unwrap_or_else(|| "as expected".to_owned()),
        Verdict::Fail => of(false).unwrap_or_else(|| "not as expected".to_owned()),
        Verdict::NotApplicable(reason) | Verdict::Error(reason) => reason.text.clone(),
    }
}
