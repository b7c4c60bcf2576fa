-- Ids are 16-byte BLOBs, times INTEGER milliseconds since 1970 UTC, days TEXT such as '2025-01-15'.
-- Text compares bytes (SQLite's BINARY collation).

CREATE TABLE conversations (
    id BLOB NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    session_id TEXT NOT NULL,
    user_identifier TEXT NOT NULL,
    title TEXT,
    session_source TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    first_day TEXT NOT NULL,
    last_day TEXT NOT NULL,
    message_count INTEGER NOT NULL DEFAULT 0,
    sends_history INTEGER NOT NULL DEFAULT 0,
    parent_conversation_id BLOB
);
CREATE INDEX conversations_session ON conversations (tenant, session_id);
-- `first_day`, so that conversations are counted within this index alone.
CREATE INDEX conversations_user ON conversations (tenant, user_identifier, last_day, first_day);
CREATE INDEX conversations_last_day ON conversations (last_day);

-- Never holds a row. A day's table, or the one table where days are off, is made from the text of
-- this one and of its indexes, so a migration alters this one too.
CREATE TABLE conversation_histories_template (
    conversation_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    exchange_id BLOB NOT NULL,
    parent_id BLOB,
    chain_hash BLOB,
    message_id TEXT,
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    token_id TEXT,
    channel_id TEXT,
    role TEXT NOT NULL,
    choice_index INTEGER NOT NULL,
    request_model TEXT,
    model_name TEXT,
    provider TEXT,
    status INTEGER,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    total_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    token_count INTEGER,
    is_stream INTEGER NOT NULL,
    finish_reason TEXT,
    outcome TEXT NOT NULL,
    truncated TEXT NOT NULL,
    first_token_ms INTEGER,
    latency_ms INTEGER,
    ip TEXT,
    trace_id TEXT,
    prompt_hash BLOB,
    updated_at INTEGER NOT NULL,
    content TEXT NOT NULL,
    usage TEXT,
    tags TEXT,
    other TEXT,
    PRIMARY KEY (conversation_id, created_at, id)
);
CREATE INDEX conversation_histories_template_user ON conversation_histories_template (user_id, created_at);
CREATE INDEX conversation_histories_template_chain ON conversation_histories_template (chain_hash);

CREATE TABLE error_conversation_histories_template (
    conversation_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    exchange_id BLOB NOT NULL,
    parent_id BLOB,
    message_id TEXT,
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    token_id TEXT,
    channel_id TEXT,
    role TEXT NOT NULL,
    request_model TEXT,
    model_name TEXT,
    provider TEXT,
    status INTEGER,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    total_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    is_stream INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    truncated TEXT NOT NULL,
    first_token_ms INTEGER,
    latency_ms INTEGER,
    ip TEXT,
    trace_id TEXT,
    error_code INTEGER NOT NULL,
    error_message TEXT NOT NULL,
    content TEXT NOT NULL,
    usage TEXT,
    tags TEXT,
    other TEXT,
    PRIMARY KEY (conversation_id, created_at, id)
);
CREATE INDEX error_conversation_histories_template_user ON error_conversation_histories_template (user_id, created_at);

CREATE TABLE usage_daily (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    day TEXT NOT NULL,
    model_name TEXT NOT NULL,
    messages INTEGER NOT NULL,
    exchanges INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, day, model_name)
);
CREATE INDEX usage_daily_day ON usage_daily (day);

-- A row for every day that may hold messages.
CREATE TABLE recording_days (
    day TEXT NOT NULL PRIMARY KEY,
    closed_at INTEGER,
    dirty INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE response_ids (
    hash BLOB NOT NULL PRIMARY KEY,
    conversation_id BLOB NOT NULL,
    message_id BLOB NOT NULL,
    seen_at INTEGER NOT NULL
);
CREATE INDEX response_ids_seen ON response_ids (seen_at);
CREATE INDEX response_ids_conversation ON response_ids (conversation_id);

CREATE TABLE recording_rejects (
    exchange_id BLOB NOT NULL PRIMARY KEY,
    conversation_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX recording_rejects_conversation ON recording_rejects (conversation_id);

CREATE TABLE recording_erasures (
    hash BLOB NOT NULL PRIMARY KEY,
    erased_at INTEGER NOT NULL
);

CREATE TABLE recording_meta (
    key TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);
INSERT INTO recording_meta (key, value) VALUES ('schema_version', '1'), ('secret', randomblob(32));
