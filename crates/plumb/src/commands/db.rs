//! `plumb db`: the database itself.

use app::{Error, Verdict};
use serde_json::json;

use crate::cli::{CopyArgs, Global, ListArgs, ListFormat};
use crate::commands::ledger;
use crate::config;
use crate::console;
use crate::exit::Exit;
use crate::output::{Table, clean};
use crate::progress::Copying;

pub(super) async fn check(global: &Global, args: ListArgs) -> Result<Exit, Error> {
    let (place, checks) = app::check(&config::load(global)).await?;
    let is_ok = checks.iter().all(|check| check.verdict == Verdict::Right);
    if args.format == ListFormat::Json {
        let checks: Vec<_> = checks
            .iter()
            .map(|check| json!({"name": check.name, "ok": ok(check.verdict), "said": check.said, "hint": check.hint}))
            .collect();
        let document =
            json!({"schema": "plumbline.db_check/1", "database": place, "ok": is_ok, "checks": checks});
        console::print(&super::json(&document)?)?;
    } else {
        let mut table = Table::new(["check", "ok", "found"]);
        for check in &checks {
            let hint = check.hint.map_or_else(String::new, |hint| format!("; {hint}"));
            table.row([check.name.to_owned(), word(check.verdict).to_owned(), check.said.clone() + &hint]);
        }
        console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
    }
    Ok(if is_ok {
        Exit::Success
    } else if checks.iter().any(|check| check.verdict == Verdict::Wrong) {
        Exit::AnswerIsNo
    } else {
        Exit::Unavailable
    })
}

/// Says it for programs: nothing where it is not known.
const fn ok(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Right => Some(true),
        Verdict::Wrong => Some(false),
        Verdict::Unknown => None,
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Right => "yes",
        Verdict::Wrong => "NO",
        Verdict::Unknown => "not known",
    }
}

pub(super) async fn copy(global: &Global, args: &CopyArgs) -> Result<Exit, Error> {
    let (config, to) = config::load_for_copy(global, args.from.as_deref(), args.to.as_deref());
    let mut shown = Copying::start(global.quiet);
    let done = app::copy::copy(&config, &to, &mut |step| shown.advance(step)).await;
    shown.finish();
    let copied = done?;
    let (from, to) = (clean(&copied.from), clean(&copied.to));
    let mut text = format!(
        "copied {} rows in {} tables of {} tenants from {from} to {to}\n",
        copied.rows,
        copied.tables,
        copied.tenants.len()
    );
    let mut exit = Exit::Success;
    for tenant in &copied.tenants {
        text += &format!("{}: ", clean(&tenant.slug));
        text += &ledger::text(&tenant.report)?;
        text += &ledger::state_text(&tenant.differences);
        if !tenant.report.ok || !tenant.differences.is_empty() {
            exit = Exit::AnswerIsNo;
        }
    }
    console::print(text.as_bytes())?;
    if exit == Exit::AnswerIsNo {
        console::warn(&format!(
            "every value of the copy is the one in {from}: what does not verify was so there"
        ));
    } else {
        console::note(&format!(
            "use only {to} from here on, with the same data directory: it holds the signing key"
        ));
    }
    Ok(exit)
}
