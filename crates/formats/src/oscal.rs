//! OSCAL assessment results 1.1.3 in JSON: a result for each host with an observation for each rule, and a finding for
//! each control that rules speak to. What the mapping is stands in `docs/formats/interchange.md`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use decide::control_status;
use model::{RuleId, Status};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use uuid::{Builder, Uuid};

use crate::report::{ControlRef, HostScan, Measured, NotMeasured, Outcome, ResultView, ScanReport};
use crate::summary::{found_words, platform_name, reason_words};
use crate::text::{self, Layout, clean};

const OSCAL_VERSION: &str = "1.1.3";
/// Whose properties are ours.
const NAMESPACE: &str = "https://plumbline.local/oscal";
/// The catalog that has its controls under lower-case ids with an objective each.
const NIST: &str = "nist-800-53";

/// Writes the document.
pub(crate) fn write(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    let ids = Ids::of(report);
    let plan = ids.of_part("plan");
    let results: Vec<Value> =
        report.hosts.iter().map(|host| host_result(&ids, (report, version), host)).collect();
    let document = json!({ "assessment-results": {
        "uuid": ids.of_part("document"),
        "metadata": {
            "title": "Plumbline assessment results",
            "last-modified": report.made_at,
            "version": version,
            "oscal-version": OSCAL_VERSION,
            "props": report_props(report),
        },
        "import-ap": { "href": format!("#{plan}") },
        "results": results,
        "back-matter": { "resources": [{
            "uuid": plan,
            "title": "What was assessed",
            "description": "There is no assessment plan of its own: each host was measured with the rules of its profile that apply to its platform.",
        }]},
    }});
    writeln!(out, "{}", text::json(&document, Layout::Pretty)?)
}

/// Makes ids: the same report always has the same ones (RFC 9562, version 5, which OSCAL allows beside version 4).
struct Ids {
    space: Uuid,
}

impl Ids {
    fn of(report: &ScanReport) -> Self {
        let mut words = vec![report.made_at.to_string(), format!("{:?}", report.as_of)];
        words.extend(report.hosts.iter().map(|host| match &host.outcome {
            Outcome::Measured(measured) => format!("{} {}", host.host_id, measured.scan.scan_id),
            Outcome::NotMeasured(_) => host.host_id.to_string(),
        }));
        words.extend(report.framework.clone());
        Self { space: named(Uuid::NAMESPACE_URL, &format!("{NAMESPACE}\n{}", words.join("\n"))) }
    }

    fn of_part(&self, part: &str) -> Uuid {
        named(self.space, part)
    }
}

fn named(space: Uuid, name: &str) -> Uuid {
    let mut hash = Sha1::new();
    hash.update(space.as_bytes());
    hash.update(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_sha1_bytes(bytes).into_uuid()
}

fn report_props(report: &ScanReport) -> Vec<Value> {
    let mut props = vec![prop("content-signed", if report.content_signed { "true" } else { "false" })];
    props.extend(report.framework.as_ref().map(|framework| prop("framework", framework)));
    if let Some((valid, recorded)) = report.as_of {
        props.push(prop("valid-at", &valid.to_string()));
        props.push(prop("recorded-at", &recorded.to_string()));
    }
    props
}

fn prop(name: &str, value: &str) -> Value {
    json!({ "name": name, "ns": NAMESPACE, "value": one_line(value) })
}

/// Makes a text fit where OSCAL wants one line that neither begins nor ends in white space and is not empty.
fn one_line(text: &str) -> String {
    let line = clean(text);
    let line = line.trim();
    if line.is_empty() { "-".to_owned() } else { line.to_owned() }
}

/// Ids of what the observations of a host refer to.
struct Parts<'a> {
    ids: &'a Ids,
    host: &'a HostScan,
    tool: Uuid,
    item: Uuid,
}

impl Parts<'_> {
    fn id(&self, part: &str) -> Uuid {
        self.ids.of_part(&format!("{} {part}", self.host.host_id))
    }
}

