-- Rows that had another row's number and that the ledger does not confirm, moved out of their table (FCT-23). `cells` holds
-- every column of the row as text, in canonical JSON; `log_index` is the entry that says so.
CREATE TABLE quarantine (
  tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  quarantine_id TEXT COLLATE "C" NOT NULL CHECK (quarantine_id <> ''),
  table_name TEXT COLLATE "C" NOT NULL CHECK (table_name IN ('edges', 'facts')),
  cells TEXT COLLATE "C" NOT NULL CHECK (json_valid(cells)),
  recorded_at_us BIGINT NOT NULL,
  log_index BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, quarantine_id)
);
SELECT guard('quarantine', 'UPDATE', 'DELETE', 'TRUNCATE');
SELECT isolate();
SELECT guard_always();
