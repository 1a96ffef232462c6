-- SQLite changes a row where it stands: what PostgreSQL needs room for, it does not.
SELECT 1;
