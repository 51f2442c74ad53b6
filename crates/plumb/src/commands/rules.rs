//! `plumb rules`: looking at rules, checking them, testing them.

use app::content::{Content, ImportItemKind, ImportReport, RuleSummary, Source, import_report, lint};
use app::{Error, Kind};
use serde_json::json;

use crate::cli::{
    Global, ImportReportArgs, LintArgs, ListFormat, RuleArgs, RulesCommand, RulesListArgs, RulesTestArgs,
};
use crate::console;
use crate::exit::Exit;
use crate::output::{Table, clean};

pub(super) fn run(global: &Global, command: &RulesCommand) -> Result<Exit, Error> {
    match command {
        RulesCommand::Schema => {
            console::print(&super::json(&app::content::schema())?)?;
            return Ok(Exit::Success);
        }
        RulesCommand::Lint(args) => return lint_folder(global, args),
        RulesCommand::ImportReport(args) => return report_import(global, args),
        RulesCommand::List(_)
        | RulesCommand::Show(_)
        | RulesCommand::Explain(_)
        | RulesCommand::Test(_)
        | RulesCommand::Coverage(_) => {}
    }
    let content = Content::open(global.rules())?;
    match command {
        RulesCommand::List(args) => list(&content, args),
        RulesCommand::Show(args) => {
            console::print(content.raw(&args.rule)?.as_bytes())?;
            Ok(Exit::Success)
        }
        RulesCommand::Explain(args) => explain(&content, args),
        RulesCommand::Test(args) => test(&content, args),
        RulesCommand::Coverage(args) => super::profile::coverage(&content, args),
        RulesCommand::Schema | RulesCommand::Lint(_) | RulesCommand::ImportReport(_) => Ok(Exit::Success),
    }
}

fn list(content: &Content, args: &RulesListArgs) -> Result<Exit, Error> {
    let rules = content.summaries(args.tag.as_deref())?;
    if args.format == ListFormat::Json {
        let document = json!({
            "schema": "plumbline.rules/1",
            "corpus_digest": content.digest(),
            "rules": rules,
            "profiles": content.profiles(),
            "frameworks": content.frameworks(),
        });
        console::print(&super::json(&document)?)?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new(["rule", "severity", "platforms", "tags", "title", "check", "proven by"]);
    for rule in &rules {
        table.row([
            rule.rule_id.as_str().to_owned(),
            rule.severity.to_string(),
            rule.platforms.join(" "),
            rule.tags.join(" "),
            rule.title.clone(),
            kind_of_check(rule),
            rule.proof.to_owned(),
        ]);
    }
    console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
    Ok(Exit::Success)
}

/// Says how a rule judges.
fn kind_of_check(rule: &RuleSummary) -> String {
    let how = if rule.free_shell { "shell" } else { "typed" };
    format!("{how}{}", if rule.imported.is_some() { ", imported" } else { "" })
}

/// Names what a list holds, or that it holds nothing.
fn said(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn explain(content: &Content, args: &RuleArgs) -> Result<Exit, Error> {
    let rule = content.explain(&args.rule)?;
    let mut text = format!(
        "{} ({})\n{}\n\n{}\n\nWhy: {}\n",
        clean(rule.summary.rule_id.as_str()),
        rule.summary.severity,
        clean(&rule.summary.title),
        clean(&rule.description),
        clean(&rule.rationale),
    );
    if let Some(fix) = &rule.fix {
        text.push_str(&format!("Fix: {}\n", clean(fix)));
    }
    for value in &rule.values {
        text.push_str(&format!("Value: {}\n", clean(value)));
    }
    for control in &rule.controls {
        text.push_str(&format!(
            "Control: {} {}: {}\n",
            clean(&control.framework),
            clean(&control.edition),
            clean(&control.controls.join(", "))
        ));
    }
    text.push_str(&format!("Applies to: {}\n", clean(&rule.summary.platforms.join(", "))));
    text.push_str(&format!("Profiles: {}\n", clean(&said(&rule.profiles))));
    text.push_str(&format!("Tags: {}\n", clean(&said(&rule.summary.tags))));
    text.push_str(&format!("Check: {}, proven by: {}\n", kind_of_check(&rule.summary), rule.summary.proof));
    if let Some(format) = &rule.summary.imported {
        text.push_str(&format!("Imported from: {}\n", clean(format)));
    }
    console::print(text.as_bytes())?;
    Ok(Exit::Success)
}

fn lint_folder(global: &Global, args: &LintArgs) -> Result<Exit, Error> {
    let folder = args.folder.as_ref().or(global.content.as_ref());
    let errors = lint(folder.map(std::path::PathBuf::as_path), &global.variables)?;
    for error in &errors {
        console::print(format!("{}\n", clean(&error.to_string())).as_bytes())?;
    }
    if errors.is_empty() {
        if global.tailoring.is_some() {
            // Its profile is laid over these rules.
            Content::open(Source { dir: folder.map(std::path::PathBuf::as_path), ..global.rules() })?;
        }
        console::note("every file loads");
        return Ok(Exit::Success);
    }
    console::note(&format!("{} problems", errors.len()));
    Ok(Exit::AnswerIsNo)
}

fn report_import(global: &Global, args: &ImportReportArgs) -> Result<Exit, Error> {
    let report = import_report(&args.folder, &global.variables)?;
    match args.format {
        ListFormat::Json => {
            let document =
                json!({"schema": "plumbline.import_report/1", "format": "kensa", "report": report});
            console::print(&super::json(&document)?)?;
        }
        ListFormat::Text => {
            let mut table = Table::new(["kind", "rule", "place", "what"]);
            for item in &report.items {
                table.row([
                    item.kind.as_str().to_owned(),
                    item.rule.clone(),
                    format!("{}:{}:{}", item.file, item.line, item.column),
                    item.message.clone(),
                ]);
            }
            console::print(table.render(console::stdout_is_terminal()).as_bytes())?;
            console::note(&import_summary(&report));
        }
    }
    Ok(if report.refused().next().is_none() { Exit::Success } else { Exit::AnswerIsNo })
}

/// Says in one line what became of an import.
pub(super) fn import_summary(report: &ImportReport) -> String {
    let count = |kind| report.of(kind).count();
    format!(
        "imported {} of {} rules; skipped {}, broken files {}, keys not honoured {}",
        count(ImportItemKind::Loaded),
        report.rules,
        count(ImportItemKind::Skipped),
        count(ImportItemKind::Broken),
        count(ImportItemKind::NotHonored),
    )
}

fn test(content: &Content, args: &RulesTestArgs) -> Result<Exit, Error> {
    let outcomes = content.run_tests(&args.rules)?;
    if outcomes.is_empty() {
        return Err(Error::new(Kind::Usage, "there is no test to run").hint("add `tests:` to the rule"));
    }
    let failed: Vec<&app::content::RuleTest> =
        outcomes.iter().filter(|outcome| outcome.problem.is_some()).collect();
    for outcome in &failed {
        let problem = outcome.problem.as_deref().unwrap_or_default();
        let line = format!("FAIL {} / {}: {problem}", outcome.rule_id, outcome.name);
        console::print(format!("{}\n", clean(&line)).as_bytes())?;
    }
    console::print(
        format!("{} passed, {} failed\n", outcomes.len() - failed.len(), failed.len()).as_bytes(),
    )?;
    Ok(if failed.is_empty() { Exit::Success } else { Exit::AnswerIsNo })
}
