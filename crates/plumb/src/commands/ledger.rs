//! `plumb ledger`, `plumb state verify` and `plumb verify`: the record and its integrity.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use app::bundle::verify_folder;
use app::report::Claimed;
use app::state::Difference;
use app::witness::Seen;
use app::{App, Error, Kind};
use ledger::bundle::{CHECKPOINT, Extent, Options, Range};
use ledger::proof::{PROOF_BYTES_MAX, is_proof};
use ledger::verify::{Continued, EvidenceState, WitnessLag};
use ledger::{Policy, Report, TreeHead, VerifierKey};
use serde_json::json;

use crate::cli::{ExportArgs, LedgerVerifyArgs, ListArgs, ListFormat, VerifyArgs};
use crate::console;
use crate::exit::Exit;
use crate::output::{Table, clean, quoted};

/// Shape of the outcome of a verification, as JSON.
const SCHEMA: &str = "plumbline.verification/1";
/// Findings that are shown as text; JSON has them all.
const SHOWN_MAX: usize = 20;

pub(super) async fn status(app: &App, args: ListArgs) -> Result<Exit, Error> {
    let status = app.ledger_status().await?;
    let checkpoint = status.checkpoint.as_ref();
    if args.format == ListFormat::Json {
        let document = json!({
            "schema": "plumbline.ledger_status/1",
            "origin": status.origin,
            "vkey": status.vkey,
            "size": status.size,
            "checkpoint": checkpoint.map(|checkpoint| json!({
                "size": checkpoint.size,
                "root": checkpoint.root,
                "newest_entry_at": status.covered_until,
                "note": String::from_utf8_lossy(&checkpoint.note),
            })),
            "uncovered": status.uncovered,
            "left": status.left,
            "window_seconds": status.window_seconds,
            "witness_lag": status.witness_lag,
            "disputed": status.seen.as_ref().and_then(disputed),
        });
        console::print(&super::json(&document)?)?;
        warn_of(status.witness_lag.as_ref());
        warn_of_unsigned(status.seen.as_ref());
        return Ok(Exit::Success);
    }
    let covered = checkpoint.map_or(0, |checkpoint| checkpoint.size);
    let until = status.covered_until.map_or_else(String::new, |at| format!(", the newest of {at}"));
    let open = status.size.saturating_sub(status.left);
    let text = format!(
        "origin       {}\nvkey         {}\nentries      {}\ncheckpoint   over {covered} entries{until}\n\
         uncovered    {}\nleft         {} entries are under a checkpoint in the anchor or cosigned by a witness\n{}{}\
         window       {open} entries, the oldest {} s old, are not: the owner can still remove or rewrite them\n\
         \u{20}            unseen, but for copies that somebody keeps\n\
         not shown    that a scan told the truth: the ledger proves what was recorded, when, and that it stayed\n",
        clean(&status.origin),
        clean(&status.vkey),
        status.size,
        status.uncovered,
        status.left,
        status
            .witness_lag
            .as_ref()
            .map(|lag| format!("witnessed    {}\n", witnessed(lag)))
            .unwrap_or_default(),
        status
            .seen
            .as_ref()
            .and_then(disputed)
            .map(|why| format!("disputed     {}: nothing is signed\n", clean(&why)))
            .unwrap_or_default(),
        status.window_seconds,
    );
    console::print(text.as_bytes())?;
    warn_of(status.witness_lag.as_ref());
    warn_of_unsigned(status.seen.as_ref());
    Ok(Exit::Success)
}

/// Says what a witness showed against the log; nothing where it proves nothing.
fn disputed((seen, path): &(Seen, PathBuf)) -> Option<String> {
    let why = match seen {
        Seen::Missing(head) => {
            format!("a witness has a checkpoint over {} entries that this log never had", head.size)
        }
        Seen::Older(finding) => finding.detail.clone(),
        Seen::Unsigned(_) => return None,
    };
    Some(format!("{why}, in {}", path.display()))
}

