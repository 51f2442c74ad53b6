//! The record of scans: what each writes, what it keeps, and that nothing written can be changed unseen
//! by whoever does not own the file. What verification finds when the owner does is the business of `proof`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use testkit::host::TestHost;

use crate::database::{dump, number, row_counts, rows, sha256sum, sql, tables, try_sql};
use crate::ours::{at_least_14, closed, folder};
use crate::support::{
    On, World, assert_code, at, host, json, key, measured, one_host, statuses, tool, world, world_on,
};

/// Scans with a rule folder; returns the host's part of the document.
fn scan(world: &World, host: &TestHost, content: &str) -> Value {
    world.scan_json(host, &["--content", content])
}

/// Returns the newest change rows of the host, newest first.
fn history(world: &World, name: &str, limit: &str) -> Vec<Value> {
    let done = world.plumb(&["history", name, "--limit", limit, "--format", "json"]);
    assert_code(&done, 0);
    json(&done)["changes"].as_array().unwrap().clone()
}

/// Returns the posture of the host, its rules by id.
fn posture(world: &World, name: &str) -> BTreeMap<String, Value> {
    let done = world.plumb(&["posture", name, "--format", "json"]);
    assert_code(&done, 0);
    let rules = json(&done)["rules"].as_array().unwrap().clone();
    rules.into_iter().map(|rule| (rule["rule_id"].as_str().unwrap().to_owned(), rule)).collect()
}

#[test]
fn a_change_is_one_row_and_no_change_is_none_tlw_03_tlw_04_tlw_06() {
    let (world, host) = (world(), host());
    let (name, db) = (at("root", &host), world.database());
    host.must("chmod 0600 /etc/crontab").unwrap();
    let n_rules = statuses(&world.scan_json(&host, &[])).len();
    assert!(n_rules >= 100, "{n_rules}");
    let all = i64::try_from(n_rules).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM host_rule_state;"), all);
    let first_seen = "SELECT count(*) FROM transactions WHERE change_kind = 'first_seen';";
    assert_eq!(number(&db, first_seen), all);
    let before = (row_counts(&db), posture(&world, &name));
    let held = rows(&db);

    world.scan_json(&host, &[]);
    let second = world.last_scan(&name);
    let written = rows(&db).written_since(&held);
    // The checkpoint is cut behind the Apply and is no part of it.
    let apply =
        written.iter().filter(|(table, _)| !["log_checkpoints", "log_tiles"].contains(&table.as_str()));
    assert!(apply.map(|(_, rows)| rows).sum::<usize>() <= 16, "{written:?}");
    assert_eq!(second["change_count"], 0);
    let after = (row_counts(&db), posture(&world, &name));
    for table in ["transactions", "manifests", "evidence", "corpora", "host_rule_state", "rule_sets"] {
        assert_eq!(after.0[table], before.0[table], "{table}");
    }
    assert_eq!(after.1.len(), n_rules);
    for (rule, now) in &after.1 {
        assert_eq!(
            (&now["check_count"], &now["last_checked_at"]),
            (&2.into(), &second["measured_at"]),
            "{rule}"
        );
        assert_eq!(now["since"], before.1[rule]["since"], "{rule}");
    }
    let checked = "SELECT count(*) FROM host_rule_checked WHERE check_count = 2;";
    assert_eq!(number(&db, checked), all);

    host.must("chmod 0644 /etc/crontab").unwrap();
    world.scan_json(&host, &[]);
    assert_eq!(number(&db, "SELECT count(*) FROM transactions;"), all + 1);
    let newest = &history(&world, &name, "1")[0]["change"];
    assert_eq!(newest["rule_id"], "file_crontab");
    assert_eq!(newest["change_kind"], "state_changed");
    assert_eq!((&newest["prior_status"], &newest["status"]), (&"pass".into(), &"fail".into()));
}

#[test]
fn an_unchanged_rescan_writes_as_much_for_few_rules_as_for_many_tlw_06() {
    let (world, host) = (world(), host());
    let content = folder(&world, "few", &[closed("aaa", "low"), closed("bbb", "low")]);
    let mut written = Vec::new();
    for more in [vec!["--content", content.as_str()], Vec::new()] {
        // The first scan after a change of rules learns them; the second one has nothing to learn.
        world.scan_json(&host, &more);
        let held = rows(&world.database());
        world.scan_json(&host, &more);
        let mut now = rows(&world.database()).written_since(&held);
        // Grows with the logarithm of the log, not with the scan.
        now.retain(|table, _| table != "log_tiles");
        written.push(now);
    }
    assert_eq!(written[0], written[1]);
}

