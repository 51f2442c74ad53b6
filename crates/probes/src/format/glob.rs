//! Path wildcards: `?` and `*` stay inside one part and do not match a leading dot, `**` crosses parts.

/// Tells whether `path` matches `pattern`, as an unquoted word of `sh` would expand to it.
pub fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    // Greedy matching with one point of return for each kind of star; linear in practice, bounded by
    // pattern length times path length.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    let mut deep: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() && t == path.len() {
            return true;
        }
        if pattern[p..].starts_with(b"**") {
            deep = Some((p, t));
            star = None;
            p += 2;
            continue;
        }
        if p < pattern.len() && pattern[p] == b'*' && !hidden(path, t) {
            star = Some((p, t));
            p += 1;
            continue;
        }
        let same = p < pattern.len()
            && t < path.len()
            && (pattern[p] == path[t] || (pattern[p] == b'?' && path[t] != b'/' && !hidden(path, t)))
            && pattern[p] != b'*';
        if same {
            p += 1;
            t += 1;
            continue;
        }
        if let Some((star_p, star_t)) =
            star.filter(|(_, star_t)| path.get(*star_t).is_some_and(|b| *b != b'/'))
        {
            star = Some((star_p, star_t + 1));
            p = star_p + 1;
            t = star_t + 1;
            continue;
        }
        let Some((deep_p, deep_t)) = deep.filter(|(_, deep_t)| *deep_t < path.len()) else {
            return false;
        };
        star = None;
        deep = Some((deep_p, deep_t + 1));
        p = deep_p + 2;
        t = deep_t + 1;
    }
}

/// A leading dot of a part is matched by a dot only.
fn hidden(path: &[u8], at: usize) -> bool {
    path.get(at) == Some(&b'.') && (at == 0 || path[at - 1] == b'/')
}

/// Tells whether a path holds wildcards.
pub fn is_glob(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// Returns the directory before the first wildcard: `/etc/ssh` of `/etc/ssh/*.pub`.
pub(crate) fn fixed_directory(pattern: &str) -> &str {
    let fixed = pattern.split(['*', '?']).next().unwrap_or(pattern);
    match fixed.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &fixed[..at],
    }
}

/// Tells whether a path of which only the beginning is known can be one that `pattern` names.
///
/// Shape: `beginning` ends inside the part that a wildcard found.
pub(crate) fn may_begin(pattern: &str, beginning: &str) -> bool {
    let Some((directory, _)) = beginning.rsplit_once('/') else {
        return false;
    };
    let depth = beginning.matches('/').count();
    let parts: Vec<&str> = pattern.split('/').collect();
    match (parts.get(..depth), parts.get(depth)) {
        (Some(above), Some(part)) => is_glob(part) && matches(&above.join("/"), directory),
        (None, _) | (_, None) => false,
    }
}

/// Tells whether a part before the last holds a wildcard.
pub(crate) fn has_inner_wildcard(pattern: &str) -> bool {
    pattern.rsplit_once('/').is_some_and(|(directory, _)| is_glob(directory))
}
