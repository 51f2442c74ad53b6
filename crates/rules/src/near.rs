//! Nearest known name, for hints after a misspelt one.

/// Longest name that is compared. Characters.
const NAME_CHARS_MAX: usize = 80;

/// Returns the known name with the least edit distance, when it is near: at most a third of its length.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    if name.chars().count() > NAME_CHARS_MAX {
        return None;
    }
    known
        .filter(|candidate| candidate.chars().count() <= NAME_CHARS_MAX)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein distance. Characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replace = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}
