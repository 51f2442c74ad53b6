//! As-of reads and differences against a model that keeps every write in a list and looks at all of it (FCT-12, FCT-13).

use std::collections::{BTreeMap, BTreeSet};

use model::{ClaimKey, ClaimKind, Classification, Subject, Timestamp};
use store::facts::read::{Instants, Wanted};
use store::facts::{Put, Stored, Written};

use crate::bench::{Bench, On, at};
use crate::claims::{KINDS, key, put};

/// Operations of one run; `PLUMB_MODEL_OPERATIONS` asks for more.
const OPERATIONS: usize = 4_000;
/// Subjects that are written, and names of each.
const SUBJECTS: u64 = 3;
const NAMES: u64 = 5;

/// A stable source of choices (SplitMix64, public domain).
pub(crate) struct Choices(pub(crate) u64);

impl Choices {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn subject(&mut self) -> Subject {
        Subject::parse(&format!("fleet:s{}", self.below(SUBJECTS))).unwrap()
    }

    fn key(&mut self, kind: ClaimKind) -> ClaimKey {
        let (subject, name) = (self.subject(), format!("k{}", self.below(NAMES)));
        match key(kind, "") {
            ClaimKey::Fact { fact_type, .. } => ClaimKey::Fact { subject, predicate: name, fact_type },
            ClaimKey::Edge { target, .. } => ClaimKey::Edge { subject, relation: name, target },
        }
    }

    fn instant(&mut self, limit: i64) -> Timestamp {
        at(i64::try_from(self.below(limit.unsigned_abs())).unwrap())
    }
}

/// What the model knows of one version.
#[derive(Debug, Clone)]
struct Known {
    key: ClaimKey,
    value: String,
    t_valid: Timestamp,
    t_recorded: Timestamp,
    index: u64,
    /// When it was known to be over, by which entry, and since when it is.
    ended: Option<(Timestamp, u64, Timestamp)>,
}

/// The sentence of FCT-12, looked up in a list.
fn as_of(model: &[Known], valid_at: Timestamp, tree_size: u64) -> BTreeMap<ClaimKey, String> {
    let mut answer = BTreeMap::new();
    for known in model {
        let over = known.ended.is_some_and(|(_at, index, invalid)| index < tree_size && invalid <= valid_at);
        if known.index < tree_size && known.t_valid <= valid_at && !over {
            answer.insert(known.key.clone(), known.value.clone());
        }
    }
    answer
}

/// What was active when the ledger had so many entries: the entry that put it, and its value.
fn active(model: &[Known], tree_size: u64) -> BTreeMap<&ClaimKey, (u64, &str)> {
    let is_active = |known: &&Known| {
        known.index < tree_size && known.ended.is_none_or(|(_at, index, _invalid)| index >= tree_size)
    };
    model.iter().filter(is_active).map(|known| (&known.key, (known.index, known.value.as_str()))).collect()
}

/// The sentence of FCT-13: of each key of a subject that differs, what was and what is.
fn differing(model: &[Known], subject: &Subject, (from, to): (u64, u64)) -> Vec<String> {
    let (before, after) = (active(model, from), active(model, to));
    let keys: BTreeSet<&ClaimKey> = before.keys().chain(after.keys()).copied().collect();
    let mut lines = Vec::new();
    for key in keys.into_iter().filter(|key| key.subject() == subject) {
        let [was, is] = [&before, &after].map(|all| {
            all.get(key).map_or_else(|| "-".to_owned(), |(index, value)| format!("{index}:{value}"))
        });
        if was != is {
            lines.push(format!("{key} {was} {is}"));
        }
    }
    lines
}

/// Asks for the instant at which the ledger had so many entries.
async fn instants(bench: &Bench, (valid_at, tree_size): (Timestamp, u64)) -> Instants {
    let newest = bench.db.list_entries(&bench.tenant, (tree_size - 1, 1)).await.unwrap();
    let entry = ledger::Entry::parse(&newest[0].entry).unwrap();
    Instants { valid_at, recorded_at: entry.at.parse().unwrap(), position: tree_size }
}

async fn check_difference(bench: &Bench, model: &[Known], choices: &mut Choices, kind: ClaimKind) {
    let size = bench.db.log_size(&bench.tenant).await.unwrap();
    let (one, other) = (1 + choices.below(size), 1 + choices.below(size));
    let (from, to) = (one.min(other), one.max(other));
    let subject = choices.subject();
    let wanted =
        Wanted { kind, subject: &subject, name: None, last: None, up_to: Classification::Restricted };
    let points = (instants(bench, (at(0), from)).await, instants(bench, (at(0), to)).await);
    let found = bench.db.list_differing(&bench.tenant, &wanted, points).await.unwrap();
    let shown = |found: &Option<Stored>| {
        let one = |stored: &Stored| format!("{}:{}", stored.log_index, stored.version.value);
        found.as_ref().map_or("-".to_owned(), one)
    };
    for (_key, (before, after)) in &found {
        let ended = before.as_ref().map(|stored| stored.superseded_index.is_some_and(|index| index < to));
        assert_ne!(ended, Some(false), "what is no longer active has ended");
        assert!(after.as_ref().is_none_or(|stored| stored.superseded_index.is_none()));
    }
    let found: Vec<String> = found
        .iter()
        .map(|(key, (before, after))| format!("{key} {} {}", shown(before), shown(after)))
        .collect();
    assert_eq!(found, differing(model, &subject, (from, to)), "{from} to {to}");
}

