//! sysctl.d(5): which value a kernel parameter gets at boot.

/// Returns a parameter's path under /proc/sys: dots become slashes, unless a slash comes first.
///
/// Source: sysctl.d(5), "either `/` or `.` may be used as separators; if the first separator is a slash,
/// remaining slashes and dots are left intact; if it is a dot, dots are replaced with slashes".
pub(crate) fn key_path(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(at) if key.as_bytes()[at] == b'.' => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        Some(_) | None => key.to_owned(),
    }
}
