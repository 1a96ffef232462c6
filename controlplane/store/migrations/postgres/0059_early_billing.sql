-- An account that resells pays when it hands credit out, and not call by call.
ALTER TABLE accounts ADD COLUMN resells_early BIGINT NOT NULL DEFAULT 0;

-- The account that a payment was taken from; NULL = money that came from outside.
ALTER TABLE money_requests ADD COLUMN from_account_id BIGINT;
