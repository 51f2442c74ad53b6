-- What happened to the log itself: keys rotated, segments sealed, bodies erased, starts, holds. One row an entry;
-- `detail` is canonical JSON whose shape belongs to the kind.
CREATE TABLE log_events (
  tenant_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  log_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('log.started', 'key.rotated', 'segment.sealed', 'segment.pruned', 'body.erased', 'hold.changed', 'log.config')),
  detail TEXT NOT NULL CHECK (json_valid(detail)),
  recorded_at_us INTEGER NOT NULL,
  log_index INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, event_id),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE INDEX log_events_kind ON log_events (tenant_id, log_id, kind, log_index);
CREATE TRIGGER log_events_no_update BEFORE UPDATE ON log_events
BEGIN SELECT RAISE(ABORT, 'append-only: log_events refuses UPDATE'); END;
CREATE TRIGGER log_events_no_delete BEFORE DELETE ON log_events
BEGIN SELECT RAISE(ABORT, 'append-only: log_events refuses DELETE'); END;
CREATE TRIGGER log_events_no_replace BEFORE INSERT ON log_events
WHEN EXISTS (SELECT 1 FROM log_events WHERE tenant_id = NEW.tenant_id AND event_id = NEW.event_id)
BEGIN SELECT RAISE(ABORT, 'append-only: log_events refuses REPLACE'); END;

-- Signature lines that witnesses gave for a checkpoint (C2SP tlog-cosignature), one a key.
CREATE TABLE log_cosignatures (
  tenant_id TEXT NOT NULL,
  log_id TEXT NOT NULL,
  size INTEGER NOT NULL,
  key_name TEXT NOT NULL,
  key_id TEXT NOT NULL CHECK (length(key_id) = 8),
  line TEXT NOT NULL CHECK (line <> ''),
  received_at_us INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, log_id, size, key_name, key_id),
  FOREIGN KEY (tenant_id, log_id, size) REFERENCES log_checkpoints (tenant_id, log_id, size) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE TRIGGER log_cosignatures_no_update BEFORE UPDATE ON log_cosignatures
BEGIN SELECT RAISE(ABORT, 'append-only: log_cosignatures refuses UPDATE'); END;
CREATE TRIGGER log_cosignatures_no_delete BEFORE DELETE ON log_cosignatures
BEGIN SELECT RAISE(ABORT, 'append-only: log_cosignatures refuses DELETE'); END;
CREATE TRIGGER log_cosignatures_no_replace BEFORE INSERT ON log_cosignatures
WHEN EXISTS (SELECT 1 FROM log_cosignatures WHERE tenant_id = NEW.tenant_id AND log_id = NEW.log_id
  AND size = NEW.size AND key_name = NEW.key_name AND key_id = NEW.key_id)
BEGIN SELECT RAISE(ABORT, 'append-only: log_cosignatures refuses REPLACE'); END;

