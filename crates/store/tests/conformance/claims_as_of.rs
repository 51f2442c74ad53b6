//! As-of reads and differences against a model that keeps every write in a list and looks at all of it (FCT-12, FCT-13).

use std::collections::BTreeMap;

use model::{ClaimKey, ClaimKind, Subject, Timestamp};
use store::facts::read::{Instants, Wanted};
use store::facts::{Put, Stored, Written};

use crate::bench::{Bench, On, at};
use crate::claims::{KINDS, key, put};

/// Operations of one run; `PLUMB_MODEL_OPERATIONS` asks for more.
const OPERATIONS: usize = 4_000;
/// Keys that are written.
const KEYS: u64 = 8;

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

fn said(stored: &[Stored]) -> BTreeMap<ClaimKey, String> {
    stored.iter().map(|stored| (stored.version.key.clone(), stored.version.value.clone())).collect()
}

async fn write(bench: &Bench, model: &mut Vec<Known>, choices: &mut Choices, (kind, now): (ClaimKind, i64)) {
    let key = key(kind, &format!("k{}", choices.below(KEYS)));
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
        let subject = Subject::parse("fleet:web").unwrap();
        let mut answers = Vec::new();
        for n in 0..operations {
            let now = i64::try_from(n).unwrap() + 10;
            if n < 300 || n % 7 == 0 && model.len() < 2_000 {
                write(&bench, &mut model, &mut choices, (kind, now)).await;
                continue;
            }
            let size = bench.db.log_size(&bench.tenant).await.unwrap();
            let (valid_at, tree_size) = (choices.instant(now + 20), 1 + choices.below(size));
            let newest = bench.db.list_entries(&bench.tenant, (tree_size - 1, 1)).await.unwrap();
            let entry = ledger::Entry::parse(&newest[0].entry).unwrap();
            let point = Instants { valid_at, recorded_at: entry.at.parse().unwrap(), position: tree_size };
            let mut wanted = as_of(&model, valid_at, tree_size);
            let one = key(kind, &format!("k{}", choices.below(KEYS)));
            let filter = if n % 2 == 0 {
                wanted.retain(|known, _value| *known == one);
                Wanted::key(&one)
            } else {
                Wanted { kind, subject: &subject, name: None, last: None }
            };
            let answer = bench.db.list_as_of(&bench.tenant, &filter, point).await.unwrap();
            assert_eq!(said(&answer), wanted, "{n}: {valid_at} of {tree_size}");
            if n % 50 == 1 {
                answers.push((point, answer));
            }
        }
        // The same question is answered the same after all later writes, but for how versions ended since.
        for (point, before) in answers {
            let filter = Wanted { kind, subject: &subject, name: None, last: None };
            let after = bench.db.list_as_of(&bench.tenant, &filter, point).await.unwrap();
            let put =
                |stored: &[Stored]| stored.iter().map(|stored| stored.version.opened()).collect::<Vec<_>>();
            assert_eq!(put(&after), put(&before));
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
