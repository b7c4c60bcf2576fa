-- Ids are BINARY(16), times DATETIME(3) in UTC, days DATE.
-- Text compares bytes, without padding: MariaDB's utf8mb4_nopad_bin, in whose place the recorder puts
-- utf8mb4_0900_bin where the server is MySQL. By hand, on MySQL, replace it too.
-- Every statement may run again: MySQL commits each by itself, so a migration can be cut in the middle.

CREATE TABLE IF NOT EXISTS conversations (
    id BINARY(16) NOT NULL PRIMARY KEY,
    tenant VARCHAR(255) NOT NULL,
    session_id VARCHAR(255) NOT NULL,
    user_identifier VARCHAR(255) NOT NULL,
    title VARCHAR(255),
    session_source VARCHAR(255) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    first_day DATE NOT NULL,
    last_day DATE NOT NULL,
    message_count BIGINT NOT NULL DEFAULT 0,
    sends_history TINYINT NOT NULL DEFAULT 0,
    parent_conversation_id BINARY(16),
    KEY conversations_session (tenant, session_id),
    KEY conversations_user (tenant, user_identifier, last_day)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- Never holds a row. A day's table, or the one table where days are off, is made LIKE this one, so a
-- migration alters this one too.
CREATE TABLE IF NOT EXISTS conversation_histories_template (
    conversation_id BINARY(16) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    id BINARY(16) NOT NULL,
    exchange_id BINARY(16) NOT NULL,
    parent_id BINARY(16),
    chain_hash BINARY(16),
    message_id VARCHAR(255),
    tenant VARCHAR(255) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    token_id VARCHAR(255),
    channel_id VARCHAR(255),
    role VARCHAR(255) NOT NULL,
    choice_index BIGINT NOT NULL,
    request_model VARCHAR(255),
    model_name VARCHAR(255),
    provider VARCHAR(255),
    status BIGINT,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    total_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    token_count BIGINT,
    is_stream TINYINT NOT NULL,
    finish_reason VARCHAR(255),
    outcome VARCHAR(255) NOT NULL,
    truncated VARCHAR(255) NOT NULL,
    first_token_ms BIGINT,
    latency_ms BIGINT,
    ip VARCHAR(255),
    trace_id VARCHAR(255),
    prompt_hash BINARY(16),
    updated_at DATETIME(3) NOT NULL,
    content LONGTEXT NOT NULL,
    `usage` LONGTEXT,
    tags LONGTEXT,
    other LONGTEXT,
    PRIMARY KEY (conversation_id, created_at, id),
    KEY user (user_id, created_at),
    KEY chain (chain_hash)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS error_conversation_histories_template (
    conversation_id BINARY(16) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    id BINARY(16) NOT NULL,
    exchange_id BINARY(16) NOT NULL,
    parent_id BINARY(16),
    message_id VARCHAR(255),
    tenant VARCHAR(255) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    token_id VARCHAR(255),
    channel_id VARCHAR(255),
    role VARCHAR(255) NOT NULL,
    request_model VARCHAR(255),
    model_name VARCHAR(255),
    provider VARCHAR(255),
    status BIGINT,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    total_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    is_stream TINYINT NOT NULL,
    outcome VARCHAR(255) NOT NULL,
    truncated VARCHAR(255) NOT NULL,
    first_token_ms BIGINT,
    latency_ms BIGINT,
    ip VARCHAR(255),
    trace_id VARCHAR(255),
    error_code BIGINT NOT NULL,
    error_message LONGTEXT NOT NULL,
    content LONGTEXT NOT NULL,
    `usage` LONGTEXT,
    tags LONGTEXT,
    other LONGTEXT,
    PRIMARY KEY (conversation_id, created_at, id),
    KEY user (user_id, created_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS usage_daily (
    tenant VARCHAR(255) NOT NULL,
    user_id VARCHAR(255) NOT NULL,
    day DATE NOT NULL,
    model_name VARCHAR(255) NOT NULL,
    messages BIGINT NOT NULL,
    exchanges BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id, day, model_name),
    KEY usage_daily_day (day)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- A row for every day that may hold messages.
CREATE TABLE IF NOT EXISTS recording_days (
    day DATE NOT NULL PRIMARY KEY,
    closed_at DATETIME(3),
    dirty TINYINT NOT NULL DEFAULT 0
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS response_ids (
    hash BINARY(16) NOT NULL PRIMARY KEY,
    conversation_id BINARY(16) NOT NULL,
    message_id BINARY(16) NOT NULL,
    seen_at DATETIME(3) NOT NULL,
    KEY response_ids_seen (seen_at),
    KEY response_ids_conversation (conversation_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS recording_rejects (
    exchange_id BINARY(16) NOT NULL PRIMARY KEY,
    conversation_id BINARY(16) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    reason LONGTEXT NOT NULL,
    payload LONGTEXT NOT NULL,
    KEY recording_rejects_conversation (conversation_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS recording_erasures (
    hash BINARY(16) NOT NULL PRIMARY KEY,
    erased_at DATETIME(3) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS recording_meta (
    `key` VARCHAR(255) NOT NULL PRIMARY KEY,
    value VARBINARY(255) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;