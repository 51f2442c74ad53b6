-- A clock that was set back stands behind the log until it has caught up, and what is recorded meanwhile follows the newest
-- entry of the log, which may be newer than the newest fact. So the newest entry counts as the clock does (FCT-07, FCT-52).
CREATE OR REPLACE FUNCTION facts_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  f RECORD;
  newest BIGINT;
  before RECORD;
  why TEXT;
BEGIN
  FOR f IN SELECT tenant_id, min(seq) AS first, max(seq) AS last, count(*) AS n, min(t_recorded) AS since,
      max(t_recorded) AS until, bool_and(t_recorded >= previous) AS is_in_order,
      bool_or(is_closed) AS is_closed
    FROM (SELECT tenant_id, seq, t_recorded,
        lag(t_recorded, 1, t_recorded) OVER (PARTITION BY tenant_id ORDER BY seq) AS previous,
        num_nonnulls(t_superseded, t_invalid, superseded_by, superseded_index, superseded_actor, superseded_reason) > 0
          AS is_closed
      FROM fresh) AS each
    GROUP BY tenant_id
  LOOP
    newest := (SELECT seq FROM facts WHERE tenant_id = f.tenant_id ORDER BY seq DESC LIMIT 1);
    SELECT seq, t_recorded INTO before FROM facts WHERE tenant_id = f.tenant_id AND seq < f.first
      ORDER BY seq DESC LIMIT 1;
    why := CASE
      WHEN newest <> f.last OR f.last - f.first + 1 <> f.n OR coalesce(before.seq, -1) <> f.first - 1
      THEN 'sequence-violation: facts.seq is not the next one'
      WHEN f.is_closed
      THEN 'invalid-value: facts takes no version that is closed already'
      WHEN NOT f.is_in_order OR f.since < before.t_recorded
      THEN 'time-violation: facts.t_recorded is before the newest one'
      WHEN f.until > 300000000 + greatest(
        CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), before.t_recorded)
        AND f.until > 300000000 + coalesce((SELECT max(last_at_us) FROM log_heads WHERE tenant_id = f.tenant_id), 0)
      THEN 'time-violation: facts.t_recorded is in the future'
    END;
    -- Whoever was closed in favor of one of these had its key, and was closed by it now.
    IF why IS NULL AND EXISTS (
      (SELECT superseded_by, subject, predicate, fact_type, t_superseded, superseded_actor, superseded_index
        FROM facts WHERE tenant_id = f.tenant_id AND superseded_by BETWEEN f.first AND f.last
        ORDER BY superseded_by LIMIT f.n)
      EXCEPT
      SELECT seq, subject, predicate, fact_type, t_recorded, actor, log_index FROM fresh WHERE tenant_id = f.tenant_id)
    THEN
      why := 'invalid-value: facts.superseded_by names another version';
    END IF;
    IF why IS NOT NULL THEN
      RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION edges_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  f RECORD;
  newest BIGINT;
  before RECORD;
  why TEXT;
BEGIN
  FOR f IN SELECT tenant_id, min(seq) AS first, max(seq) AS last, count(*) AS n, min(t_recorded) AS since,
      max(t_recorded) AS until, bool_and(t_recorded >= previous) AS is_in_order,
      bool_or(is_closed) AS is_closed
    FROM (SELECT tenant_id, seq, t_recorded,
        lag(t_recorded, 1, t_recorded) OVER (PARTITION BY tenant_id ORDER BY seq) AS previous,
        num_nonnulls(t_superseded, t_invalid, superseded_by, superseded_index, superseded_actor, superseded_reason) > 0
          AS is_closed
      FROM fresh) AS each
    GROUP BY tenant_id
  LOOP
    newest := (SELECT seq FROM edges WHERE tenant_id = f.tenant_id ORDER BY seq DESC LIMIT 1);
    SELECT seq, t_recorded INTO before FROM edges WHERE tenant_id = f.tenant_id AND seq < f.first
      ORDER BY seq DESC LIMIT 1;
    why := CASE
      WHEN newest <> f.last OR f.last - f.first + 1 <> f.n OR coalesce(before.seq, -1) <> f.first - 1
      THEN 'sequence-violation: edges.seq is not the next one'
      WHEN f.is_closed
      THEN 'invalid-value: edges takes no version that is closed already'
      WHEN NOT f.is_in_order OR f.since < before.t_recorded
      THEN 'time-violation: edges.t_recorded is before the newest one'
      WHEN f.until > 300000000 + greatest(
        CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), before.t_recorded)
        AND f.until > 300000000 + coalesce((SELECT max(last_at_us) FROM log_heads WHERE tenant_id = f.tenant_id), 0)
      THEN 'time-violation: edges.t_recorded is in the future'
    END;
    -- Whoever was closed in favor of one of these had its key, and was closed by it now.
    IF why IS NULL AND EXISTS (
      (SELECT superseded_by, subject, relation, target, t_superseded, superseded_actor, superseded_index
        FROM edges WHERE tenant_id = f.tenant_id AND superseded_by BETWEEN f.first AND f.last
        ORDER BY superseded_by LIMIT f.n)
      EXCEPT
      SELECT seq, subject, relation, target, t_recorded, actor, log_index FROM fresh WHERE tenant_id = f.tenant_id)
    THEN
      why := 'invalid-value: edges.superseded_by names another version';
    END IF;
    IF why IS NOT NULL THEN
      RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
-- For the same reason the time of the log itself runs ahead of the clock by no more than that.
CREATE TRIGGER log_heads_in_time BEFORE UPDATE ON log_heads
FOR EACH ROW WHEN (NEW.last_at_us > 300000000 + greatest(
  CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT), OLD.last_at_us))
EXECUTE FUNCTION refuse('time-violation: log_heads.last_at_us is in the future');
SELECT guard_always();
