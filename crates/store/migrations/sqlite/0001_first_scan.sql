-- Registry tables are STRICT and WITHOUT ROWID: no hidden key, no silent change of type.
-- Instants are microseconds since 1970 UTC, in `*_at_us`, or `*_at` where a requirement sheet names the column; digests are 64 hexadecimal digits; bodies are exact bytes.

CREATE TABLE tenants (
  tenant_id TEXT NOT NULL PRIMARY KEY CHECK (tenant_id <> ''),
  slug TEXT NOT NULL UNIQUE,
  created_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE hosts (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  host_id TEXT NOT NULL,
  name TEXT NOT NULL CHECK (name <> ''),
  transport TEXT NOT NULL CHECK (transport IN ('ssh', 'local', 'replay')),
  address TEXT NOT NULL,
  port INTEGER NOT NULL CHECK (port BETWEEN 0 AND 65535),
  username TEXT NOT NULL,
  identity_file TEXT NOT NULL,
  sudo INTEGER NOT NULL CHECK (sudo IN (0, 1)),
  profile_id TEXT NOT NULL,
  os_id TEXT NOT NULL,
  os_version TEXT NOT NULL,
  os_name TEXT NOT NULL,
  arch TEXT NOT NULL,
  added_at_us INTEGER NOT NULL,
  removed_at_us INTEGER,
  changed_at_us INTEGER NOT NULL,
  log_index INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, host_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX hosts_name ON hosts (tenant_id, name) WHERE removed_at_us IS NULL;
CREATE UNIQUE INDEX hosts_endpoint ON hosts (tenant_id, transport, address, port) WHERE removed_at_us IS NULL;

-- What moves with every scan and is derived from scan_runs: never ledgered, rebuilt by `plumb state verify`.
CREATE TABLE host_posture (
  tenant_id TEXT NOT NULL,
  host_id TEXT NOT NULL,
  compliance_state TEXT NOT NULL CHECK (compliance_state IN
    ('unknown', 'critical', 'non_compliant', 'partial', 'mostly_compliant', 'compliant')),
  pass_count INTEGER NOT NULL,
  fail_count INTEGER NOT NULL,
  skipped_count INTEGER NOT NULL,
  error_count INTEGER NOT NULL,
  not_applicable_count INTEGER NOT NULL,
  current_rule_set TEXT,
  last_scan_id TEXT,
  last_checked_at_us INTEGER,
  PRIMARY KEY (tenant_id, host_id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE TABLE host_locks (
  tenant_id TEXT NOT NULL,
  host_id TEXT NOT NULL,
  holder TEXT,
  purpose TEXT,
  fencing_token INTEGER NOT NULL,
  acquired_at INTEGER,
  lease_expires_at INTEGER,
  PRIMARY KEY (tenant_id, host_id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE TABLE host_keys (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  address TEXT NOT NULL,
  port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
  fingerprint TEXT NOT NULL,
  key_type TEXT NOT NULL,
  wire_key TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('first_use', 'imported', 'approved')),
  status TEXT NOT NULL CHECK (status IN ('trusted', 'revoked')),
  reason TEXT NOT NULL,
  first_seen_at_us INTEGER NOT NULL,
  last_seen_at_us INTEGER,
  changed_at_us INTEGER NOT NULL,
  log_index INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, address, port, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE corpora (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  body BLOB NOT NULL,
  byte_size INTEGER NOT NULL,
  first_seen_at_us INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE manifests (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  body BLOB NOT NULL,
  byte_size INTEGER NOT NULL,
  first_seen_at_us INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  body BLOB NOT NULL CHECK (length(body) <= 262144),
  byte_size INTEGER NOT NULL,
  first_seen_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE scan_runs (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  host_id TEXT NOT NULL,
  "trigger" TEXT NOT NULL CHECK ("trigger" IN ('scheduled', 'on_demand')),
  requested_by TEXT NOT NULL,
  is_full INTEGER NOT NULL CHECK (is_full IN (0, 1)),
  selection TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
  fencing_token INTEGER NOT NULL,
  failure_reason TEXT,
  failure_text TEXT,
  pass_count INTEGER NOT NULL DEFAULT 0,
  fail_count INTEGER NOT NULL DEFAULT 0,
  skipped_count INTEGER NOT NULL DEFAULT 0,
  error_count INTEGER NOT NULL DEFAULT 0,
  not_applicable_count INTEGER NOT NULL DEFAULT 0,
  change_count INTEGER NOT NULL DEFAULT 0,
  policy_version TEXT NOT NULL,
  corpus_digest TEXT NOT NULL,
  engine_digest TEXT NOT NULL,
  policy_digest TEXT NOT NULL,
  manifest_sha256 TEXT,
  rule_set_sha256 TEXT,
  content_signed INTEGER NOT NULL CHECK (content_signed IN (0, 1)),
  channel_count INTEGER NOT NULL DEFAULT 0,
  round_trip_count INTEGER NOT NULL DEFAULT 0,
  sent_bytes INTEGER NOT NULL DEFAULT 0,
  received_bytes INTEGER NOT NULL DEFAULT 0,
  queued_at INTEGER NOT NULL,
  started_at INTEGER,
  measured_at INTEGER,
  finished_at INTEGER,
  recorded_at INTEGER,
  log_index INTEGER,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX scan_runs_active ON scan_runs (tenant_id, host_id) WHERE status IN ('queued', 'running');
CREATE INDEX scan_runs_host ON scan_runs (tenant_id, host_id, measured_at);

-- Which rules a scan covered, as a set: what a rule was last checked at and how often is derived from the
-- sets that hold it, so that an unchanged rescan writes no row per rule.
CREATE TABLE rule_sets (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  rule_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, sha256, rule_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE host_rule_sets (
  tenant_id TEXT NOT NULL,
  host_id TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  scan_count INTEGER NOT NULL,
  last_checked_at_us INTEGER NOT NULL,
  last_scan_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, host_id, sha256),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE TABLE transactions (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  host_id TEXT NOT NULL,
  rule_id TEXT NOT NULL,
  scan_id TEXT,
  remediation_id TEXT,
  origin TEXT NOT NULL CHECK (origin IN ('scan', 'remediation')),
  prior_status TEXT CHECK (prior_status IN ('pass', 'fail', 'skipped', 'error', 'not_applicable')),
  status TEXT NOT NULL CHECK (status IN ('pass', 'fail', 'skipped', 'error', 'not_applicable')),
  prior_severity TEXT CHECK (prior_severity IN ('critical', 'high', 'medium', 'low')),
  severity TEXT NOT NULL CHECK (severity IN ('critical', 'high', 'medium', 'low')),
  change_kind TEXT NOT NULL CHECK (change_kind IN
    ('first_seen', 'state_changed', 'severity_changed', 'value_changed')),
  prior_value_digest TEXT,
  value_digest TEXT NOT NULL,
  evidence_sha256 TEXT NOT NULL,
  skip_reason TEXT,
  rule_digest TEXT NOT NULL,
  engine_digest TEXT NOT NULL,
  policy_digest TEXT NOT NULL,
  policy_version TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  occurred_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  log_index INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, scan_id, rule_id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT,
  FOREIGN KEY (tenant_id, scan_id) REFERENCES scan_runs (tenant_id, id) ON DELETE RESTRICT,
  FOREIGN KEY (tenant_id, evidence_sha256) REFERENCES evidence (tenant_id, sha256) ON DELETE RESTRICT,
  CHECK ((origin = 'scan') = (scan_id IS NOT NULL)),
  CHECK ((origin = 'remediation') = (remediation_id IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX transactions_rule ON transactions (tenant_id, host_id, rule_id, occurred_at DESC);
CREATE UNIQUE INDEX transactions_remediation ON transactions (tenant_id, remediation_id, rule_id) WHERE remediation_id IS NOT NULL;

CREATE TABLE host_rule_state (
  tenant_id TEXT NOT NULL,
  host_id TEXT NOT NULL,
  rule_id TEXT NOT NULL,
  current_status TEXT NOT NULL CHECK (current_status IN ('pass', 'fail', 'skipped', 'error', 'not_applicable')),
  severity TEXT NOT NULL CHECK (severity IN ('critical', 'high', 'medium', 'low')),
  value_digest TEXT NOT NULL,
  evidence_sha256 TEXT NOT NULL,
  skip_reason TEXT,
  first_seen_at INTEGER NOT NULL,
  last_changed_at INTEGER NOT NULL,
  last_value_changed_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, host_id, rule_id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_events (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  audit_id TEXT NOT NULL,
  recorded_at_us INTEGER NOT NULL,
  actor TEXT NOT NULL CHECK (actor <> ''),
  action TEXT NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('intent', 'outcome', 'refusal', 'event')),
  decision TEXT NOT NULL CHECK (decision IN ('allowed', 'denied', 'error')),
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  log_index INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, audit_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_heads (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  log_id TEXT NOT NULL,
  origin TEXT NOT NULL,
  vkey TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  last_at_us INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, log_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE log_entries (
  tenant_id TEXT NOT NULL,
  log_id TEXT NOT NULL,
  log_index INTEGER NOT NULL CHECK (log_index >= 0),
  entry BLOB NOT NULL CHECK (length(entry) <= 65535),
  body BLOB NOT NULL,
  PRIMARY KEY (tenant_id, log_id, log_index),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE TABLE log_tiles (
  tenant_id TEXT NOT NULL,
  log_id TEXT NOT NULL,
  level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 63),
  tile_index INTEGER NOT NULL CHECK (tile_index >= 0),
  width INTEGER NOT NULL CHECK (width BETWEEN 1 AND 256),
  hashes BLOB NOT NULL CHECK (length(hashes) = 32 * width),
  PRIMARY KEY (tenant_id, log_id, level, tile_index),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE TABLE log_checkpoints (
  tenant_id TEXT NOT NULL,
  log_id TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  root TEXT NOT NULL CHECK (length(root) = 64),
  note BLOB NOT NULL,
  created_at_us INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, log_id, size),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

-- One definition of what counts now, for all readers (POS-06).
CREATE VIEW host_rule_state_current AS
SELECT s.tenant_id, s.host_id, s.rule_id, s.current_status, s.severity, s.value_digest, s.evidence_sha256,
  s.skip_reason, s.first_seen_at, s.last_changed_at, s.last_value_changed_at
FROM host_rule_state AS s
JOIN host_posture AS p ON p.tenant_id = s.tenant_id AND p.host_id = s.host_id
JOIN rule_sets AS r ON r.tenant_id = s.tenant_id AND r.sha256 = p.current_rule_set AND r.rule_id = s.rule_id;

-- Per (host, rule): when it was last looked at and how often, by any scan.
CREATE VIEW host_rule_checked AS
SELECT h.tenant_id, h.host_id, r.rule_id, max(h.last_checked_at_us) AS last_checked_at,
  sum(h.scan_count) AS check_count
FROM host_rule_sets AS h
JOIN rule_sets AS r ON r.tenant_id = h.tenant_id AND r.sha256 = h.sha256
GROUP BY h.tenant_id, h.host_id, r.rule_id;

-- Append-only by the database itself. INSERT OR REPLACE deletes without firing delete triggers unless
-- recursive_triggers is on, so a taken key is refused before the insert as well (TLW-18).
CREATE TRIGGER transactions_no_update BEFORE UPDATE ON transactions
BEGIN SELECT RAISE(ABORT, 'append-only: transactions refuses UPDATE'); END;
CREATE TRIGGER transactions_no_delete BEFORE DELETE ON transactions
BEGIN SELECT RAISE(ABORT, 'append-only: transactions refuses DELETE'); END;
CREATE TRIGGER transactions_no_replace BEFORE INSERT ON transactions
WHEN EXISTS (SELECT 1 FROM transactions WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'append-only: transactions refuses REPLACE'); END;
CREATE TRIGGER manifests_no_update BEFORE UPDATE ON manifests
BEGIN SELECT RAISE(ABORT, 'append-only: manifests refuses UPDATE'); END;
CREATE TRIGGER manifests_no_delete BEFORE DELETE ON manifests
BEGIN SELECT RAISE(ABORT, 'append-only: manifests refuses DELETE'); END;
CREATE TRIGGER manifests_no_replace BEFORE INSERT ON manifests
WHEN EXISTS (SELECT 1 FROM manifests WHERE tenant_id = NEW.tenant_id AND sha256 = NEW.sha256)
BEGIN SELECT RAISE(ABORT, 'append-only: manifests refuses REPLACE'); END;
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence
BEGIN SELECT RAISE(ABORT, 'append-only: evidence refuses UPDATE'); END;
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence
BEGIN SELECT RAISE(ABORT, 'append-only: evidence refuses DELETE'); END;
CREATE TRIGGER evidence_no_replace BEFORE INSERT ON evidence
WHEN EXISTS (SELECT 1 FROM evidence WHERE tenant_id = NEW.tenant_id AND sha256 = NEW.sha256)
BEGIN SELECT RAISE(ABORT, 'append-only: evidence refuses REPLACE'); END;
CREATE TRIGGER corpora_no_update BEFORE UPDATE ON corpora
BEGIN SELECT RAISE(ABORT, 'append-only: corpora refuses UPDATE'); END;
CREATE TRIGGER corpora_no_delete BEFORE DELETE ON corpora
BEGIN SELECT RAISE(ABORT, 'append-only: corpora refuses DELETE'); END;
CREATE TRIGGER corpora_no_replace BEFORE INSERT ON corpora
WHEN EXISTS (SELECT 1 FROM corpora WHERE tenant_id = NEW.tenant_id AND sha256 = NEW.sha256)
BEGIN SELECT RAISE(ABORT, 'append-only: corpora refuses REPLACE'); END;
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'append-only: audit_events refuses UPDATE'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'append-only: audit_events refuses DELETE'); END;
CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events
WHEN EXISTS (SELECT 1 FROM audit_events WHERE tenant_id = NEW.tenant_id AND audit_id = NEW.audit_id)
BEGIN SELECT RAISE(ABORT, 'append-only: audit_events refuses REPLACE'); END;
CREATE TRIGGER log_entries_no_update BEFORE UPDATE ON log_entries
BEGIN SELECT RAISE(ABORT, 'append-only: log_entries refuses UPDATE'); END;
CREATE TRIGGER log_entries_no_delete BEFORE DELETE ON log_entries
BEGIN SELECT RAISE(ABORT, 'append-only: log_entries refuses DELETE'); END;
CREATE TRIGGER log_checkpoints_no_update BEFORE UPDATE ON log_checkpoints
BEGIN SELECT RAISE(ABORT, 'append-only: log_checkpoints refuses UPDATE'); END;
CREATE TRIGGER log_checkpoints_no_delete BEFORE DELETE ON log_checkpoints
BEGIN SELECT RAISE(ABORT, 'append-only: log_checkpoints refuses DELETE'); END;
CREATE TRIGGER log_checkpoints_no_replace BEFORE INSERT ON log_checkpoints
WHEN EXISTS (SELECT 1 FROM log_checkpoints WHERE tenant_id = NEW.tenant_id AND log_id = NEW.log_id AND size = NEW.size)
BEGIN SELECT RAISE(ABORT, 'append-only: log_checkpoints refuses REPLACE'); END;
CREATE TRIGGER rule_sets_no_update BEFORE UPDATE ON rule_sets
BEGIN SELECT RAISE(ABORT, 'append-only: rule_sets refuses UPDATE'); END;
CREATE TRIGGER rule_sets_no_delete BEFORE DELETE ON rule_sets
BEGIN SELECT RAISE(ABORT, 'append-only: rule_sets refuses DELETE'); END;
CREATE TRIGGER rule_sets_no_replace BEFORE INSERT ON rule_sets
WHEN EXISTS (SELECT 1 FROM rule_sets WHERE tenant_id = NEW.tenant_id AND sha256 = NEW.sha256 AND rule_id = NEW.rule_id)
BEGIN SELECT RAISE(ABORT, 'append-only: rule_sets refuses REPLACE'); END;

CREATE TRIGGER scan_runs_terminal_no_update BEFORE UPDATE ON scan_runs
WHEN OLD.status IN ('completed', 'failed', 'cancelled')
BEGIN SELECT RAISE(ABORT, 'append-only: a finished scan run refuses UPDATE'); END;
CREATE TRIGGER scan_runs_no_delete BEFORE DELETE ON scan_runs
BEGIN SELECT RAISE(ABORT, 'append-only: scan_runs refuses DELETE'); END;
CREATE TRIGGER scan_runs_no_replace BEFORE INSERT ON scan_runs
WHEN EXISTS (SELECT 1 FROM scan_runs WHERE tenant_id = NEW.tenant_id AND id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'append-only: scan_runs refuses REPLACE'); END;
-- A run that is not finished keeps its key: UPDATE OR REPLACE would push out the row that has the new one.
CREATE TRIGGER scan_runs_key_no_update BEFORE UPDATE OF tenant_id, id, host_id ON scan_runs
BEGIN SELECT RAISE(ABORT, 'append-only: scan_runs refuses another key'); END;
CREATE TRIGGER scan_runs_active_no_replace BEFORE INSERT ON scan_runs
WHEN NEW.status IN ('queued', 'running') AND EXISTS (SELECT 1 FROM scan_runs
  WHERE tenant_id = NEW.tenant_id AND host_id = NEW.host_id AND status IN ('queued', 'running'))
BEGIN SELECT RAISE(ABORT, 'scan_runs: this host has an active run'); END;
CREATE TRIGGER transactions_scan_no_replace BEFORE INSERT ON transactions
WHEN EXISTS (SELECT 1 FROM transactions
  WHERE tenant_id = NEW.tenant_id AND scan_id = NEW.scan_id AND rule_id = NEW.rule_id)
BEGIN SELECT RAISE(ABORT, 'append-only: transactions refuses REPLACE'); END;

CREATE TRIGGER transactions_remediation_no_replace BEFORE INSERT ON transactions
WHEN EXISTS (SELECT 1 FROM transactions
  WHERE tenant_id = NEW.tenant_id AND remediation_id = NEW.remediation_id AND rule_id = NEW.rule_id)
BEGIN SELECT RAISE(ABORT, 'append-only: transactions refuses REPLACE'); END;

-- The next entry of a log is the next one, whatever the writer believes (LED-12). A taken index is not the next
-- one either, so this refuses REPLACE too.
CREATE TRIGGER log_entries_gap_free BEFORE INSERT ON log_entries
WHEN NEW.log_index <> coalesce(
  (SELECT max(log_index) + 1 FROM log_entries WHERE tenant_id = NEW.tenant_id AND log_id = NEW.log_id), 0)
BEGIN SELECT RAISE(ABORT, 'log_entries: the index is not the next one'); END;
CREATE TRIGGER log_heads_only_grow BEFORE UPDATE ON log_heads
WHEN NEW.size < OLD.size OR NEW.last_at_us < OLD.last_at_us OR NEW.log_id <> OLD.log_id
  OR NEW.tenant_id <> OLD.tenant_id OR NEW.origin <> OLD.origin
BEGIN SELECT RAISE(ABORT, 'log_heads: a log only grows'); END;
CREATE TRIGGER log_heads_no_replace BEFORE INSERT ON log_heads
WHEN EXISTS (SELECT 1 FROM log_heads WHERE tenant_id = NEW.tenant_id AND log_id = NEW.log_id)
BEGIN SELECT RAISE(ABORT, 'append-only: log_heads refuses REPLACE'); END;
CREATE TRIGGER log_heads_no_delete BEFORE DELETE ON log_heads
BEGIN SELECT RAISE(ABORT, 'append-only: log_heads refuses DELETE'); END;
-- A tile keeps its place and its hashes; it gets more of them until it is full. What REPLACE puts in its place
-- has to begin with what was there.
CREATE TRIGGER log_tiles_only_grow BEFORE UPDATE ON log_tiles
WHEN NEW.tenant_id <> OLD.tenant_id OR NEW.log_id <> OLD.log_id OR NEW.level <> OLD.level
  OR NEW.tile_index <> OLD.tile_index OR NEW.width < OLD.width
  OR substr(NEW.hashes, 1, 32 * OLD.width) <> OLD.hashes
BEGIN SELECT RAISE(ABORT, 'log_tiles: a tile only grows'); END;
CREATE TRIGGER log_tiles_no_replace BEFORE INSERT ON log_tiles
WHEN EXISTS (SELECT 1 FROM log_tiles AS t WHERE t.tenant_id = NEW.tenant_id AND t.log_id = NEW.log_id
  AND t.level = NEW.level AND t.tile_index = NEW.tile_index
  AND (NEW.width < t.width OR substr(NEW.hashes, 1, 32 * t.width) <> t.hashes))
BEGIN SELECT RAISE(ABORT, 'log_tiles: a tile only grows'); END;
CREATE TRIGGER log_tiles_no_delete BEFORE DELETE ON log_tiles
BEGIN SELECT RAISE(ABORT, 'append-only: log_tiles refuses DELETE'); END;

CREATE TRIGGER tenants_no_delete BEFORE DELETE ON tenants
BEGIN SELECT RAISE(ABORT, 'append-only: tenants refuses DELETE'); END;
CREATE TRIGGER tenants_key_no_update BEFORE UPDATE ON tenants
WHEN NEW.tenant_id <> OLD.tenant_id OR NEW.slug <> OLD.slug
BEGIN SELECT RAISE(ABORT, 'append-only: tenants refuses another key'); END;
CREATE TRIGGER tenants_no_replace BEFORE INSERT ON tenants
WHEN EXISTS (SELECT 1 FROM tenants WHERE tenant_id = NEW.tenant_id OR slug = NEW.slug)
BEGIN SELECT RAISE(ABORT, 'append-only: tenants refuses REPLACE'); END;

-- Hosts and their keys change, each time with an entry; no row goes, not by another row that takes its place
-- either. The words of a unique index stand in the refusal, because that is what it would have said.
CREATE TRIGGER hosts_no_delete BEFORE DELETE ON hosts
BEGIN SELECT RAISE(ABORT, 'append-only: hosts are removed by marking, never deleted'); END;
CREATE TRIGGER hosts_key_no_update BEFORE UPDATE ON hosts
WHEN NEW.tenant_id <> OLD.tenant_id OR NEW.host_id <> OLD.host_id
BEGIN SELECT RAISE(ABORT, 'append-only: hosts refuses another key'); END;
CREATE TRIGGER hosts_no_replace BEFORE INSERT ON hosts
WHEN NEW.removed_at_us IS NULL AND EXISTS (SELECT 1 FROM hosts AS h
  WHERE h.tenant_id = NEW.tenant_id AND h.removed_at_us IS NULL AND h.host_id <> NEW.host_id
    AND (h.name = NEW.name
      OR (h.transport = NEW.transport AND h.address = NEW.address AND h.port = NEW.port)))
BEGIN SELECT RAISE(ABORT, 'append-only: hosts refuses REPLACE (UNIQUE name, UNIQUE address)'); END;
CREATE TRIGGER hosts_no_replace_update BEFORE UPDATE ON hosts
WHEN NEW.removed_at_us IS NULL AND EXISTS (SELECT 1 FROM hosts AS h
  WHERE h.tenant_id = NEW.tenant_id AND h.removed_at_us IS NULL AND h.host_id <> NEW.host_id
    AND (h.name = NEW.name
      OR (h.transport = NEW.transport AND h.address = NEW.address AND h.port = NEW.port)))
BEGIN SELECT RAISE(ABORT, 'append-only: hosts refuses REPLACE (UNIQUE name, UNIQUE address)'); END;
CREATE TRIGGER host_keys_no_delete BEFORE DELETE ON host_keys
BEGIN SELECT RAISE(ABORT, 'append-only: host keys are revoked, never deleted'); END;
CREATE TRIGGER host_keys_key_no_update BEFORE UPDATE ON host_keys
WHEN NEW.tenant_id <> OLD.tenant_id OR NEW.address <> OLD.address OR NEW.port <> OLD.port
  OR NEW.fingerprint <> OLD.fingerprint
BEGIN SELECT RAISE(ABORT, 'append-only: host_keys refuses another key'); END;