fn host_result(ids: &Ids, (report, version): (&ScanReport, &str), host: &HostScan) -> Value {
    let of_host = |part: &str| ids.of_part(&format!("{} {part}", host.host_id));
    let parts = Parts { ids, host, tool: of_host("tool"), item: of_host("host") };
    let mut result = json!({
        "uuid": parts.id("result"),
        "title": one_line(&format!("Results of {}", host.host)),
        "start": report.made_at,
        "end": report.made_at,
        "local-definitions": {
            "components": [{
                "uuid": parts.tool,
                "type": "software",
                "title": "plumb",
                "description": "Measures hosts over SSH and keeps what it found in a ledger",
                "props": [{ "name": "version", "value": version }],
                "status": { "state": "operational" },
            }],
            "inventory-items": [inventory_item(&parts)],
        },
    });
    match &host.outcome {
        Outcome::Measured(measured) => put_measured(&mut result, &parts, measured),
        Outcome::NotMeasured(failure) => put_not_measured(&mut result, (&parts, report), failure),
    }
    result
}

fn inventory_item(parts: &Parts<'_>) -> Value {
    let host = parts.host;
    let mut props = vec![prop("host-id", &host.host_id.to_string()), prop("host", &host.host)];
    if let Outcome::Measured(measured) = &host.outcome {
        props.push(prop("platform", &platform_name(&measured.platform)));
    }
    json!({ "uuid": parts.item, "description": one_line(&host.host), "props": props })
}

fn put_measured(result: &mut Value, parts: &Parts<'_>, measured: &Measured) {
    let scan = &measured.scan;
    let checked = measured.results.iter().map(|result| result.checked_at).max();
    let counts = measured.counts();
    if let Some(start) = scan.started_at {
        result["start"] = json!(start);
    }
    if let Some(end) = scan.finished_at.max(checked) {
        result["end"] = json!(end);
    }
    result["description"] = json!(format!(
        "{} of {} rules assessed: {} pass, {} fail; {} in error, {} skipped, {} not applicable.",
        counts.assessed(),
        counts.selected(),
        counts.pass,
        counts.fail,
        counts.error,
        counts.skipped,
        counts.not_applicable,
    ));
    let mut props = vec![
        prop("scan-id", &scan.scan_id.to_string()),
        prop("state", measured.state.as_str()),
        prop("corpus-sha256", &scan.corpus_digest.to_string()),
    ];
    props.extend(counts.score().map(|score| prop("score", &score.to_string())));
    props.extend(scan.manifest_sha256.map(|digest| prop("manifest-sha256", &digest.to_string())));
    if !scan.is_full {
        props.push(prop("selection", &scan.selection));
    }
    result["props"] = json!(props);
    let controls = Controls::of(measured);
    result["reviewed-controls"] = controls.reviewed();
    put_list(result, "observations", measured.results.iter().map(|one| observation(parts, one)).collect());
    put_list(result, "findings", controls.findings(parts));
}

/// Sets a member unless it would be an empty list, which OSCAL does not allow.
fn put_list(result: &mut Value, member: &str, list: Vec<Value>) {
    if !list.is_empty() {
        result[member] = Value::Array(list);
    }
}

fn put_not_measured(result: &mut Value, (parts, report): (&Parts<'_>, &ScanReport), failure: &NotMeasured) {
    let said = format!("The host was not measured: {}: {}", failure.reason, clean(&failure.message));
    result["description"] = json!(said);
    result["props"] = json!([prop("not-measured", failure.reason.as_str())]);
    result["reviewed-controls"] = json!({ "control-selections": [{ "include-all": {} }] });
    result["observations"] = json!([{
        "uuid": parts.id("not measured"),
        "title": "The host was not measured",
        "description": said,
        "props": [prop("status", "error"), prop("reason", failure.reason.as_str())],
        "methods": ["TEST"],
        "origins": [{ "actors": [{ "type": "tool", "actor-uuid": parts.tool }] }],
        "subjects": [{ "subject-uuid": parts.item, "type": "inventory-item" }],
        "collected": report.made_at,
    }]);
}

fn observation_id(parts: &Parts<'_>, rule: &RuleId) -> Uuid {
    parts.id(&format!("observation {rule}"))
}

fn observation(parts: &Parts<'_>, result: &ResultView) -> Value {
    let description = match result.status {
        Status::Pass => format!("{}: it is so.", result.title),
        Status::Fail => found_words(result),
        Status::Error | Status::Skipped | Status::NotApplicable => {
            format!("{}: {}", result.title, reason_words(result))
        }
    };
    let mut props = vec![
        prop("rule-id", result.rule_id.as_str()),
        prop("status", result.status.as_str()),
        prop("severity", result.severity.as_str()),
    ];
    props.extend(result.imported.as_ref().map(|format| prop("imported", format)));
    props.extend(result.reason.as_ref().map(|reason| prop("reason", reason.code.as_str())));
    let place = if result.decided_by.is_empty() { "the answers of the host" } else { &result.decided_by };
    json!({
        "uuid": observation_id(parts, &result.rule_id),
        "title": one_line(&result.title),
        "description": one_line(&description),
        "props": props,
        "methods": ["TEST"],
        "origins": [{ "actors": [{ "type": "tool", "actor-uuid": parts.tool }] }],
        "subjects": [{ "subject-uuid": parts.item, "type": "inventory-item" }],
        "relevant-evidence": [{
            "href": format!("urn:plumbline:evidence:sha256:{}", result.evidence_sha256),
            "description": one_line(place),
        }],
        "collected": result.checked_at,
    })
}

/// The controls that results of a host speak to, by objective.
struct Controls<'a> {
    by_objective: BTreeMap<String, Control<'a>>,
}

