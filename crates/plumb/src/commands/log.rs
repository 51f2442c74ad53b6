//! The keeper's commands of `plumb ledger`: begin a log, cut, seal, hand over to another key, erase, hold.

use app::continued::Request;
use app::{App, Error};
use model::record::LogEvent;
use serde_json::json;

use crate::cli::{
    ContinueArgs, EraseArgs, Global, HoldAddArgs, HoldCommand, HoldReleaseArgs, ListArgs, ListFormat,
    PruneArgs, RotateKeyArgs, SealArgs,
};
use crate::exit::Exit;
use crate::output::{Table, clean};
use crate::{config, console};

/// Begins the log, or says that there is one, and records what this program is.
pub(super) async fn init(app: &App) -> Result<Exit, Error> {
    app.record_start().await?;
    app::checkpoint::cut(app).await?;
    name(app).await
}

/// Begins a log that goes on with one that was lost or set back, and says what is missing.
pub(super) async fn go_on(global: &Global, args: &ContinueArgs) -> Result<App, Error> {
    let keys = super::ledger::read_keys(&args.vkeys)?;
    let (old, reason, without_loss) = (&args.old, &args.reason, args.without_loss);
    let request = Request { old, keys: &keys, reason, without_loss };
    let (app, continued) = app::continued::continue_log(&config::load(global), &request).await?;
    console::warn(super::ledger::said(&continued).trim_end());
    console::note("give the new public key to whoever verifies, to the witnesses, and to their policy");
    Ok(app)
}

/// Says how the log is named and which key signs it.
pub(super) async fn name(app: &App) -> Result<Exit, Error> {
    let status = app.ledger_status().await?;
    console::print(format!("origin\t{}\nvkey\t{}\n", clean(&status.origin), clean(app.vkey())).as_bytes())?;
    Ok(Exit::Success)
}

/// Covers everything by a signed checkpoint and prints it.
pub(super) async fn checkpoint(app: &App) -> Result<Exit, Error> {
    app::checkpoint::cut(app).await?;
    match app.ledger_status().await?.checkpoint {
        Some(checkpoint) => console::print(&app.cosigned_note(&checkpoint).await?)?,
        None => console::note("the log is empty"),
    }
    Ok(Exit::Success)
}

pub(super) async fn seal(app: &App, args: &SealArgs) -> Result<Exit, Error> {
    let before = args.before.unwrap_or_else(|| app.now());
    match app.seal(before, (&args.output, args.sight.up_to())).await? {
        Some(sealed) => {
            console::note(&format!(
                "sealed entries {}..{} in {}, which verifies",
                sealed.from,
                sealed.to,
                sealed.folder.display()
            ));
            console::print(format!("{}\n", sealed.bundle_sha256).as_bytes())?;
        }
        None => console::note(
            "nothing was done: fewer than 256 entries are old enough and not sealed, or the erasure of one is recorded behind them",
        ),
    }
    Ok(Exit::Success)
}

pub(super) async fn rotate_key(app: &App, args: &RotateKeyArgs) -> Result<Exit, Error> {
    let vkey = app.rotate_key(&args.reason, args.revoke_old).await?;
    console::note(
        "checkpoints are signed by the new key from here on; keep the old public key for old bundles",
    );
    console::print(format!("{}\n", clean(&vkey)).as_bytes())?;
    Ok(Exit::Success)
}

pub(super) async fn erase(app: &App, args: &EraseArgs) -> Result<Exit, Error> {
    let erased = app.erase(args.index, (&args.reason, &args.approved_by), args.body_only).await?;
    app::checkpoint::cut(app).await?;
    let lines: String =
        erased.blobs.iter().map(|blob| format!("{}\t{}\n", blob.blob.as_str(), blob.erased_sha256)).collect();
    console::print(lines.as_bytes())?;
    Ok(Exit::Success)
}

