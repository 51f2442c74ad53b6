-- A tenant may have several logs, one after the other: each but the first goes on with one that ended (LED-39).
-- `log_index` of a recorded row counts on through them all: the entry's index in its log plus the log's
-- `first_position`, so that what was recorded later has the larger one. In `log_events`, `log_erasures` and
-- `log_prunings`, which name their log, it is the index itself.
ALTER TABLE log_heads ADD COLUMN first_position INTEGER NOT NULL DEFAULT 0 CHECK (first_position >= 0);
CREATE UNIQUE INDEX log_heads_position ON log_heads (tenant_id, first_position);

DROP TRIGGER log_heads_only_grow;
CREATE TRIGGER log_heads_only_grow BEFORE UPDATE ON log_heads
WHEN NEW.size < OLD.size OR NEW.last_at_us < OLD.last_at_us OR NEW.log_id <> OLD.log_id
  OR NEW.tenant_id <> OLD.tenant_id OR NEW.origin <> OLD.origin OR NEW.first_position <> OLD.first_position
BEGIN SELECT RAISE(ABORT, 'log_heads: a log only grows'); END;
-- A log that another one goes on with has ended.
CREATE TRIGGER log_heads_ended BEFORE UPDATE ON log_heads
WHEN EXISTS (SELECT 1 FROM log_heads WHERE tenant_id = OLD.tenant_id AND first_position > OLD.first_position)
BEGIN SELECT RAISE(ABORT, 'log_heads: another log goes on with this one, which takes no entries'); END;
DROP TRIGGER log_heads_no_replace;
CREATE TRIGGER log_heads_no_replace BEFORE INSERT ON log_heads
WHEN EXISTS (SELECT 1 FROM log_heads WHERE tenant_id = NEW.tenant_id
  AND (log_id = NEW.log_id OR first_position >= NEW.first_position))
BEGIN SELECT RAISE(ABORT, 'append-only: log_heads refuses REPLACE'); END;

DROP TRIGGER audit_events_no_update;
CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
WHEN NOT (NEW.tenant_id = OLD.tenant_id AND NEW.audit_id = OLD.audit_id AND NEW.actor = OLD.actor
  AND NEW.recorded_at_us = OLD.recorded_at_us AND NEW.action = OLD.action AND NEW.phase = OLD.phase
  AND NEW.decision = OLD.decision AND NEW.subject = OLD.subject AND NEW.detail = '{}'
  AND NEW.correlation_id = OLD.correlation_id AND NEW.log_index = OLD.log_index
  AND EXISTS (SELECT 1 FROM log_erasures AS e JOIN log_heads AS l ON l.tenant_id = e.tenant_id AND l.log_id = e.log_id
    WHERE e.tenant_id = OLD.tenant_id AND l.first_position + e.erased_index = OLD.log_index))
BEGIN SELECT RAISE(ABORT, 'append-only: audit_events refuses UPDATE'); END;