struct Control<'a> {
    id: String,
    title: String,
    results: Vec<&'a ResultView>,
}

impl<'a> Controls<'a> {
    fn of(measured: &'a Measured) -> Self {
        let mut by_objective: BTreeMap<String, Control<'a>> = BTreeMap::new();
        for result in &measured.results {
            for of in &result.controls {
                for number in &of.controls {
                    let (id, objective) = control_ids(of, number);
                    let title = one_line(&format!("{} {}: {number}", of.framework, of.edition));
                    let new = Control { id, title, results: Vec::new() };
                    by_objective.entry(objective).or_insert(new).results.push(result);
                }
            }
        }
        Self { by_objective }
    }

    fn reviewed(&self) -> Value {
        let chosen: Vec<Value> =
            self.by_objective.values().map(|control| json!({ "control-id": control.id })).collect();
        let selection = if chosen.is_empty() {
            json!({ "include-all": {} })
        } else {
            json!({ "include-controls": chosen })
        };
        json!({ "control-selections": [selection] })
    }

    /// A control is satisfied when rules of it pass and none fails or is in error; of one that nothing was said of,
    /// nothing is said.
    fn findings(&self, parts: &Parts<'_>) -> Vec<Value> {
        let finding = |(objective, control): (&String, &Control<'a>)| {
            let (state, reason) = match control_status(control.results.iter().map(|result| result.status)) {
                Status::Pass => ("satisfied", "pass"),
                Status::Fail => ("not-satisfied", "fail"),
                Status::Error => ("not-satisfied", "other"),
                Status::Skipped | Status::NotApplicable => return None,
            };
            let related: Vec<Value> = control
                .results
                .iter()
                .map(|result| json!({ "observation-uuid": observation_id(parts, &result.rule_id) }))
                .collect();
            let count = |status: Status| control.results.iter().filter(|one| one.status == status).count();
            Some(json!({
                "uuid": parts.id(&format!("finding {objective}")),
                "title": control.title,
                "description": format!(
                    "Of {} rules {} pass, {} fail, {} could not be judged.",
                    control.results.len(),
                    count(Status::Pass),
                    count(Status::Fail),
                    count(Status::Error),
                ),
                "origins": [{ "actors": [{ "type": "tool", "actor-uuid": parts.tool }] }],
                "target": {
                    "type": "objective-id",
                    "target-id": objective,
                    "status": { "state": state, "reason": reason },
                },
                "related-observations": related,
            }))
        };
        self.by_objective.iter().filter_map(finding).collect()
    }
}

/// Returns the ids of a control and of its objective: those of NIST's own catalog (`ac-6.1`, `ac-6.1_obj`), of another
/// framework its name, edition and number.
fn control_ids(of: &ControlRef, number: &str) -> (String, String) {
    let id = if of.framework == NIST {
        token(&number.to_ascii_lowercase().replace('(', ".").replace(')', ""))
    } else {
        token(&format!("{}-{}-{number}", of.framework, of.edition))
    };
    let objective = format!("{id}_obj");
    (id, objective)
}

/// Makes a token of OSCAL: it begins with a letter or underscore; what it may not hold stands in hexadecimal.
fn token(text: &str) -> String {
    let mut token = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        let plain = c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if plain {
            token.push(c);
        } else {
            token.push_str(&format!("_{:x}_", u32::from(c)));
        }
    }
    if token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { token } else { format!("_{token}") }
}
