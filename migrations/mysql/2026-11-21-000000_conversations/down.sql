-- Tables of days are made by the recorder, not by a migration: drop them before this.
DROP VIEW IF EXISTS conversation_messages;
DROP TABLE recording_meta;
DROP TABLE recording_erasures;
DROP TABLE recording_rejects;
DROP TABLE response_ids;
DROP TABLE recording_days;
DROP TABLE usage_daily;
DROP TABLE error_conversation_histories_template;
DROP TABLE conversation_histories_template;
DROP TABLE conversations;
