//! `plumb profile`, and `plumb rules coverage`: what profiles choose and how far rules cover a framework.

use app::Error;
use app::content::{Content, Difference};
use model::Platform;
use serde_json::json;

use crate::cli::{
    CoverageArgs, Global, ListFormat, ProfileCommand, ProfileDiffArgs, ProfileListArgs, ProfileShowArgs,
};
use crate::console;
use crate::exit::Exit;
use crate::output::{Table, clean};

pub(super) fn run(global: &Global, command: &ProfileCommand) -> Result<Exit, Error> {
    let content = Content::open(global.rules())?;
    match command {
        ProfileCommand::List(args) => list(&content, args),
        ProfileCommand::Show(args) => show(&content, args),
        ProfileCommand::Diff(args) => diff(&content, args),
    }
}

fn print(table: &Table) -> Result<(), Error> {
    console::print(table.render(console::stdout_is_terminal()).as_bytes())
}

fn list(content: &Content, args: &ProfileListArgs) -> Result<Exit, Error> {
    let profiles = content.profile_summaries(args.platform.as_ref())?;
    if args.format == ListFormat::Json {
        console::print(&super::json(&json!({"schema": "plumbline.profiles/1", "profiles": profiles}))?)?;
        return Ok(Exit::Success);
    }
    if profiles.iter().all(|profile| profile.rules == 0) {
        tell_none("no profile has rules", args.platform.as_ref());
    }
    let mut table = Table::new(["profile", "extends", "rules", "title"]);
    for profile in profiles {
        table.row([
            profile.profile_id,
            profile.extends.unwrap_or_default(),
            profile.rules.to_string(),
            profile.title,
        ]);
    }
    print(&table)?;
    Ok(Exit::Success)
}

/// Says that what was asked for is empty for a platform: a list without rows reads like an answer that was lost.
fn tell_none(what: &str, platform: Option<&Platform>) {
    let of =
        platform.map_or_else(String::new, |platform| format!(" for {}-{}", platform.id, platform.version));
    console::note(&clean(&format!("{what}{of}")));
}

fn show(content: &Content, args: &ProfileShowArgs) -> Result<Exit, Error> {
    let shown = content.show_profile(&args.profile, args.platform.as_ref())?;
    if args.format == ListFormat::Json {
        console::print(&super::json(&json!({"schema": "plumbline.profile/1", "profile": shown}))?)?;
        return Ok(Exit::Success);
    }
    console::note(&format!("{}: {}", clean(&shown.title), clean(&shown.description)));
    if shown.rules.is_empty() {
        tell_none(&format!("{} has no rules", shown.profile_id), args.platform.as_ref());
    }
    let mut table = Table::new(["rule", "severity", "values", "title"]);
    for rule in shown.rules {
        table.row([rule.rule_id.to_string(), rule.severity.to_string(), words(&rule.values), rule.title]);
    }
    print(&table)?;
    Ok(Exit::Success)
}

fn words(values: &std::collections::BTreeMap<String, String>) -> String {
    values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn diff(content: &Content, args: &ProfileDiffArgs) -> Result<Exit, Error> {
    let differences = content.diff_profiles((&args.from, &args.to), args.platform.as_ref())?;
    if args.format == ListFormat::Json {
        let document = json!({
            "schema": "plumbline.profile-diff/1",
            "from": args.from,
            "to": args.to,
            "differences": differences,
        });
        console::print(&super::json(&document)?)?;
        return Ok(Exit::Success);
    }
    if differences.is_empty() {
        console::note(&clean(&format!(
            "{} and {} are the same rules with the same values",
            args.from, args.to
        )));
    }
    let mut table = Table::new(["rule", "difference", args.from.as_str(), args.to.as_str()]);
    for (rule, difference) in differences {
        let (word, from, to) = match difference {
            Difference::OnlyFrom => (format!("only in {}", args.from), String::new(), String::new()),
            Difference::OnlyTo => (format!("only in {}", args.to), String::new(), String::new()),
            Difference::Values { from, to } => ("values".to_owned(), words(&from), words(&to)),
        };
        table.row([rule.to_string(), word, from, to]);
    }
    print(&table)?;
    Ok(Exit::Success)
}

/// `plumb rules coverage`.
pub(super) fn coverage(content: &Content, args: &CoverageArgs) -> Result<Exit, Error> {
    let coverage = content.coverage(&args.framework, args.edition.as_deref(), args.level.as_deref())?;
    if args.format == ListFormat::Json {
        console::print(&super::json(&json!({"schema": "plumbline.coverage/1", "coverage": coverage}))?)?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new(["control", "level", "covered", "rules"]);
    for control in &coverage.controls {
        let rules: Vec<&str> = control.rules.iter().map(model::RuleId::as_str).collect();
        table.row([
            control.control.clone(),
            control.level.clone(),
            if rules.is_empty() { "no" } else { "yes" }.to_owned(),
            rules.join(" "),
        ]);
    }
    print(&table)?;
    let (all, some) = (coverage.controls.len(), coverage.covered);
    let note =
        format!("{} {}: rules speak to {some} of {all} controls", coverage.framework, coverage.edition);
    console::note(&clean(&note));
    Ok(Exit::Success)
}
