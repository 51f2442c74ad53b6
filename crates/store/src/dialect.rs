//! Statements that differ between databases: bulk writes. On SQLite one JSON parameter carries all rows.

/// `$1` tenant, `$2` log, `$3` rows `[index, entry, body]`.
pub(crate) const INSERT_ENTRIES: &str = "
INSERT INTO log_entries (tenant_id, log_id, log_index, entry, body)
SELECT $1, $2, value ->> 0, CAST(value ->> 1 AS BLOB), CAST(value ->> 2 AS BLOB)
FROM json_each($3)
ORDER BY key";

/// `$1` tenant, `$2` log, `$3` first entry, `$4` the entry behind the last, `$5` array of indexes to leave alone.
pub(crate) const EMPTY_BODIES: &str = "
UPDATE log_entries SET body = x''
WHERE tenant_id = $1 AND log_id = $2 AND log_index >= $3 AND log_index < $4 AND length(body) > 0
  AND log_index NOT IN (SELECT value FROM json_each($5))";

/// `$1` tenant, `$2` recorded, `$3` rows `[id, actor, action, phase, decision, subject, detail, correlation id,
/// log index]`.
pub(crate) const INSERT_AUDITS: &str = "
INSERT INTO audit_events (tenant_id, audit_id, recorded_at_us, actor, action, phase, decision, subject, detail,
  correlation_id, log_index)
SELECT $1, value ->> 0, $2, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7, value ->> 8
FROM json_each($3)
ORDER BY key";

/// `$1` tenant, `$2` instant, `$3` rows `[sha256, body]`. Stores what is not there yet.
pub(crate) const INSERT_EVIDENCE: &str = "
INSERT INTO evidence (tenant_id, sha256, body, byte_size, first_seen_at)
SELECT $1, value ->> 0, CAST(value ->> 1 AS BLOB), length(CAST(value ->> 1 AS BLOB)), $2
FROM json_each($3)
WHERE NOT EXISTS (SELECT 1 FROM evidence AS e WHERE e.tenant_id = $1 AND e.sha256 = value ->> 0)
ORDER BY key";

/// `$1` tenant, `$2` digest of the set, `$3` array of rule ids.
pub(crate) const INSERT_RULE_SET: &str = "
INSERT INTO rule_sets (tenant_id, sha256, rule_id)
SELECT $1, $2, value
FROM json_each($3)
WHERE NOT EXISTS (SELECT 1 FROM rule_sets AS r WHERE r.tenant_id = $1 AND r.sha256 = $2)";

/// `$1` tenant, `$2` host, `$3` scan, `$4` `[engine digest, policy digest, policy version, correlation id]`,
/// `$5` occurred, `$6` recorded, `$7` rows `[id, rule, prior status, status, prior severity, severity, kind,
/// prior value, value, evidence, skip reason, rule digest, log index]`.
pub(crate) const INSERT_CHANGES: &str = "
INSERT INTO transactions (tenant_id, id, host_id, rule_id, scan_id, origin, prior_status, status,
  prior_severity, severity, change_kind, prior_value_digest, value_digest, evidence_sha256, skip_reason,
  rule_digest, engine_digest, policy_digest, policy_version, correlation_id, occurred_at, recorded_at,
  log_index)
SELECT $1, value ->> 0, $2, value ->> 1, $3, 'scan', value ->> 2, value ->> 3,
  value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10,
  value ->> 11, $4 ->> 0, $4 ->> 1, $4 ->> 2, $4 ->> 3, $5, $6,
  value ->> 12
FROM json_each($7)
ORDER BY key";

/// `$1` tenant, `$2` host, `$3` occurred, `$4` rows as in [`INSERT_CHANGES`].
pub(crate) const UPSERT_STATE: &str = "
INSERT INTO host_rule_state (tenant_id, host_id, rule_id, current_status, severity, value_digest,
  evidence_sha256, skip_reason, first_seen_at, last_changed_at, last_value_changed_at)
SELECT $1, $2, value ->> 1, value ->> 3, value ->> 5, value ->> 8,
  value ->> 9, value ->> 10, $3, $3, $3
FROM json_each($4)
WHERE true
ON CONFLICT (tenant_id, host_id, rule_id) DO UPDATE SET
  last_changed_at = CASE
    WHEN host_rule_state.current_status <> excluded.current_status
      OR host_rule_state.severity <> excluded.severity
    THEN excluded.last_changed_at ELSE host_rule_state.last_changed_at END,
  last_value_changed_at = CASE
    WHEN host_rule_state.value_digest <> excluded.value_digest
    THEN excluded.last_value_changed_at ELSE host_rule_state.last_value_changed_at END,
  current_status = excluded.current_status,
  severity = excluded.severity,
  value_digest = excluded.value_digest,
  evidence_sha256 = excluded.evidence_sha256,
  skip_reason = excluded.skip_reason";

/// `$1` name of a table. Its rows that name, by a foreign key, what is not there.
pub(crate) const COUNT_STRAYS: &str = "SELECT count(*) AS strays FROM pragma_foreign_key_check($1)";
