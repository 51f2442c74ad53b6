WITH ours AS (
  SELECT c.oid, c.relname, c.relkind, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relacl
  FROM pg_class AS c
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S')
), objects (name, text) AS (
  SELECT 'table ' || c.relname,
    concat(c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, (
      SELECT string_agg(concat(a.attname, ' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, ' ', a.attcollation,
        pg_get_expr(d.adbin, d.adrelid)), ', ' ORDER BY a.attnum)
      FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ), (SELECT count(*) FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgisinternal AND t.tgenabled <> 'O'))
  FROM ours AS c
  UNION ALL
  SELECT 'constraint ' || c.relname || '.' || k.conname, concat(pg_get_constraintdef(k.oid), k.convalidated)
  FROM pg_constraint AS k JOIN ours AS c ON c.oid = k.conrelid
  WHERE k.contype IN ('c', 'f', 'p', 'u', 'x')
  UNION ALL
  -- Put together here: to show an index as a statement, the server first reads all about its operators.
  SELECT 'index ' || x.relname, concat(c.relname, i.indkey, i.indoption, i.indcollation, i.indisunique, i.indisprimary,
    i.indimmediate, i.indisvalid, i.indisready, pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid))
  FROM pg_index AS i JOIN ours AS c ON c.oid = i.indrelid JOIN pg_class AS x ON x.oid = i.indexrelid
  UNION ALL
  SELECT 'trigger ' || c.relname || '.' || t.tgname, concat(t.tgenabled, pg_get_triggerdef(t.oid))
  FROM pg_trigger AS t JOIN ours AS c ON c.oid = t.tgrelid
  WHERE NOT t.tgisinternal
  UNION ALL
  SELECT 'function ' || replace(CAST(p.oid::regprocedure AS TEXT), ' ', ''),
    concat(l.lanname, p.prosecdef, p.provolatile, p.proconfig, p.prorettype::regtype, p.prosrc)
  FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
  WHERE p.pronamespace = 'public'::regnamespace
  UNION ALL
  SELECT 'rule ' || c.relname || '.' || r.rulename, concat(r.ev_type, r.ev_enabled, r.is_instead)
  FROM pg_rewrite AS r JOIN ours AS c ON c.oid = r.ev_class
  UNION ALL
  SELECT 'policy ' || c.relname || '.' || p.polname,
    concat(p.polcmd, p.polpermissive, p.polroles = ARRAY[CAST(0 AS OID)], p.polroles = ARRAY[c.relowner],
      pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
  FROM pg_policy AS p JOIN ours AS c ON c.oid = p.polrelid
), acls (owner, object, acl) AS (
  SELECT relowner, 'table ' || relname, relacl FROM ours
  UNION ALL
  SELECT proowner, 'function ' || CAST(oid::regprocedure AS TEXT), coalesce(proacl, acldefault('f', proowner))
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL
  SELECT nspowner, 'schema ' || nspname, coalesce(nspacl, acldefault('n', nspowner))
  FROM pg_namespace WHERE nspname = 'public'
), rights (grantee, text) AS (
  SELECT r.grantee, a.object || ' ' || r.privilege_type || CASE WHEN r.is_grantable THEN ' and passes it on' ELSE '' END
  FROM acls AS a, aclexplode(a.acl) AS r WHERE r.grantee <> a.owner
  UNION ALL
  SELECT r.grantee, 'table ' || c.relname || ' ' || r.privilege_type || '(' || a.attname || ')'
    || CASE WHEN r.is_grantable THEN ' and passes it on' ELSE '' END
  FROM ours AS c JOIN pg_attribute AS a ON a.attrelid = c.oid, aclexplode(a.attacl) AS r WHERE r.grantee <> c.relowner
)
SELECT (SELECT string_agg(name || ' ' || md5(text), chr(10) ORDER BY name COLLATE "C", md5(text)) FROM objects) AS objects,
  (SELECT string_agg(coalesce(g.rolname, 'PUBLIC') || ' ' || r.text, chr(10))
    FROM rights AS r LEFT JOIN pg_roles AS g ON g.oid = r.grantee) AS rights
