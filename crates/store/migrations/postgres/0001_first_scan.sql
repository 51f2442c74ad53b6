-- The tables of ../sqlite/0001_first_scan.sql for PostgreSQL: the same names, columns, keys and refusals.
-- Instants are microseconds since 1970 UTC, in `*_at_us`, or `*_at` where a requirement sheet names the column; digests are 64 hexadecimal digits; bodies are exact bytes.
-- Text is ordered by its bytes (COLLATE "C"), whatever language the database speaks: answers come in one order on
-- every database.

CREATE TABLE tenants (
  tenant_id TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (tenant_id <> ''),
  slug TEXT COLLATE "C" NOT NULL UNIQUE,
  created_at_us BIGINT NOT NULL
);

CREATE TABLE hosts (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  host_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL CHECK (name <> ''),
  transport TEXT COLLATE "C" NOT NULL CHECK (transport IN ('ssh', 'local', 'replay')),
  address TEXT COLLATE "C" NOT NULL,
  port BIGINT NOT NULL CHECK (port BETWEEN 0 AND 65535),
  username TEXT COLLATE "C" NOT NULL,
  identity_file TEXT COLLATE "C" NOT NULL,
  sudo BIGINT NOT NULL CHECK (sudo IN (0, 1)),
  profile_id TEXT COLLATE "C" NOT NULL,
  os_id TEXT COLLATE "C" NOT NULL,
  os_version TEXT COLLATE "C" NOT NULL,
  os_name TEXT COLLATE "C" NOT NULL,
  arch TEXT COLLATE "C" NOT NULL,
  added_at_us BIGINT NOT NULL,
  removed_at_us BIGINT,
  changed_at_us BIGINT NOT NULL,
  log_index BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, host_id)
);
CREATE UNIQUE INDEX hosts_name ON hosts (tenant_id, name) WHERE removed_at_us IS NULL;
CREATE UNIQUE INDEX hosts_endpoint ON hosts (tenant_id, transport, address, port) WHERE removed_at_us IS NULL;

-- What moves with every scan and is derived from scan_runs: never ledgered, rebuilt by `plumb state verify`.
CREATE TABLE host_posture (
  tenant_id TEXT COLLATE "C" NOT NULL,
  host_id TEXT COLLATE "C" NOT NULL,
  compliance_state TEXT COLLATE "C" NOT NULL CHECK (compliance_state IN
    ('unknown', 'critical', 'non_compliant', 'partial', 'mostly_compliant', 'compliant')),
  pass_count BIGINT NOT NULL,
  fail_count BIGINT NOT NULL,
  skipped_count BIGINT NOT NULL,
  error_count BIGINT NOT NULL,
  not_applicable_count BIGINT NOT NULL,
  current_rule_set TEXT COLLATE "C",
  last_scan_id TEXT COLLATE "C",
  last_checked_at_us BIGINT,
  PRIMARY KEY (tenant_id, host_id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
);

CREATE TABLE host_locks (
  tenant_id TEXT COLLATE "C" NOT NULL,
  host_id TEXT COLLATE "C" NOT NULL,
  holder TEXT COLLATE "C",
  purpose TEXT COLLATE "C",
  fencing_token BIGINT NOT NULL,
  acquired_at BIGINT,
  lease_expires_at BIGINT,
  PRIMARY KEY (tenant_id, host_id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
);

CREATE TABLE host_keys (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  address TEXT COLLATE "C" NOT NULL,
  port BIGINT NOT NULL CHECK (port BETWEEN 1 AND 65535),
  fingerprint TEXT COLLATE "C" NOT NULL,
  key_type TEXT COLLATE "C" NOT NULL,
  wire_key TEXT COLLATE "C" NOT NULL,
  source TEXT COLLATE "C" NOT NULL CHECK (source IN ('first_use', 'imported', 'approved')),
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('trusted', 'revoked')),
  reason TEXT COLLATE "C" NOT NULL,
  first_seen_at_us BIGINT NOT NULL,
  last_seen_at_us BIGINT,
  changed_at_us BIGINT NOT NULL,
  log_index BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, address, port, fingerprint)
);

