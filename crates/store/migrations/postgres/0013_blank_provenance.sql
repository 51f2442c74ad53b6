-- Who says something and why is blank where it is white space only, whatever the white space: a blank, a tab, a line feed, a
-- vertical tab, a form feed or a carriage return. Without a list btrim() takes blanks alone (FCT-43, FCT-54).
CREATE OR REPLACE FUNCTION facts_put() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  why TEXT := CASE
    WHEN NEW.seq IS NULL OR NEW.seq < 0
    THEN 'sequence-violation: facts.seq is not the next one'
    WHEN btrim(coalesce(NEW.actor, ''), E' \t\n\x0b\f\r') = '' OR octet_length(NEW.actor) > 256
      OR btrim(NEW.reason, E' \t\n\x0b\f\r') = '' OR length(NEW.reason) > 1000
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
CREATE OR REPLACE FUNCTION facts_close() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  why TEXT;
BEGIN
  why := CASE
    WHEN OLD.t_superseded IS NOT NULL OR NEW.tenant_id <> OLD.tenant_id OR NEW.fact_id <> OLD.fact_id
      OR NEW.seq <> OLD.seq OR NEW.subject <> OLD.subject OR NEW.predicate <> OLD.predicate OR NEW.fact_type <> OLD.fact_type
      OR NEW.value <> OLD.value OR NEW.t_valid <> OLD.t_valid OR NEW.t_recorded <> OLD.t_recorded
      OR NEW.actor <> OLD.actor OR NEW.reason IS DISTINCT FROM OLD.reason
      OR NEW.classification <> OLD.classification OR NEW.log_index <> OLD.log_index
      OR (NEW.t_superseded IS NULL AND coalesce(NEW.superseded_actor, NEW.superseded_reason, '') = '')
    THEN 'append-only: facts refuses UPDATE'
    WHEN btrim(coalesce(NEW.superseded_actor, ''), E' \t\n\x0b\f\r') = ''
      OR btrim(coalesce(NEW.superseded_reason, ''), E' \t\n\x0b\f\r') = ''
    THEN 'missing-provenance: facts is closed by nobody or for no reason'
    WHEN NEW.t_superseded IS NULL OR NEW.t_superseded < OLD.t_recorded
      OR NEW.t_invalid IS NULL OR NEW.t_invalid < OLD.t_valid
    THEN 'time-violation: facts ends before it begins'
    WHEN NEW.superseded_index IS NULL OR NEW.superseded_index = OLD.log_index
      OR (NEW.superseded_by IS NOT NULL
        AND NEW.superseded_by < (SELECT max(seq) + 1 FROM facts WHERE tenant_id = NEW.tenant_id))
    THEN 'invalid-value: facts.superseded_by is not the next version'
  END;
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION edges_put() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  why TEXT := CASE
    WHEN NEW.seq IS NULL OR NEW.seq < 0
    THEN 'sequence-violation: edges.seq is not the next one'
    WHEN btrim(coalesce(NEW.actor, ''), E' \t\n\x0b\f\r') = '' OR octet_length(NEW.actor) > 256
      OR btrim(NEW.reason, E' \t\n\x0b\f\r') = '' OR length(NEW.reason) > 1000
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
CREATE OR REPLACE FUNCTION edges_close() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  why TEXT;
BEGIN
  why := CASE
    WHEN OLD.t_superseded IS NOT NULL OR NEW.tenant_id <> OLD.tenant_id OR NEW.edge_id <> OLD.edge_id
      OR NEW.seq <> OLD.seq OR NEW.subject <> OLD.subject OR NEW.relation <> OLD.relation OR NEW.target <> OLD.target
      OR NEW.value <> OLD.value OR NEW.t_valid <> OLD.t_valid OR NEW.t_recorded <> OLD.t_recorded
      OR NEW.actor <> OLD.actor OR NEW.reason IS DISTINCT FROM OLD.reason
      OR NEW.classification <> OLD.classification OR NEW.log_index <> OLD.log_index
      OR (NEW.t_superseded IS NULL AND coalesce(NEW.superseded_actor, NEW.superseded_reason, '') = '')
    THEN 'append-only: edges refuses UPDATE'
    WHEN btrim(coalesce(NEW.superseded_actor, ''), E' \t\n\x0b\f\r') = ''
      OR btrim(coalesce(NEW.superseded_reason, ''), E' \t\n\x0b\f\r') = ''
    THEN 'missing-provenance: edges is closed by nobody or for no reason'
    WHEN NEW.t_superseded IS NULL OR NEW.t_superseded < OLD.t_recorded
      OR NEW.t_invalid IS NULL OR NEW.t_invalid < OLD.t_valid
    THEN 'time-violation: edges ends before it begins'
    WHEN NEW.superseded_index IS NULL OR NEW.superseded_index = OLD.log_index
      OR (NEW.superseded_by IS NOT NULL
        AND NEW.superseded_by < (SELECT max(seq) + 1 FROM edges WHERE tenant_id = NEW.tenant_id))
    THEN 'invalid-value: edges.superseded_by is not the next version'
  END;
  IF why IS NOT NULL THEN
    RAISE EXCEPTION '%', why USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
