//! XCCDF 1.2 (NISTIR 7275 revision 4): one Benchmark with the rules that have results, and a TestResult for each host.
//! What the mapping is stands in `docs/formats/interchange.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use model::{Digest, Platform, RuleId, Severity, Status, Timestamp};

use crate::report::{HostScan, Measured, NotMeasured, Outcome, ResultView, RuleText, ScanReport};
use crate::summary::{control_words, found_words, platform_name, reason_words};
use crate::xml::{Xml, name_part};

pub(crate) const NAMESPACE: &str = "http://checklists.nist.gov/xccdf/1.2";
pub(crate) const BENCHMARK_ID: &str = "xccdf_local.plumbline_benchmark_rules";
const DUBLIN_CORE: &str = "http://purl.org/dc/elements/1.1/";
/// Names assets by the id that they have in a collection (NISTIR 7694).
const ASSET_SYSTEM: &str = "http://scap.nist.gov/schema/asset-identification/1.1";
/// Our score: passed of passed and failed, in percent, cut to one decimal.
const SCORE_SYSTEM: &str = "urn:plumbline:scoring:score-v1";
/// Each rule that was looked at counts one (NISTIR 7275 revision 4, section 7.3).
const FLAT_SYSTEM: &str = "urn:xccdf:scoring:flat-unweighted";
/// How a rule is checked: by its method, which names its evidence.
const CHECK_SYSTEM: &str = "urn:plumbline:check:1";
/// Stands for the measuring of a host, where there is none.
const MEASURED_RULE: &str = "host_is_measured";

/// A rule of the Benchmark, from the first of its results.
struct Rule<'a> {
    result: &'a ResultView,
    text: Option<&'a RuleText>,
    /// The highest of its results: a profile may set another one.
    severity: Severity,
    /// Of all its results: which edition counts depends on the platform.
    references: BTreeSet<String>,
}

/// Writes the document.
pub(crate) fn write(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    let mut xml = Xml::begin(out)?;
    benchmark(&mut xml, report, version, |xml| {
        report.hosts.iter().try_for_each(|host| test_result(xml, (report, version), host, None))
    })?;
    xml.end()
}

/// Writes the Benchmark, with `results` behind its rules.
pub(crate) fn benchmark(
    xml: &mut Xml<'_>,
    report: &ScanReport,
    version: &str,
    results: impl FnOnce(&mut Xml<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let rules = rules(report);
    let attributes = [("xmlns", NAMESPACE), ("id", BENCHMARK_ID), ("resolved", "true"), ("xml:lang", "en")];
    xml.element("Benchmark", &attributes, |xml| {
        // Rules of a folder of the operator's own have nobody's name under them.
        xml.text("status", &[], if report.content_signed { "accepted" } else { "draft" })?;
        xml.text("title", &[], "Plumbline rules")?;
        xml.text("description", &[], &description(report))?;
        // Which platforms it is for is not said: here stand rules for those of the hosts only, and oscap 1.3 takes a
        // document that its schematron finds nothing at all to say of for an invalid one.
        xml.text("version", &[("time", &report.made_at.to_string())], version)?;
        xml.element("metadata", &[("xmlns:dc", DUBLIN_CORE)], |xml| {
            xml.text("dc:creator", &[], &format!("plumb {version}"))
        })?;
        profiles(xml, report, &rules)?;
        rules.values().try_for_each(|rule| write_rule(xml, rule))?;
        if report.hosts.iter().any(|host| matches!(host.outcome, Outcome::NotMeasured(_))) {
            let rule = [("id", &*rule_id(MEASURED_RULE)), ("role", "unscored"), ("severity", "unknown")];
            xml.element("Rule", &rule, |xml| xml.text("title", &[], "The host could be measured"))?;
        }
        results(xml)
    })
}

fn description(report: &ScanReport) -> String {
    let mut text = "The rules that have results in this document.".to_owned();
    if !report.content_signed {
        text.push_str(" Unsigned content: they came from a directory, not from the shipped corpus.");
    }
    if let Some(framework) = &report.framework {
        text.push_str(&format!(" Only rules that are mapped to {framework} are shown."));
    }
    text
}

fn rules(report: &ScanReport) -> BTreeMap<&RuleId, Rule<'_>> {
    let mut rules: BTreeMap<&RuleId, Rule<'_>> = BTreeMap::new();
    for result in report.hosts.iter().flat_map(HostScan::results) {
        let text = report.rules.get(&result.rule_id);
        let new = Rule { result, text, severity: result.severity, references: BTreeSet::new() };
        let rule = rules.entry(&result.rule_id).or_insert(new);
        rule.references.extend(control_words(&result.controls));
        // Severities are declared worst first.
        rule.severity = rule.severity.min(result.severity);
    }
    rules
}