/// Warns of a file where a witness's proof is kept that proves nothing: somebody may have put it in the place of one.
fn warn_of_unsigned(seen: Option<&(Seen, PathBuf)>) {
    if let Some((Seen::Unsigned(why), path)) = seen {
        console::warn(&clean(&format!(
            "warning: {} is not what a witness showed of this log: {why}",
            path.display()
        )));
    }
}

/// Says how far witnesses got, and since when they are behind.
fn witnessed(lag: &WitnessLag) -> String {
    match &lag.since {
        None => format!("{} entries have the cosignatures that the policy needs", lag.size),
        Some(since) => format!(
            "{} entries have the cosignatures that the policy needs, a newer checkpoint waits since {since}, {} s{}",
            lag.size,
            lag.seconds,
            if lag.alarm { ": ALARM" } else { "" }
        ),
    }
}

/// Warns when witnesses are behind for too long. Nothing is lost by it, so the exit status stays.
fn warn_of(lag: Option<&WitnessLag>) {
    if let Some(lag) = lag.filter(|lag| lag.alarm) {
        console::warn(&format!(
            "warning: no quorum of witnesses cosigned a checkpoint beyond {} entries for {} s, which is more than {} s",
            lag.size,
            lag.seconds,
            app::witness::ALARM_SECONDS
        ));
    }
}

pub(super) async fn verify(app: &App, args: &LedgerVerifyArgs) -> Result<Exit, Error> {
    // Before anything is sealed there may be none; then nothing is asked of it.
    if let Some(folder) = args.archive.as_deref().filter(|folder| !folder.is_dir()) {
        console::warn(&format!("there is no folder {}, which --archive names", folder.display()));
    }
    let report = app.verify_ledger(args.archive.as_deref()).await?;
    warn_of(report.witness_lag.as_ref());
    warn_of_unsigned(app.seen().await?.as_ref());
    show(&report, args.list.format)
}

pub(super) async fn export(app: &App, args: &ExportArgs) -> Result<Exit, Error> {
    let exported = app.export(&args.output, args.sight.up_to()).await?;
    console::note(&format!(
        "exported {} entries in {} files, {} bytes, to {}",
        exported.entries,
        exported.files,
        exported.bytes,
        exported.folder.display()
    ));
    let keys: String = exported.vkeys.iter().map(|vkey| format!(" --vkey '{}'", clean(vkey))).collect();
    let folder = quoted(&exported.folder.display().to_string());
    console::print(format!("plumb verify {folder}{keys}\n").as_bytes())?;
    Ok(Exit::Success)
}

pub(super) async fn state(app: &App, args: ListArgs) -> Result<Exit, Error> {
    let differences = app.verify_state().await?;
    match args.format {
        ListFormat::Json => {
            let ok = differences.is_empty();
            let document = json!({"schema": "plumbline.state_check/1", "ok": ok, "differences": differences});
            console::print(&super::json(&document)?)?;
        }
        ListFormat::Text => console::print(state_text(&differences).as_bytes())?,
    }
    Ok(if differences.is_empty() { Exit::Success } else { Exit::AnswerIsNo })
}

/// Says how the current state differs from what the change log says.
pub(super) fn state_text(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "the current state is what the change log says\n".to_owned();
    }
    let mut table = Table::new(["host", "rule", "what", "stored", "rebuilt"]);
    for difference in differences {
        table.row([
            difference.host.clone(),
            difference.rule_id.as_ref().map_or("-", |rule| rule.as_str()).to_owned(),
            difference.what.clone(),
            difference.stored.clone(),
            difference.rebuilt.clone(),
        ]);
    }
    table.render(console::stdout_is_terminal())
}

