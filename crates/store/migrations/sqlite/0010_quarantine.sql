-- Rows that had another row's number and that the ledger does not confirm, moved out of their table (FCT-23). `cells` holds
-- every column of the row as text, in canonical JSON; `log_index` is the entry that says so.
CREATE TABLE quarantine (
  tenant_id TEXT NOT NULL REFERENCES tenants (tenant_id) ON DELETE RESTRICT,
  quarantine_id TEXT NOT NULL CHECK (quarantine_id <> ''),
  table_name TEXT NOT NULL CHECK (table_name IN ('edges', 'facts')),
  cells TEXT NOT NULL CHECK (json_valid(cells)),
  recorded_at_us INTEGER NOT NULL,
  log_index INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, quarantine_id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER quarantine_no_update BEFORE UPDATE ON quarantine
BEGIN SELECT RAISE(ABORT, 'append-only: quarantine refuses UPDATE'); END;
CREATE TRIGGER quarantine_no_delete BEFORE DELETE ON quarantine
BEGIN SELECT RAISE(ABORT, 'append-only: quarantine refuses DELETE'); END;
CREATE TRIGGER quarantine_no_replace BEFORE INSERT ON quarantine
WHEN EXISTS (SELECT 1 FROM quarantine WHERE tenant_id = NEW.tenant_id AND quarantine_id = NEW.quarantine_id)
BEGIN SELECT RAISE(ABORT, 'append-only: quarantine refuses REPLACE'); END;