#[test]
fn another_value_with_the_same_verdict_is_a_row_and_no_regression_tlw_05() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[at_least_14("length", "high")]);
    host.must("echo 'length = 14' >/etc/plumb_length").unwrap();
    scan(&world, &host, &content);
    let name = at("root", &host);
    let before = posture(&world, &name)["length"].clone();
    host.must("echo 'length = 16' >/etc/plumb_length").unwrap();
    let done = world.scan(&host, &["--content", &content, "--format", "json"]);
    assert_code(&done, 0);
    let after = posture(&world, &name)["length"].clone();
    let rows = history(&world, &name, "10");
    assert_eq!(rows.len(), 2);
    let change = &rows[0]["change"];
    assert_eq!(change["change_kind"], "value_changed");
    assert_eq!((&change["prior_status"], &change["status"]), (&"pass".into(), &"pass".into()));
    assert_eq!(change["prior_value_digest"], rows[1]["change"]["value_digest"]);
    assert_ne!(change["value_digest"], change["prior_value_digest"]);
    for (row, value) in [(&rows[0], "16"), (&rows[1], "14")] {
        let digest = row["change"]["evidence_sha256"].as_str().unwrap();
        let evidence = json(&world.plumb(&["evidence", digest]));
        assert_eq!(evidence["checks"][0]["actual"], value, "{evidence:#}");
    }
    assert_eq!(after["since"], before["since"]);
    assert_eq!(after["last_value_changed_at"], world.last_scan(&name)["measured_at"]);
    assert_ne!(after["last_value_changed_at"], before["last_value_changed_at"]);
    // No regression: nothing differs in status between the two scans.
    let diff = ["diff", &name, "--from", before["since"].as_str().unwrap(), "--format", "json"];
    let diff = json(&world.plumb(&diff));
    assert_eq!(diff["rules"].as_array().unwrap().len(), 1);
    assert_eq!(diff["rules"][0]["kind"], "value_changed");
}

/// Writes every blob of a table into a folder, named by its key, and asserts that it is its SHA-256.
fn assert_stored_by_digest(world: &World, table: &str) -> usize {
    let out = world.path(table);
    fs::create_dir_all(&out).unwrap();
    let out = out.to_str().unwrap();
    let db = world.database();
    sql(&db, &format!("SELECT writefile('{out}/' || sha256, body) FROM {table};"));
    let digests = sql(&db, &format!("SELECT sha256 FROM {table};"));
    for digest in &digests {
        assert_eq!(sha256sum(&world.path(table).join(digest)), *digest, "{table}");
    }
    assert_eq!(number(&db, &format!("SELECT count(*) FROM {table} WHERE byte_size <> length(body);")), 0);
    digests.len()
}

