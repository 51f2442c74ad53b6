//! Paths of tiles and entry bundles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]` (C2SP tlog-tiles).

use super::{LEVEL_MAX, TILE_WIDTH, TileId};

impl TileId {
    /// Returns the path, such as `tile/0/x001/234.p/5`.
    #[must_use]
    pub fn path(self) -> String {
        format!("tile/{}/{}{}", self.level, index_path(self.index), width_suffix(self.width))
    }

    /// Parses a path; nothing when it is not one, in its one written form, of a level that a log can have.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level: u8 = level.parse().ok()?;
        let (index, width) = parse_index_and_width(rest)?;
        let id = Self { level, index, width };
        (level <= LEVEL_MAX && id.path() == path).then_some(id)
    }
}

/// Returns the path of an entry bundle, such as `tile/entries/x001/234.p/5`; `width` is 1 to 256.
#[must_use]
pub fn bundle_path(index: u64, width: u16) -> String {
    format!("tile/entries/{}{}", index_path(index), width_suffix(width))
}

/// Parses the path of an entry bundle into (index, width); nothing when it is not one in its written form.
#[must_use]
pub fn parse_bundle_path(path: &str) -> Option<(u64, u16)> {
    let (index, width) = parse_index_and_width(path.strip_prefix("tile/entries/")?)?;
    (bundle_path(index, width) == path).then_some((index, width))
}

/// Returns the entry bundles, as (index, width), that hold the entries `from..to` of a log of `size` entries.
///
/// They also hold the neighbors of the range up to the ends of its first and last bundle.
pub fn bundles_of_range(size: u64, from: u64, to: u64) -> impl Iterator<Item = (u64, u16)> + Clone {
    let to = to.min(size);
    let last = if from < to { to.div_ceil(TILE_WIDTH) } else { from / TILE_WIDTH };
    (from / TILE_WIDTH..last)
        .filter_map(move |index| TileId::holding(size, 0, index * TILE_WIDTH).map(|id| (index, id.width)))
}

fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    path
}

fn width_suffix(width: u16) -> String {
    if u64::from(width) == TILE_WIDTH { String::new() } else { format!(".p/{width}") }
}

/// Reads the numbers leniently; the callers compare with the written form.
fn parse_index_and_width(text: &str) -> Option<(u64, u16)> {
    let (index, width) = match text.split_once(".p/") {
        None => (text, 256),
        Some((index, width)) => (index, width.parse().ok().filter(|w| (1..256).contains(w))?),
    };
    let mut number: u64 = 0;
    for group in index.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        number = number.checked_mul(1_000)?.checked_add(digits.parse().ok()?)?;
    }
    Some((number, width))
}
