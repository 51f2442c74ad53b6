//! `plumb store`: a database that no other command works on.

use app::repair::{Fate, Plan};
use app::{App, Error};
use serde_json::json;

use crate::cli::{Global, ListFormat, RepairArgs};
use crate::commands::{ledger, signing};
use crate::exit::Exit;
use crate::output::{Table, clean};
use crate::{config, console};

/// Shows how the database would be mended, or mends it and verifies what is there then.
pub(super) async fn repair(global: &Global, args: &RepairArgs) -> Result<Exit, Error> {
    let app = app::repair::open_damaged(&config::load_of_owner(global)).await?;
    signing(app, async |app| over(app, args).await).await
}

async fn over(app: &App, args: &RepairArgs) -> Result<Exit, Error> {
    let plan = app.plan_repair().await?;
    let (is_empty, moves, unknown) = (plan.is_empty(), plan.count(Fate::Moves), plan.count(Fate::Unknown));
    let applies = args.apply && !is_empty;
    show(app, &plan, (applies, args.format))?;
    if !applies {
        let note = if is_empty {
            "every key is there and nothing is to be mended".to_owned()
        } else if unknown > 0 {
            "nothing was changed: the ledger does not say of every number which row is right".to_owned()
        } else {
            format!("nothing was changed: --apply moves {moves} rows to quarantine and makes the keys again")
        };
        console::note(&note);
        return Ok(if is_empty { Exit::Success } else { Exit::AnswerIsNo });
    }
    app.repair(plan).await?;
    app::checkpoint::cut(app).await?;
    console::note(&format!("moved {moves} rows to quarantine and made the keys again"));
    let (report, differences) = (app.verify_ledger(None).await?, app.verify_state().await?);
    let is_sound = report.ok && differences.is_empty();
    let tell = if is_sound { console::note } else { console::warn };
    for line in ledger::text(&report)?.lines().chain(ledger::state_text(&differences).lines()) {
        tell(line);
    }
    Ok(if is_sound { Exit::Success } else { Exit::AnswerIsNo })
}

fn show(app: &App, plan: &Plan, (applies, format): (bool, ListFormat)) -> Result<(), Error> {
    if format == ListFormat::Json {
        let rows: Vec<_> = plan
            .rows
            .iter()
            .map(|row| {
                json!({"tenant": row.tenant, "table": row.table, "seq": row.seq, "row": row.row,
                    "fate": row.fate.as_str(), "why": row.why})
            })
            .collect();
        let document = json!({"schema": "plumbline.store_repair/1", "database": app.database(),
            "keys_missing": plan.tables, "rows": rows, "apply": applies});
        return console::print(&super::json(&document)?);
    }
    for table in &plan.tables {
        console::warn(&format!("{}: {table} has no key (tenant_id, seq)", clean(&app.database())));
    }
    let mut shown = Table::new(["table", "seq", "row", "fate", "why", "tenant"]);
    for row in &plan.rows {
        shown.row([
            row.table.to_owned(),
            row.seq.to_string(),
            row.row.clone(),
            row.fate.as_str().to_owned(),
            row.why.clone(),
            row.tenant.clone(),
        ]);
    }
    if plan.rows.is_empty() {
        return Ok(());
    }
    console::print(shown.render(console::stdout_is_terminal()).as_bytes())
}
