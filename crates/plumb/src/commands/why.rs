//! `plumb why`: one screen about one rule on one host.

use std::fmt::Write as _;

use app::why::Why;
use app::{App, Error};
use serde_json::json;

use crate::cli::{ListFormat, WhyArgs};
use crate::console;
use crate::exit::Exit;
use crate::output::clean;

pub(super) async fn run(app: &App, args: &WhyArgs) -> Result<Exit, Error> {
    let why = app.why(&args.rule, &args.host).await?;
    match args.format {
        ListFormat::Json => console::print(&super::json(&document(&why))?)?,
        ListFormat::Text => console::print(text(&why).as_bytes())?,
    }
    Ok(Exit::Success)
}

fn document(why: &Why) -> serde_json::Value {
    let changes: Vec<_> = why.changes.iter().map(super::posture::change).collect();
    json!({
        "schema": "plumbline.why/1",
        "host": why.host,
        "rule": why.rule,
        "content_signed": why.content_signed,
        "in_posture": why.in_posture,
        "description": why.description,
        "rationale": why.rationale,
        "fix": why.fix,
        "controls": why.controls,
        "evidence": why.evidence,
        "evidence_erased": why.evidence.is_none(),
        "changes": changes,
    })
}

fn text(why: &Why) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _written = writeln!(out, "  {name:<10} {}", clean(value));
        }
    };
    let rule = &why.rule;
    let reason = why.evidence.as_ref().and_then(|evidence| evidence.error.as_ref());
    line("status", &format!("{} ({})", rule.status, rule.severity));
    line("because", &reason.map_or_else(String::new, |reason| format!("{}: {}", reason.code, reason.text)));
    let left_out = "the newest full scan, if any, did not have this rule: the posture does not count it";
    line("left out", if why.in_posture { "" } else { left_out });
    let unsigned = "this rule came from a directory, not from the shipped corpus";
    line("unsigned", if why.content_signed { "" } else { unsigned });
    line("imported", rule.imported.as_deref().unwrap_or_default());
    let detail =
        why.evidence.as_ref().map_or("the evidence is gone: it was erased", |evidence| &evidence.detail);
    line("detail", if reason.is_some() { "" } else { detail });
    for check in why.evidence.iter().flat_map(|evidence| &evidence.checks) {
        line("expected", &check.expected);
        line("found", &check.actual);
        let place = match &check.source {
            Some(source) => match source.line {
                Some(number) => format!("{}:{number}", source.file),
                None => source.file.clone(),
            },
            None => String::new(),
        };
        line("in", &place);
        line("asked", &check.command);
    }
    line("since", &rule.since.to_string());
    line("checked", &format!("{} ({} times)", rule.last_checked_at, rule.check_count));
    if let Some(change) = why.changes.first() {
        let before = change.change.prior_status.map_or("nothing", model::Status::as_str);
        line(
            "changed",
            &format!(
                "{} {} -> {} at {} by {}, ledger entry {}",
                change.change.change_kind,
                before,
                change.change.status,
                change.change.occurred_at,
                change.requested_by,
                change.log_index
            ),
        );
    }
    for control in &why.controls {
        line(
            "control",
            &format!("{} {}: {}", control.framework, control.edition, control.controls.join(", ")),
        );
    }
    line("fix", why.fix.as_deref().unwrap_or_default());
    line("why", why.rationale.as_deref().unwrap_or_default());
    line("evidence", &rule.evidence_sha256.to_string());
    format!("{} on {}\n{}\n{out}", clean(rule.rule_id.as_str()), clean(&why.host), clean(&rule.title))
}
