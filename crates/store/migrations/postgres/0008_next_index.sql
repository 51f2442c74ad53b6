-- The guard of the order of entries looks at the two ends of what is inserted and at the newest entry, each by its key.
-- As one condition with several EXISTS it was planned as a scan of the whole log for every statement.
CREATE OR REPLACE FUNCTION log_entries_gap_free() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  f RECORD;
  newest BIGINT;
  before BIGINT;
BEGIN
  FOR f IN SELECT tenant_id, log_id, min(log_index) AS first, max(log_index) AS last, count(*) AS n
    FROM fresh GROUP BY tenant_id, log_id
  LOOP
    newest := (SELECT e.log_index FROM log_entries AS e WHERE e.tenant_id = f.tenant_id AND e.log_id = f.log_id
      ORDER BY e.log_index DESC LIMIT 1);
    before := (SELECT e.log_index FROM log_entries AS e WHERE e.tenant_id = f.tenant_id AND e.log_id = f.log_id
      AND e.log_index = f.first - 1);
    IF newest <> f.last OR f.last - f.first + 1 <> f.n OR (f.first > 0 AND before IS NULL) THEN
      RAISE EXCEPTION 'sequence-violation: log_entries.log_index is not the next one'
        USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
SELECT guard_always();
