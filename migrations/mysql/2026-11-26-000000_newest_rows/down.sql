DROP INDEX recording_days_uncounted ON recording_days;
ALTER TABLE conversations DROP COLUMN newest_at;
