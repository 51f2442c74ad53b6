-- Tells whether a text is JSON, as the other database's function of this name does.
CREATE FUNCTION json_valid(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
  RETURN $1::json IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END $$;

-- What happened to the log itself: keys rotated, segments sealed, bodies erased, starts, holds. One row an entry;
-- `detail` is canonical JSON whose shape belongs to the kind.
CREATE TABLE log_events (
  tenant_id TEXT COLLATE "C" NOT NULL,
  event_id TEXT COLLATE "C" NOT NULL,
  log_id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('log.started', 'key.rotated', 'segment.sealed', 'segment.pruned', 'body.erased', 'hold.changed', 'log.config')),
  detail TEXT COLLATE "C" NOT NULL CHECK (json_valid(detail)),
  recorded_at_us BIGINT NOT NULL,
  log_index BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, event_id),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
);
CREATE INDEX log_events_kind ON log_events (tenant_id, log_id, kind, log_index);

-- Signature lines that witnesses gave for a checkpoint (C2SP tlog-cosignature), one a key.
CREATE TABLE log_cosignatures (
  tenant_id TEXT COLLATE "C" NOT NULL,
  log_id TEXT COLLATE "C" NOT NULL,
  size BIGINT NOT NULL,
  key_name TEXT COLLATE "C" NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL CHECK (length(key_id) = 8),
  line TEXT COLLATE "C" NOT NULL CHECK (line <> ''),
  received_at_us BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, log_id, size, key_name, key_id),
  FOREIGN KEY (tenant_id, log_id, size) REFERENCES log_checkpoints (tenant_id, log_id, size) ON DELETE RESTRICT
);

-- Which bytes an erasure destroyed: the one thing that lets a body be emptied (LED-41). `erased_index` is the
-- entry whose body it was; null for evidence and manifests, which several entries may name. With
-- `retention_days`, retention removed them: they are put back when they are measured again (TLW-33).
CREATE TABLE log_erasures (
  tenant_id TEXT COLLATE "C" NOT NULL,
  blob TEXT COLLATE "C" NOT NULL CHECK (blob IN ('body', 'evidence', 'manifest')),
  sha256 TEXT COLLATE "C" NOT NULL CHECK (length(sha256) = 64),
  log_id TEXT COLLATE "C" NOT NULL,
  erased_index BIGINT,
  retention_days BIGINT CHECK (retention_days IS NULL OR retention_days > 0 AND blob = 'evidence'),
  log_index BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, log_id, log_index),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT,
  CHECK ((blob = 'body') = (erased_index IS NOT NULL))
);
CREATE UNIQUE INDEX log_erasures_index ON log_erasures (tenant_id, log_id, erased_index) WHERE erased_index IS NOT NULL;
CREATE INDEX log_erasures_blob ON log_erasures (tenant_id, blob, sha256);
CREATE INDEX log_erasures_retention ON log_erasures (tenant_id) WHERE retention_days IS NOT NULL;

-- Segments whose bodies were removed: the one other thing that lets bodies be emptied (LED-40).
CREATE TABLE log_prunings (
  tenant_id TEXT COLLATE "C" NOT NULL,
  log_id TEXT COLLATE "C" NOT NULL,
  from_index BIGINT NOT NULL CHECK (from_index >= 0),
  to_index BIGINT NOT NULL CHECK (to_index > from_index),
  log_index BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, log_id, from_index),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
);

SELECT guard('log_events', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('log_cosignatures', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('log_erasures', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT guard('log_prunings', 'UPDATE', 'DELETE', 'TRUNCATE');

-- A body may be emptied, nothing else, and only where an erasure or a pruning says so. Evidence that only retention
-- emptied may be filled again.
DROP TRIGGER log_entries_no_update ON log_entries;
CREATE FUNCTION log_entries_no_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.tenant_id = OLD.tenant_id AND NEW.log_id = OLD.log_id AND NEW.log_index = OLD.log_index
    AND NEW.entry = OLD.entry AND length(NEW.body) = 0
    AND (EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND log_id = OLD.log_id
        AND erased_index = OLD.log_index)
      OR EXISTS (SELECT 1 FROM log_prunings WHERE tenant_id = OLD.tenant_id AND log_id = OLD.log_id
        AND from_index <= OLD.log_index AND OLD.log_index < to_index))
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'append-only: log_entries refuses UPDATE' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER log_entries_no_update BEFORE UPDATE ON log_entries
FOR EACH ROW EXECUTE FUNCTION log_entries_no_update();

DROP TRIGGER evidence_no_update ON evidence;
CREATE FUNCTION evidence_no_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.tenant_id = OLD.tenant_id AND NEW.sha256 = OLD.sha256 AND NEW.byte_size = OLD.byte_size
    AND NEW.first_seen_at = OLD.first_seen_at
    AND EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND blob = 'evidence'
      AND sha256 = OLD.sha256)
    AND (length(NEW.body) = 0 OR length(OLD.body) = 0 AND length(NEW.body) = OLD.byte_size
      AND NOT EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND blob = 'evidence'
        AND sha256 = OLD.sha256 AND retention_days IS NULL))
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'append-only: evidence refuses UPDATE' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence
FOR EACH ROW EXECUTE FUNCTION evidence_no_update();

DROP TRIGGER manifests_no_update ON manifests;
CREATE FUNCTION manifests_no_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.tenant_id = OLD.tenant_id AND NEW.sha256 = OLD.sha256 AND NEW.byte_size = OLD.byte_size
    AND NEW.first_seen_at_us = OLD.first_seen_at_us AND length(NEW.body) = 0
    AND EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND blob = 'manifest'
      AND sha256 = OLD.sha256)
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'append-only: manifests refuses UPDATE' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER manifests_no_update BEFORE UPDATE ON manifests
FOR EACH ROW EXECUTE FUNCTION manifests_no_update();

DROP TRIGGER audit_events_no_update ON audit_events;
CREATE FUNCTION audit_events_no_update() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.tenant_id = OLD.tenant_id AND NEW.audit_id = OLD.audit_id AND NEW.actor = OLD.actor
    AND NEW.recorded_at_us = OLD.recorded_at_us AND NEW.action = OLD.action AND NEW.phase = OLD.phase
    AND NEW.decision = OLD.decision AND NEW.subject = OLD.subject AND NEW.detail = '{}'
    AND NEW.correlation_id = OLD.correlation_id AND NEW.log_index = OLD.log_index
    AND EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND erased_index = OLD.log_index)
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'append-only: audit_events refuses UPDATE' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
FOR EACH ROW EXECUTE FUNCTION audit_events_no_update();

SELECT guard_always();