fn said(stored: &[Stored]) -> BTreeMap<ClaimKey, String> {
    stored.iter().map(|stored| (stored.version.key.clone(), stored.version.value.clone())).collect()
}

async fn write(bench: &Bench, model: &mut Vec<Known>, choices: &mut Choices, (kind, now): (ClaimKind, i64)) {
    let key = choices.key(kind);
    let open = model.iter().position(|known| known.key == key && known.ended.is_none());
    if choices.below(5) == 0 {
        match (bench.retire(&key, at(now)).await, open) {
            (Ok(retired), Some(open)) => {
                let ended = retired.version.t_superseded.unwrap();
                let over = model[open].t_valid.max(ended);
                model[open].ended = Some((ended, retired.superseded_index.unwrap(), over));
            }
            (Err(_), None) => {}
            (done, open) => panic!("{done:?} {open:?}"),
        }
        return;
    }
    let value = choices.below(4).to_string();
    let back = (choices.below(2) == 0).then(|| choices.instant(now));
    let wanted = Put { t_valid: back, ..put(&key, &value) };
    match bench.put(&wanted, at(now)).await.unwrap() {
        Written::Unchanged(same) => {
            assert_eq!(Some(&same.version.value), open.map(|open| &model[open].value))
        }
        Written::New(stored) => {
            let version = stored.version;
            if let Some(open) = open {
                let over = model[open].t_valid.max(version.t_valid);
                model[open].ended = Some((version.t_recorded, stored.log_index, over));
            }
            model.push(Known {
                key,
                value,
                t_valid: version.t_valid,
                t_recorded: version.t_recorded,
                index: stored.log_index,
                ended: None,
            });
        }
    }
}

/// FCT-12, FCT-13: random puts, back-dated puts and retirements; then what was so at any instant, as far as any number
/// of entries says, for one key and for all.
async fn fct_12_fct_13_as_of_agrees_with_a_model_of_lists(on: On) {
    let asked = std::env::var_os("PLUMB_MODEL_OPERATIONS");
    let operations = asked.map_or(OPERATIONS, |text| text.to_str().unwrap().parse().unwrap());
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let (mut model, mut choices) = (Vec::new(), Choices(7));
        let mut answers = Vec::new();
        for n in 0..operations {
            let now = i64::try_from(n).unwrap() + 10;
            if n < 300 || n % 7 == 0 && model.len() < 2_000 {
                write(&bench, &mut model, &mut choices, (kind, now)).await;
                continue;
            }
            let size = bench.db.log_size(&bench.tenant).await.unwrap();
            let (valid_at, tree_size) = (choices.instant(now + 20), 1 + choices.below(size));
            if n % 3 == 0 {
                check_difference(&bench, &model, &mut choices, kind).await;
            }
            let point = instants(&bench, (valid_at, tree_size)).await;
            let mut wanted = as_of(&model, valid_at, tree_size);
            let one = choices.key(kind);
            let subject = one.subject().clone();
            wanted.retain(|known, _value| *known.subject() == subject);
            let filter = if n % 2 == 0 {
                wanted.retain(|known, _value| *known == one);
                Wanted::key(&one)
            } else {
                Wanted { kind, subject: &subject, name: None, last: None, up_to: Classification::Restricted }
            };
            let answer = bench.db.list_as_of(&bench.tenant, &filter, point).await.unwrap();
            assert_eq!(said(&answer), wanted, "{n}: {valid_at} of {tree_size}");
            if n % 50 == 1 {
                answers.push((point, subject, answer));
            }
        }
        // The same question is answered the same after all later writes.
        for (point, subject, before) in answers {
            let filter =
                Wanted { kind, subject: &subject, name: None, last: None, up_to: Classification::Restricted };
            let after = bench.db.list_as_of(&bench.tenant, &filter, point).await.unwrap();
            assert_eq!(after, before);
        }
        assert!(model.iter().any(|known| known.t_valid < known.t_recorded && known.ended.is_some()));
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_12_fct_13_as_of_agrees_with_a_model_of_lists);

/// FCT-12: of what one transaction recorded, a tree that ends within it has the first part only.
async fn fct_12_a_tree_that_ends_before_an_entry_does_not_know_it(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let key = key(kind, "owner");
        let first = bench.fresh(&put(&key, "1"), at(100)).await;
        let second = bench.fresh(&put(&key, "2"), at(200)).await;
        let at_size = async |position: u64| {
            let recorded_at = second.version.t_recorded;
            let point = Instants { valid_at: at(300), recorded_at, position };
            let answer = bench.db.list_as_of(&bench.tenant, &Wanted::key(&key), point).await.unwrap();
            answer.into_iter().map(|stored| stored.version.value).collect::<Vec<_>>()
        };
        assert_eq!(at_size(second.log_index + 1).await, ["2"]);
        assert_eq!(at_size(second.log_index).await, ["1"]);
        assert!(first.log_index < second.log_index);
    }
}
on_each!(fct_12_a_tree_that_ends_before_an_entry_does_not_know_it);
