-- What is so, should be so or was approved (`facts`), and what stands in which relation to what (`edges`): one row a
-- version. A version is put once and closed once, by its successor or by being retired; nothing else of it changes.
-- `value` is canonical JSON, the text that was hashed. `log_index` is the entry that put the version,
-- `superseded_index` the one that closed it.

CREATE TABLE facts (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  fact_id TEXT NOT NULL CHECK (fact_id <> ''),
  seq INTEGER NOT NULL CHECK (seq >= 0),
  subject TEXT NOT NULL CHECK (length(CAST(subject AS BLOB)) <= 512),
  predicate TEXT NOT NULL CHECK (trim(predicate) <> '' AND length(CAST(predicate AS BLOB)) <= 256),
  fact_type TEXT NOT NULL CHECK (fact_type IN ('observed', 'desired', 'known_good', 'drift')),
  value TEXT NOT NULL CHECK (json_valid(value) AND value <> 'null' AND length(CAST(value AS BLOB)) <= 262144),
  t_valid INTEGER NOT NULL,
  t_invalid INTEGER,
  t_recorded INTEGER NOT NULL,
  t_superseded INTEGER,
  superseded_by INTEGER,
  actor TEXT NOT NULL CHECK (trim(actor) <> '' AND length(CAST(actor AS BLOB)) <= 256),
  reason TEXT CHECK (trim(reason) <> '' AND length(reason) <= 1000),
  superseded_actor TEXT,
  superseded_reason TEXT,
  classification TEXT NOT NULL CHECK (classification IN ('normal', 'restricted')),
  log_index INTEGER NOT NULL,
  superseded_index INTEGER,
  PRIMARY KEY (tenant_id, seq),
  UNIQUE (tenant_id, fact_id),
  -- The successor comes after its predecessor is closed, in the same transaction.
  FOREIGN KEY (tenant_id, superseded_by) REFERENCES facts (tenant_id, seq) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
  CHECK ((t_superseded IS NULL) = (t_invalid IS NULL) AND (t_superseded IS NULL) = (superseded_actor IS NULL)
    AND (t_superseded IS NULL) = (superseded_reason IS NULL) AND (t_superseded IS NULL) = (superseded_index IS NULL)
    AND (superseded_by IS NULL OR t_superseded IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX facts_active ON facts (tenant_id, subject, predicate, fact_type) WHERE t_superseded IS NULL;
CREATE UNIQUE INDEX facts_successor ON facts (tenant_id, superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX facts_history ON facts (tenant_id, subject, predicate, fact_type, t_recorded);
CREATE TRIGGER facts_no_delete BEFORE DELETE ON facts
BEGIN SELECT RAISE(ABORT, 'append-only: facts refuses DELETE'); END;
CREATE TRIGGER facts_put BEFORE INSERT ON facts
BEGIN SELECT CASE
  WHEN NEW.seq IS NOT coalesce((SELECT max(seq) + 1 FROM facts WHERE tenant_id = NEW.tenant_id), 0)
  THEN RAISE(ABORT, 'sequence-violation: facts.seq is not the next one')
  WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND fact_id = NEW.fact_id)
  THEN RAISE(ABORT, 'append-only: facts has this fact_id')
  WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND subject = NEW.subject
    AND predicate = NEW.predicate AND fact_type = NEW.fact_type AND t_superseded IS NULL)
  THEN RAISE(ABORT, 'append-only: facts has an active version of this key')
  WHEN coalesce(NEW.t_superseded, NEW.t_invalid, NEW.superseded_by, NEW.superseded_actor, NEW.superseded_reason,
    NEW.superseded_index) IS NOT NULL
  THEN RAISE(ABORT, 'invalid-value: facts takes no version that is closed already')
  WHEN trim(coalesce(NEW.actor, '')) = '' OR length(CAST(NEW.actor AS BLOB)) > 256
    OR trim(NEW.reason) = '' OR length(NEW.reason) > 1000
  THEN RAISE(ABORT, 'missing-provenance: facts.actor or facts.reason is blank or too long')
  WHEN NEW.t_recorded < (SELECT t_recorded FROM facts WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1)
  THEN RAISE(ABORT, 'time-violation: facts.t_recorded is before the newest one')
  WHEN NEW.t_recorded > 300000000 + max(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER), coalesce(
    (SELECT t_recorded FROM facts WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1), 0))
  THEN RAISE(ABORT, 'time-violation: facts.t_recorded is in the future')
  WHEN NEW.fact_id IS NULL OR NEW.fact_id = ''
    OR NEW.subject NOT GLOB '[a-z]*:?*' OR length(CAST(NEW.subject AS BLOB)) > 512
    OR trim(NEW.predicate) = '' OR length(CAST(NEW.predicate AS BLOB)) > 256
    OR NEW.fact_type NOT IN ('observed', 'desired', 'known_good', 'drift')
    OR NEW.classification NOT IN ('normal', 'restricted')
    OR NOT json_valid(NEW.value) OR NEW.value = 'null' OR length(CAST(NEW.value AS BLOB)) > 262144
    OR NEW.subject IS NULL OR NEW.predicate IS NULL OR NEW.fact_type IS NULL OR NEW.classification IS NULL
    OR NEW.value IS NULL OR NEW.t_valid IS NULL OR NEW.t_recorded IS NULL OR NEW.log_index IS NULL
  THEN RAISE(ABORT, 'invalid-value: facts takes no such version')
  -- Whoever was closed in favor of this one had its key, and was closed by it now.
  WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND superseded_by = NEW.seq
    AND (subject <> NEW.subject OR predicate <> NEW.predicate OR fact_type <> NEW.fact_type OR t_superseded <> NEW.t_recorded
      OR superseded_actor <> NEW.actor OR superseded_index <> NEW.log_index))
  THEN RAISE(ABORT, 'invalid-value: facts.superseded_by names another version')
