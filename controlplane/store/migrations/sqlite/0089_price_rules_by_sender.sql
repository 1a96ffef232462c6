-- Rules about prices for calls that some trunks send, or that come with a tech prefix (ADR 0209).
ALTER TABLE price_rules ADD COLUMN trunks TEXT NOT NULL DEFAULT '[]';
ALTER TABLE price_rules ADD COLUMN tech_prefixes TEXT NOT NULL DEFAULT '[]';