#[test]
fn evidence_is_kept_byte_for_byte_and_every_digest_leads_to_it_tlw_13_tlw_14() {
    let (world, host) = (world(), host());
    let first = world.scan_json(&host, &["--tag", "ssh"]);
    let second = world.scan_json(&host, &["--tag", "files"]);
    let n_blobs = assert_stored_by_digest(&world, "evidence");
    assert!(n_blobs > 20, "{n_blobs}");
    assert_stored_by_digest(&world, "manifests");
    assert_stored_by_digest(&world, "corpora");
    for (table, column, blobs) in [
        ("transactions", "evidence_sha256", "evidence"),
        ("host_rule_state", "evidence_sha256", "evidence"),
        ("scan_runs", "manifest_sha256", "manifests"),
        ("scan_runs", "corpus_digest", "corpora"),
        ("scan_runs", "rule_set_sha256", "rule_sets"),
    ] {
        let dangling = format!(
            "SELECT count(*) FROM {table} WHERE {column} IS NULL OR {column} NOT IN (SELECT sha256 FROM {blobs});"
        );
        assert_eq!(number(&world.database(), &dangling), 0, "{table}.{column}");
    }
    let stored: BTreeSet<String> = fs::read_dir(world.path("evidence"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    for document in [&first, &second] {
        for result in measured(document)["results"].as_array().unwrap() {
            assert!(stored.contains(result["evidence_sha256"].as_str().unwrap()), "{result:#}");
        }
    }
    for table in ["evidence", "manifests"] {
        for digest in sql(&world.database(), &format!("SELECT sha256 FROM {table} ORDER BY sha256 LIMIT 5;"))
        {
            let shown = world.plumb(&["evidence", &digest]);
            assert_code(&shown, 0);
            assert_eq!(shown.stdout.as_bytes(), fs::read(world.path(table).join(&digest)).unwrap());
        }
    }
}

/// What the database refuses to everyone who has not taken its guards away, and why.
fn forbidden(db: &std::path::Path) -> Vec<String> {
    let kept = [
        ("transactions", "status = status"),
        ("scan_runs", "failure_text = 'x'"),
        ("manifests", "body = x'00'"),
        ("evidence", "first_seen_at = 0"),
        ("corpora", "body = x'00'"),
        ("audit_events", "actor = 'nobody'"),
        ("log_entries", "entry = x'00'"),
        ("log_checkpoints", "note = x'00'"),
        ("rule_sets", "rule_id = 'other'"),
    ];
    let mut statements = Vec::new();
    for (table, edit) in kept {
        statements.push(format!("UPDATE {table} SET {edit};"));
        statements.push(format!("UPDATE OR REPLACE {table} SET {edit};"));
        statements.push(format!("DELETE FROM {table};"));
        statements.push(format!("DELETE FROM {table} WHERE tenant_id <> '';"));
        statements.push(format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1;"));
        statements.push(format!("REPLACE INTO {table} SELECT * FROM {table} LIMIT 1;"));
    }
    let key: Vec<String> = sql(db, "SELECT tenant_id, log_id FROM log_heads;");
    assert_eq!(key.len(), 1);
    for statement in [
        "DELETE FROM log_heads;",
        "UPDATE log_heads SET size = size - 1;",
        "UPDATE log_heads SET origin = 'other';",
        "REPLACE INTO log_heads SELECT * FROM log_heads;",
        "INSERT INTO log_entries SELECT tenant_id, log_id, log_index + 1000, entry, body FROM log_entries LIMIT 1;",
        "DELETE FROM hosts;",
        "DELETE FROM host_keys;",
    ] {
        statements.push(statement.to_owned());
    }
    statements
}

#[test]
fn a_live_database_refuses_every_form_of_change_to_what_is_recorded_tlw_18() {
    let (world, host) = (world(), host());
    world.scan(&host, &["--tag", "cron"]);
    let db = world.database();
    let before = dump(&db);
    for statement in forbidden(&db) {
        let done = try_sql(&db, &statement);
        assert!(!done.success(), "{statement} was done");
        let said = done.stderr.to_lowercase();
        let is_ours =
            ["append-only", "only grow", "next one", "never deleted"].iter().any(|why| said.contains(why));
        assert!(is_ours, "{statement}: {said}");
    }
    assert_eq!(dump(&db), before);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}

#[test]
fn state_verify_names_what_differs_from_the_change_log_tlw_21() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("aaa", "low"), closed("bbb", "low")]);
    scan(&world, &host, &content);
    let db = world.database();
    let clean = world.plumb(&["state", "verify"]);
    assert_code(&clean, 0);
    assert_eq!(clean.stdout, "the current state is what the change log says\n");
    assert_eq!(
        json(&world.plumb(&["state", "verify", "--format", "json"]))["differences"],
        serde_json::json!([])
    );

    let name = at("root", &host);
    for (edit, undo, what, stored, rebuilt) in [
        ("current_status = 'pass'", "current_status = 'fail'", "current_status", "pass", "fail"),
        ("severity = 'critical'", "severity = 'low'", "severity", "critical", "low"),
    ] {
        sql(&db, &format!("UPDATE host_rule_state SET {edit} WHERE rule_id = 'bbb';"));
        let done = world.plumb(&["state", "verify"]);
        assert_code(&done, 2);
        let row = done.stdout.lines().nth(1).unwrap();
        assert_eq!(row, format!("{name}\tbbb\t{what}\t{stored}\t{rebuilt}"));
        assert_eq!(done.stdout.lines().count(), 2);
        sql(&db, &format!("UPDATE host_rule_state SET {undo} WHERE rule_id = 'bbb';"));
        assert_code(&world.plumb(&["state", "verify"]), 0);
    }
    sql(&db, "DELETE FROM host_rule_state WHERE rule_id = 'aaa';");
    let done = world.plumb(&["state", "verify", "--format", "json"]);
    assert_code(&done, 2);
    let found = json(&done);
    assert_eq!(found["ok"], false);
    let found = &found["differences"];
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!((&found[0]["rule_id"], &found[0]["what"]), (&"aaa".into(), &"row is missing".into()));
}

