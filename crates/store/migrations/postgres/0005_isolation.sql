-- Each tenant sees and writes its own rows only, also where a statement forgets to name it, and for the owner of the
-- tables too (DBS-04). The tenant of a transaction stands in `app.current_tenant`; without one no row is seen. After a
-- transaction on the same connection the setting is empty and not missing: both are no tenant (DBS-06).

-- Makes it so for every table with a tenant. Each migration that makes one ends with it.
CREATE FUNCTION isolate() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  found record;
BEGIN
  FOR found IN SELECT c.oid::regclass AS isolated FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT c.relforcerowsecurity
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', found.isolated);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', found.isolated);
    EXECUTE format('CREATE POLICY tenant ON %s USING (tenant_id = nullif(current_setting(%L, true), %L))',
      found.isolated, 'app.current_tenant', '');
  END LOOP;
END $$;
SELECT isolate();

-- A tenant is found by its name before anything is known of it: by this function alone, which reads as its owner.
CREATE POLICY lookup ON tenants FOR SELECT TO CURRENT_USER USING (true);
CREATE FUNCTION tenant_of(slug TEXT) RETURNS TEXT LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
  SELECT t.tenant_id FROM tenants AS t WHERE t.slug = $1
$$;
REVOKE ALL ON FUNCTION tenant_of(TEXT), isolate(), guard(regclass, text[]), guard_always() FROM PUBLIC;

-- Gives a role what the work of every day needs, and nothing else: no DELETE, no TRUNCATE, and UPDATE only where a row may
-- change. Each migration that makes a table says so for it here again.
CREATE FUNCTION grant_everyday(role NAME) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
  EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA public TO %I', role);
  EXECUTE format('GRANT INSERT ON ALL TABLES IN SCHEMA public TO %I', role);
  EXECUTE format('REVOKE INSERT ON schema_migrations FROM %I', role);
  EXECUTE format('GRANT UPDATE ON audit_events, edges, evidence, fact_heartbeats, facts, host_keys, host_locks, host_posture,
    host_rule_sets, host_rule_state, hosts, log_entries, log_heads, log_tiles, manifests, scan_runs TO %I', role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION tenant_of(TEXT) TO %I', role);
END $$;
REVOKE ALL ON FUNCTION grant_everyday(NAME) FROM PUBLIC;