/// Writes a Profile for each that some host was scanned with: the rules of that host.
fn profiles(xml: &mut Xml<'_>, report: &ScanReport, rules: &BTreeMap<&RuleId, Rule<'_>>) -> io::Result<()> {
    let mut profiles: BTreeMap<&str, BTreeSet<&RuleId>> = BTreeMap::new();
    for host in &report.hosts {
        if let Outcome::Measured(measured) = &host.outcome {
            let chosen = profiles.entry(&measured.scan.profile_id).or_default();
            chosen.extend(measured.results.iter().map(|result| &result.rule_id));
        }
    }
    profiles.iter().filter(|(id, _chosen)| !id.is_empty()).try_for_each(|(id, chosen)| {
        xml.element("Profile", &[("id", &profile_id(id))], |xml| {
            xml.text("title", &[], id)?;
            rules.keys().try_for_each(|rule| {
                let selected = if chosen.contains(*rule) { "true" } else { "false" };
                xml.empty("select", &[("idref", &rule_id(rule.as_str())), ("selected", selected)])
            })
        })
    })
}

fn write_rule(xml: &mut Xml<'_>, rule: &Rule<'_>) -> io::Result<()> {
    let attributes = [
        ("id", &*rule_id(rule.result.rule_id.as_str())),
        ("selected", "true"),
        ("severity", severity(rule.severity)),
    ];
    xml.element("Rule", &attributes, |xml| {
        xml.text("title", &[], &rule.result.title)?;
        if let Some(text) = rule.text {
            xml.text("description", &[], &text.description)?;
        }
        control_words(&rule.result.controls)
            .iter()
            .try_for_each(|words| xml.text("reference", &[], words))?;
        if let Some(text) = rule.text {
            xml.text("rationale", &[], &text.rationale)?;
        }
        if let Some(fix) = &rule.result.fix {
            xml.text("fixtext", &[], fix)?;
        }
        xml.element("check", &[("system", CHECK_SYSTEM)], |xml| {
            xml.empty("check-content-ref", &[("href", "#"), ("name", rule.result.rule_id.as_str())])
        })
    })
}

/// Writes the results of one host, which in a collection is an asset with an id.
pub(crate) fn test_result(
    xml: &mut Xml<'_>,
    (report, version): (&ScanReport, &str),
    host: &HostScan,
    asset: Option<&str>,
) -> io::Result<()> {
    let (began, ended) = times(report, host);
    let mut attributes = vec![
        ("xmlns", NAMESPACE.to_owned()),
        ("id", result_id(report, host)),
        ("end-time", ended.to_string()),
        ("test-system", format!("cpe:/a:plumbline:plumb:{version}")),
        ("version", version.to_owned()),
    ];
    if asset.is_none() {
        // The namespace is that of the Benchmark around it.
        attributes.remove(0);
    }
    attributes.extend(began.map(|began| ("start-time", began.to_string())));
    let attributes: Vec<(&str, &str)> = attributes.iter().map(|(name, value)| (*name, &**value)).collect();
    xml.element("TestResult", &attributes, |xml| {
        xml.empty("benchmark", &[("href", &format!("#{BENCHMARK_ID}")), ("id", BENCHMARK_ID)])?;
        xml.text("title", &[], &format!("Results of {}", host.host))?;
        if let Outcome::Measured(measured) = &host.outcome
            && !measured.scan.profile_id.is_empty()
        {
            xml.empty("profile", &[("idref", &profile_id(&measured.scan.profile_id))])?;
        }
        xml.text("target", &[], &host.host)?;
        facts(xml, report, host)?;
        if let Some(asset) = asset {
            xml.empty("target-id-ref", &[("system", ASSET_SYSTEM), ("href", ""), ("name", asset)])?;
        }
        match &host.outcome {
            Outcome::Measured(measured) => measured_results(xml, measured),
            Outcome::NotMeasured(failure) => not_measured(xml, failure, ended),
        }
    })
}

