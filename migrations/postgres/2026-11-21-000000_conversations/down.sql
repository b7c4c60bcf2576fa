-- The partitions go with their tables.
DROP VIEW IF EXISTS conversation_messages;
DROP TABLE recording_meta;
DROP TABLE recording_erasures;
DROP TABLE recording_rejects;
DROP TABLE response_ids;
DROP TABLE recording_days;
DROP TABLE usage_daily;
DROP TABLE error_conversation_histories;
DROP TABLE conversation_histories;
DROP TABLE conversations;