/// TLW-21: what is no value of its kind is one difference among the others.
#[test]
fn state_verify_names_values_of_no_kind_beside_what_else_differs_tlw_21() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("aaa", "low"), closed("bbb", "low")]);
    scan(&world, &host, &content);
    let db = world.database();
    let spoil = "UPDATE host_rule_state SET skip_reason = 'x', value_digest = 'beef', severity = 'dire' WHERE rule_id = 'bbb';
        UPDATE host_rule_state SET skip_reason = '', current_status = 'pass' WHERE rule_id = 'aaa';
        UPDATE host_posture SET pass_count = -1, compliance_state = 'fine', current_rule_set = 'none', last_scan_id = 'x';";
    sql(&db, &format!("PRAGMA ignore_check_constraints = ON; {spoil}"));
    let done = world.plumb(&["state", "verify", "--format", "json"]);
    assert_code(&done, 2);
    let spoilt = json(&done);
    let spoilt = spoilt["differences"].as_array().unwrap();
    let text = |difference: &Value, member: &str| difference[member].as_str().unwrap_or("-").to_owned();
    let named: Vec<_> =
        spoilt.iter().map(|one| ["rule_id", "what", "stored"].map(|member| text(one, member))).collect();
    let wanted = [
        ["aaa", "current_status", "pass"],
        ["aaa", "skip_reason", "''"],
        ["bbb", "severity", "dire"],
        ["bbb", "value_digest", "beef"],
        ["bbb", "skip_reason", "x"],
        ["-", "compliance_state", "fine"],
        ["-", "counts of results", "[-1, 2, 0, 0, 0]"],
        ["-", "current_rule_set", "none"],
    ];
    assert_eq!(named[..8], wanted.map(|row| row.map(str::to_owned)));
    assert_eq!((named.len(), named[8][1].as_str()), (9, "last scan"));
    assert_code(&world.plumb(&["ledger", "verify"]), 2);
}

#[test]
fn there_is_no_second_store_of_results_tlw_29() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("aaa", "low")]);
    scan(&world, &host, &content);
    let with_rules: Vec<String> = tables(&world.database())
        .into_iter()
        .filter(|table| {
            let columns = sql(&world.database(), &format!("SELECT name FROM pragma_table_info('{table}');"));
            columns.iter().any(|column| column == "rule_id")
        })
        .collect();
    // The log, the state that is rebuilt from it, and which rules belong to a set.
    assert_eq!(with_rules, ["host_rule_state", "rule_sets", "transactions"]);
}

#[test]
fn one_changed_rule_changes_its_digest_and_that_of_the_corpus_only_exe_20() {
    let (world, host) = (world(), host());
    let mut rules = [closed("aaa", "low"), closed("bbb", "low"), closed("ccc", "low")];
    let before = folder(&world, "before", &rules);
    rules[1].1 = rules[1].1.replace("Rationale of bbb.", "Another rationale.");
    let after = folder(&world, "after", &rules);
    let name = at("root", &host);
    let mut runs = Vec::new();
    for content in [&before, &after] {
        scan(&world, &host, content);
        let run = world.last_scan(&name);
        let manifest = json(&world.plumb(&["evidence", run["manifest_sha256"].as_str().unwrap()]));
        let digests: BTreeMap<String, String> = manifest["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                let text = |name: &str| item[name].as_str().unwrap().to_owned();
                (text("rule_id"), text("rule_digest"))
            })
            .collect();
        for (id, digest) in &digests {
            let file = format!("{content}/rules/ours/{id}.yaml");
            assert_eq!(sha256sum(file.as_ref()), *digest, "{id}");
        }
        runs.push((run, digests));
    }
    let differing: Vec<&String> =
        runs[0].1.iter().filter(|(id, digest)| runs[1].1[*id] != **digest).map(|(id, _)| id).collect();
    assert_eq!(differing, ["bbb"]);
    assert_ne!(runs[0].0["corpus_digest"], runs[1].0["corpus_digest"]);
    for same in ["engine_digest", "policy_digest", "rule_set_sha256"] {
        assert!(runs[0].0[same].as_str().unwrap().len() == 64, "{same}");
        assert_eq!(runs[0].0[same], runs[1].0[same], "{same}");
    }
    // A changed text of the rule is no change of the host.
    assert_eq!(runs[1].0["change_count"], 0);
}

