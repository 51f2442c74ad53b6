-- Who says something and why is blank where it is white space only, whatever the white space: a blank, a tab, a line feed, a
-- vertical tab, a form feed or a carriage return. Without a list trim() takes blanks alone (FCT-43, FCT-54).
DROP TRIGGER facts_put;
CREATE TRIGGER facts_put BEFORE INSERT ON facts
BEGIN SELECT CASE
  WHEN NEW.seq IS NOT coalesce((SELECT max(seq) + 1 FROM facts WHERE tenant_id = NEW.tenant_id), 0)
  THEN RAISE(ABORT, 'sequence-violation: facts.seq is not the next one')
  WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND fact_id = NEW.fact_id)
  THEN RAISE(ABORT, 'append-only: facts has this fact_id')
  WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND subject = NEW.subject
    AND predicate = NEW.predicate AND fact_type = NEW.fact_type AND t_superseded IS NULL)
  THEN RAISE(ABORT, 'append-only: facts has an active version of this key')
  WHEN coalesce(NEW.t_superseded, NEW.t_invalid, NEW.superseded_by, NEW.superseded_actor, NEW.superseded_reason,
    NEW.superseded_index) IS NOT NULL
  THEN RAISE(ABORT, 'invalid-value: facts takes no version that is closed already')
  WHEN trim(coalesce(NEW.actor, ''), char(32, 9, 10, 11, 12, 13)) = '' OR length(CAST(NEW.actor AS BLOB)) > 256
    OR trim(NEW.reason, char(32, 9, 10, 11, 12, 13)) = '' OR length(NEW.reason) > 1000
  THEN RAISE(ABORT, 'missing-provenance: facts.actor or facts.reason is blank or too long')
  WHEN NEW.t_recorded < (SELECT t_recorded FROM facts WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1)
  THEN RAISE(ABORT, 'time-violation: facts.t_recorded is before the newest one')
  WHEN NEW.t_recorded > 300000000 + max(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER), coalesce(
    (SELECT t_recorded FROM facts WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1), 0))
    AND NEW.t_recorded > 300000000 + coalesce((SELECT max(last_at_us) FROM log_heads WHERE tenant_id = NEW.tenant_id), 0)
  THEN RAISE(ABORT, 'time-violation: facts.t_recorded is in the future')
  WHEN NEW.fact_id IS NULL OR NEW.fact_id = ''
    OR NEW.subject NOT GLOB '[a-z]*:?*' OR length(CAST(NEW.subject AS BLOB)) > 512
    OR trim(NEW.predicate) = '' OR length(CAST(NEW.predicate AS BLOB)) > 256
    OR NEW.fact_type NOT IN ('observed', 'desired', 'known_good', 'drift')
    OR NEW.classification NOT IN ('normal', 'restricted')
    OR NOT json_valid(NEW.value) OR NEW.value = 'null' OR length(CAST(NEW.value AS BLOB)) > 262144
    OR NEW.subject IS NULL OR NEW.predicate IS NULL OR NEW.fact_type IS NULL OR NEW.classification IS NULL
    OR NEW.value IS NULL OR NEW.t_valid IS NULL OR NEW.t_recorded IS NULL OR NEW.log_index IS NULL
  THEN RAISE(ABORT, 'invalid-value: facts takes no such version')
  -- Whoever was closed in favor of this one had its key, and was closed by it now.
  WHEN EXISTS (SELECT 1 FROM facts WHERE tenant_id = NEW.tenant_id AND superseded_by = NEW.seq
    AND (subject <> NEW.subject OR predicate <> NEW.predicate OR fact_type <> NEW.fact_type OR t_superseded <> NEW.t_recorded
      OR superseded_actor <> NEW.actor OR superseded_index <> NEW.log_index))
  THEN RAISE(ABORT, 'invalid-value: facts.superseded_by names another version')
END; END;
DROP TRIGGER facts_close;
CREATE TRIGGER facts_close BEFORE UPDATE ON facts
BEGIN SELECT CASE
  WHEN OLD.t_superseded IS NOT NULL OR NEW.tenant_id <> OLD.tenant_id OR NEW.fact_id <> OLD.fact_id
    OR NEW.seq <> OLD.seq OR NEW.subject <> OLD.subject OR NEW.predicate <> OLD.predicate OR NEW.fact_type <> OLD.fact_type
    OR NEW.value <> OLD.value OR NEW.t_valid <> OLD.t_valid OR NEW.t_recorded <> OLD.t_recorded
    OR NEW.actor <> OLD.actor OR NEW.reason IS NOT OLD.reason OR NEW.classification <> OLD.classification
    OR NEW.log_index <> OLD.log_index
    OR (NEW.t_superseded IS NULL AND coalesce(NEW.superseded_actor, NEW.superseded_reason, '') = '')
  THEN RAISE(ABORT, 'append-only: facts refuses UPDATE')
  WHEN trim(coalesce(NEW.superseded_actor, ''), char(32, 9, 10, 11, 12, 13)) = ''
    OR trim(coalesce(NEW.superseded_reason, ''), char(32, 9, 10, 11, 12, 13)) = ''
  THEN RAISE(ABORT, 'missing-provenance: facts is closed by nobody or for no reason')
  WHEN NEW.t_superseded IS NULL OR NEW.t_superseded < OLD.t_recorded
    OR NEW.t_invalid IS NULL OR NEW.t_invalid < OLD.t_valid
  THEN RAISE(ABORT, 'time-violation: facts ends before it begins')
  WHEN NEW.superseded_index IS NULL OR NEW.superseded_index = OLD.log_index
    OR (NEW.superseded_by IS NOT NULL
      AND NEW.superseded_by < (SELECT max(seq) + 1 FROM facts WHERE tenant_id = NEW.tenant_id))
  THEN RAISE(ABORT, 'invalid-value: facts.superseded_by is not the next version')
