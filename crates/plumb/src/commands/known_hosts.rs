//! `plumb known-hosts`: which host keys are trusted, and why.

use std::fs;

use app::{App, Error, Kind};
use serde_json::{Value, json};

use crate::cli::{ImportArgs, KnownHostsCommand, ListArgs, ListFormat};
use crate::console;
use crate::exit::Exit;
use crate::output::Table;

/// Longest file that is imported. Bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

pub(super) async fn run(app: &App, command: KnownHostsCommand) -> Result<Exit, Error> {
    match command {
        KnownHostsCommand::List(args) => return list(app, args).await,
        KnownHostsCommand::Import(args) => import(app, &args).await?,
        KnownHostsCommand::Approve(args) => {
            let (address, port) = app.key_place(&args.host).await?;
            let line = format!("{} {}", args.key_type, args.key);
            let key = app.approve_key((&address, port), &line, &args.reason).await?;
            console::note(&format!("approved {} of {address} port {port}", key.fingerprint));
        }
        KnownHostsCommand::Revoke(args) => {
            let revoked = app.revoke_key(&args.fingerprint, &args.reason).await?;
            for key in &revoked {
                console::note(&format!("revoked {} of {} port {}", key.fingerprint, key.address, key.port));
            }
        }
    }
    app::checkpoint::cut(app).await?;
    Ok(Exit::Success)
}

async fn import(app: &App, args: &ImportArgs) -> Result<(), Error> {
    let unreadable = |err: &dyn std::fmt::Display| {
        Error::new(Kind::Usage, format!("could not read {}: {err}", args.file.display()))
    };
    let size = fs::metadata(&args.file).map_err(|err| unreadable(&err))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(&"it is larger than 16 MiB"));
    }
    let bytes = fs::read(&args.file).map_err(|err| unreadable(&err))?;
    let mut also = Vec::with_capacity(args.hosts.len());
    for host in &args.hosts {
        also.push(app.key_place(host).await?);
    }
    let imported = app.import_known_hosts(&String::from_utf8_lossy(&bytes), &also, &args.reason).await?;
    for skipped in &imported.skipped {
        console::warn(&format!(
            "{}:{}: passed over: {}",
            args.file.display(),
            skipped.number,
            skipped.problem
        ));
    }
    if imported.unmatched > 0 {
        console::note(&format!(
            "{} lines speak of hosts that are not saved and not named by --host",
            imported.unmatched
        ));
    }
    for key in &imported.kept_out {
        console::warn(&format!(
            "left out: {} of {} port {} was revoked",
            key.fingerprint, key.address, key.port
        ));
    }
    console::note(&format!("imported {} keys", imported.keys.len()));
    if !imported.kept_out.is_empty() {
        console::note(&format!(
            "left out {} revoked keys; `plumb known-hosts approve` alone trusts them again",
            imported.kept_out.len()
        ));
    }
    Ok(())
}

async fn list(app: &App, args: ListArgs) -> Result<Exit, Error> {
    let keys = app.list_known_keys().await?;
    if args.format == ListFormat::Json {
        let keys: Vec<Value> =
            keys.iter().map(|key| json!({"key": key.record, "last_seen_at": key.last_seen_at})).collect();
        console::print(&super::json(&json!({"schema": "plumbline.host_keys/1", "keys": keys}))?)?;
        return Ok(Exit::Success);
    }
    let mut table =
        Table::new(["address", "port", "type", "fingerprint", "status", "source", "first seen", "last seen"]);
    for key in &keys {
        let record = &key.record;
        table.row([
            record.address.clone(),
            record.port.to_string(),
            record.key_type.clone(),
            record.fingerprint.clone(),
            if record.revoked { "revoked" } else { "trusted" }.to_owned(),
            record.source.as_str().to_owned(),
            record.first_seen_at.to_string(),
            key.last_seen_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        ]);
    }
    console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
    Ok(Exit::Success)
}
