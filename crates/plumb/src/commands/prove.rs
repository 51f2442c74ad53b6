//! `plumb ledger prove`, and `plumb verify` of the files that it writes.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use app::prove::{Claim, Shown};
use app::report::{Claimed, REPORT_BYTES_MAX, claimed, is_report, verify_report};
use app::{App, Error, Kind};
use ledger::proof::{ConsistencyProof, ProofFile, verify_proof};
use ledger::tile::ENTRY_BYTES_MAX;
use ledger::verify::{Place, judge_witnesses};
use ledger::{Policy, Report, VerifierKey};

use crate::cli::ProveArgs;
use crate::console;
use crate::exit::Exit;
use crate::output::quoted;

/// Where a tar archive says that it is one, and how (POSIX.1-2017, pax, "ustar Interchange Format").
const TAR_MARK_AT: usize = 257;
const TAR_MARK: &[u8] = b"ustar";

pub(super) async fn run(app: &App, args: &ProveArgs) -> Result<Exit, Error> {
    let shown =
        if args.bare { Shown::Nothing } else { Shown::UpTo(args.sight.up_to(), args.archive.as_deref()) };
    let proof = app.prove(&claim(args)?, args.size, shown).await?;
    let Some(path) = &args.output else {
        console::print(proof.text.as_bytes())?;
        return Ok(Exit::Success);
    };
    console::write_file(path, proof.text.as_bytes())?;
    let keys: String = proof.vkeys.iter().map(|key| format!(" --vkey '{key}'")).collect();
    // Of a bare proof the entry comes by another way.
    let entry = if args.bare { " --entry ENTRY" } else { "" };
    let line = format!("plumb verify {}{entry}{keys}\n", quoted(&path.display().to_string()));
    console::print(line.as_bytes())?;
    Ok(Exit::Success)
}

fn claim(args: &ProveArgs) -> Result<Claim, Error> {
    match (args.index, &args.row, args.consistency) {
        (Some(index), None, None) => Ok(Claim::Index(index)),
        (None, Some(row), None) => match row.split_once('/') {
            Some((table, key)) => Ok(Claim::Row { table: table.to_owned(), key: key.to_owned() }),
            None => Err(Error::new(Kind::Usage, format!("{row:?} is not TABLE/KEY"))
                .hint("table and row stand in the entry, for example transactions/0190b2e5-...")),
        },
        (None, None, Some(older)) => Ok(Claim::ExtendsSize(older)),
        _ => Err(Error::new(Kind::Usage, "name one of --index, --row and --consistency")),
    }
}

/// Verifies a proof file offline, as [`super::ledger::verify_bundle`] does a bundle; of a proven posture it says what that
/// claims to answer, once it holds.
pub(super) fn verify(
    path: &Path,
    (keys, policy): (&[VerifierKey], Option<&Policy>),
    entry: Option<&Path>,
) -> Result<(Report, Option<Claimed>), Error> {
    let bytes = read(path, REPORT_BYTES_MAX)?;
    if bytes.get(TAR_MARK_AT..).is_some_and(|rest| rest.starts_with(TAR_MARK)) {
        return Err(Error::new(Kind::Usage, format!("{} is a tar archive", path.display()))
            .hint("unpack it, and name the folder that `plumb ledger export` wrote"));
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    if is_report(&bytes) {
        if entry.is_some() {
            return Err(Error::new(Kind::Usage, "--entry belongs to the file of a bare proof"));
        }
        let report = verify_report(&name, &bytes, (keys, policy));
        let claimed = claimed(&bytes).filter(|_claimed| report.ok);
        return Ok((report, claimed));
    }
    let entry = entry.map(|path| read(path, ENTRY_BYTES_MAX)).transpose()?;
    let mut report = verify_proof(&name, &bytes, keys, entry.as_deref());
    if let (Some(policy), Ok(file)) = (policy, ProofFile::parse(&bytes)) {
        let checkpoint = match file {
            ProofFile::Inclusion(proof) => proof.checkpoint,
            ProofFile::Consistency(ConsistencyProof { checkpoints: [_older, newer], .. }) => newer,
        };
        // It stands at the end of either file. Of the newest entry, a proof says nothing.
        let place = Place::file(&name, bytes.len().saturating_sub(checkpoint.len()) as u64);
        judge_witnesses(&mut report, policy, checkpoint.as_bytes(), None, &place);
        report.settle();
    }
    Ok((report, None))
}

/// Returns the newest checkpoint that a proof holds, once the proof is sound: what is held against it shall not pass because of
/// a file that somebody changed.
pub(super) fn checkpoint_of(path: &Path, bytes: &[u8], keys: &[VerifierKey]) -> Result<String, String> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let proof = ProofFile::parse(bytes).map_err(|err| err.to_string())?;
    // Of a bare proof the entry comes by another way: nothing but the checkpoint is asked of it here.
    let is_bare = matches!(&proof, ProofFile::Inclusion(proof) if proof.extra.is_none());
    let report = verify_proof(&name, bytes, keys, None);
    match report.findings.first().filter(|_finding| !is_bare && !report.ok) {
        Some(finding) => Err(finding.detail.clone()),
        None => Ok(match proof {
            ProofFile::Inclusion(proof) => proof.checkpoint,
            ProofFile::Consistency(ConsistencyProof { checkpoints: [_older, newer], .. }) => newer,
        }),
    }
}

/// Reads a file up to one byte more than `max`, which is enough to see that it is too long.
fn read(path: &Path, max: usize) -> Result<Vec<u8>, Error> {
    let unreadable =
        |err: io::Error| Error::new(Kind::Unavailable, format!("could not read {}: {err}", path.display()));
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
