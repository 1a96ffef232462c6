-- Why each attempt of a known sender was decided as it was: codes, written behind the decision and
-- without it, so a record may have none. Kept for some days by a setting of its own. A call's
-- number may come again after the host began anew, so the time of its ask stands beside it.
CREATE TABLE call_traces (
    call INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    day INTEGER NOT NULL,
    tenant_id INTEGER NOT NULL,
    snapshot INTEGER NOT NULL,
    steps BLOB NOT NULL,
    PRIMARY KEY (call, at_us)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_traces_day ON call_traces (day);
