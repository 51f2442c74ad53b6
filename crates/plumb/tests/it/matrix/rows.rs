//! The rows of the matrix: what is done, and what has to be found. How it is done and asked is its parent's.

use serde_json::Value;

use super::Row;
use super::To::{Bundle as InBundle, Live, LiveWithKey};
use super::bundle::another_log;

/// Swaps the last digit of a base64 text for another that keeps it canonical.
fn other_digit(text: &str) -> String {
    let first = text.chars().next().unwrap();
    format!("{}{}", if first == 'A' { 'B' } else { 'A' }, &text[1..])
}

pub(super) const MATRIX: &[Row] = &[
    Row {
        id: "LED-60",
        what: "a name in entry 3 is changed",
        to: Live(
            "UPDATE log_entries SET entry = CAST(replace(CAST(entry AS TEXT), '\"actor\":\"local', '\"actor\":\"loyal') \
                  AS BLOB) WHERE log_index = 3;",
        ),
        code: "leaf_mismatch",
        at: "entry 3",
    },
    Row {
        id: "LED-60",
        what: "a space is added to entry 3",
        to: Live(
            "UPDATE log_entries SET entry = CAST(replace(CAST(entry AS TEXT), '{\"actor\"', '{ \"actor\"') AS BLOB) \
                  WHERE log_index = 3;",
        ),
        code: "not_canonical",
        at: "entry 3",
    },
    Row {
        id: "LED-60",
        what: "a member of entry 3 stands twice",
        to: Live(
            "UPDATE log_entries SET entry = CAST(replace(CAST(entry AS TEXT), '{\"actor\"', '{\"actor\":\"x\",\"actor\"') \
                  AS BLOB) WHERE log_index = 3;",
        ),
        code: "not_canonical",
        at: "entry 3",
    },
    Row {
        id: "LED-60",
        what: "a name in entry 3 is changed",
        to: InBundle(|bundle| bundle.edit(3, "\"actor\":\"local", "\"actor\":\"loyal")),
        code: "leaf_mismatch",
        at: "entry 3",
    },
    Row {
        id: "LED-60",
        what: "a space is added to entry 3",
        to: InBundle(|bundle| bundle.edit(3, "{\"actor\"", "{ \"actor\"")),
        code: "not_canonical",
        at: "entry 3",
    },
    Row {
        id: "LED-60",
        what: "two members of entry 3 change places",
        to: InBundle(|bundle| {
            let entry: Value = serde_json::from_slice(&bundle.split()[3]).unwrap();
            let index = format!(",\"index\":{}", entry["index"]);
            bundle.edit(3, &index, "");
            bundle.edit(3, "{\"actor\"", &format!("{{{},\"actor\"", &index[1..]));
        }),
        code: "not_canonical",
        at: "entry 3",
    },
    Row {
        id: "LED-61",
        what: "entry 5 is removed",
        to: Live("DELETE FROM log_entries WHERE log_index = 5;"),
        code: "index_gap",
        at: "entry 5",
    },
    Row {
        id: "LED-61",
        what: "the first entry is removed",
        to: Live("DELETE FROM log_entries WHERE log_index = 0;"),
        code: "index_gap",
        at: "entry 0",
    },
    Row {
        id: "LED-61",
        what: "entries 4 and 5 change places",
        to: Live(
            "UPDATE log_entries SET log_index = CASE log_index WHEN 4 THEN 1005 ELSE 1004 END WHERE log_index IN (4, 5); \
                  UPDATE log_entries SET log_index = log_index - 1000 WHERE log_index > 1000;",
        ),
        code: "entry_reordered",
        at: "entry 5",
    },
    Row {
        id: "LED-61",
        what: "a copy of entry 2 is added at the end",
        to: Live(
            "INSERT INTO log_entries SELECT tenant_id, log_id, (SELECT max(log_index) + 1 FROM log_entries), entry, body \
                  FROM log_entries WHERE log_index = 2;",
        ),
        code: "entry_reordered",
        at: "entry {size}",
    },
    Row {
        id: "LED-61",
        what: "entry 5 is removed",
        to: InBundle(|bundle| {
            let mut entries = bundle.split();
            entries.remove(5);
            bundle.join(&entries);
        }),
        code: "index_gap",
        at: "entry 5",
    },
    Row {
        id: "LED-61",
        what: "entries 4 and 5 change places",
        to: InBundle(|bundle| {
            let mut entries = bundle.split();
            entries.swap(4, 5);
            bundle.join(&entries);
        }),
        code: "entry_reordered",
        at: "entry 5",
    },
    Row {
        id: "LED-61",
        what: "a copy of entry 2 is put behind it",
        to: InBundle(|bundle| {
            let mut entries = bundle.split();
            entries.insert(3, entries[2].clone());
            bundle.join(&entries);
        }),
        code: "entry_reordered",
        at: "entry 3",
    },
    Row {
        id: "LED-62",
        what: "the newest entry is removed behind its checkpoint",
        to: Live("DELETE FROM log_entries WHERE log_index = (SELECT max(log_index) FROM log_entries);"),
        code: "truncated",
        at: "entry {last}",
    },
    Row {
        id: "LED-62",
        what: "the newest entry is removed",
        to: InBundle(|bundle| {
            let mut entries = bundle.split();
            entries.pop();
            bundle.join(&entries);
        }),
        code: "truncated",
        at: "entry {last}",
    },
    Row {
        id: "LED-64",
        what: "the newest entry is removed with its checkpoint and tiles, its row stays",
        to: LiveWithKey(
            "DELETE FROM log_entries WHERE log_index = (SELECT max(log_index) FROM log_entries); \
                         UPDATE log_heads SET size = size - 1;",
        ),
        code: "row_extra",
        at: "audit_events",
    },
    Row {
        id: "LED-65",
        what: "the time of entry 3 is changed",
        to: Live(
            "UPDATE log_entries SET entry = CAST(replace(CAST(entry AS TEXT), '\"at\":\"2', '\"at\":\"1') AS BLOB) \
                  WHERE log_index = 3;",
        ),
        code: "leaf_mismatch",
        at: "entry 3",
    },
    Row {
        id: "LED-65",
        what: "the time of entry 3 is changed, everything signed again",
        to: LiveWithKey(
            "UPDATE log_entries SET entry = CAST(replace(CAST(entry AS TEXT), '\"at\":\"2', '\"at\":\"1') AS BLOB) \
                         WHERE log_index = 3;",
        ),
        code: "time_regression",
        at: "entry 3",
    },
    Row {
        id: "LED-66",
        what: "the body of entry 6 is edited",
        to: Live(
            "UPDATE log_entries SET body = CAST(replace(CAST(body AS TEXT), '\"nonce\":\"', '\"nonce\":\"0') AS BLOB) \
                  WHERE log_index = 6;",
        ),
        code: "body_altered",
        at: "entry 6",
    },
    Row {
        id: "LED-66",
        what: "the body of entry 6 is emptied",
        to: Live("UPDATE log_entries SET body = x'' WHERE log_index = 6;"),
        code: "body_missing",
        at: "entry 6",
    },
    Row {
        id: "LED-66",
        what: "the body of entry 6 is replaced by that of entry 7",
        to: Live(
            "UPDATE log_entries SET body = (SELECT body FROM log_entries WHERE log_index = 7) WHERE log_index = 6;",
        ),
        code: "body_altered",
        at: "entry 6",
    },
    Row {
        id: "LED-66",
        what: "the body of entry 6 is edited",
        to: InBundle(|bundle| bundle.flip(&bundle.body(6), 20)),
        code: "body_altered",
        at: "entry 6",
    },
    Row {
        id: "LED-66",
        what: "the body of entry 6 is emptied",
        to: InBundle(|bundle| bundle.write(&bundle.body(6), b"")),
        code: "body_missing",
        at: "entry 6",
    },
    Row {
        id: "LED-66",
        what: "the bodies of entries 6 and 7 change places",
        to: InBundle(|bundle| {
            let (one, other) = (bundle.body(6), bundle.body(7));
            let (first, second) = (bundle.read(&one), bundle.read(&other));
            bundle.write(&one, &second);
            bundle.write(&other, &first);
        }),
        code: "body_altered",
        at: "entry 6",
    },
    Row {
        id: "LED-66",
        what: "the body of entry 6 is removed",
        to: InBundle(|bundle| bundle.remove(&bundle.body(6))),
        code: "body_missing",
        at: "entry 6",
    },
    Row {
        id: "LED-67",
        what: "a result in the change log is turned into a failure",
        to: Live(
            "UPDATE transactions SET status = 'fail' WHERE id = (SELECT max(id) FROM transactions WHERE status = 'pass');",
        ),
        code: "row_altered",
        at: "transactions",
    },
    Row {
        id: "LED-67",
        what: "results in the current state are turned into failures",
        to: Live("UPDATE host_rule_state SET current_status = 'fail' WHERE current_status = 'pass';"),
        code: "replay_mismatch",
        at: "host_rule_state",
    },
    Row {
        id: "LED-67",
        what: "a byte of an evidence blob is changed",
        to: Live(
            "UPDATE evidence SET body = CAST('!' || substr(CAST(body AS TEXT), 2) AS BLOB) \
                  WHERE sha256 = (SELECT min(sha256) FROM evidence);",
        ),
        code: "body_altered",
        at: "evidence",
    },
    Row {
        id: "LED-67",
        what: "a byte of an evidence blob is changed",
        to: InBundle(|bundle| bundle.flip(&bundle.first("evidence"), 0)),
        code: "body_altered",
        at: "evidence/",
    },
    Row {
        id: "LED-67",
        what: "a byte of a scan's manifest is changed",
        to: InBundle(|bundle| bundle.flip(&bundle.first("manifests"), 0)),
        code: "body_altered",
        at: "manifests/",
    },
    Row {
        id: "LED-68",
        what: "a row of the change log is deleted",
        to: Live("DELETE FROM transactions WHERE id = (SELECT max(id) FROM transactions);"),
        code: "row_missing",
        at: "transactions",
    },
    Row {
        id: "LED-68",
        what: "an audit record is added without an entry",
        to: Live(
            "INSERT INTO audit_events SELECT tenant_id, '01900000-0000-7000-8000-000000000000', recorded_at_us, actor, \
                  action, phase, decision, subject, detail, correlation_id, log_index FROM audit_events LIMIT 1;",
        ),
        code: "row_extra",
        at: "audit_events",
    },
    Row {
        id: "LED-68",
        what: "a removed host is made active again",
        to: Live("UPDATE hosts SET removed_at_us = NULL;"),
        code: "row_altered",
        at: "hosts",
    },
    Row {
        id: "LED-68",
        what: "a revoked key would be trusted again",
        to: Live(
            "UPDATE host_keys SET status = CASE status WHEN 'revoked' THEN 'trusted' ELSE 'revoked' END;",
        ),
        code: "row_altered",
        at: "host_keys",
    },
    Row {
        id: "LED-67",
        what: "the value of a fact is changed",
        to: Live("UPDATE facts SET value = '\"c\"' WHERE predicate = 'owner' AND superseded_by IS NULL;"),
        code: "row_altered",
        at: "facts",
    },
    Row {
        id: "LED-68",
        what: "a fact that another took the place of is in force again",
        to: Live(
            "UPDATE facts SET t_superseded = NULL, t_invalid = NULL, superseded_by = NULL, superseded_actor = NULL, \
                  superseded_reason = NULL, superseded_index = NULL WHERE predicate = 'owner' AND superseded_by IS NOT NULL;",
        ),
        code: "row_altered",
        at: "facts",
    },
    Row {
        id: "LED-68",
        what: "an edge is retired without an entry",
        to: Live(
            "UPDATE edges SET t_superseded = t_recorded, t_invalid = t_valid, superseded_actor = actor, \
                  superseded_reason = 'x', superseded_index = log_index + 1 WHERE t_superseded IS NULL;",
        ),
        code: "row_extra",
        at: "edges",
    },
    Row {
        id: "LED-68",
        what: "an edge is deleted",
        to: Live("DELETE FROM edges WHERE t_superseded IS NULL;"),
        code: "row_missing",
        at: "edges",
    },
    Row {
        id: "LED-68",
        what: "a row of the current state is hidden",
        to: Live("DELETE FROM host_rule_state WHERE rule_id = 'bbb';"),
        code: "replay_mismatch",
        at: "host_rule_state",
    },
    Row {
        id: "LED-68",
        what: "a rule is hidden from what counts now",
        to: Live("DELETE FROM rule_sets WHERE rule_id = 'bbb';"),
        code: "body_altered",
        at: "rule_sets",
    },
    Row {
        id: "LED-69",
        what: "a hash of a tile is changed",
        to: Live(
            "UPDATE log_tiles SET hashes = CAST(substr(hashes, 1, 96) || zeroblob(32) || substr(hashes, 129) AS BLOB);",
        ),
        code: "tile_mismatch",
        at: "log_tiles",
    },
    Row {
        id: "LED-69",
        what: "the tiles are removed",
        to: Live("DELETE FROM log_tiles;"),
        code: "tile_mismatch",
        at: "log_tiles",
    },
    Row {
        id: "LED-69",
        what: "a partial tile is cut to another size",
        to: Live("UPDATE log_tiles SET width = width - 1, hashes = substr(hashes, 1, 32 * (width - 1));"),
        code: "tile_mismatch",
        at: "log_tiles",
    },
    Row {
        id: "LED-69",
        what: "a hash of a tile is changed",
        to: InBundle(|bundle| bundle.flip(&bundle.leaves(), 100)),
        code: "tile_mismatch",
        at: "tile/0/",
    },
    Row {
        id: "LED-69",
        what: "a tile is removed",
        to: InBundle(|bundle| bundle.remove(&bundle.leaves())),
        code: "tile_mismatch",
        at: "tile/0/",
    },
    Row {
        id: "LED-69",
        what: "a partial tile is replaced by one of another size",
        to: InBundle(|bundle| {
            let bytes = bundle.read(&bundle.leaves());
            bundle.write(&format!("tile/0/000.p/{}", bundle.size - 1), &bytes[..bytes.len() - 32]);
            bundle.remove(&bundle.leaves());
        }),
        code: "tile_mismatch",
        at: "tile/0/",
    },
    Row {
        id: "LED-70",
        what: "the root of the newest checkpoint is changed",
        to: Live(
            "UPDATE log_checkpoints SET root = hex(zeroblob(32)) WHERE size = (SELECT max(size) FROM log_checkpoints);",
        ),
        code: "root_mismatch",
        at: "log_checkpoints",
    },
    Row {
        id: "LED-70",
        what: "a checkpoint says another size",
        to: Live(
            "UPDATE log_checkpoints SET size = size - 1 WHERE size = (SELECT max(size) FROM log_checkpoints);",
        ),
        code: "root_mismatch",
        at: "log_checkpoints",
    },
    Row {
        id: "LED-70",
        what: "the signed text of a checkpoint is changed",
        to: Live(
            "UPDATE log_checkpoints SET note = CAST(replace(CAST(note AS TEXT), char(10) || size || char(10), \
                  char(10) || (size + 1) || char(10)) AS BLOB) WHERE size = (SELECT max(size) FROM log_checkpoints);",
        ),
        code: "checkpoint_signature",
        at: "log_checkpoints",
    },
    Row {
        id: "LED-70",
        what: "the size in the checkpoint is changed",
        to: InBundle(|bundle| bundle.checkpoint_line(1, |line| format!("{line}0"))),
        code: "checkpoint_signature",
        at: "checkpoint",
    },
    Row {
        id: "LED-70",
        what: "the root in the checkpoint is changed",
        to: InBundle(|bundle| bundle.checkpoint_line(2, other_digit)),
        code: "checkpoint_signature",
        at: "checkpoint",
    },
    Row {
        id: "LED-70",
        what: "the checkpoint is that of a log with another key",
        to: InBundle(|bundle| {
            let other = another_log(bundle);
            bundle.write("checkpoint", &other.read("checkpoint"));
        }),
        code: "key_unknown",
        at: "checkpoint",
    },
    Row {
        id: "LED-70",
        what: "the bundle names another key",
        to: InBundle(|bundle| {
            let other = another_log(bundle);
            bundle.write("vkeys", &other.read("vkeys"));
        }),
        code: "key_unknown",
        at: "vkeys",
    },
    Row {
        id: "LED-71",
        what: "all checkpoints are removed",
        to: Live("DELETE FROM log_checkpoints;"),
        code: "checkpoint_missing",
        at: "",
    },
    Row {
        id: "LED-71",
        what: "the checkpoint is removed",
        to: InBundle(|bundle| bundle.remove("checkpoint")),
        code: "checkpoint_missing",
        at: "checkpoint",
    },
    Row {
        id: "LED-72",
        what: "a signed checkpoint stands for another number of entries",
        to: Live(
            "UPDATE log_checkpoints SET note = (SELECT note FROM log_checkpoints ORDER BY size LIMIT 1) \
                  WHERE size = (SELECT max(size) FROM log_checkpoints);",
        ),
        code: "root_mismatch",
        at: "log_checkpoints",
    },
    Row {
        id: "LED-76",
        what: "a byte of entry 3 is not UTF-8",
        to: InBundle(|bundle| {
            let mut entries = bundle.split();
            entries[3][10] = 0xff;
            bundle.join(&entries);
        }),
        code: "malformed",
        at: "entry 3",
    },
    Row {
        id: "LED-76",
        what: "entry 3 is an array",
        to: InBundle(|bundle| {
            let mut entries = bundle.split();
            entries[3] = b"[]".to_vec();
            bundle.join(&entries);
        }),
        code: "malformed",
        at: "entry 3",
    },
    Row {
        id: "LED-76",
        what: "a length prefix goes beyond the end",
        to: InBundle(|bundle| {
            let mut bytes = bundle.read(&bundle.entries());
            bytes[0] = 0xff;
            bundle.write(&bundle.entries(), &bytes);
        }),
        code: "malformed",
        at: "tile/entries/",
    },
    Row {
        id: "LED-76",
        what: "bytes follow the last entry",
        to: InBundle(|bundle| {
            let mut bytes = bundle.read(&bundle.entries());
            bytes.push(0);
            bundle.write(&bundle.entries(), &bytes);
        }),
        code: "malformed",
        at: "tile/entries/",
    },
    Row {
        id: "LED-76",
        what: "entry 3 is an array",
        to: Live("UPDATE log_entries SET entry = CAST('[]' AS BLOB) WHERE log_index = 3;"),
        code: "malformed",
        at: "entry 3",
    },
    Row {
        id: "LED-76",
        what: "a byte of entry 3 is not UTF-8",
        to: Live("UPDATE log_entries SET entry = x'ff' WHERE log_index = 3;"),
        code: "malformed",
        at: "entry 3",
    },
];
