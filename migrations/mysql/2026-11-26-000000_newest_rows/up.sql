-- Every statement may run again, as in the migration before: MySQL knows no IF NOT EXISTS of a column or an index.

-- When the newest row of a conversation's last day was made, as it was when that day was closed. NULL: not
-- known, so that it is looked up. For a day that is open or dirty it says nothing.
SET @recording_step = IF(
    (SELECT COUNT(*) FROM information_schema.columns
     WHERE table_schema = DATABASE() AND table_name = 'conversations' AND column_name = 'newest_at') > 0,
    'DO 0', 'ALTER TABLE conversations ADD COLUMN newest_at DATETIME(3)');
PREPARE recording_step FROM @recording_step;
EXECUTE recording_step;

-- To the few days of which every read has to know.
SET @recording_step = IF(
    (SELECT COUNT(*) FROM information_schema.statistics
     WHERE table_schema = DATABASE() AND table_name = 'recording_days'
     AND index_name = 'recording_days_uncounted') > 0,
    'DO 0', 'CREATE INDEX recording_days_uncounted ON recording_days (dirty, closed_at)');
PREPARE recording_step FROM @recording_step;
EXECUTE recording_step;
DEALLOCATE PREPARE recording_step;