/// Returns when the results of a host began and ended to be so: a record may hold checks that are newer than its scan.
fn times(report: &ScanReport, host: &HostScan) -> (Option<Timestamp>, Timestamp) {
    match &host.outcome {
        Outcome::Measured(measured) => {
            let checked = measured.results.iter().map(|result| result.checked_at).max();
            let ended = measured.scan.finished_at.max(checked).unwrap_or(report.made_at);
            (measured.scan.started_at, ended)
        }
        Outcome::NotMeasured(_) => (None, report.made_at),
    }
}

fn result_id(report: &ScanReport, host: &HostScan) -> String {
    let of = match &host.outcome {
        Outcome::Measured(measured) => measured.scan.scan_id.to_string(),
        Outcome::NotMeasured(_) => format!("none-of-{}", host.host_id),
    };
    match report.as_of {
        Some((valid, recorded)) => {
            format!("xccdf_local.plumbline_testresult_{of}-at-{}-{}", valid.as_micros(), recorded.as_micros())
        }
        None => format!("xccdf_local.plumbline_testresult_{of}"),
    }
}

fn facts(xml: &mut Xml<'_>, report: &ScanReport, host: &HostScan) -> io::Result<()> {
    let mut facts = vec![
        ("urn:xccdf:fact:asset:identifier:host_name", host.host.clone()),
        ("urn:plumbline:fact:host_id", host.host_id.to_string()),
    ];
    if let Outcome::Measured(measured) = &host.outcome {
        let Measured { scan, platform, .. } = &**measured;
        let digest = |digest: Option<Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
        facts.extend([
            ("urn:plumbline:fact:platform", platform_name(platform)),
            ("urn:plumbline:fact:architecture", platform.arch.clone()),
            ("urn:plumbline:fact:kernel", platform.kernel.clone()),
            ("urn:plumbline:fact:scan_id", scan.scan_id.to_string()),
            ("urn:plumbline:fact:requested_by", scan.requested_by.clone()),
            ("urn:plumbline:fact:corpus_sha256", scan.corpus_digest.to_string()),
            ("urn:plumbline:fact:engine_sha256", scan.engine_digest.to_string()),
            ("urn:plumbline:fact:policy_sha256", scan.policy_digest.to_string()),
            ("urn:plumbline:fact:manifest_sha256", digest(scan.manifest_sha256)),
            ("urn:plumbline:fact:selection", scan.selection.clone()),
        ]);
    }
    // Of a record: what was so at the first instant, as far as it was known at the second.
    if let Some((valid, recorded)) = report.as_of {
        facts.push(("urn:plumbline:fact:valid_at", valid.to_string()));
        facts.push(("urn:plumbline:fact:recorded_at", recorded.to_string()));
    }
    let shown = facts.iter().filter(|(_name, value)| !value.is_empty());
    xml.element("target-facts", &[], |xml| {
        shown
            .into_iter()
            .try_for_each(|(name, value)| xml.text("fact", &[("name", name), ("type", "string")], value))
    })
}