CREATE TABLE corpora (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  sha256 TEXT COLLATE "C" NOT NULL CHECK (length(sha256) = 64),
  body BYTEA NOT NULL,
  byte_size BIGINT NOT NULL,
  first_seen_at_us BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, sha256)
);

CREATE TABLE manifests (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  sha256 TEXT COLLATE "C" NOT NULL CHECK (length(sha256) = 64),
  body BYTEA NOT NULL,
  byte_size BIGINT NOT NULL,
  first_seen_at_us BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, sha256)
);

CREATE TABLE evidence (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  sha256 TEXT COLLATE "C" NOT NULL CHECK (length(sha256) = 64),
  body BYTEA NOT NULL CHECK (length(body) <= 262144),
  byte_size BIGINT NOT NULL,
  first_seen_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, sha256)
);

CREATE TABLE scan_runs (
  tenant_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  host_id TEXT COLLATE "C" NOT NULL,
  "trigger" TEXT COLLATE "C" NOT NULL CHECK ("trigger" IN ('scheduled', 'on_demand')),
  requested_by TEXT COLLATE "C" NOT NULL,
  is_full BIGINT NOT NULL CHECK (is_full IN (0, 1)),
  selection TEXT COLLATE "C" NOT NULL,
  profile_id TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
  fencing_token BIGINT NOT NULL,
  failure_reason TEXT COLLATE "C",
  failure_text TEXT COLLATE "C",
  pass_count BIGINT NOT NULL DEFAULT 0,
  fail_count BIGINT NOT NULL DEFAULT 0,
  skipped_count BIGINT NOT NULL DEFAULT 0,
  error_count BIGINT NOT NULL DEFAULT 0,
  not_applicable_count BIGINT NOT NULL DEFAULT 0,
  change_count BIGINT NOT NULL DEFAULT 0,
  policy_version TEXT COLLATE "C" NOT NULL,
  corpus_digest TEXT COLLATE "C" NOT NULL,
  engine_digest TEXT COLLATE "C" NOT NULL,
  policy_digest TEXT COLLATE "C" NOT NULL,
  manifest_sha256 TEXT COLLATE "C",
  rule_set_sha256 TEXT COLLATE "C",
  content_signed BIGINT NOT NULL CHECK (content_signed IN (0, 1)),
  channel_count BIGINT NOT NULL DEFAULT 0,
  round_trip_count BIGINT NOT NULL DEFAULT 0,
  sent_bytes BIGINT NOT NULL DEFAULT 0,
  received_bytes BIGINT NOT NULL DEFAULT 0,
  queued_at BIGINT NOT NULL,
  started_at BIGINT,
  measured_at BIGINT,
  finished_at BIGINT,
  recorded_at BIGINT,
  log_index BIGINT,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX scan_runs_active ON scan_runs (tenant_id, host_id) WHERE status IN ('queued', 'running');
CREATE INDEX scan_runs_host ON scan_runs (tenant_id, host_id, measured_at);

-- Which rules a scan covered, as a set: what a rule was last checked at and how often is derived from the
-- sets that hold it, so that an unchanged rescan writes no row per rule.
CREATE TABLE rule_sets (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  sha256 TEXT COLLATE "C" NOT NULL CHECK (length(sha256) = 64),
  rule_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, sha256, rule_id)
);
CREATE TABLE host_rule_sets (
  tenant_id TEXT COLLATE "C" NOT NULL,
  host_id TEXT COLLATE "C" NOT NULL,
  sha256 TEXT COLLATE "C" NOT NULL,
  scan_count BIGINT NOT NULL,
  last_checked_at_us BIGINT NOT NULL,
  last_scan_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, host_id, sha256),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
);

