-- Whose calls to which numbers a route is for, and how its targets follow each other.
ALTER TABLE routes ADD COLUMN more_prefixes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE routes ADD COLUMN callers TEXT NOT NULL DEFAULT '[]';
ALTER TABLE routes ADD COLUMN organization_id INTEGER REFERENCES organizations (id);
ALTER TABLE routes ADD COLUMN target_order TEXT;
