"""What the providers answer, in their own words: one answer a dialect, whole or streamed as it is asked for.

Prints the port that it listens on, and serves until it is ended.
"""

import json
import struct
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = ["The weather in ", "Oslo: 4 °C, ", "💧."]
THOUGHT = ["I have ", "to look."]
ARGUMENTS = ['{"city": ', '"Oslo"}']
CALL = {"city": "Oslo"}


def sse(events, named=False, end=""):
    lines = []
    for event in events:
        if named:
            lines.append(f"event: {event['type']}\n")
        lines.append(f"data: {json.dumps(event)}\n\n")
    return "text/event-stream", ("".join(lines) + end).encode()


def document(value):
    return "application/json", json.dumps(value).encode()


def amazon_message(kind, payload):
    headers = b""
    for name, value in (
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ):
        headers += bytes([len(name)]) + name.encode()
        headers += b"\x07" + struct.pack(">H", len(value)) + value.encode()
    payload = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def anthropic(streamed):
    usage = {"input_tokens": 11, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3}
    head = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-test"}
    if not streamed:
        content = [
            {"type": "thinking", "thinking": "".join(THOUGHT), "signature": "EqQB"},
            {"type": "text", "text": "".join(TEXT)},
            {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": CALL},
        ]
        end = {"stop_reason": "tool_use", "stop_sequence": None, "usage": usage | {"output_tokens": 7}}
        return document(head | {"content": content} | end)
    begun = head | {"content": [], "stop_reason": None, "stop_sequence": None}
    events = [{"type": "message_start", "message": begun | {"usage": usage | {"output_tokens": 1}}}]

    def block(index, start, deltas):
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        for delta in deltas:
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})

    thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in THOUGHT]
    thoughts.append({"type": "signature_delta", "signature": "EqQB"})
    block(0, {"type": "thinking", "thinking": "", "signature": ""}, thoughts)
    events.append({"type": "ping"})
    block(1, {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in TEXT])
    block(
        2,
        {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {}},
        [{"type": "input_json_delta", "partial_json": piece} for piece in ARGUMENTS],
    )
    end = {"stop_reason": "tool_use", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": end, "usage": {"output_tokens": 7}})
    events.append({"type": "message_stop"})
    return sse(events, named=True)


def google(streamed):
    usage = {
        "promptTokenCount": 11,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 4,
        "cachedContentTokenCount": 5,
        "totalTokenCount": 22,
    }

    def piece(parts, **more):
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}} | more
        return {"candidates": [candidate], "responseId": "resp-g", "modelVersion": "gemini-test"}

    thoughts = [{"text": piece, "thought": True} for piece in THOUGHT]
    call = {"functionCall": {"name": "weather", "args": CALL}}
    if not streamed:
        parts = [{"text": "".join(THOUGHT), "thought": True}, {"text": "".join(TEXT)}, call]
        return document(piece(parts, finishReason="STOP") | {"usageMetadata": usage})
    pieces = [piece([part]) for part in thoughts + [{"text": piece} for piece in TEXT]]
    pieces.append(piece([call], finishReason="STOP") | {"usageMetadata": usage})
    return sse(pieces)


