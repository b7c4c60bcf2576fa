//! The cells of a row, its texts appended to the batch's.

use super::Cell;
use crate::{
    conversation::Usage,
    id::Id,
    store::{
        ErrorColumns, ExchangeColumns, KnownMessage, KnownResponse, MessageColumns, UnixMillis,
        columns::RESPONSE_WIDTH,
    },
};

pub(super) fn exchange_cells(text: &mut String, exchange: &ExchangeColumns) -> [Cell; 19] {
    let ExchangeColumns {
        conversation_id,
        created_at,
        exchange_id,
        tenant,
        user_id,
        token_id,
        channel_id,
        request_model,
        model_name,
        provider,
        status,
        is_stream,
        outcome,
        truncated,
        first_token_ms,
        latency_ms,
        ip,
        trace_id,
        tags,
    } = exchange;
    [
        bytes(*conversation_id),
        Cell::Integer(*created_at),
        bytes(*exchange_id),
        push(text, tenant),
        push(text, user_id),
        optional(text, token_id.as_deref()),
        optional(text, channel_id.as_deref()),
        optional(text, request_model.as_deref()),
        optional(text, model_name.as_deref()),
        optional(text, provider.as_deref()),
        number(*status),
        Cell::Integer(i64::from(*is_stream)),
        push(text, outcome.as_str()),
        push(text, truncated.as_str()),
        number(*first_token_ms),
        number(*latency_ms),
        optional(text, ip.as_deref()),
        optional(text, trace_id.as_deref()),
        optional(text, tags.as_deref()),
    ]
}

pub(super) fn message_cells(text: &mut String, cells: &mut Vec<Cell>, message: &MessageColumns) {
    let MessageColumns {
        id,
        parent_id,
        chain_hash,
        message_id,
        role,
        choice_index,
        usage,
        token_count,
        finish_reason,
        prompt_hash,
        updated_at,
        content,
        other,
    } = message;
    cells.extend([
        bytes(*id),
        parent_id.map_or(Cell::Null, bytes),
        chain_hash.map_or(Cell::Null, Cell::Bytes),
        optional(text, message_id.as_deref()),
        push(text, role.as_str()),
        Cell::Integer(*choice_index),
        number(*token_count),
        optional(text, finish_reason.as_deref()),
        prompt_hash.map_or(Cell::Null, Cell::Bytes),
        Cell::Integer(*updated_at),
        push(text, content),
        optional(text, other.as_deref()),
    ]);
    cells.extend(usage_cells(text, usage));
}

pub(super) fn error_cells(text: &mut String, cells: &mut Vec<Cell>, error: &ErrorColumns) {
    let ErrorColumns {
        id,
        parent_id,
        message_id,
        role,
        error_code,
        error_message,
        usage,
        content,
        other,
    } = error;
    cells.extend([
        bytes(*id),
        parent_id.map_or(Cell::Null, bytes),
        optional(text, message_id.as_deref()),
        push(text, role.as_str()),
        Cell::Integer(*error_code),
        push(text, error_message),
        push(text, content),
        optional(text, other.as_deref()),
    ]);
    cells.extend(usage_cells(text, usage));
}

fn usage_cells(text: &mut String, usage: &Usage) -> [Cell; 7] {
    let Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens,
        cached_tokens,
        cache_write_tokens,
        reasoning_tokens,
        raw,
    } = usage;
    [
        number(*prompt_tokens),
        number(*completion_tokens),
        number(*total_tokens),
        number(*cached_tokens),
        number(*cache_write_tokens),
        number(*reasoning_tokens),
        optional(text, raw.as_deref()),
    ]
}

pub(super) fn push(text: &mut String, value: &str) -> Cell {
    let start = text.len();
    text.push_str(value);
    Cell::Text(start, text.len())
}

pub(super) fn optional(text: &mut String, value: Option<&str>) -> Cell {
    value.map_or(Cell::Null, |value| push(text, value))
}

fn number(value: Option<i64>) -> Cell {
    value.map_or(Cell::Null, Cell::Integer)
}

pub(super) fn bytes(id: Id) -> Cell {
    Cell::Bytes(*id.as_bytes())
}

pub(super) fn response_cells(
    response: &KnownResponse,
    seen_at: UnixMillis,
) -> [Cell; RESPONSE_WIDTH] {
    let KnownResponse { hash, message } = *response;
    let KnownMessage {
        conversation_id,
        id,
        chain_hash: _,
    } = message;
    [
        Cell::Bytes(hash),
        bytes(conversation_id),
        bytes(id),
        Cell::Integer(seen_at),
    ]
}