-- Which bytes an erasure destroyed: the one thing that lets a body be emptied (LED-41). `erased_index` is the
-- entry whose body it was; null for evidence and manifests, which several entries may name. With
-- `retention_days`, retention removed them: they are put back when they are measured again (TLW-33).
CREATE TABLE log_erasures (
  tenant_id TEXT NOT NULL,
  blob TEXT NOT NULL CHECK (blob IN ('body', 'evidence', 'manifest')),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  log_id TEXT NOT NULL,
  erased_index INTEGER,
  retention_days INTEGER CHECK (retention_days IS NULL OR retention_days > 0 AND blob = 'evidence'),
  log_index INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, log_id, log_index),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT,
  CHECK ((blob = 'body') = (erased_index IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX log_erasures_index ON log_erasures (tenant_id, log_id, erased_index) WHERE erased_index IS NOT NULL;
CREATE INDEX log_erasures_blob ON log_erasures (tenant_id, blob, sha256);
CREATE INDEX log_erasures_retention ON log_erasures (tenant_id) WHERE retention_days IS NOT NULL;
CREATE TRIGGER log_erasures_no_update BEFORE UPDATE ON log_erasures
BEGIN SELECT RAISE(ABORT, 'append-only: log_erasures refuses UPDATE'); END;
CREATE TRIGGER log_erasures_no_delete BEFORE DELETE ON log_erasures
BEGIN SELECT RAISE(ABORT, 'append-only: log_erasures refuses DELETE'); END;
CREATE TRIGGER log_erasures_no_replace BEFORE INSERT ON log_erasures
WHEN EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = NEW.tenant_id AND log_id = NEW.log_id
  AND (log_index = NEW.log_index OR erased_index = NEW.erased_index))
BEGIN SELECT RAISE(ABORT, 'append-only: log_erasures refuses REPLACE'); END;

-- Segments whose bodies were removed: the one other thing that lets bodies be emptied (LED-40).
CREATE TABLE log_prunings (
  tenant_id TEXT NOT NULL,
  log_id TEXT NOT NULL,
  from_index INTEGER NOT NULL CHECK (from_index >= 0),
  to_index INTEGER NOT NULL CHECK (to_index > from_index),
  log_index INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, log_id, from_index),
  FOREIGN KEY (tenant_id, log_id) REFERENCES log_heads (tenant_id, log_id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;
CREATE TRIGGER log_prunings_no_update BEFORE UPDATE ON log_prunings
BEGIN SELECT RAISE(ABORT, 'append-only: log_prunings refuses UPDATE'); END;
CREATE TRIGGER log_prunings_no_delete BEFORE DELETE ON log_prunings
BEGIN SELECT RAISE(ABORT, 'append-only: log_prunings refuses DELETE'); END;
CREATE TRIGGER log_prunings_no_replace BEFORE INSERT ON log_prunings
WHEN EXISTS (SELECT 1 FROM log_prunings WHERE tenant_id = NEW.tenant_id AND log_id = NEW.log_id
  AND from_index = NEW.from_index)
BEGIN SELECT RAISE(ABORT, 'append-only: log_prunings refuses REPLACE'); END;

-- A body may be emptied, nothing else, and only where an erasure or a pruning says so. Evidence that only retention
-- emptied may be filled again.
DROP TRIGGER log_entries_no_update;
CREATE TRIGGER log_entries_no_update BEFORE UPDATE ON log_entries
WHEN NOT (NEW.tenant_id = OLD.tenant_id AND NEW.log_id = OLD.log_id AND NEW.log_index = OLD.log_index
  AND NEW.entry = OLD.entry AND length(NEW.body) = 0
  AND (EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND log_id = OLD.log_id
      AND erased_index = OLD.log_index)
    OR EXISTS (SELECT 1 FROM log_prunings WHERE tenant_id = OLD.tenant_id AND log_id = OLD.log_id
      AND from_index <= OLD.log_index AND OLD.log_index < to_index)))
BEGIN SELECT RAISE(ABORT, 'append-only: log_entries refuses UPDATE'); END;
DROP TRIGGER evidence_no_update;
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence
WHEN NOT (NEW.tenant_id = OLD.tenant_id AND NEW.sha256 = OLD.sha256 AND NEW.byte_size = OLD.byte_size
  AND NEW.first_seen_at = OLD.first_seen_at
  AND EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND blob = 'evidence'
    AND sha256 = OLD.sha256)
  AND (length(NEW.body) = 0 OR length(OLD.body) = 0 AND length(NEW.body) = OLD.byte_size
    AND NOT EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND blob = 'evidence'
      AND sha256 = OLD.sha256 AND retention_days IS NULL)))
BEGIN SELECT RAISE(ABORT, 'append-only: evidence refuses UPDATE'); END;
DROP TRIGGER manifests_no_update;
CREATE TRIGGER manifests_no_update BEFORE UPDATE ON manifests
WHEN NOT (NEW.tenant_id = OLD.tenant_id AND NEW.sha256 = OLD.sha256 AND NEW.byte_size = OLD.byte_size
  AND NEW.first_seen_at_us = OLD.first_seen_at_us AND length(NEW.body) = 0
  AND EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND blob = 'manifest'
    AND sha256 = OLD.sha256))
BEGIN SELECT RAISE(ABORT, 'append-only: manifests refuses UPDATE'); END;
DROP TRIGGER audit_events_no_update;
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
WHEN NOT (NEW.tenant_id = OLD.tenant_id AND NEW.audit_id = OLD.audit_id AND NEW.actor = OLD.actor
  AND NEW.recorded_at_us = OLD.recorded_at_us AND NEW.action = OLD.action AND NEW.phase = OLD.phase
  AND NEW.decision = OLD.decision AND NEW.subject = OLD.subject AND NEW.detail = '{}'
  AND NEW.correlation_id = OLD.correlation_id AND NEW.log_index = OLD.log_index
  AND EXISTS (SELECT 1 FROM log_erasures WHERE tenant_id = OLD.tenant_id AND erased_index = OLD.log_index))
BEGIN SELECT RAISE(ABORT, 'append-only: audit_events refuses UPDATE'); END;