def ollama(streamed):
    def piece(done, **message):
        message = {"role": "assistant", "content": ""} | message
        return {"model": "llama-test", "created_at": "2025-01-01T00:00:00Z", "done": done} | {
            "message": message
        }

    call = [{"function": {"name": "weather", "arguments": CALL}}]
    counts = {"done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7, "total_duration": 9}
    if not streamed:
        whole = {"content": "".join(TEXT), "thinking": "".join(THOUGHT), "tool_calls": call}
        return document(piece(True, **whole) | counts)
    pieces = [piece(False, thinking=text) for text in THOUGHT]
    pieces += [piece(False, content=text) for text in TEXT]
    pieces += [piece(False, tool_calls=call), piece(True) | counts]
    return "application/x-ndjson", "".join(json.dumps(piece) + "\n" for piece in pieces).encode()


def cohere(streamed):
    usage = {
        "billed_units": {"input_tokens": 9, "output_tokens": 7},
        "tokens": {"input_tokens": 11, "output_tokens": 7},
    }
    function = {"name": "weather", "arguments": "".join(ARGUMENTS)}
    call = {"id": "weather_01", "type": "function", "function": function}
    if not streamed:
        message = {
            "role": "assistant",
            "tool_plan": "".join(THOUGHT),
            "tool_calls": [call],
            "content": [{"type": "text", "text": "".join(TEXT)}],
        }
        return document(
            {"id": "co-1", "finish_reason": "TOOL_CALL", "message": message, "usage": usage}
        )
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    begun = call | {"function": {"name": "weather", "arguments": ""}}
    events = [{"type": "message-start", "id": "co-1", "delta": {"message": empty}}]

    def delta(kind, index=None, **message):
        event = {"type": kind, "delta": {"message": message}}
        events.append(event if index is None else event | {"index": index})

    for text in THOUGHT:
        delta("tool-plan-delta", tool_plan=text)
    delta("content-start", 0, content={"type": "text", "text": ""})
    for text in TEXT:
        delta("content-delta", 0, content={"text": text})
    events.append({"type": "content-end", "index": 0})
    delta("tool-call-start", 0, tool_calls=begun)
    for text in ARGUMENTS:
        delta("tool-call-delta", 0, tool_calls={"function": {"arguments": text}})
    events.append({"type": "tool-call-end", "index": 0})
    end = {"finish_reason": "TOOL_CALL", "usage": usage}
    events.append({"type": "message-end", "delta": end})
    return sse(events, named=True, end="data: [DONE]\n\n")


def mistral(streamed):
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    function = {"name": "weather", "arguments": "".join(ARGUMENTS)}
    call = {"id": "D681PevKs", "type": "function", "function": function, "index": 0}
    head = {"id": "cmpl-m", "created": 1, "model": "mistral-test"}
    if not streamed:
        thinking = [{"type": "text", "text": "".join(THOUGHT)}]
        content = [
            {"type": "thinking", "thinking": thinking},
            {"type": "text", "text": "".join(TEXT)},
        ]
        message = {"role": "assistant", "content": content, "tool_calls": [call], "prefix": False}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        return document(head | {"object": "chat.completion", "choices": [choice], "usage": usage})
    chunks = []

    def chunk(delta, reason=None, **more):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunks.append(head | {"object": "chat.completion.chunk", "choices": [choice]} | more)

    chunk({"role": "assistant", "content": ""})
    for text in TEXT:
        chunk({"content": text})
    chunk({"content": "", "tool_calls": [call]}, "tool_calls", usage=usage)
    return sse(chunks, end="data: [DONE]\n\n")


def bedrock(streamed):
    usage = {
        "inputTokens": 11,
        "outputTokens": 7,
        "totalTokens": 18,
        "cacheReadInputTokens": 5,
        "cacheWriteInputTokens": 3,
    }
    used = {"toolUseId": "tooluse_01", "name": "weather"}
    if not streamed:
        content = [
            {"reasoningContent": {"reasoningText": {"text": "".join(THOUGHT), "signature": "s"}}},
            {"text": "".join(TEXT)},
            {"toolUse": used | {"input": CALL}},
        ]
        return document(
            {
                "output": {"message": {"role": "assistant", "content": content}},
                "stopReason": "tool_use",
                "usage": usage,
                "metrics": {"latencyMs": 9},
            }
        )
    messages = [amazon_message("messageStart", {"role": "assistant"})]

    def delta(index, delta):
        event = {"contentBlockIndex": index, "delta": delta}
        messages.append(amazon_message("contentBlockDelta", event))

    for text in THOUGHT:
        delta(0, {"reasoningContent": {"text": text}})
    delta(0, {"reasoningContent": {"signature": "s"}})
    for text in TEXT:
        delta(1, {"text": text})
    begun = {"contentBlockIndex": 2, "start": {"toolUse": used}}
    messages.append(amazon_message("contentBlockStart", begun))
    for text in ARGUMENTS:
        delta(2, {"toolUse": {"input": text}})
    messages.append(amazon_message("contentBlockStop", {"contentBlockIndex": 2}))
    messages.append(amazon_message("messageStop", {"stopReason": "tool_use"}))
    messages.append(amazon_message("metadata", {"usage": usage, "metrics": {"latencyMs": 9}}))
    return "application/vnd.amazon.eventstream", b"".join(messages)


def answer(path, asked):
    streamed = asked.get("stream") is True
    if path == "/v1/messages":
        return anthropic(streamed)
    if path.endswith("generateContent"):
        return google(False)
    if path.endswith("streamGenerateContent"):
        return google(True)
    if path == "/api/chat":
        return ollama(streamed)
    if path == "/v2/chat":
        return cohere(streamed)
    if path.startswith("/v1/chat/completions"):
        return mistral(streamed)
    if path.endswith("/converse"):
        return bedrock(False)
    if path.endswith("/converse-stream"):
        return bedrock(True)
    raise ValueError(path)


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"]))
        path = self.path.split("?")[0]
        content_type, body = answer(path, json.loads(asked))
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        # In pieces that end within events and within characters.
        for at in range(0, len(body), 61):
            piece = body[at : at + 61]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    print(server.server_address[1], flush=True)
    server.serve_forever()
