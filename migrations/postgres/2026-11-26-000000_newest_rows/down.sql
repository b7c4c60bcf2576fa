DROP INDEX recording_days_uncounted;
ALTER TABLE conversations DROP COLUMN newest_at;
