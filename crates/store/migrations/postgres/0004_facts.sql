-- What is so, should be so or was approved (`facts`), and what stands in which relation to what (`edges`): one row a
-- version. A version is put once and closed once, by its successor or by being retired; nothing else of it changes.
-- `value` is canonical JSON, the text that was hashed. `log_index` is the entry that put the version,
-- `superseded_index` the one that closed it.

CREATE TABLE facts (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  fact_id TEXT COLLATE "C" NOT NULL CHECK (fact_id <> ''),
  seq BIGINT NOT NULL CHECK (seq >= 0),
  subject TEXT COLLATE "C" NOT NULL CHECK (octet_length(subject) <= 512),
  predicate TEXT COLLATE "C" NOT NULL CHECK (trim(predicate) <> '' AND octet_length(predicate) <= 256),
  fact_type TEXT COLLATE "C" NOT NULL CHECK (fact_type IN ('observed', 'desired', 'known_good', 'drift')),
  value TEXT COLLATE "C" NOT NULL CHECK (json_valid(value) AND value <> 'null' AND octet_length(value) <= 262144),
  t_valid BIGINT NOT NULL,
  t_invalid BIGINT,
  t_recorded BIGINT NOT NULL,
  t_superseded BIGINT,
  superseded_by BIGINT,
  actor TEXT COLLATE "C" NOT NULL CHECK (trim(actor) <> '' AND octet_length(actor) <= 256),
  reason TEXT COLLATE "C" CHECK (trim(reason) <> '' AND length(reason) <= 1000),
  superseded_actor TEXT COLLATE "C",
  superseded_reason TEXT COLLATE "C",
  classification TEXT COLLATE "C" NOT NULL CHECK (classification IN ('normal', 'restricted')),
  log_index BIGINT NOT NULL,
  superseded_index BIGINT,
  PRIMARY KEY (tenant_id, seq),
  UNIQUE (tenant_id, fact_id),
  -- The successor comes after its predecessor is closed, in the same transaction.
  FOREIGN KEY (tenant_id, superseded_by) REFERENCES facts (tenant_id, seq) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
  CHECK ((t_superseded IS NULL) = (t_invalid IS NULL) AND (t_superseded IS NULL) = (superseded_actor IS NULL)
    AND (t_superseded IS NULL) = (superseded_reason IS NULL) AND (t_superseded IS NULL) = (superseded_index IS NULL)
    AND (superseded_by IS NULL OR t_superseded IS NOT NULL))
);
CREATE UNIQUE INDEX facts_active ON facts (tenant_id, subject, predicate, fact_type) WHERE t_superseded IS NULL;
CREATE UNIQUE INDEX facts_successor ON facts (tenant_id, superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX facts_history ON facts (tenant_id, subject, predicate, fact_type, t_recorded);
SELECT guard('facts', 'DELETE', 'TRUNCATE');
CREATE FUNCTION facts_put() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  newest RECORD;
  why TEXT;
BEGIN
  SELECT seq, t_recorded INTO newest FROM facts WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1;
  why := CASE
    WHEN NEW.seq IS DISTINCT FROM coalesce(newest.seq + 1, 0)
    THEN 'sequence-violation: facts.seq is not the next one'
    WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND fact_id = NEW.fact_id)
    THEN 'append-only: facts has this fact_id'
    WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND subject = NEW.subject
      AND predicate = NEW.predicate AND fact_type = NEW.fact_type AND t_superseded IS NULL)
    THEN 'append-only: facts has an active version of this key'
    WHEN coalesce(NEW.t_superseded, NEW.t_invalid, NEW.superseded_by, NEW.superseded_index) IS NOT NULL
      OR coalesce(NEW.superseded_actor, NEW.superseded_reason) IS NOT NULL
    THEN 'invalid-value: facts takes no version that is closed already'
    WHEN trim(coalesce(NEW.actor, '')) = '' OR octet_length(NEW.actor) > 256
      OR trim(NEW.reason) = '' OR length(NEW.reason) > 1000
    THEN 'missing-provenance: facts.actor or facts.reason is blank or too long'
    WHEN NEW.t_recorded < newest.t_recorded
    THEN 'time-violation: facts.t_recorded is before the newest one'
    WHEN NEW.t_recorded > 300000000 + greatest(
      CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), newest.t_recorded)
    THEN 'time-violation: facts.t_recorded is in the future'
    WHEN NEW.fact_id IS NULL OR NEW.fact_id = ''
      OR NEW.subject !~ '^[a-z].*:.' OR octet_length(NEW.subject) > 512
      OR trim(NEW.predicate) = '' OR octet_length(NEW.predicate) > 256
      OR NEW.fact_type NOT IN ('observed', 'desired', 'known_good', 'drift')
      OR NEW.classification NOT IN ('normal', 'restricted')
      OR NOT json_valid(NEW.value) OR NEW.value = 'null' OR octet_length(NEW.value) > 262144
      OR NEW.subject IS NULL OR NEW.predicate IS NULL OR NEW.fact_type IS NULL OR NEW.classification IS NULL
      OR NEW.value IS NULL OR NEW.t_valid IS NULL OR NEW.t_recorded IS NULL OR NEW.log_index IS NULL
    THEN 'invalid-value: facts takes no such version'
    -- Whoever was closed in favor of this one had its key, and was closed by it now.
    WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND superseded_by = NEW.seq
      AND (subject <> NEW.subject OR predicate <> NEW.predicate OR fact_type <> NEW.fact_type
        OR t_superseded <> NEW.t_recorded OR superseded_actor <> NEW.actor OR superseded_index <> NEW.log_index))
    THEN 'invalid-value: facts.superseded_by names another version'
  END;
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER facts_put BEFORE INSERT ON facts FOR EACH ROW EXECUTE FUNCTION facts_put();
CREATE FUNCTION facts_close() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  why TEXT;
BEGIN
  why := CASE
    WHEN OLD.t_superseded IS NOT NULL OR NEW.tenant_id <> OLD.tenant_id OR NEW.fact_id <> OLD.fact_id
      OR NEW.seq <> OLD.seq OR NEW.subject <> OLD.subject OR NEW.predicate <> OLD.predicate OR NEW.fact_type <> OLD.fact_type
      OR NEW.value <> OLD.value OR NEW.t_valid <> OLD.t_valid OR NEW.t_recorded <> OLD.t_recorded
      OR NEW.actor <> OLD.actor OR NEW.reason IS DISTINCT FROM OLD.reason
      OR NEW.classification <> OLD.classification OR NEW.log_index <> OLD.log_index
      OR (NEW.t_superseded IS NULL AND coalesce(NEW.superseded_actor, NEW.superseded_reason, '') = '')
    THEN 'append-only: facts refuses UPDATE'
    WHEN trim(coalesce(NEW.superseded_actor, '')) = '' OR trim(coalesce(NEW.superseded_reason, '')) = ''
    THEN 'missing-provenance: facts is closed by nobody or for no reason'
    WHEN NEW.t_superseded IS NULL OR NEW.t_superseded < OLD.t_recorded
      OR NEW.t_invalid IS NULL OR NEW.t_invalid < OLD.t_valid
    THEN 'time-violation: facts ends before it begins'
    WHEN NEW.superseded_index IS NULL OR NEW.superseded_index = OLD.log_index
      OR (NEW.superseded_by IS NOT NULL
        AND NEW.superseded_by < (SELECT max(seq) + 1 FROM facts WHERE tenant_id = NEW.tenant_id))
    THEN 'invalid-value: facts.superseded_by is not the next version'
  END;
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER facts_close BEFORE UPDATE ON facts FOR EACH ROW EXECUTE FUNCTION facts_close();