/// Verifies a bundle offline: no database, no network, no configuration, no private key (LED-26).
pub(super) fn verify_bundle(args: &VerifyArgs) -> Result<Exit, Error> {
    let policy = args.policy.as_deref().map(app::witness::read_policy).transpose()?;
    let keys = trusted(args, policy.as_ref())?;
    if args.bundle.is_file() && (args.range.is_some() || !args.earlier.is_empty()) {
        return Err(Error::new(
            Kind::Usage,
            "--range and --earlier belong to bundles: a single file does not hold the log",
        ));
    }
    if args.bundle.is_file() {
        if !args.against.is_empty() {
            return Err(Error::new(
                Kind::Usage,
                "--against belongs to bundles: a single file does not hold the log",
            )
            .hint("`plumb ledger prove --consistency OLD` proves that the log grew"));
        }
        let trusted = (keys.as_slice(), policy.as_ref());
        let (report, claimed) = super::prove::verify(&args.bundle, trusted, args.entry.as_deref())?;
        return match claimed {
            Some(claimed) => show_posture(&report, &claimed, args.format),
            None => show(&report, args.format),
        };
    }
    if args.entry.is_some() {
        return Err(Error::new(Kind::Usage, "--entry belongs to the file of a bare proof"));
    }
    let against = args.against.iter().map(|path| known_head(path, &keys)).collect::<Result<Vec<_>, _>>()?;
    let extent = args.range.map_or(Extent::Whole, Extent::Part);
    let options = Options { against: &against, policy: policy.as_ref(), extent, ..Options::new(&keys) };
    show(&verify_folder(&args.bundle, &options, &args.earlier)?, args.format)
}

/// Returns the keys to trust: those given one by one and those of the policy's logs.
fn trusted(args: &VerifyArgs, policy: Option<&Policy>) -> Result<Vec<VerifierKey>, Error> {
    let mut keys = read_keys(&args.vkeys)?;
    keys.extend(policy.map(Policy::log_keys).unwrap_or_default());
    if keys.is_empty() {
        return Err(Error::new(Kind::Usage, "the policy names no log").hint("add the key to trust by --vkey"));
    }
    Ok(keys)
}

/// Reads public keys from the command line.
pub(super) fn read_keys(texts: &[String]) -> Result<Vec<VerifierKey>, Error> {
    let read = |text: &String| {
        text.parse::<VerifierKey>().map_err(|err| {
            Error::new(Kind::Usage, format!("--vkey: {err}"))
                .hint("copy it from `plumb ledger status` on the machine that signs, quotes included")
        })
    };
    texts.iter().map(read).collect()
}

/// Reads an older checkpoint, that of an older bundle, or that in a receipt. A trusted key must have signed it.
fn known_head(path: &Path, keys: &[VerifierKey]) -> Result<TreeHead, Error> {
    let file = if path.is_dir() { path.join(CHECKPOINT) } else { path.to_owned() };
    let bytes = fs::File::open(&file).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(PROOF_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map(|_read| bytes)
    });
    let bytes = bytes.map_err(|err| {
        Error::new(Kind::Unavailable, format!("could not read the checkpoint {}: {err}", file.display()))
    })?;
    let refused = |problem: &dyn std::fmt::Display| {
        Error::new(Kind::Usage, format!("--against {}: {problem}", file.display()))
            .hint("name a checkpoint or a receipt that a key given by --vkey signed, or an older bundle")
    };
    let checkpoint = if is_proof(&bytes) {
        super::prove::checkpoint_of(&file, &bytes, keys).map_err(|problem| refused(&problem))?.into_bytes()
    } else {
        bytes
    };
    ledger::checkpoint::open(&checkpoint, keys).map(|signed| signed.head).map_err(|err| refused(&err))
}

fn show(report: &Report, format: ListFormat) -> Result<Exit, Error> {
    match format {
        ListFormat::Json => console::print(&super::named_json(SCHEMA, report)?)?,
        ListFormat::Text => console::print(text(report)?.as_bytes())?,
    }
    Ok(if report.ok { Exit::Success } else { Exit::AnswerIsNo })
}

