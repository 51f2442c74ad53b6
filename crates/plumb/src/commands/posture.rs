//! `plumb posture`, `history`, `diff` and `evidence`: reading the record.

use app::posture::{AsOf, DiffView, Posture};
use app::{App, Error, Kind};
use formats::Options;
use model::RuleId;
use serde_json::{Value, json};

use crate::cli::{DiffArgs, EvidenceArgs, HistoryArgs, ListFormat, PostureArgs, PostureFormat};
use crate::console;
use crate::exit::Exit;
use crate::output::{self, Table, clean};

/// A row of the change log, as it is given to programs and to [`change`].
type Row = app::posture::HistoryRow;

pub(super) async fn show(app: &App, args: &PostureArgs) -> Result<Exit, Error> {
    let as_of = AsOf {
        valid_at: args.at,
        recorded_at: args.recorded_at,
        framework: args.framework.clone(),
        today_mapping: args.todays_mapping,
    };
    output::refuse_same(args.output.as_deref(), &args.reports)?;
    let terminal = args.output.is_none() && console::stdout_is_terminal();
    let bytes = match (&args.host, args.format) {
        (Some(host), _) if args.prove => app.prove_posture(host, &as_of, args.archive.as_deref()).await?,
        (host, PostureFormat::Results(format)) => {
            let options = Options { format, color: false, verbose: true, version: env!("CARGO_PKG_VERSION") };
            output::render(&app.results_on_record(host.as_deref(), &as_of).await?, &options)?
        }
        (Some(host), PostureFormat::Json) => {
            super::named_json("plumbline.posture/1", &app.posture(host, &as_of).await?)?
        }
        (Some(host), PostureFormat::Text) => {
            let posture = app.posture(host, &as_of).await?;
            warn_of_unsigned(std::slice::from_ref(&posture));
            one(&posture, terminal).into_bytes()
        }
        (None, PostureFormat::Json) => super::json(
            &json!({"schema": "plumbline.postures/1", "postures": app.fleet_posture(&as_of).await?}),
        )?,
        (None, PostureFormat::Text) => {
            let postures = app.fleet_posture(&as_of).await?;
            warn_of_unsigned(&postures);
            fleet(&postures, terminal).into_bytes()
        }
    };
    match &args.output {
        None => console::print(&bytes)?,
        Some(path) => console::write_file(path, &bytes)?,
    }
    if !args.reports.is_empty() {
        output::write_files(&app.results_on_record(args.host.as_deref(), &as_of).await?, &args.reports)?;
    }
    Ok(Exit::Success)
}

/// Says of which hosts results came from rules of a directory, as the report of a scan does.
fn warn_of_unsigned(postures: &[Posture]) {
    for posture in postures.iter().filter(|posture| !posture.content_signed) {
        console::warn(&format!(
            "unsigned content: rules for {} came from a directory, not from the shipped corpus",
            posture.host
        ));
    }
}

fn score(posture: &Posture) -> String {
    posture.score.as_ref().map_or_else(|| "-".to_owned(), |score| format!("{score} %"))
}

fn checked(posture: &Posture) -> String {
    posture.last_checked_at.map_or_else(|| "never_checked".to_owned(), |at| at.to_string())
}

fn assessed(posture: &Posture) -> String {
    let all = posture.rules.len();
    format!("{}/{all}", posture.pass_count + posture.fail_count)
}

fn fleet(postures: &[Posture], terminal: bool) -> String {
    let mut table =
        Table::new(["host", "state", "score", "assessed", "pass", "fail", "error", "last checked"]);
    for posture in postures {
        table.row([
            posture.host.clone(),
            posture.state.to_string(),
            score(posture),
            assessed(posture),
            posture.pass_count.to_string(),
            posture.fail_count.to_string(),
            posture.error_count.to_string(),
            checked(posture),
        ]);
    }
    table.render(terminal)
}

fn one(posture: &Posture, terminal: bool) -> String {
    let heading = format!(
        "{}  {}  {}  {} assessed  checked {}  valid at {}  recorded at {}\n",
        clean(&posture.host),
        posture.state,
        score(posture),
        assessed(posture),
        checked(posture),
        posture.valid_at,
        posture.recorded_at,
    );
    let mapping =
        posture.mapping.as_ref().map_or_else(String::new, |said| format!("mapping: {}\n", clean(said)));
    let table = if posture.framework.is_some() {
        let mut table = Table::new(["control", "status", "rules"]);
        for control in &posture.controls {
            let rules: Vec<&str> = control.rules.iter().map(RuleId::as_str).collect();
            table.row([control.control.clone(), control.status.to_string(), rules.join(" ")]);
        }
        table
    } else {
        let mut table =
            Table::new(["rule", "status", "severity", "since", "last checked", "checks", "imported"]);
        for rule in &posture.rules {
            table.row([
                rule.rule_id.as_str().to_owned(),
                rule.status.to_string(),
                rule.severity.to_string(),
                rule.since.to_string(),
                rule.last_checked_at.to_string(),
                rule.check_count.to_string(),
                rule.imported.clone().unwrap_or_default(),
            ]);
        }
        table
    };
    // Scripts get the table alone; people get the heading with it.
    if terminal {
        format!("{heading}{mapping}{}", table.render(true))
    } else {
        for line in heading.lines().chain(mapping.lines()) {
            console::note(line);
        }
        table.render(false)
    }
}

