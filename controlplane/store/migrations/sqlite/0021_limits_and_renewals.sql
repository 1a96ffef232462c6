-- The limit of a month grows by so much for each month in which calls cost something, up to an end,
-- from the month of a time on.
ALTER TABLE accounts ADD COLUMN month_grows_by INTEGER;
ALTER TABLE accounts ADD COLUMN month_grows_to INTEGER;
ALTER TABLE accounts ADD COLUMN month_grows_since_us INTEGER;

-- Most that the calls of one day may cost any account of the tenant: of those that subscribers call
-- on, and of those that trunks call on.
ALTER TABLE tenants ADD COLUMN subscriber_day_max INTEGER;
ALTER TABLE tenants ADD COLUMN trunk_day_max INTEGER;

-- Free time that is given again for so many days, up to a time: each time a row of its own, which
-- says what it renews.
ALTER TABLE allowances ADD COLUMN renew_days INTEGER;
ALTER TABLE allowances ADD COLUMN renew_until_us INTEGER;
ALTER TABLE allowances ADD COLUMN renews_id INTEGER;
CREATE UNIQUE INDEX allowances_renews ON allowances (renews_id);