END; END;
CREATE TRIGGER facts_close BEFORE UPDATE ON facts
BEGIN SELECT CASE
  WHEN OLD.t_superseded IS NOT NULL OR NEW.tenant_id <> OLD.tenant_id OR NEW.fact_id <> OLD.fact_id
    OR NEW.seq <> OLD.seq OR NEW.subject <> OLD.subject OR NEW.predicate <> OLD.predicate OR NEW.fact_type <> OLD.fact_type
    OR NEW.value <> OLD.value OR NEW.t_valid <> OLD.t_valid OR NEW.t_recorded <> OLD.t_recorded
    OR NEW.actor <> OLD.actor OR NEW.reason IS NOT OLD.reason OR NEW.classification <> OLD.classification
    OR NEW.log_index <> OLD.log_index
    OR (NEW.t_superseded IS NULL AND coalesce(NEW.superseded_actor, NEW.superseded_reason, '') = '')
  THEN RAISE(ABORT, 'append-only: facts refuses UPDATE')
  WHEN trim(coalesce(NEW.superseded_actor, '')) = '' OR trim(coalesce(NEW.superseded_reason, '')) = ''
  THEN RAISE(ABORT, 'missing-provenance: facts is closed by nobody or for no reason')
  WHEN NEW.t_superseded IS NULL OR NEW.t_superseded < OLD.t_recorded
    OR NEW.t_invalid IS NULL OR NEW.t_invalid < OLD.t_valid
  THEN RAISE(ABORT, 'time-violation: facts ends before it begins')
  WHEN NEW.superseded_index IS NULL OR NEW.superseded_index = OLD.log_index
    OR (NEW.superseded_by IS NOT NULL
      AND NEW.superseded_by < (SELECT max(seq) + 1 FROM facts WHERE tenant_id = NEW.tenant_id))
  THEN RAISE(ABORT, 'invalid-value: facts.superseded_by is not the next version')
END; END;

