-- Header fields of an attempt that an operator wants to see beside its record (ADR 0232): a line for
-- each, as in the message.
ALTER TABLE call_traces ADD COLUMN headers TEXT NOT NULL DEFAULT '';
