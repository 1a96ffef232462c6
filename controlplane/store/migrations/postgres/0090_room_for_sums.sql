-- Sums are changed in place by each batch of records. A page with room takes the next version of its
-- rows, and no index hears of it: half the processor time and half the WAL of a batch's sums.
ALTER TABLE statistic_cells SET (fillfactor = 50);
ALTER TABLE account_usage SET (fillfactor = 50);