CREATE TABLE edges (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  edge_id TEXT NOT NULL CHECK (edge_id <> ''),
  seq INTEGER NOT NULL CHECK (seq >= 0),
  subject TEXT NOT NULL CHECK (length(CAST(subject AS BLOB)) <= 512),
  relation TEXT NOT NULL CHECK (trim(relation) <> '' AND length(CAST(relation AS BLOB)) <= 256),
  target TEXT NOT NULL CHECK (length(CAST(target AS BLOB)) <= 512),
  value TEXT NOT NULL CHECK (json_valid(value) AND value <> 'null' AND length(CAST(value AS BLOB)) <= 262144),
  t_valid INTEGER NOT NULL,
  t_invalid INTEGER,
  t_recorded INTEGER NOT NULL,
  t_superseded INTEGER,
  superseded_by INTEGER,
  actor TEXT NOT NULL CHECK (trim(actor) <> '' AND length(CAST(actor AS BLOB)) <= 256),
  reason TEXT CHECK (trim(reason) <> '' AND length(reason) <= 1000),
  superseded_actor TEXT,
  superseded_reason TEXT,
  classification TEXT NOT NULL CHECK (classification IN ('normal', 'restricted')),
  log_index INTEGER NOT NULL,
  superseded_index INTEGER,
  PRIMARY KEY (tenant_id, seq),
  UNIQUE (tenant_id, edge_id),
  -- The successor comes after its predecessor is closed, in the same transaction.
  FOREIGN KEY (tenant_id, superseded_by) REFERENCES edges (tenant_id, seq) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
  CHECK ((t_superseded IS NULL) = (t_invalid IS NULL) AND (t_superseded IS NULL) = (superseded_actor IS NULL)
    AND (t_superseded IS NULL) = (superseded_reason IS NULL) AND (t_superseded IS NULL) = (superseded_index IS NULL)
    AND (superseded_by IS NULL OR t_superseded IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX edges_active ON edges (tenant_id, subject, relation, target) WHERE t_superseded IS NULL;
CREATE UNIQUE INDEX edges_successor ON edges (tenant_id, superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX edges_history ON edges (tenant_id, subject, relation, target, t_recorded);
CREATE INDEX edges_target ON edges (tenant_id, target, relation, subject, t_recorded);
CREATE TRIGGER edges_no_delete BEFORE DELETE ON edges
BEGIN SELECT RAISE(ABORT, 'append-only: edges refuses DELETE'); END;
CREATE TRIGGER edges_put BEFORE INSERT ON edges
BEGIN SELECT CASE
  WHEN NEW.seq IS NOT coalesce((SELECT max(seq) + 1 FROM edges WHERE tenant_id = NEW.tenant_id), 0)
  THEN RAISE(ABORT, 'sequence-violation: edges.seq is not the next one')
  WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND edge_id = NEW.edge_id)
  THEN RAISE(ABORT, 'append-only: edges has this edge_id')
  WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND subject = NEW.subject
    AND relation = NEW.relation AND target = NEW.target AND t_superseded IS NULL)
  THEN RAISE(ABORT, 'append-only: edges has an active version of this key')
  WHEN coalesce(NEW.t_superseded, NEW.t_invalid, NEW.superseded_by, NEW.superseded_actor, NEW.superseded_reason,
    NEW.superseded_index) IS NOT NULL
  THEN RAISE(ABORT, 'invalid-value: edges takes no version that is closed already')
  WHEN trim(coalesce(NEW.actor, '')) = '' OR length(CAST(NEW.actor AS BLOB)) > 256
    OR trim(NEW.reason) = '' OR length(NEW.reason) > 1000
  THEN RAISE(ABORT, 'missing-provenance: edges.actor or edges.reason is blank or too long')
  WHEN NEW.t_recorded < (SELECT t_recorded FROM edges WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1)
  THEN RAISE(ABORT, 'time-violation: edges.t_recorded is before the newest one')
  WHEN NEW.t_recorded > 300000000 + max(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER), coalesce(
    (SELECT t_recorded FROM edges WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1), 0))
  THEN RAISE(ABORT, 'time-violation: edges.t_recorded is in the future')
  WHEN NEW.edge_id IS NULL OR NEW.edge_id = ''
    OR NEW.subject NOT GLOB '[a-z]*:?*' OR length(CAST(NEW.subject AS BLOB)) > 512
    OR trim(NEW.relation) = '' OR length(CAST(NEW.relation AS BLOB)) > 256
    OR NEW.target NOT GLOB '[a-z]*:?*' OR length(CAST(NEW.target AS BLOB)) > 512
    OR NEW.classification NOT IN ('normal', 'restricted')
    OR NOT json_valid(NEW.value) OR NEW.value = 'null' OR length(CAST(NEW.value AS BLOB)) > 262144
    OR NEW.subject IS NULL OR NEW.relation IS NULL OR NEW.target IS NULL OR NEW.classification IS NULL
    OR NEW.value IS NULL OR NEW.t_valid IS NULL OR NEW.t_recorded IS NULL OR NEW.log_index IS NULL
  THEN RAISE(ABORT, 'invalid-value: edges takes no such version')
  -- Whoever was closed in favor of this one had its key, and was closed by it now.
  WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND superseded_by = NEW.seq
    AND (subject <> NEW.subject OR relation <> NEW.relation OR target <> NEW.target OR t_superseded <> NEW.t_recorded
      OR superseded_actor <> NEW.actor OR superseded_index <> NEW.log_index))
  THEN RAISE(ABORT, 'invalid-value: edges.superseded_by names another version')
