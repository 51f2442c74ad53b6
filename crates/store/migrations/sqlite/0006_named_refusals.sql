-- Every refusal begins with its name, the same on both databases (FCT-40 to FCT-59).
DROP TRIGGER log_heads_only_grow;
CREATE TRIGGER log_heads_only_grow BEFORE UPDATE ON log_heads
WHEN NEW.size < OLD.size OR NEW.last_at_us < OLD.last_at_us OR NEW.log_id <> OLD.log_id
  OR NEW.tenant_id <> OLD.tenant_id OR NEW.origin <> OLD.origin OR NEW.first_position <> OLD.first_position
BEGIN SELECT RAISE(ABORT, 'append-only: log_heads only grows'); END;
DROP TRIGGER log_heads_ended;
CREATE TRIGGER log_heads_ended BEFORE UPDATE ON log_heads
WHEN EXISTS (SELECT 1 FROM log_heads WHERE tenant_id = OLD.tenant_id AND first_position > OLD.first_position)
BEGIN SELECT RAISE(ABORT, 'append-only: another log goes on with this one, which takes no entries'); END;
DROP TRIGGER log_tiles_only_grow;
CREATE TRIGGER log_tiles_only_grow BEFORE UPDATE ON log_tiles
WHEN NEW.tenant_id <> OLD.tenant_id OR NEW.log_id <> OLD.log_id OR NEW.level <> OLD.level
  OR NEW.tile_index <> OLD.tile_index OR NEW.width < OLD.width
  OR substr(NEW.hashes, 1, 32 * OLD.width) <> OLD.hashes
BEGIN SELECT RAISE(ABORT, 'append-only: log_tiles only grows'); END;
DROP TRIGGER log_tiles_no_replace;
CREATE TRIGGER log_tiles_no_replace BEFORE INSERT ON log_tiles
WHEN EXISTS (SELECT 1 FROM log_tiles AS t WHERE t.tenant_id = NEW.tenant_id AND t.log_id = NEW.log_id
  AND t.level = NEW.level AND t.tile_index = NEW.tile_index
  AND (NEW.width < t.width OR substr(NEW.hashes, 1, 32 * t.width) <> t.hashes))
BEGIN SELECT RAISE(ABORT, 'append-only: log_tiles only grows'); END;
-- IS NOT: an index that is missing is not the next one either.
DROP TRIGGER log_entries_gap_free;
CREATE TRIGGER log_entries_gap_free BEFORE INSERT ON log_entries
WHEN NEW.log_index IS NOT coalesce(
  (SELECT max(log_index) + 1 FROM log_entries WHERE tenant_id = NEW.tenant_id AND log_id = NEW.log_id), 0)
BEGIN SELECT RAISE(ABORT, 'sequence-violation: log_entries.log_index is not the next one'); END;
DROP TRIGGER scan_runs_active_no_replace;
CREATE TRIGGER scan_runs_active_no_replace BEFORE INSERT ON scan_runs
WHEN NEW.status IN ('queued', 'running') AND EXISTS (SELECT 1 FROM scan_runs
  WHERE tenant_id = NEW.tenant_id AND host_id = NEW.host_id AND status IN ('queued', 'running'))
BEGIN SELECT RAISE(ABORT, 'append-only: scan_runs has an active run of this host'); END;
