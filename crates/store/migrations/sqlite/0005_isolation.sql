-- Tenants are kept apart by row security on a server (../postgres/0005_isolation.sql). In a file every statement names
-- its tenant, and there is nothing to make.
SELECT 1;
