-- Rights are a matter of servers (../postgres/privileges.txt).
SELECT 1;