END; END;
CREATE TRIGGER edges_close BEFORE UPDATE ON edges
BEGIN SELECT CASE
  WHEN OLD.t_superseded IS NOT NULL OR NEW.tenant_id <> OLD.tenant_id OR NEW.edge_id <> OLD.edge_id
    OR NEW.seq <> OLD.seq OR NEW.subject <> OLD.subject OR NEW.relation <> OLD.relation OR NEW.target <> OLD.target
    OR NEW.value <> OLD.value OR NEW.t_valid <> OLD.t_valid OR NEW.t_recorded <> OLD.t_recorded
    OR NEW.actor <> OLD.actor OR NEW.reason IS NOT OLD.reason OR NEW.classification <> OLD.classification
    OR NEW.log_index <> OLD.log_index
    OR (NEW.t_superseded IS NULL AND coalesce(NEW.superseded_actor, NEW.superseded_reason, '') = '')
  THEN RAISE(ABORT, 'append-only: edges refuses UPDATE')
  WHEN trim(coalesce(NEW.superseded_actor, '')) = '' OR trim(coalesce(NEW.superseded_reason, '')) = ''
  THEN RAISE(ABORT, 'missing-provenance: edges is closed by nobody or for no reason')
  WHEN NEW.t_superseded IS NULL OR NEW.t_superseded < OLD.t_recorded
    OR NEW.t_invalid IS NULL OR NEW.t_invalid < OLD.t_valid
  THEN RAISE(ABORT, 'time-violation: edges ends before it begins')
  WHEN NEW.superseded_index IS NULL OR NEW.superseded_index = OLD.log_index
    OR (NEW.superseded_by IS NOT NULL
      AND NEW.superseded_by < (SELECT max(seq) + 1 FROM edges WHERE tenant_id = NEW.tenant_id))
  THEN RAISE(ABORT, 'invalid-value: edges.superseded_by is not the next version')
END; END;

-- When a value was last put again, or a host last found to hold what its newest facts say. Outside the ledger: it moves
-- with every put and every scan, and nothing that is recorded depends on it (FCT-04).
CREATE TABLE fact_heartbeats (
  tenant_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  claim TEXT NOT NULL,
  last_seen_at_us INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, subject, claim)
) STRICT, WITHOUT ROWID;

-- How these tables look when they are large, for the planner: without it, it takes the first column of the primary key,
-- which all rows of a tenant share, for as good as an index (sqlite.org/fileformat2.html, section 2.6.4).
ANALYZE edges;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('facts', 'facts', '1000000 1000000 1'),
  ('facts', 'facts_history', '1000000 1000000 1000 10 10 1'),
  ('facts', 'facts_active', '100000 100000 100 1 1'),
  ('facts', 'facts_successor', '900000 900000 1'),
  ('facts', 'sqlite_autoindex_facts_2', '1000000 1000000 1'),
  ('edges', 'edges', '1000000 1000000 1'),
  ('edges', 'sqlite_autoindex_edges_2', '1000000 1000000 1'),
  ('edges', 'edges_history', '1000000 1000000 1000 100 10 1'),
  ('edges', 'edges_active', '100000 100000 100 10 1'),
  ('edges', 'edges_successor', '900000 900000 1'),
  ('edges', 'edges_target', '1000000 1000000 1000 100 10 1');
