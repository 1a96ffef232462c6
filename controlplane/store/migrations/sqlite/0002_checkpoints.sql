-- A balance as of a transfer, one row for each ledger account that anything was booked on: the
-- balance now is this one and the transfers behind it. Only a short cut: it can be made again from
-- the transfers at any time, and `strowger books check` does so.
CREATE TABLE balance_checkpoints (
    ledger_account_id INTEGER PRIMARY KEY REFERENCES ledger_accounts (id),
    up_to_transfer INTEGER NOT NULL,
    balance INTEGER NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;

-- The transfers of an account behind its checkpoint.
DROP INDEX transfers_debit;
DROP INDEX transfers_credit;
CREATE INDEX transfers_debit ON transfers (debit_id, id);
CREATE INDEX transfers_credit ON transfers (credit_id, id);
-- From a batch to its records and its transfers.
CREATE INDEX transfers_cause ON transfers (cause_kind, cause_id);
CREATE INDEX cdrs_batch ON cdrs (batch);