CREATE TABLE transactions (
  tenant_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  host_id TEXT COLLATE "C" NOT NULL,
  rule_id TEXT COLLATE "C" NOT NULL,
  scan_id TEXT COLLATE "C",
  remediation_id TEXT COLLATE "C",
  origin TEXT COLLATE "C" NOT NULL CHECK (origin IN ('scan', 'remediation')),
  prior_status TEXT COLLATE "C" CHECK (prior_status IN ('pass', 'fail', 'skipped', 'error', 'not_applicable')),
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('pass', 'fail', 'skipped', 'error', 'not_applicable')),
  prior_severity TEXT COLLATE "C" CHECK (prior_severity IN ('critical', 'high', 'medium', 'low')),
  severity TEXT COLLATE "C" NOT NULL CHECK (severity IN ('critical', 'high', 'medium', 'low')),
  change_kind TEXT COLLATE "C" NOT NULL CHECK (change_kind IN
    ('first_seen', 'state_changed', 'severity_changed', 'value_changed')),
  prior_value_digest TEXT COLLATE "C",
  value_digest TEXT COLLATE "C" NOT NULL,
  evidence_sha256 TEXT COLLATE "C" NOT NULL,
  skip_reason TEXT COLLATE "C",
  rule_digest TEXT COLLATE "C" NOT NULL,
  engine_digest TEXT COLLATE "C" NOT NULL,
  policy_digest TEXT COLLATE "C" NOT NULL,
  policy_version TEXT COLLATE "C" NOT NULL,
  correlation_id TEXT COLLATE "C" NOT NULL,
  occurred_at BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  log_index BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, scan_id, rule_id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT,
  FOREIGN KEY (tenant_id, scan_id) REFERENCES scan_runs (tenant_id, id) ON DELETE RESTRICT,
  FOREIGN KEY (tenant_id, evidence_sha256) REFERENCES evidence (tenant_id, sha256) ON DELETE RESTRICT,
  CHECK ((origin = 'scan') = (scan_id IS NOT NULL)),
  CHECK ((origin = 'remediation') = (remediation_id IS NOT NULL))
);
CREATE INDEX transactions_rule ON transactions (tenant_id, host_id, rule_id, occurred_at DESC);
CREATE UNIQUE INDEX transactions_remediation ON transactions (tenant_id, remediation_id, rule_id) WHERE remediation_id IS NOT NULL;

CREATE TABLE host_rule_state (
  tenant_id TEXT COLLATE "C" NOT NULL,
  host_id TEXT COLLATE "C" NOT NULL,
  rule_id TEXT COLLATE "C" NOT NULL,
  current_status TEXT COLLATE "C" NOT NULL CHECK (current_status IN ('pass', 'fail', 'skipped', 'error', 'not_applicable')),
  severity TEXT COLLATE "C" NOT NULL CHECK (severity IN ('critical', 'high', 'medium', 'low')),
  value_digest TEXT COLLATE "C" NOT NULL,
  evidence_sha256 TEXT COLLATE "C" NOT NULL,
  skip_reason TEXT COLLATE "C",
  first_seen_at BIGINT NOT NULL,
  last_changed_at BIGINT NOT NULL,
  last_value_changed_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, host_id, rule_id),
  FOREIGN KEY (tenant_id, host_id) REFERENCES hosts (tenant_id, host_id) ON DELETE RESTRICT
);

CREATE TABLE audit_events (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  audit_id TEXT COLLATE "C" NOT NULL,
  recorded_at_us BIGINT NOT NULL,
  actor TEXT COLLATE "C" NOT NULL CHECK (actor <> ''),
  action TEXT COLLATE "C" NOT NULL,
  phase TEXT COLLATE "C" NOT NULL CHECK (phase IN ('intent', 'outcome', 'refusal', 'event')),
  decision TEXT COLLATE "C" NOT NULL CHECK (decision IN ('allowed', 'denied', 'error')),
  subject TEXT COLLATE "C" NOT NULL,
  detail TEXT COLLATE "C" NOT NULL,
  correlation_id TEXT COLLATE "C" NOT NULL,
  log_index BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, audit_id)
);