END; END;
DROP TRIGGER edges_put;
CREATE TRIGGER edges_put BEFORE INSERT ON edges
BEGIN SELECT CASE
  WHEN NEW.seq IS NOT coalesce((SELECT max(seq) + 1 FROM edges WHERE tenant_id = NEW.tenant_id), 0)
  THEN RAISE(ABORT, 'sequence-violation: edges.seq is not the next one')
  WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND edge_id = NEW.edge_id)
  THEN RAISE(ABORT, 'append-only: edges has this edge_id')
  WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND subject = NEW.subject
    AND relation = NEW.relation AND target = NEW.target AND t_superseded IS NULL)
  THEN RAISE(ABORT, 'append-only: edges has an active version of this key')
  WHEN coalesce(NEW.t_superseded, NEW.t_invalid, NEW.superseded_by, NEW.superseded_actor, NEW.superseded_reason,
    NEW.superseded_index) IS NOT NULL
  THEN RAISE(ABORT, 'invalid-value: edges takes no version that is closed already')
  WHEN trim(coalesce(NEW.actor, ''), char(32, 9, 10, 11, 12, 13)) = '' OR length(CAST(NEW.actor AS BLOB)) > 256
    OR trim(NEW.reason, char(32, 9, 10, 11, 12, 13)) = '' OR length(NEW.reason) > 1000
  THEN RAISE(ABORT, 'missing-provenance: edges.actor or edges.reason is blank or too long')
  WHEN NEW.t_recorded < (SELECT t_recorded FROM edges WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1)
  THEN RAISE(ABORT, 'time-violation: edges.t_recorded is before the newest one')
  WHEN NEW.t_recorded > 300000000 + max(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER), coalesce(
    (SELECT t_recorded FROM edges WHERE tenant_id = NEW.tenant_id ORDER BY seq DESC LIMIT 1), 0))
    AND NEW.t_recorded > 300000000 + coalesce((SELECT max(last_at_us) FROM log_heads WHERE tenant_id = NEW.tenant_id), 0)
  THEN RAISE(ABORT, 'time-violation: edges.t_recorded is in the future')
  WHEN NEW.edge_id IS NULL OR NEW.edge_id = ''
    OR NEW.subject NOT GLOB '[a-z]*:?*' OR length(CAST(NEW.subject AS BLOB)) > 512
    OR trim(NEW.relation) = '' OR length(CAST(NEW.relation AS BLOB)) > 256
    OR NEW.target NOT GLOB '[a-z]*:?*' OR length(CAST(NEW.target AS BLOB)) > 512
    OR NEW.classification NOT IN ('normal', 'restricted')
    OR NOT json_valid(NEW.value) OR NEW.value = 'null' OR length(CAST(NEW.value AS BLOB)) > 262144
    OR NEW.subject IS NULL OR NEW.relation IS NULL OR NEW.target IS NULL OR NEW.classification IS NULL
    OR NEW.value IS NULL OR NEW.t_valid IS NULL OR NEW.t_recorded IS NULL OR NEW.log_index IS NULL
  THEN RAISE(ABORT, 'invalid-value: edges takes no such version')
  -- Whoever was closed in favor of this one had its key, and was closed by it now.
  WHEN EXISTS (SELECT 1 FROM edges WHERE tenant_id = NEW.tenant_id AND superseded_by = NEW.seq
    AND (subject <> NEW.subject OR relation <> NEW.relation OR target <> NEW.target OR t_superseded <> NEW.t_recorded
      OR superseded_actor <> NEW.actor OR superseded_index <> NEW.log_index))
  THEN RAISE(ABORT, 'invalid-value: edges.superseded_by names another version')
END; END;
DROP TRIGGER edges_close;
CREATE TRIGGER edges_close BEFORE UPDATE ON edges
BEGIN SELECT CASE
  WHEN OLD.t_superseded IS NOT NULL OR NEW.tenant_id <> OLD.tenant_id OR NEW.edge_id <> OLD.edge_id
    OR NEW.seq <> OLD.seq OR NEW.subject <> OLD.subject OR NEW.relation <> OLD.relation OR NEW.target <> OLD.target
    OR NEW.value <> OLD.value OR NEW.t_valid <> OLD.t_valid OR NEW.t_recorded <> OLD.t_recorded
    OR NEW.actor <> OLD.actor OR NEW.reason IS NOT OLD.reason OR NEW.classification <> OLD.classification
    OR NEW.log_index <> OLD.log_index
    OR (NEW.t_superseded IS NULL AND coalesce(NEW.superseded_actor, NEW.superseded_reason, '') = '')
  THEN RAISE(ABORT, 'append-only: edges refuses UPDATE')
  WHEN trim(coalesce(NEW.superseded_actor, ''), char(32, 9, 10, 11, 12, 13)) = ''
    OR trim(coalesce(NEW.superseded_reason, ''), char(32, 9, 10, 11, 12, 13)) = ''
  THEN RAISE(ABORT, 'missing-provenance: edges is closed by nobody or for no reason')
  WHEN NEW.t_superseded IS NULL OR NEW.t_superseded < OLD.t_recorded
    OR NEW.t_invalid IS NULL OR NEW.t_invalid < OLD.t_valid
  THEN RAISE(ABORT, 'time-violation: edges ends before it begins')
  WHEN NEW.superseded_index IS NULL OR NEW.superseded_index = OLD.log_index
    OR (NEW.superseded_by IS NOT NULL
      AND NEW.superseded_by < (SELECT max(seq) + 1 FROM edges WHERE tenant_id = NEW.tenant_id))
  THEN RAISE(ABORT, 'invalid-value: edges.superseded_by is not the next version')
END; END;