CREATE TABLE edges (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  edge_id TEXT COLLATE "C" NOT NULL CHECK (edge_id <> ''),
  seq BIGINT NOT NULL CHECK (seq >= 0),
  subject TEXT COLLATE "C" NOT NULL CHECK (octet_length(subject) <= 512),
  relation TEXT COLLATE "C" NOT NULL CHECK (trim(relation) <> '' AND octet_length(relation) <= 256),
  target TEXT COLLATE "C" NOT NULL CHECK (octet_length(target) <= 512),
  value TEXT COLLATE "C" NOT NULL CHECK (json_valid(value) AND value <> 'null' AND octet_length(value) <= 262144),
  t_valid BIGINT NOT NULL,
  t_invalid BIGINT,
  t_recorded BIGINT NOT NULL,
  t_superseded BIGINT,
  superseded_by BIGINT,
  actor TEXT COLLATE "C" NOT NULL CHECK (trim(actor) <> '' AND octet_length(actor) <= 256),
  reason TEXT COLLATE "C" CHECK (trim(reason) <> '' AND length(reason) <= 1000),
  superseded_actor TEXT COLLATE "C",
  superseded_reason TEXT COLLATE "C",
  classification TEXT COLLATE "C" NOT NULL CHECK (classification IN ('normal', 'restricted')),
  log_index BIGINT NOT NULL,
  superseded_index BIGINT,
  PRIMARY KEY (tenant_id, seq),
  UNIQUE (tenant_id, edge_id),
  -- The successor comes after its predecessor is closed, in the same transaction.
  FOREIGN KEY (tenant_id, superseded_by) REFERENCES edges (tenant_id, seq) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
  CHECK ((t_superseded IS NULL) = (t_invalid IS NULL) AND (t_superseded IS NULL) = (superseded_actor IS NULL)
    AND (t_superseded IS NULL) = (superseded_reason IS NULL) AND (t_superseded IS NULL) = (superseded_index IS NULL)
    AND (superseded_by IS NULL OR t_superseded IS NOT NULL))
);
CREATE UNIQUE INDEX edges_active ON edges (tenant_id, subject, relation, target) WHERE t_superseded IS NULL;
CREATE UNIQUE INDEX edges_successor ON edges (tenant_id, superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX edges_history ON edges (tenant_id, subject, relation, target, t_recorded);
CREATE INDEX edges_target ON edges (tenant_id, target, relation, subject, t_recorded);
SELECT guard('edges', 'DELETE', 'TRUNCATE');
CREATE FUNCTION edges_put() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  newest RECORD;
  why TEXT;
BEGIN
  SELECT seq, t_recorded INTO newest FROM edges WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1;
  why := CASE
    WHEN NEW.seq IS DISTINCT FROM coalesce(newest.seq + 1, 0)
    THEN 'sequence-violation: edges.seq is not the next one'
    WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND edge_id = NEW.edge_id)
    THEN 'append-only: edges has this edge_id'
    WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND subject = NEW.subject
      AND relation = NEW.relation AND target = NEW.target AND t_superseded IS NULL)
    THEN 'append-only: edges has an active version of this key'
    WHEN coalesce(NEW.t_superseded, NEW.t_invalid, NEW.superseded_by, NEW.superseded_index) IS NOT NULL
      OR coalesce(NEW.superseded_actor, NEW.superseded_reason) IS NOT NULL
    THEN 'invalid-value: edges takes no version that is closed already'
    WHEN trim(coalesce(NEW.actor, '')) = '' OR octet_length(NEW.actor) > 256
      OR trim(NEW.reason) = '' OR length(NEW.reason) > 1000
    THEN 'missing-provenance: edges.actor or edges.reason is blank or too long'
    WHEN NEW.t_recorded < newest.t_recorded
    THEN 'time-violation: edges.t_recorded is before the newest one'
    WHEN NEW.t_recorded > 300000000 + greatest(
      CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), newest.t_recorded)
    THEN 'time-violation: edges.t_recorded is in the future'
    WHEN NEW.edge_id IS NULL OR NEW.edge_id = ''
      OR NEW.subject !~ '^[a-z].*:.' OR octet_length(NEW.subject) > 512
      OR trim(NEW.relation) = '' OR octet_length(NEW.relation) > 256
      OR NEW.target !~ '^[a-z].*:.' OR octet_length(NEW.target) > 512
      OR NEW.classification NOT IN ('normal', 'restricted')
      OR NOT json_valid(NEW.value) OR NEW.value = 'null' OR octet_length(NEW.value) > 262144
      OR NEW.subject IS NULL OR NEW.relation IS NULL OR NEW.target IS NULL OR NEW.classification IS NULL
      OR NEW.value IS NULL OR NEW.t_valid IS NULL OR NEW.t_recorded IS NULL OR NEW.log_index IS NULL
    THEN 'invalid-value: edges takes no such version'
    -- Whoever was closed in favor of this one had its key, and was closed by it now.
    WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND superseded_by = NEW.seq
      AND (subject <> NEW.subject OR relation <> NEW.relation OR target <> NEW.target
        OR t_superseded <> NEW.t_recorded OR superseded_actor <> NEW.actor OR superseded_index <> NEW.log_index))
    THEN 'invalid-value: edges.superseded_by names another version'
  END;
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER edges_put BEFORE INSERT ON edges FOR EACH ROW EXECUTE FUNCTION edges_put();
CREATE FUNCTION edges_close() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  why TEXT;
BEGIN
  why := CASE
    WHEN OLD.t_superseded IS NOT NULL OR NEW.tenant_id <> OLD.tenant_id OR NEW.edge_id <> OLD.edge_id
      OR NEW.seq <> OLD.seq OR NEW.subject <> OLD.subject OR NEW.relation <> OLD.relation OR NEW.target <> OLD.target
      OR NEW.value <> OLD.value OR NEW.t_valid <> OLD.t_valid OR NEW.t_recorded <> OLD.t_recorded
      OR NEW.actor <> OLD.actor OR NEW.reason IS DISTINCT FROM OLD.reason
      OR NEW.classification <> OLD.classification OR NEW.log_index <> OLD.log_index
      OR (NEW.t_superseded IS NULL AND coalesce(NEW.superseded_actor, NEW.superseded_reason, '') = '')
    THEN 'append-only: edges refuses UPDATE'
    WHEN trim(coalesce(NEW.superseded_actor, '')) = '' OR trim(coalesce(NEW.superseded_reason, '')) = ''
    THEN 'missing-provenance: edges is closed by nobody or for no reason'
    WHEN NEW.t_superseded IS NULL OR NEW.t_superseded < OLD.t_recorded
      OR NEW.t_invalid IS NULL OR NEW.t_invalid < OLD.t_valid
    THEN 'time-violation: edges ends before it begins'
    WHEN NEW.superseded_index IS NULL OR NEW.superseded_index = OLD.log_index
      OR (NEW.superseded_by IS NOT NULL
        AND NEW.superseded_by < (SELECT max(seq) + 1 FROM edges WHERE tenant_id = NEW.tenant_id))
    THEN 'invalid-value: edges.superseded_by is not the next version'
  END;
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER edges_close BEFORE UPDATE ON edges FOR EACH ROW EXECUTE FUNCTION edges_close();

-- When a value was last put again, or a host last found to hold what its newest facts say. Outside the ledger: it moves
-- with every put and every scan, and nothing that is recorded depends on it (FCT-04).
CREATE TABLE fact_heartbeats (
  tenant_id TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  claim TEXT COLLATE "C" NOT NULL,
  last_seen_at_us BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, subject, claim)
);

SELECT guard_always();
