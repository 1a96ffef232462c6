-- Records are written by one writer, whole, in one transaction, and never changed: what refers to
-- what is right by construction and proven every night by the audit of the books. To have the
-- database look each reference up again costs more than half of what a record costs.
ALTER TABLE cdrs DROP CONSTRAINT cdrs_batch_fkey;
ALTER TABLE cdr_charges DROP CONSTRAINT cdr_charges_cdr_id_part_fkey;
ALTER TABLE cdr_hops DROP CONSTRAINT cdr_hops_cdr_id_part_fkey;
-- Batches lie in the table in their order: where each begins and ends is all that must be known.
DROP INDEX cdrs_batch;
CREATE INDEX cdrs_batch ON cdrs USING brin (batch) WITH (pages_per_range = 32);
