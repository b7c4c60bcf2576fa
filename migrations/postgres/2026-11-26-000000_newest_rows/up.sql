-- When the newest row of a conversation's last day was made, as it was when that day was closed. NULL: not
-- known, so that it is looked up. For a day that is open or dirty it says nothing.
ALTER TABLE conversations ADD COLUMN newest_at TIMESTAMPTZ;

-- The few days of which every read has to know.
CREATE INDEX recording_days_uncounted ON recording_days (day) WHERE closed_at IS NULL OR dirty <> 0;