#[test]
fn results_of_rules_from_a_folder_are_marked_unsigned_everywhere() {
    let (world, host) = (world(), host());
    let content = folder(&world, "ours", &[closed("aaa", "low")]);
    let human = world.scan(&host, &["--content", &content]);
    assert!(human.stdout.contains("unsigned content"), "{}", human.stdout);
    let done = world.scan(&host, &["--content", &content, "--format", "json"]);
    assert_eq!(json(&done)["content_signed"], false);
    let name = at("root", &host);
    assert_eq!(world.last_scan(&name)["content_signed"], false);
    let shipped = world.scan(&host, &["--rule", "file_crontab", "--format", "json"]);
    assert_eq!(json(&shipped)["content_signed"], true);
    assert_eq!(one_host(&shipped)["outcome"]["measured"]["scan"]["content_signed"], true);
    assert!(!world.scan(&host, &["--rule", "file_crontab"]).stdout.contains("unsigned"));
}

/// TEN-15: the first scan makes one tenant, whose id is a UUID and whose slug is `default`, and saves the host by the address
/// and port that its alias resolves to, under the name given; whoever scans is named by the login.
fn ten_15_a_fresh_install_has_one_tenant_and_saves_its_first_host(on: On) {
    let (world, host) = (world_on(on), host());
    let content = folder(&world, "ours", &[closed("good", "low")]);
    let (key, port) = (key(&host), host.port());
    fs::create_dir(world.home().join(".ssh")).unwrap();
    let alias = format!("Host web\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  IdentityFile {key}\n");
    fs::write(world.home().join(".ssh/config"), alias).unwrap();
    let typed = at("root", &host);
    for target in ["web", "web", &typed] {
        let done = world.plumb(&["scan", target, "-i", &key, "--content", &content]);
        assert!([Some(0), Some(2)].contains(&done.code), "{done:?}");
    }
    let tenants = world.by_hand("SELECT slug, tenant_id FROM tenants;");
    let [tenant] = tenants.as_slice() else { panic!("{tenants:?}") };
    let id = tenant.strip_prefix("default|").unwrap();
    // RFC 9562, section 4: groups of 8, 4, 4, 4 and 12 digits; the third begins with the version.
    assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
    assert_eq!(id.as_bytes()[14], b'7', "{id}");
    let hosts = world.by_hand("SELECT tenant_id, name, address, port FROM hosts;");
    assert_eq!(hosts, [format!("{id}|web|127.0.0.1|{port}")]);
    let login = tool("id", &["-un"]);
    let actors = world.by_hand("SELECT DISTINCT actor FROM audit_events;");
    assert_eq!(actors, [format!("local:{}", login.trim())]);
}
on_each!(ten_15_a_fresh_install_has_one_tenant_and_saves_its_first_host);

/// TEN-15: who did something is who the process runs as, whatever a variable says, and also where none says anything.
#[test]
fn ten_15_no_variable_changes_who_acted() {
    let login = tool("id", &["-un"]);
    for name in ["somebody-else", ""] {
        let world = world().env("USER", name).env("LOGNAME", name);
        assert_code(&world.plumb(&["host", "add", "192.0.2.7", "--name", "one"]), 0);
        let actors = world.by_hand("SELECT DISTINCT actor FROM audit_events;");
        assert_eq!(actors, [format!("local:{}", login.trim())]);
    }
}
