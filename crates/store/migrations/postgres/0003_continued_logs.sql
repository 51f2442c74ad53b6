-- A tenant may have several logs, one after the other: each but the first goes on with one that ended (LED-39).
-- `log_index` of a recorded row counts on through them all: the entry's index in its log plus the log's
-- `first_position`, so that what was recorded later has the larger one. In `log_events`, `log_erasures` and
-- `log_prunings`, which name their log, it is the index itself.
ALTER TABLE log_heads ADD COLUMN first_position BIGINT NOT NULL DEFAULT 0 CHECK (first_position >= 0);
CREATE UNIQUE INDEX log_heads_position ON log_heads (tenant_id, first_position);

DROP TRIGGER log_heads_only_grow ON log_heads;
CREATE TRIGGER log_heads_only_grow BEFORE UPDATE ON log_heads
FOR EACH ROW WHEN (NEW.size < OLD.size OR NEW.last_at_us < OLD.last_at_us OR NEW.log_id <> OLD.log_id
  OR NEW.tenant_id <> OLD.tenant_id OR NEW.origin <> OLD.origin OR NEW.first_position <> OLD.first_position)
EXECUTE FUNCTION refuse('log_heads: a log only grows');
-- A log that another one goes on with has ended.
CREATE FUNCTION log_heads_ended() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM log_heads WHERE tenant_id = OLD.tenant_id AND first_position > OLD.first_position) THEN
    RAISE EXCEPTION 'log_heads: another log goes on with this one, which takes no entries'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER log_heads_ended BEFORE UPDATE ON log_heads FOR EACH ROW EXECUTE FUNCTION log_heads_ended();
-- A new log comes behind those that are there.
CREATE FUNCTION log_heads_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM log_heads WHERE tenant_id = NEW.tenant_id
    AND (log_id = NEW.log_id OR first_position >= NEW.first_position))
  THEN
    RAISE EXCEPTION 'append-only: log_heads refuses a log before another' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER log_heads_in_order BEFORE INSERT ON log_heads FOR EACH ROW EXECUTE FUNCTION log_heads_in_order();

CREATE OR REPLACE FUNCTION audit_events_no_update() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
  IF NEW.tenant_id = OLD.tenant_id AND NEW.audit_id = OLD.audit_id AND NEW.actor = OLD.actor
    AND NEW.recorded_at_us = OLD.recorded_at_us AND NEW.action = OLD.action AND NEW.phase = OLD.phase
    AND NEW.decision = OLD.decision AND NEW.subject = OLD.subject AND NEW.detail = '{}'
    AND NEW.correlation_id = OLD.correlation_id AND NEW.log_index = OLD.log_index
    AND EXISTS (SELECT 1 FROM log_erasures AS e
      JOIN log_heads AS l ON l.tenant_id = e.tenant_id AND l.log_id = e.log_id
      WHERE e.tenant_id = OLD.tenant_id AND l.first_position + e.erased_index = OLD.log_index)
  THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'append-only: audit_events refuses UPDATE' USING ERRCODE = 'restrict_violation';
END $$;

SELECT guard_always();
