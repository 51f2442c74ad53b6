//! Verifying bundles of logs that go on with each other (LED-39): each as a bundle of its own, and together how
//! much of the older ones is here.

use std::path::{Path, PathBuf};

use ledger::bundle::{CHECKPOINT, CONTINUES, Extent, Options, SMALL_FILE_BYTES_MAX, Verified};
use ledger::note::Note;
use ledger::verify::{Continuation, Continued, Erased, Place};
use ledger::{Finding, FindingCode, Report, TreeHead};

use super::{read_file, verify_one};
use crate::error::{Error, Kind};

/// Most logs that go on with each other in one verification.
const LOGS_MAX: usize = 100;

/// What there is of one older log.
struct Older {
    account: Continued,
    findings: Vec<Finding>,
    erased: Erased,
    /// The log that it goes on with in turn, and where bundles of that one may lie.
    next: Option<Continuation>,
    folders: Vec<PathBuf>,
}

pub(super) fn verify(folder: &Path, options: &Options<'_>, earlier: &[PathBuf]) -> Result<Report, Error> {
    let origin = peek(folder)?.map(|head| head.origin);
    let is_ours = |head: &&TreeHead| origin.as_ref().is_none_or(|origin| head.origin == *origin);
    let against: Vec<TreeHead> = options.against.iter().filter(is_ours).cloned().collect();
    let own = Options { against: &against, ..*options };
    let mut ours = verify_one(folder, &own, &Erased::new())?;
    let mut erased = ours.erased.clone();
    let mut folders = vec![folder.join(CONTINUES)];
    let mut others: Vec<TreeHead> = options.against.iter().filter(|head| !is_ours(head)).cloned().collect();
    let (mut unused, mut older) = (earlier.to_vec(), Vec::new());
    let mut next = ours.continues.clone();
    for _log in 0..LOGS_MAX {
        let Some(continuation) = next.take() else { break };
        let bundles = bundles_of(&continuation, &mut folders, &mut unused)?;
        let is_its = |head: &mut TreeHead| head.origin == continuation.head.origin;
        let known: Vec<TreeHead> = others.extract_if(.., is_its).collect();
        let log = verify_older(&continuation, &bundles, (options, &known), &erased)?;
        erased.extend(&log.erased);
        next.clone_from(&log.next);
        folders.clone_from(&log.folders);
        older.push(log);
    }
    if !ours.report.ok && erased.len() > ours.erased.len() {
        // What entries of the older logs erased may be named by ours.
        ours = verify_one(folder, &own, &erased)?;
    }
    if let Some(path) = unused.first() {
        let message = format!("{} is no bundle of a log that this one goes on with", path.display());
        return Err(Error::new(Kind::Usage, message).hint("--earlier names bundles of the logs before"));
    }
    let mut report = ours.report;
    for log in older {
        report.continues.push(log.account);
        log.findings.into_iter().for_each(|finding| report.add(finding));
    }
    for head in others {
        let detail = format!("a known head is of another log, {}", head.origin);
        let finding = Finding::new(FindingCode::CheckpointInconsistent, detail);
        report.add(finding.at(&Place::file(CHECKPOINT, 0)));
    }
    if folders.iter().any(|folder| folder.is_dir()) {
        let detail = "a bundle lies here of a log that none of these goes on with";
        report.add(Finding::new(FindingCode::Malformed, detail).at(&Place::file(CONTINUES, 0)));
    }
    report.settle();
    Ok(report)
}

/// Returns the bundles of the log that a continuation names, and the heads that they claim.
fn bundles_of(
    continuation: &Continuation,
    folders: &mut Vec<PathBuf>,
    unused: &mut Vec<PathBuf>,
) -> Result<Vec<(PathBuf, Option<TreeHead>)>, Error> {
    let mut bundles = Vec::new();
    for folder in std::mem::take(folders).into_iter().filter(|folder| folder.is_dir()) {
        let head = peek(&folder)?;
        bundles.push((folder, head));
    }
    for path in std::mem::take(unused) {
        match peek(&path)? {
            Some(head) if head.origin == continuation.head.origin => bundles.push((path, Some(head))),
            Some(_) | None => unused.push(path),
        }
    }
    Ok(bundles)
}

