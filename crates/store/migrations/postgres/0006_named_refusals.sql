-- Every refusal begins with its name, the same on both databases (FCT-40 to FCT-59).
DROP TRIGGER log_heads_only_grow ON log_heads;
CREATE TRIGGER log_heads_only_grow BEFORE UPDATE ON log_heads
FOR EACH ROW WHEN (NEW.size < OLD.size OR NEW.last_at_us < OLD.last_at_us OR NEW.log_id <> OLD.log_id
  OR NEW.tenant_id <> OLD.tenant_id OR NEW.origin <> OLD.origin OR NEW.first_position <> OLD.first_position)
EXECUTE FUNCTION refuse('append-only: log_heads only grows');
CREATE OR REPLACE FUNCTION log_heads_ended() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM log_heads WHERE tenant_id = OLD.tenant_id AND first_position > OLD.first_position) THEN
    RAISE EXCEPTION 'append-only: another log goes on with this one, which takes no entries'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
DROP TRIGGER log_tiles_only_grow ON log_tiles;
CREATE TRIGGER log_tiles_only_grow BEFORE UPDATE ON log_tiles
FOR EACH ROW WHEN (NEW.tenant_id <> OLD.tenant_id OR NEW.log_id <> OLD.log_id OR NEW.level <> OLD.level
  OR NEW.tile_index <> OLD.tile_index OR NEW.width < OLD.width
  OR substr(NEW.hashes, 1, 32 * CAST(OLD.width AS INTEGER)) <> OLD.hashes)
EXECUTE FUNCTION refuse('append-only: log_tiles only grows');
CREATE OR REPLACE FUNCTION log_entries_gap_free() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
    RAISE EXCEPTION 'sequence-violation: log_entries.log_index is not the next one'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
SELECT guard_always();
