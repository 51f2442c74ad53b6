//! Release numbers of platforms: dotted numbers, inclusive ranges, and rebuilds of RHEL.

use model::Platform;

/// Splits a version into its numbers; none when it has other parts.
pub(crate) fn parts(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// Tells whether `version` is `min` or later.
pub(crate) fn at_least(version: &str, min: &str) -> bool {
    match (parts(version), parts(min)) {
        (Some(mut version), Some(min)) => {
            if version.len() < min.len() {
                version.resize(min.len(), 0);
            }
            version >= min
        }
        (None, _) | (_, None) => false,
    }
}

/// Tells whether `version` is `max` or earlier; releases below `max` belong to it ("12" holds 12.9).
pub(crate) fn at_most(version: &str, max: &str) -> bool {
    match (parts(version), parts(max)) {
        (Some(mut version), Some(max)) => {
            version.truncate(max.len());
            version <= max
        }
        (None, _) | (_, None) => false,
    }
}

/// Distributions that rebuild Red Hat Enterprise Linux under its own release numbers.
const RHEL_REBUILDS: [&str; 4] = ["almalinux", "rocky", "ol", "centos"];

/// Returns id and version that rules are selected by: a rebuild counts as the RHEL release it rebuilds.
pub(crate) fn rebuilt(platform: &Platform) -> (&str, &str) {
    if RHEL_REBUILDS.contains(&platform.id.as_str()) {
        ("rhel", &platform.version)
    } else {
        (&platform.id, &platform.version)
    }
}
