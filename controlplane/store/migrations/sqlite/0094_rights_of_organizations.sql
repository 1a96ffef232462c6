-- What the people of an organization may not do, although their role may: a list of words.
ALTER TABLE organizations ADD COLUMN withheld TEXT NOT NULL DEFAULT '[]';