fn measured_results(xml: &mut Xml<'_>, measured: &Measured) -> io::Result<()> {
    if let Some(cpe) = cpe(&measured.platform) {
        xml.empty("platform", &[("idref", &cpe)])?;
    }
    measured.results.iter().try_for_each(|result| rule_result(xml, result))?;
    let counts = measured.counts();
    let looked_at = counts.assessed() + counts.error;
    let flat = [("system", FLAT_SYSTEM), ("maximum", &*looked_at.to_string())];
    xml.text("score", &flat, &counts.pass.to_string())?;
    match counts.score() {
        Some(score) => xml.text("score", &[("system", SCORE_SYSTEM), ("maximum", "100")], &score.to_string()),
        None => Ok(()),
    }
}

fn rule_result(xml: &mut Xml<'_>, result: &ResultView) -> io::Result<()> {
    let attributes = [
        ("idref", &*rule_id(result.rule_id.as_str())),
        ("severity", severity(result.severity)),
        ("time", &*result.checked_at.to_string()),
    ];
    xml.element("rule-result", &attributes, |xml| {
        xml.text("result", &[], status(result.status))?;
        if let Some(format) = &result.imported {
            xml.text("message", &[("severity", "info")], &format!("imported: {format}"))?;
        }
        match result.status {
            Status::Pass => {}
            Status::Fail => xml.text("message", &[("severity", "info")], &message(result))?,
            Status::Error => xml.text("message", &[("severity", "error")], &reason_words(result))?,
            Status::Skipped | Status::NotApplicable => {
                xml.text("message", &[("severity", "info")], &reason_words(result))?;
            }
        }
        xml.element("check", &[("system", CHECK_SYSTEM)], |xml| {
            let evidence = format!("urn:plumbline:evidence:sha256:{}", result.evidence_sha256);
            xml.empty("check-content-ref", &[("href", &evidence)])
        })
    })
}

fn message(result: &ResultView) -> String {
    let place =
        if result.decided_by.is_empty() { String::new() } else { format!(" ({})", result.decided_by) };
    format!("{}{place}", found_words(result))
}

fn not_measured(xml: &mut Xml<'_>, failure: &NotMeasured, at: Timestamp) -> io::Result<()> {
    let attributes = [("idref", &*rule_id(MEASURED_RULE)), ("time", &*at.to_string())];
    xml.element("rule-result", &attributes, |xml| {
        xml.text("result", &[], "error")?;
        xml.text("message", &[("severity", "error")], &format!("{}: {}", failure.reason, failure.message))
    })?;
    xml.text("score", &[("system", FLAT_SYSTEM), ("maximum", "0")], "0")
}

/// Returns the result of XCCDF that says the same (NISTIR 7275 revision 4, table 26).
const fn status(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Error => "error",
        Status::Skipped => "notchecked",
        Status::NotApplicable => "notapplicable",
    }
}

/// XCCDF has nothing above high.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}

/// Returns the CPE 2.3 name of a platform (NISTIR 7695, formatted string) that the CPE dictionary has.
fn cpe(platform: &Platform) -> Option<String> {
    let product = match platform.id.as_str() {
        "debian" => "debian:debian_linux",
        "ubuntu" => "canonical:ubuntu_linux",
        "rhel" => "redhat:enterprise_linux",
        "almalinux" => "almalinux:almalinux",
        "rocky" => "rocky:rocky",
        "ol" => "oracle:linux",
        _other => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let is_plain = !platform.version.is_empty() && platform.version.chars().all(plain);
    is_plain.then(|| format!("cpe:2.3:o:{product}:{}:*:*:*:*:*:*:*", platform.version))
}

fn rule_id(rule: &str) -> String {
    format!("xccdf_local.plumbline_rule_{}", name_part(rule))
}

fn profile_id(profile: &str) -> String {
    format!("xccdf_local.plumbline_profile_{}", name_part(profile))
}