pub(super) async fn history(app: &App, args: &HistoryArgs) -> Result<Exit, Error> {
    let rule = match &args.rule {
        Some(rule) => Some(RuleId::parse(rule).map_err(|err| Error::new(Kind::Usage, err.to_string()))?),
        None => None,
    };
    let rows = app.history(&args.host, rule.as_ref(), (args.before, args.limit)).await?;
    match args.format {
        ListFormat::Json => {
            let next = rows.last().filter(|_| rows.len() == args.limit as usize).map(|row| row.log_index);
            let rows: Vec<Value> = rows.iter().map(change).collect();
            let document = json!({"schema": "plumbline.history/1", "changes": rows, "next_before": next});
            console::print(&super::json(&document)?)?;
        }
        ListFormat::Text => console::print(changes(&rows).as_bytes())?,
    }
    Ok(Exit::Success)
}

/// Renders a change row for programs: its record, who asked, and where it stands in the ledger.
pub(super) fn change(row: &Row) -> Value {
    json!({"change": row.change, "requested_by": row.requested_by, "log_index": row.log_index})
}

fn changes(rows: &[Row]) -> String {
    let mut table =
        Table::new(["occurred at", "rule", "change", "from", "to", "severity", "by", "entry", "evidence"]);
    for row in rows {
        let change = &row.change;
        table.row([
            change.occurred_at.to_string(),
            change.rule_id.as_str().to_owned(),
            change.change_kind.to_string(),
            change.prior_status.map_or("-", model::Status::as_str).to_owned(),
            change.status.to_string(),
            change.severity.to_string(),
            row.requested_by.clone(),
            row.log_index.to_string(),
            change.evidence_sha256.to_string(),
        ]);
    }
    table.render(console::stdout_is_terminal())
}

pub(super) async fn diff(app: &App, args: &DiffArgs) -> Result<Exit, Error> {
    let to = args.to.unwrap_or_else(|| app.now());
    if to < args.from {
        return Err(Error::new(Kind::Usage, "--to lies before --from"));
    }
    let diff = app.diff(&args.host, args.from, to).await?;
    match args.format {
        ListFormat::Json => console::print(&super::json(&document(&diff))?)?,
        ListFormat::Text => {
            for (measured, at) in [(diff.measured.0, diff.from), (diff.measured.1, diff.to)] {
                if !measured {
                    let host = clean(&diff.host);
                    console::warn(&format!("{host} had no full scan by {at}: nothing is claimed of it then"));
                }
            }
            console::print(differences(&diff).as_bytes())?;
        }
    }
    Ok(Exit::Success)
}

fn document(diff: &DiffView) -> Value {
    let side = |row: &Option<app::posture::PostureRow>| {
        row.as_ref().map(
            |row| json!({"status": row.status, "severity": row.severity, "value_digest": row.value_digest}),
        )
    };
    let rules: Vec<Value> = diff
        .rules
        .iter()
        .map(|rule| {
            json!({
                "rule_id": rule.rule_id,
                "kind": rule.kind.as_str(),
                "before": side(&rule.before),
                "after": side(&rule.after),
            })
        })
        .collect();
    let changes: Vec<Value> = diff.changes.iter().map(change).collect();
    json!({
        "schema": "plumbline.diff/1",
        "host": diff.host,
        "from": diff.from,
        "to": diff.to,
        "measured": {"from": diff.measured.0, "to": diff.measured.1},
        "rules": rules,
        "changes": changes,
    })
}

fn differences(diff: &DiffView) -> String {
    let mut table = Table::new(["rule", "difference", "before", "after", "entries"]);
    for rule in &diff.rules {
        let status = |row: &Option<app::posture::PostureRow>| {
            row.as_ref().map_or_else(|| "-".to_owned(), |row| row.status.to_string())
        };
        let mut entries: Vec<String> = diff
            .changes
            .iter()
            .filter(|row| row.change.rule_id == rule.rule_id)
            .map(|row| row.log_index.to_string())
            .collect();
        entries.reverse();
        table.row([
            rule.rule_id.as_str().to_owned(),
            rule.kind.as_str().to_owned(),
            status(&rule.before),
            status(&rule.after),
            entries.join(" "),
        ]);
    }
    table.render(console::stdout_is_terminal())
}

pub(super) async fn evidence(app: &App, args: &EvidenceArgs) -> Result<Exit, Error> {
    let bytes = app.evidence(args.sha256).await?;
    console::print(&bytes)?;
    // The bytes are exact for a pipe; a person's prompt wants its own line.
    if console::stdout_is_terminal() {
        console::print(b"\n")?;
    }
    Ok(Exit::Success)
}