CREATE TABLE log_heads (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  log_id TEXT COLLATE "C" NOT NULL,
  origin TEXT COLLATE "C" NOT NULL,
  vkey TEXT COLLATE "C" NOT NULL,
  size BIGINT NOT NULL CHECK (size >= 0),
  last_at_us BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, log_id)
);
CREATE TABLE log_entries (
  tenant_id TEXT COLLATE "C" NOT NULL,
  log_id TEXT COLLATE "C" NOT NULL,
  log_index BIGINT NOT NULL CHECK (log_index >= 0),
  entry BYTEA NOT NULL CHECK (length(entry) <= 65535),
  body BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, log_id, log_index),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
);
CREATE TABLE log_tiles (
  tenant_id TEXT COLLATE "C" NOT NULL,
  log_id TEXT COLLATE "C" NOT NULL,
  level BIGINT NOT NULL CHECK (level BETWEEN 0 AND 63),
  tile_index BIGINT NOT NULL CHECK (tile_index >= 0),
  width BIGINT NOT NULL CHECK (width BETWEEN 1 AND 256),
  hashes BYTEA NOT NULL CHECK (length(hashes) = 32 * width),
  PRIMARY KEY (tenant_id, log_id, level, tile_index),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
);
CREATE TABLE log_checkpoints (
  tenant_id TEXT COLLATE "C" NOT NULL,
  log_id TEXT COLLATE "C" NOT NULL,
  size BIGINT NOT NULL CHECK (size >= 0),
  root TEXT COLLATE "C" NOT NULL CHECK (length(root) = 64),
  note BYTEA NOT NULL,
  created_at_us BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, log_id, size),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
);

-- One definition of what counts now, for all readers (POS-06). A view reads with the rights of who asks.
CREATE VIEW host_rule_state_current WITH (security_invoker = true) AS
SELECT s.tenant_id, s.host_id, s.rule_id, s.current_status, s.severity, s.value_digest, s.evidence_sha256,
  s.skip_reason, s.first_seen_at, s.last_changed_at, s.last_value_changed_at
FROM host_rule_state AS s
JOIN host_posture AS p ON p.tenant_id = s.tenant_id AND p.host_id = s.host_id
JOIN rule_sets AS r ON r.tenant_id = s.tenant_id AND r.sha256 = p.current_rule_set AND r.rule_id = s.rule_id;

-- Per (host, rule): when it was last looked at and how often, by any scan.
CREATE VIEW host_rule_checked WITH (security_invoker = true) AS
SELECT h.tenant_id, h.host_id, r.rule_id, max(h.last_checked_at_us) AS last_checked_at,
  CAST(sum(h.scan_count) AS BIGINT) AS check_count
FROM host_rule_sets AS h
JOIN rule_sets AS r ON r.tenant_id = h.tenant_id AND r.sha256 = h.sha256
GROUP BY h.tenant_id, h.host_id, r.rule_id;

-- Append-only by the database itself, for the owner of the tables too, and also where a session says that it
-- only replicates (ENABLE ALWAYS). There is no REPLACE here: a taken key is refused by the key itself.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;

