//! ARF 1.1 (NISTIR 7694): one collection with the Benchmark as the request, each host as an asset, and its TestResult
//! as a report that is about it.

use std::io::{self, Write};

use crate::report::{HostScan, ScanReport};
use crate::xccdf;
use crate::xml::Xml;

const NAMESPACE: &str = "http://scap.nist.gov/schema/asset-reporting-format/1.1";
const RELATIONS: &str = "http://scap.nist.gov/schema/reporting-core/1.1";
const VOCABULARY: &str = "http://scap.nist.gov/specifications/arf/vocabulary/relationships/1.0#";
const ASSETS: &str = "http://scap.nist.gov/schema/asset-identification/1.1";
/// Under which our host ids are unique.
const HOSTS: &str = "urn:plumbline:host";
const REQUEST_ID: &str = "request";

/// Writes the document.
pub(crate) fn write(out: &mut dyn Write, report: &ScanReport, version: &str) -> io::Result<()> {
    let mut xml = Xml::begin(out)?;
    let attributes = [
        ("xmlns:arf", NAMESPACE),
        ("xmlns:core", RELATIONS),
        ("xmlns:ai", ASSETS),
        ("xmlns:arfvocab", VOCABULARY),
    ];
    xml.element("arf:asset-report-collection", &attributes, |xml| {
        xml.element("core:relationships", &[], |xml| {
            (0..report.hosts.len()).try_for_each(|number| {
                relation(xml, "arfvocab:createdFor", number, REQUEST_ID)?;
                relation(xml, "arfvocab:isAbout", number, &asset_id(number))
            })
        })?;
        xml.element("arf:report-requests", &[], |xml| {
            xml.element("arf:report-request", &[("id", REQUEST_ID)], |xml| {
                xml.element("arf:content", &[], |xml| xccdf::benchmark(xml, report, version, |_| Ok(())))
            })
        })?;
        xml.element("arf:assets", &[], |xml| {
            report.hosts.iter().enumerate().try_for_each(|(number, host)| asset(xml, number, host))
        })?;
        xml.element("arf:reports", &[], |xml| {
            report.hosts.iter().enumerate().try_for_each(|(number, host)| {
                xml.element("arf:report", &[("id", &report_id(number))], |xml| {
                    xml.element("arf:content", &[], |xml| {
                        xccdf::test_result(xml, (report, version), host, Some(&asset_id(number)))
                    })
                })
            })
        })
    })?;
    xml.end()
}

fn asset_id(number: usize) -> String {
    format!("asset-{number}")
}

fn report_id(number: usize) -> String {
    format!("report-{number}")
}

fn relation(xml: &mut Xml<'_>, kind: &str, report: usize, to: &str) -> io::Result<()> {
    xml.element("core:relationship", &[("type", kind), ("subject", &report_id(report))], |xml| {
        xml.text("core:ref", &[], to)
    })
}

fn asset(xml: &mut Xml<'_>, number: usize, host: &HostScan) -> io::Result<()> {
    xml.element("arf:asset", &[("id", &asset_id(number))], |xml| {
        xml.element("ai:computing-device", &[], |xml| {
            xml.empty("ai:synthetic-id", &[("resource", HOSTS), ("id", &host.host_id.to_string())])?;
            if is_hostname(&host.host) { xml.text("ai:hostname", &[], &host.host) } else { Ok(()) }
        })
    })
}

/// Tells whether a saved name may stand as a host name there; people may name a host as they like.
fn is_hostname(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.split('.').all(|label| !label.is_empty() && label.chars().all(plain))
}