pub(super) async fn prune(app: &App, args: &PruneArgs) -> Result<Exit, Error> {
    let pruned = app.prune(args.archive.as_deref(), (&args.reason, &args.approved_by)).await?;
    app::checkpoint::cut(app).await?;
    let evidence = &pruned.evidence;
    if pruned.segments.is_empty() && evidence.blobs.is_empty() {
        console::note("nothing is older than its retention and not held; nothing was removed");
    }
    if evidence.held > 0 {
        console::note(&format!("{} evidence documents are held and stay", evidence.held));
    }
    if evidence.is_full {
        console::warn("warning: the log takes no more removals; what is left of old evidence stays");
    }
    let segments = pruned.segments.iter().map(|segment| format!("{}\t{}\n", segment.from, segment.to));
    let blobs = evidence.blobs.iter().map(|sha256| format!("evidence\t{sha256}\n"));
    console::print(segments.chain(blobs).collect::<String>().as_bytes())?;
    Ok(Exit::Success)
}

pub(super) async fn hold(app: &App, command: HoldCommand) -> Result<Exit, Error> {
    match command {
        HoldCommand::Add(HoldAddArgs { name, host, reason }) => {
            app.add_hold(&name, host.as_deref(), &reason).await?;
        }
        HoldCommand::Release(HoldReleaseArgs { name, reason }) => app.release_hold(&name, &reason).await?,
        HoldCommand::List(args) => return list_holds(app, &args).await,
    }
    app::checkpoint::cut(app).await?;
    Ok(Exit::Success)
}

async fn list_holds(app: &App, args: &ListArgs) -> Result<Exit, Error> {
    let holds = app.holds().await?;
    match args.format {
        ListFormat::Json => {
            let holds: Vec<_> = holds.values().collect();
            let document = json!({"schema": "plumbline.holds/1", "holds": holds});
            console::print(&super::json(&document)?)?;
        }
        ListFormat::Text => {
            let mut table = Table::new(["hold", "subject", "reason"]);
            for hold in holds.into_values() {
                table.row([hold.hold, hold.subject, hold.reason]);
            }
            console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
        }
    }
    Ok(Exit::Success)
}

pub(super) async fn events(app: &App, args: ListArgs) -> Result<Exit, Error> {
    let events = app.ledger_events().await?;
    if args.format == ListFormat::Json {
        let list: Vec<_> =
            events.iter().map(|event| json!({"index": event.index, "event": event.record})).collect();
        let document = json!({"schema": "plumbline.ledger_events/1", "events": list});
        console::print(&super::json(&document)?)?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new(["entry", "recorded", "kind", "what"]);
    for stored in events {
        let (at, kind) = (stored.record.recorded_at, stored.record.event.kind());
        table.row([stored.index.to_string(), at.to_string(), kind.to_owned(), said(stored.record.event)]);
    }
    console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
    Ok(Exit::Success)
}

/// Says in a few words what happened.
fn said(event: LogEvent) -> String {
    match event {
        LogEvent::KeyRotated(rotated) => {
            let revoked = if rotated.old_revoked { ", the old key is revoked" } else { "" };
            format!("{}{revoked}: {}", rotated.new_vkey, rotated.reason)
        }
        LogEvent::SegmentSealed(sealed) => {
            format!("entries {}..{} as bundle {}", sealed.from, sealed.to, sealed.bundle_sha256)
        }
        LogEvent::SegmentPruned(pruned) => format!(
            "bodies of entries {}..{}, approved by {}: {}",
            pruned.from, pruned.to, pruned.approved_by, pruned.reason
        ),
        LogEvent::BodyErased(erased) => {
            let (blob, index, by) = (erased.blob.as_str(), erased.erased_index, &erased.approved_by);
            let after = erased.retention_days.map_or_else(String::new, |days| format!(" after {days} days"));
            format!("{blob} of entry {index}{after}, approved by {by}: {}", erased.reason)
        }
        LogEvent::HoldChanged(hold) => {
            let change = if hold.active { "added" } else { "released" };
            format!("{} {change} on {}: {}", hold.hold, hold.subject, hold.reason)
        }
        LogEvent::Started(started) => {
            let anchor = if started.expects_anchor { "an anchor" } else { "no anchor" };
            format!("plumb {}, {anchor}, program {}", started.version, started.binary_sha256)
        }
        LogEvent::Configured(kept) => {
            let (bodies, evidence) = (kept.retention_bodies_days, kept.retention_evidence_days);
            let access_log = kept.retention_access_log_days;
            format!(
                "kept for days, 0 for ever: bodies {bodies}, evidence {evidence}, access log {access_log}"
            )
        }
    }
}