-- Lets a table refuse statements of these kinds: UPDATE, DELETE, TRUNCATE.
CREATE FUNCTION guard(guarded regclass, VARIADIC kinds text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  kind text;
BEGIN
  FOREACH kind IN ARRAY kinds LOOP
    EXECUTE format('CREATE TRIGGER %I BEFORE %s ON %s FOR EACH %s EXECUTE FUNCTION refuse(%L)',
      guarded::text || '_no_' || lower(kind), kind, guarded,
      CASE kind WHEN 'TRUNCATE' THEN 'STATEMENT' ELSE 'ROW' END,
      format('append-only: %s refuses %s', guarded, kind));
  END LOOP;
END $$;

-- Makes every trigger fire in every session. Each migration ends with it.
CREATE FUNCTION guard_always() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  found record;
BEGIN
  FOR found IN SELECT tgrelid::regclass AS guarded, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'A' LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', found.guarded, found.tgname);
  END LOOP;
END $$;

SELECT guard('transactions', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('manifests', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('evidence', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('corpora', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('audit_events', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('log_entries', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('log_checkpoints', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('rule_sets', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('scan_runs', 'DELETE', 'TRUNCATE');
SELECT guard('log_heads', 'DELETE', 'TRUNCATE');
SELECT guard('log_tiles', 'DELETE', 'TRUNCATE');
SELECT guard('tenants', 'DELETE', 'TRUNCATE');
SELECT guard('hosts', 'DELETE', 'TRUNCATE');
SELECT guard('host_keys', 'DELETE', 'TRUNCATE');

CREATE TRIGGER scan_runs_terminal_no_update BEFORE UPDATE ON scan_runs
FOR EACH ROW WHEN (OLD.status IN ('completed', 'failed', 'cancelled'))
EXECUTE FUNCTION refuse('append-only: a finished scan run refuses UPDATE');
CREATE TRIGGER scan_runs_key_no_update BEFORE UPDATE OF tenant_id, id, host_id ON scan_runs
FOR EACH ROW EXECUTE FUNCTION refuse('append-only: scan_runs refuses another key');
CREATE TRIGGER tenants_key_no_update BEFORE UPDATE ON tenants
FOR EACH ROW WHEN (NEW.tenant_id <> OLD.tenant_id OR NEW.slug <> OLD.slug)
EXECUTE FUNCTION refuse('append-only: tenants refuses another key');
CREATE TRIGGER hosts_key_no_update BEFORE UPDATE ON hosts
FOR EACH ROW WHEN (NEW.tenant_id <> OLD.tenant_id OR NEW.host_id <> OLD.host_id)
EXECUTE FUNCTION refuse('append-only: hosts refuses another key');
CREATE TRIGGER host_keys_key_no_update BEFORE UPDATE ON host_keys
FOR EACH ROW WHEN (NEW.tenant_id <> OLD.tenant_id OR NEW.address <> OLD.address OR NEW.port <> OLD.port
  OR NEW.fingerprint <> OLD.fingerprint)
EXECUTE FUNCTION refuse('append-only: host_keys refuses another key');
CREATE TRIGGER log_heads_only_grow BEFORE UPDATE ON log_heads
FOR EACH ROW WHEN (NEW.size < OLD.size OR NEW.last_at_us < OLD.last_at_us OR NEW.log_id <> OLD.log_id
  OR NEW.tenant_id <> OLD.tenant_id OR NEW.origin <> OLD.origin)
EXECUTE FUNCTION refuse('log_heads: a log only grows');
-- A tile keeps its place and its hashes; it gets more of them until it is full.
CREATE TRIGGER log_tiles_only_grow BEFORE UPDATE ON log_tiles
FOR EACH ROW WHEN (NEW.tenant_id <> OLD.tenant_id OR NEW.log_id <> OLD.log_id OR NEW.level <> OLD.level
  OR NEW.tile_index <> OLD.tile_index OR NEW.width < OLD.width
  OR substr(NEW.hashes, 1, 32 * CAST(OLD.width AS INTEGER)) <> OLD.hashes)
EXECUTE FUNCTION refuse('log_tiles: a tile only grows');

-- The next entry of a log is the next one, whatever the writer believes (LED-12). Looked at once a statement:
-- the new indexes of a log follow each other, and behind the last one that was there.
CREATE FUNCTION log_entries_gap_free() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (
    SELECT 1
    FROM (SELECT tenant_id, log_id, min(log_index) AS first, max(log_index) AS last, count(*) AS n
      FROM fresh GROUP BY tenant_id, log_id) AS f
    WHERE f.last - f.first + 1 <> f.n
      OR (f.first > 0 AND NOT EXISTS (SELECT 1 FROM log_entries AS e
        WHERE e.tenant_id = f.tenant_id AND e.log_id = f.log_id AND e.log_index = f.first - 1))
      OR EXISTS (SELECT 1 FROM log_entries AS e
        WHERE e.tenant_id = f.tenant_id AND e.log_id = f.log_id AND e.log_index > f.last))
  THEN
    RAISE EXCEPTION 'log_entries: the index is not the next one' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER log_entries_gap_free AFTER INSERT ON log_entries REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION log_entries_gap_free();

SELECT guard_always();