/// As [`show`] of a proven posture that holds: whose it is, of which instants, and what it cannot show.
fn show_posture(report: &Report, claimed: &Claimed, format: ListFormat) -> Result<Exit, Error> {
    match format {
        ListFormat::Json => {
            let mut document = serde_json::to_value(report)
                .map_err(|err| Error::new(Kind::Internal, format!("could not write: {err}")))?;
            document["posture"] = json!(claimed);
            console::print(&super::named_json(SCHEMA, &document)?)?;
        }
        ListFormat::Text => {
            let measured = claimed.measured_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
            let text = format!(
                "{}posture of {} ({}), last measured {measured}; asked for {} as recorded at {}\n\
                 not shown: that no newer scan was recorded by then; a bundle of the log shows that\n",
                text(report)?,
                clean(&claimed.host),
                claimed.host_id,
                claimed.valid_at,
                claimed.recorded_at,
            );
            console::print(text.as_bytes())?;
        }
    }
    Ok(Exit::Success)
}

/// Says in a line how much there is of a log that the verified one goes on with.
pub(super) fn said(continued: &Continued) -> String {
    let range = |range: &Range| format!("entries {}..{}", range.from, range.to);
    let missing = continued
        .missing
        .as_ref()
        .map_or_else(|| "none is missing".to_owned(), |missing| format!("{} are MISSING", range(missing)));
    let unsigned = continued.unsigned.as_ref().map_or_else(String::new, |unsigned| {
        format!(
            "; {} were recorded before this log began, under no checkpoint of the old one",
            range(unsigned)
        )
    });
    let (origin, size, present) = (clean(&continued.origin), continued.size, continued.present);
    format!("continues {origin} of {size} entries: {present} are here, {missing}{unsigned}\n")
}

/// Says what a verification came to.
pub(super) fn text(report: &Report) -> Result<String, Error> {
    let mut out = String::new();
    let failed = |err: std::fmt::Error| Error::new(Kind::Internal, format!("could not write: {err}"));
    writeln!(
        out,
        "{}  {} of {} entries, {} bodies, {} rows, {} checkpoints; {} erased; {} pruned; {} evidence removed by retention; {} uncovered\nroot {}  keys {}{}",
        if report.ok { "verified" } else { "NOT VERIFIED" },
        report.entries,
        report.tree_size,
        report.bodies_checked,
        report.rows_checked,
        report.checkpoints,
        report.erased,
        report.pruned,
        report.expired,
        report.uncovered_tail,
        report.root.as_deref().unwrap_or("-"),
        if report.key_ids.is_empty() { "-".to_owned() } else { report.key_ids.join(" ") },
        match report.witness {
            EvidenceState::None => "",
            EvidenceState::Verified => "  witnesses verified",
            EvidenceState::Failed => "  witnesses NOT VERIFIED",
        },
    )
    .map_err(failed)?;
    for continued in &report.continues {
        out.push_str(&said(continued));
    }
    if report.anchor_seams > 0 {
        let (seams, s) = (report.anchor_seams, if report.anchor_seams == 1 { "" } else { "s" });
        writeln!(out, "anchor has {seams} seam{s}: what could not be read was moved to files beside it")
            .map_err(failed)?;
    }
    if let Some(lag) = &report.witness_lag {
        writeln!(out, "witnessed {}", witnessed(lag)).map_err(failed)?;
    }
    for finding in report.findings.iter().take(SHOWN_MAX) {
        let code = serde_json::to_value(finding.code)
            .map_err(|err| Error::new(Kind::Internal, format!("could not write: {err}")))?;
        let mut place = String::new();
        if let Some(index) = finding.index {
            write!(place, "  entry {index}").map_err(failed)?;
        }
        if let (Some(table), Some(row)) = (&finding.table, &finding.row) {
            write!(place, "  {table} {row}").map_err(failed)?;
        }
        if let Some(file) = &finding.file {
            write!(place, "  {file}").map_err(failed)?;
            if let Some(offset) = finding.offset {
                write!(place, " offset {offset}").map_err(failed)?;
            }
        }
        let line = format!("{}{place}: {}", code.as_str().unwrap_or("?"), finding.detail);
        writeln!(out, "{}", clean(&line)).map_err(failed)?;
    }
    let more = (report.findings.len() as u64 + report.findings_dropped).saturating_sub(SHOWN_MAX as u64);
    if more > 0 {
        writeln!(out, "and {more} more findings; --format json lists them").map_err(failed)?;
    }
    Ok(out)
}