/// Verifies every bundle of an older log and says how much of it is here.
fn verify_older(
    continuation: &Continuation,
    bundles: &[(PathBuf, Option<TreeHead>)],
    (options, known): (&Options<'_>, &[TreeHead]),
    erased: &Erased,
) -> Result<Older, Error> {
    let origin = &continuation.head.origin;
    let mut findings = Vec::new();
    if !options.keys.contains(&continuation.key) {
        let detail = format!("the log goes on with {origin}, and no key of that log is trusted");
        findings.push(Finding::new(FindingCode::KeyUnknown, detail));
    }
    let mut newest: Option<(Verified, &Path)> = None;
    let mut own = Erased::new();
    for (path, head) in bundles {
        let size = head.as_ref().map_or(0, |head| head.size);
        // What a bundle claims itself shows nothing; what another one claims has to fit.
        let others = bundles.iter().filter(|(other, _head)| other != path);
        let others = others.filter_map(|(_path, head)| head.as_ref());
        let against = known.iter().chain(others).chain([&continuation.head]);
        let against: Vec<TreeHead> =
            against.filter(|known| known.size <= size && known.origin == *origin).cloned().collect();
        let options = Options { against: &against, extent: Extent::Whole, ..Options::new(options.keys) };
        let verified = verify_one(path, &options, erased)?;
        let folder = path.display();
        for finding in &verified.report.findings {
            let file = finding.file.as_ref().map(|file| format!("{folder}/{file}"));
            let detail = format!("in {origin}: {}", finding.detail);
            findings.push(Finding { file, detail, ..finding.clone() });
        }
        own.extend(&verified.erased);
        if newest.as_ref().is_none_or(|(newest, _path)| newest.report.tree_size < verified.report.tree_size) {
            newest = Some((verified, path));
        }
    }
    let present = newest.as_ref().filter(|(newest, _path)| newest.report.ok);
    let present = present.map_or(0, |(newest, _path)| newest.report.tree_size);
    let beyond = |head: &TreeHead| continuation.judge(head, FindingCode::CheckpointInconsistent);
    findings.extend(bundles.iter().filter_map(|(_path, head)| head.as_ref().and_then(beyond)));
    findings.extend(
        known.iter().filter_map(|head| beyond(head).or_else(|| unproven(continuation, head, present))),
    );
    let folders = bundles.iter().map(|(path, _head)| path.join(CONTINUES)).collect();
    let next = newest.and_then(|(newest, _path)| newest.continues);
    let account = continuation.account(present, false);
    Ok(Older { account, findings, erased: own, next, folders })
}

/// Finds a head that lies among the missing entries, where nothing can be compared with it.
fn unproven(continuation: &Continuation, head: &TreeHead, present: u64) -> Option<Finding> {
    let detail = format!(
        "a known head of {} is over {} entries, of which {present} are here: nothing shows that it agrees",
        head.origin, head.size
    );
    let is_between = present < head.size && head.size < continuation.head.size;
    is_between.then(|| Finding::new(FindingCode::CheckpointInconsistent, detail))
}

/// Returns the head that a bundle claims; its signature is not checked.
fn peek(folder: &Path) -> Result<Option<TreeHead>, Error> {
    let path = folder.join(CHECKPOINT);
    let bytes = read_file(&path, SMALL_FILE_BYTES_MAX).map_err(|err| {
        Error::new(Kind::Unavailable, format!("could not read the checkpoint {}: {err}", path.display()))
    })?;
    let note = bytes.and_then(|bytes| Note::parse(&bytes).ok());
    Ok(note.and_then(|note| TreeHead::parse(&note.text).ok()))
}
