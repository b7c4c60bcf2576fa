-- Ids are UUIDs, times TIMESTAMPTZ cut to milliseconds, days DATEs of UTC, numbers 64 bits.
-- Text compares bytes (COLLATE "C"). JSON stands as TEXT: jsonb refuses \u0000 and reorders keys.
-- Where days are off, the recorder runs this without the two PARTITION BY clauses.

CREATE TABLE conversations (
    id UUID NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    user_identifier TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C",
    session_source TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    first_day DATE NOT NULL,
    last_day DATE NOT NULL,
    message_count BIGINT NOT NULL DEFAULT 0,
    sends_history BOOLEAN NOT NULL DEFAULT FALSE,
    parent_conversation_id UUID
);
CREATE INDEX conversations_session ON conversations (tenant, session_id);
CREATE INDEX conversations_user ON conversations (tenant, user_identifier, last_day);

-- A day's partition is made from this table, its indexes included, so a migration alters this one alone.
CREATE TABLE conversation_histories (
    conversation_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    id UUID NOT NULL,
    exchange_id UUID NOT NULL,
    parent_id UUID,
    chain_hash BYTEA,
    message_id TEXT COLLATE "C",
    tenant TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C",
    channel_id TEXT COLLATE "C",
    role TEXT COLLATE "C" NOT NULL,
    choice_index BIGINT NOT NULL,
    request_model TEXT COLLATE "C",
    model_name TEXT COLLATE "C",
    provider TEXT COLLATE "C",
    status BIGINT,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    total_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    token_count BIGINT,
    is_stream BOOLEAN NOT NULL,
    finish_reason TEXT COLLATE "C",
    outcome TEXT COLLATE "C" NOT NULL,
    truncated TEXT COLLATE "C" NOT NULL,
    first_token_ms BIGINT,
    latency_ms BIGINT,
    ip TEXT COLLATE "C",
    trace_id TEXT COLLATE "C",
    prompt_hash BYTEA,
    updated_at TIMESTAMPTZ NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    usage TEXT COLLATE "C",
    tags TEXT COLLATE "C",
    other TEXT COLLATE "C",
    PRIMARY KEY (conversation_id, created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX conversation_histories_user ON conversation_histories (user_id, created_at);
CREATE INDEX conversation_histories_chain ON conversation_histories (chain_hash);

CREATE TABLE error_conversation_histories (
    conversation_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    id UUID NOT NULL,
    exchange_id UUID NOT NULL,
    parent_id UUID,
    message_id TEXT COLLATE "C",
    tenant TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C",
    channel_id TEXT COLLATE "C",
    role TEXT COLLATE "C" NOT NULL,
    request_model TEXT COLLATE "C",
    model_name TEXT COLLATE "C",
    provider TEXT COLLATE "C",
    status BIGINT,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    total_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    is_stream BOOLEAN NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    truncated TEXT COLLATE "C" NOT NULL,
    first_token_ms BIGINT,
    latency_ms BIGINT,
    ip TEXT COLLATE "C",
    trace_id TEXT COLLATE "C",
    error_code BIGINT NOT NULL,
    error_message TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    usage TEXT COLLATE "C",
    tags TEXT COLLATE "C",
    other TEXT COLLATE "C",
    PRIMARY KEY (conversation_id, created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX error_conversation_histories_user ON error_conversation_histories (user_id, created_at);

CREATE VIEW conversation_messages AS SELECT
    h.id, h.conversation_id, c.session_id, h.role, h.content, h.model_name, h.token_count,
    h.created_at AS "timestamp", h.user_id, h.exchange_id, h.message_id, h.prompt_tokens,
    h.completion_tokens, h.total_tokens, h.created_at
    FROM conversation_histories AS h LEFT JOIN conversations AS c ON c.id = h.conversation_id;

CREATE TABLE usage_daily (
    tenant TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    day DATE NOT NULL,
    model_name TEXT COLLATE "C" NOT NULL,
    messages BIGINT NOT NULL,
    exchanges BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_id, day, model_name)
);
CREATE INDEX usage_daily_day ON usage_daily (day);

-- A row for every day that may hold messages. `dirty`: 1 has rows that are in no count yet, 2 the same
-- while it is being counted, 0 has none. So batches write here when a day begins and when a row comes late.
CREATE TABLE recording_days (
    day DATE NOT NULL PRIMARY KEY,
    closed_at TIMESTAMPTZ,
    dirty SMALLINT NOT NULL DEFAULT 1
);

CREATE TABLE response_ids (
    hash BYTEA NOT NULL PRIMARY KEY,
    conversation_id UUID NOT NULL,
    message_id UUID NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX response_ids_seen ON response_ids (seen_at);
CREATE INDEX response_ids_conversation ON response_ids (conversation_id);

CREATE TABLE recording_rejects (
    exchange_id UUID NOT NULL PRIMARY KEY,
    conversation_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL
);
CREATE INDEX recording_rejects_conversation ON recording_rejects (conversation_id);

CREATE TABLE recording_erasures (
    hash BYTEA NOT NULL PRIMARY KEY,
    erased_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE recording_meta (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);
-- Two random UUIDs are 244 random bits; gen_random_bytes would need an extension.
INSERT INTO recording_meta (key, value) VALUES
    ('schema_version', '1'),
    ('secret', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
