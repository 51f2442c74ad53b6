-- Every append moves a head. A condition of a trigger is read and prepared anew by each statement, a function only once for a
-- connection: one asks all that they asked, in their order.
DROP TRIGGER log_heads_ended ON log_heads;
DROP TRIGGER log_heads_in_time ON log_heads;
DROP TRIGGER log_heads_only_grow ON log_heads;
DROP FUNCTION log_heads_ended();
CREATE FUNCTION log_heads_go_on() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM log_heads WHERE tenant_id = OLD.tenant_id AND first_position > OLD.first_position) THEN
    RAISE EXCEPTION 'append-only: another log goes on with this one, which takes no entries'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.last_at_us > 300000000 + greatest(CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), OLD.last_at_us)
  THEN
    RAISE EXCEPTION 'time-violation: log_heads.last_at_us is in the future' USING ERRCODE = 'restrict_violation';
  END IF;
  IF NEW.size < OLD.size OR NEW.last_at_us < OLD.last_at_us OR NEW.log_id <> OLD.log_id
    OR NEW.tenant_id <> OLD.tenant_id OR NEW.origin <> OLD.origin OR NEW.first_position <> OLD.first_position
  THEN
    RAISE EXCEPTION 'append-only: log_heads only grows' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER log_heads_go_on BEFORE UPDATE ON log_heads FOR EACH ROW EXECUTE FUNCTION log_heads_go_on();
SELECT guard_always();
