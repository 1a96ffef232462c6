-- Whose trunks take the calls of an account (a list of organizations, empty = everybody's), and what
-- its calls may be for.
ALTER TABLE accounts ADD COLUMN partners TEXT NOT NULL DEFAULT '[]';
ALTER TABLE accounts ADD COLUMN barring TEXT NOT NULL
    DEFAULT '{"all":false,"allowed":[],"blocked":[]}';
