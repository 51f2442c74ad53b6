//! The programs of others. Each is one command that ends with 0 when it accepts a document.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::outside::Outside;
use testkit::process::{self, Output};
use testkit::wait;

/// Runs a checker on a document.
pub(super) type Checker = fn(&Path) -> Output;

/// Asserts that a document is accepted; returns what the checker said of it.
#[track_caller]
pub(super) fn accepts(checker: Checker, document: &Path) -> String {
    let done = checker(document);
    assert!(done.success(), "{}: {done:#?}", document.display());
    done.stdout
}

/// Asserts that a document is refused by the checker itself, not for want of it.
#[track_caller]
pub(super) fn refuses(checker: Checker, document: &Path) {
    let done = checker(document);
    assert!(!done.success(), "{} was accepted: {done:#?}", document.display());
    assert!(!done.stderr.contains("ModuleNotFoundError"), "{done:#?}");
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments);
    process::run(command, b"", wait::LONG)
        .unwrap_or_else(|err| panic!("`cargo xtask packages` installs what is missing: {err}"))
}

/// Runs a program text with Debian's Python, which finds Debian's packages.
fn python(program: &str, arguments: &[&str]) -> Output {
    run(Path::new("/usr/bin/python3"), &[&["-c", program], arguments].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The JSON Schema of SARIF 2.1.0, as its makers ship it.
pub(super) fn sarif(document: &Path) -> Output {
    let schema = Outside::shared().unwrap().sarif_schema();
    let program = "
import json, sys
from jsonschema import Draft7Validator, FormatChecker
schema, document = (json.load(open(path, encoding='utf-8')) for path in sys.argv[1:])
Draft7Validator.check_schema(schema)
errors = list(Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(document))
for error in errors[:10]:
    print(list(error.path), error.message, file=sys.stderr)
sys.exit(bool(errors))
";
    python(program, &[text(&schema), text(document)])
}

/// junitparser: every number that a suite states is what it counts.
pub(super) fn junit(document: &Path) -> Output {
    let program = "
import sys
from junitparser import JUnitXml
report = JUnitXml.fromfile(sys.argv[1])
def numbers(of):
    return of.tests, of.failures, of.errors, of.skipped
for suite in report:
    for case in suite:
        assert len(case.result) <= 1, case.name
    stated = numbers(suite)
    suite.update_statistics()
    assert stated == numbers(suite), (suite.name, stated, numbers(suite))
stated = numbers(report)
report.update_statistics()
assert stated == numbers(report), (stated, numbers(report))
print(*stated)
";
    python(program, &[text(document)])
}

/// Python's csv, strictly: as many cells in each record as in the header, and none a formula.
pub(super) fn csv(document: &Path) -> Output {
    let program = "
import csv, sys
with open(sys.argv[1], encoding='utf-8', newline='') as file:
    rows = list(csv.reader(file, strict=True))
assert len(rows) > 1
for row in rows:
    assert len(row) == len(rows[0]), row
    assert not any(cell.startswith(('=', '+', '-', '@', chr(9), chr(13))) for cell in row), row
print(len(rows) - 1)
";
    python(program, &[text(document)])
}

/// Where Debian keeps the schemas of XCCDF and ARF.
const SCHEMAS: &str = "/usr/share/openscap/schemas";

/// xmllint with a schema; nothing is loaded from elsewhere.
fn xmllint(schema: &Path, document: &Path) -> Output {
    run(Path::new("xmllint"), &["--nonet", "--noout", "--schema", text(schema), text(document)])
}

/// The schema of XCCDF 1.2, and then what oscap's own rules say.
pub(super) fn xccdf(document: &Path) -> Output {
    let done = xmllint(&Path::new(SCHEMAS).join("xccdf/1.2/xccdf_1.2.xsd"), document);
    if !done.success() {
        return done;
    }
    run(Path::new("oscap"), &["xccdf", "validate", text(document)])
}

/// The schemas of ARF 1.1 and of XCCDF 1.2 together: that of ARF alone looks into no report.
pub(super) fn arf(document: &Path) -> Output {
    let import = |namespace: &str, file: &str| {
        format!("<xs:import namespace=\"http://{namespace}\" schemaLocation=\"{SCHEMAS}/{file}\"/>")
    };
    let both = format!(
        "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">{}{}</xs:schema>",
        import("scap.nist.gov/schema/asset-reporting-format/1.1", "arf/1.1/asset-reporting-format_1.1.0.xsd"),
        import("checklists.nist.gov/xccdf/1.2", "xccdf/1.2/xccdf_1.2.xsd"),
    );
    let schema = document.with_extension("xsd");
    fs::write(&schema, both).unwrap();
    xmllint(&schema, document)
}

/// The page that oscap makes of XCCDF and ARF results.
pub(super) fn oscap_report(document: &Path) -> Output {
    run(Path::new("oscap"), &["xccdf", "generate", "report", text(document)])
}

/// compliance-trestle: the shape of OSCAL in the version that it knows, and that each id is unique and each reference leads somewhere.
pub(super) fn oscal(document: &Path) -> Output {
    let program = "
import json, pathlib, sys
from trestle.oscal import OSCAL_VERSION
from trestle.oscal.assessment_results import Model
path = pathlib.Path(sys.argv[1])
with open(path, encoding='utf-8') as file:
    raw = json.load(file)
results = Model.parse_obj(raw).assessment_results
made, used = [], []
def walk(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == 'uuid':
                made.append(inner)
            elif name.endswith('-uuid'):
                used.append(inner)
            walk(inner)
    elif isinstance(value, list):
        for inner in value:
            walk(inner)
walk(raw)
assert len(set(made)) == len(made), 'an id stands twice'
assert set(used) <= set(made), sorted(set(used) - set(made))[:3]
assert raw['assessment-results']['metadata']['oscal-version'] == OSCAL_VERSION
assert results.import_ap.href[1:] in made
print(len(results.results), sum(len(result.observations) for result in results.results))
";
    run(&Outside::shared().unwrap().python(), &["-c", program, text(document)])
}

/// html5lib, strictly: no error of parsing by the HTML standard, and nothing that runs or loads.
pub(super) fn html(document: &Path) -> Output {
    let program = "
import sys
import html5lib
with open(sys.argv[1], encoding='utf-8') as file:
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(file.read())
ids = [element.get('id') for element in page.iter() if element.get('id')]
assert len(set(ids)) == len(ids), 'an id stands twice'
for element in page.iter():
    assert element.tag not in ('script', 'iframe', 'object', 'embed', 'img', 'link', 'form', 'base', 'b'), element.tag
    for name, value in element.items():
        assert not name.startswith('on') and name not in ('src', 'srcset', 'action'), name
        if name == 'href':
            assert value[0] == '#' and value[1:] in ids, value
assert '@import' not in page.findtext('.//style') and 'url(' not in page.findtext('.//style')
print(' '.join(page.find('body').itertext()))
";
    python(program, &[text(document)])
}

/// How many results of each status a document states, by host.
pub(super) fn counts(format: &str, document: &Path) -> Value {
    let done = python(include_str!("counts.py"), &[format, text(document)]);
    assert!(done.success(), "{format}: {done:#?}");
    serde_json::from_str(&done.stdout).unwrap()
}
