-- What a row says of itself is looked at row by row; where it stands among the others, once a statement, by keys alone.
-- Asked for every row, in one condition with several EXISTS, it was planned as a walk through all facts of the tenant.
-- An id or a key that is taken is refused by its index, values by their checks.
CREATE OR REPLACE FUNCTION facts_put() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  why TEXT := CASE
    WHEN NEW.seq IS NULL OR NEW.seq < 0
    THEN 'sequence-violation: facts.seq is not the next one'
    WHEN trim(coalesce(NEW.actor, '')) = '' OR octet_length(NEW.actor) > 256
      OR trim(NEW.reason) = '' OR length(NEW.reason) > 1000
    THEN 'missing-provenance: facts.actor or facts.reason is blank or too long'
    WHEN NEW.subject !~ '^[a-z].*:.'
    THEN 'invalid-value: facts takes no such version'
  END;
BEGIN
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION facts_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
CREATE TRIGGER facts_in_order AFTER INSERT ON facts REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT
EXECUTE FUNCTION facts_in_order();
CREATE OR REPLACE FUNCTION edges_put() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  why TEXT := CASE
    WHEN NEW.seq IS NULL OR NEW.seq < 0
    THEN 'sequence-violation: edges.seq is not the next one'
    WHEN trim(coalesce(NEW.actor, '')) = '' OR octet_length(NEW.actor) > 256
      OR trim(NEW.reason) = '' OR length(NEW.reason) > 1000
    THEN 'missing-provenance: edges.actor or edges.reason is blank or too long'
    WHEN NEW.subject !~ '^[a-z].*:.' OR NEW.target !~ '^[a-z].*:.'
    THEN 'invalid-value: edges takes no such version'
  END;
BEGIN
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION edges_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
CREATE TRIGGER edges_in_order AFTER INSERT ON edges REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT
EXECUTE FUNCTION edges_in_order();
SELECT guard_always();
