//! `plumb host`: the inventory.

use app::hosts::Host;
use app::targets::Overrides;
use app::{App, Error, Kind};
use serde_json::{Value, json};

use crate::cli::{HostAddArgs, HostCommand, HostListArgs, HostNameArgs, ListFormat};
use crate::exit::Exit;
use crate::output::Table;
use crate::{config, console};

pub(super) async fn run(app: &App, command: HostCommand) -> Result<Exit, Error> {
    match command {
        HostCommand::Add(args) => add(app, &args).await,
        HostCommand::List(args) => list(app, &args).await,
        HostCommand::Show(args) => show(app, &args).await,
        HostCommand::Remove(args) => {
            let host = app.remove_host(&args.name).await?;
            app::checkpoint::cut(app).await?;
            console::note(&format!("removed {}; its history stays", host.name));
            Ok(Exit::Success)
        }
    }
}

async fn add(app: &App, args: &HostAddArgs) -> Result<Exit, Error> {
    let identity_file = args.identity.as_deref().map(super::absolute).transpose()?;
    let overrides = Overrides { user: None, identity_file, sudo: args.sudo, for_several: false };
    let config = config::ssh();
    let resolved = app.resolve_new(&args.target, &config, &overrides).await?;
    if let Some(saved) = &resolved.saved {
        return Err(Error::new(
            Kind::Conflict,
            format!("{} is saved already as {}", args.target, saved.name),
        )
        .hint("`plumb host show` shows it; remove it first to save it anew"));
    }
    let mut record = resolved.record;
    if let Some(name) = &args.name {
        record.name.clone_from(name);
    }
    if let Some(profile) = &args.profile {
        record.profile_id.clone_from(profile);
    }
    let saved = app.save_host(&record, "host.added").await?;
    app::checkpoint::cut(app).await?;
    console::note(&format!("saved {} ({})", saved.name, saved.host_id));
    Ok(Exit::Success)
}

fn document(host: &Host) -> Value {
    let posture = host.posture.as_ref().map(|posture| {
        json!({
            "state": posture.state,
            "pass_count": posture.pass_count,
            "fail_count": posture.fail_count,
            "skipped_count": posture.skipped_count,
            "error_count": posture.error_count,
            "not_applicable_count": posture.not_applicable_count,
            "last_scan_id": posture.last_scan_id,
            "last_checked_at": posture.last_checked_at,
        })
    });
    json!({"host": host.record, "posture": posture})
}

async fn list(app: &App, args: &HostListArgs) -> Result<Exit, Error> {
    let hosts = if args.removed { app.list_removed_hosts().await? } else { app.list_hosts().await? };
    if args.list.format == ListFormat::Json {
        let hosts: Vec<Value> = hosts.iter().map(document).collect();
        console::print(&super::json(&json!({"schema": "plumbline.hosts/1", "hosts": hosts}))?)?;
        return Ok(Exit::Success);
    }
    if args.removed {
        let mut table = Table::new(["name", "address", "port", "added", "removed", "id"]);
        for Host { record, .. } in &hosts {
            table.row([
                record.name.clone(),
                record.address.clone(),
                record.port.to_string(),
                record.added_at.to_string(),
                record.removed_at.map_or_else(String::new, |at| at.to_string()),
                record.host_id.to_string(),
            ]);
        }
        console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
        return Ok(Exit::Success);
    }
    let mut table =
        Table::new(["name", "reach", "address", "port", "user", "platform", "state", "last checked"]);
    for host in &hosts {
        let record = &host.record;
        let posture = host.posture.as_ref();
        let checked = posture.and_then(|posture| posture.last_checked_at);
        table.row([
            record.name.clone(),
            record.transport.as_str().to_owned(),
            record.address.clone(),
            record.port.to_string(),
            record.username.clone(),
            record.os_name.clone(),
            posture.map_or_else(|| "unknown".to_owned(), |posture| posture.state.to_string()),
            checked.map_or_else(|| "never_checked".to_owned(), |at| at.to_string()),
        ]);
    }
    console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
    Ok(Exit::Success)
}

async fn show(app: &App, args: &HostNameArgs) -> Result<Exit, Error> {
    let host = app.load_host(&args.name).await?;
    let scans = app.list_scans(host.record.host_id).await?;
    if args.format == ListFormat::Json {
        let mut document = document(&host);
        document["schema"] = json!("plumbline.host_view/1");
        document["scans"] = json!(scans);
        console::print(&super::json(&document)?)?;
        return Ok(Exit::Success);
    }
    let record = &host.record;
    let removed = record.removed_at.map_or_else(String::new, |at| format!("  removed {at}"));
    console::note(&format!(
        "{}  {}  {}:{}  {}  {}{removed}",
        record.name, record.host_id, record.address, record.port, record.os_name, record.arch
    ));
    let mut table =
        Table::new(["scan", "status", "kind", "assessed", "fail", "error", "changes", "finished"]);
    for scan in &scans {
        let all = scan.pass_count
            + scan.fail_count
            + scan.skipped_count
            + scan.error_count
            + scan.not_applicable_count;
        let reason = scan.failure_reason.map_or_else(String::new, |reason| format!(" {reason}"));
        table.row([
            scan.scan_id.to_string(),
            format!("{}{reason}", scan.status),
            if scan.is_full { "full" } else { "partial" }.to_owned(),
            format!("{}/{all}", scan.pass_count + scan.fail_count),
            scan.fail_count.to_string(),
            scan.error_count.to_string(),
            scan.change_count.to_string(),
            scan.finished_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        ]);
    }
    console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
    Ok(Exit::Success)
}
