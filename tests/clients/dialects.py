"""The SDKs of other providers through the gateway: what each of them holds is what the history shows."""

import json
import os
import sys
import uuid

import requests

BASE = os.environ["GATEWAY_URL"]
KEY = os.environ["GATEWAY_KEY"]
QUESTION = "How warm is it in Oslo?"


class Held:
    """What an SDK holds of an answer."""

    def __init__(self):
        self.id, self.text, self.reasoning, self.finish_reason = None, "", "", None
        self.calls, self.tokens = [], {}


def check(session, held, is_stream):
    response = requests.get(
        f"{BASE}/conversations/{session}",
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=10,
    )
    assert response.status_code == 200, response.text
    asked, answered = response.json()["messages"]
    assert (asked["role"], asked["content"]) == ("user", QUESTION), asked
    assert (answered["role"], answered["content"]) == ("assistant", held.text), answered
    assert held.text, held
    assert answered["message_id"] == held.id, (answered["message_id"], held.id)
    assert answered["finish_reason"] == held.finish_reason, answered
    assert (answered.get("reasoning") or "") == held.reasoning, answered
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in answered["tool_calls"]
    ]
    assert calls == held.calls, (calls, held.calls)
    assert held.calls, held
    for name, tokens in held.tokens.items():
        assert answered[name] == tokens, (name, tokens, answered)
    assert answered["is_stream"] is is_stream and answered["outcome"] == "complete", answered


def try_both(whole, streamed):
    for ask, is_stream in ((whole, False), (streamed, True)):
        session = f"session-{uuid.uuid4()}"
        headers = {"X-Session-ID": session, "X-User-ID": "sdk-user"}
        check(session, ask(headers), is_stream)


def anthropic():
    import anthropic

    client = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0)
    asked = {
        "model": "claude-test",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": QUESTION}],
    }

    def hold(message):
        held = Held()
        held.id, held.finish_reason = message.id, message.stop_reason
        for block in message.content:
            if block.type == "text":
                held.text += block.text
            elif block.type == "thinking":
                held.reasoning += block.thinking
            elif block.type == "tool_use":
                held.calls.append((block.id, block.name, block.input))
        usage = message.usage
        held.tokens = {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "cached_tokens": usage.cache_read_input_tokens,
            "cache_write_tokens": usage.cache_creation_input_tokens,
        }
        return held

    def streamed(headers):
        with client.messages.stream(**asked, extra_headers=headers) as stream:
            return hold(stream.get_final_message())

    try_both(lambda headers: hold(client.messages.create(**asked, extra_headers=headers)), streamed)


def google():
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=KEY, http_options={"base_url": BASE})

    def asked(headers):
        options = types.GenerateContentConfig(http_options=types.HttpOptions(headers=headers))
        return {"model": "gemini-test", "contents": QUESTION, "config": options}

    def add(held, response):
        held.id = response.response_id
        candidate = response.candidates[0]
        if candidate.finish_reason:
            held.finish_reason = candidate.finish_reason.value
        for part in candidate.content.parts:
            if part.function_call:
                call = part.function_call
                held.calls.append((call.id, call.name, call.args))
            elif part.thought:
                held.reasoning += part.text
            else:
                held.text += part.text
        if usage := response.usage_metadata:
            held.tokens = {
                "prompt_tokens": usage.prompt_token_count,
                "completion_tokens": usage.candidates_token_count,
                "reasoning_tokens": usage.thoughts_token_count,
                "cached_tokens": usage.cached_content_token_count,
                "total_tokens": usage.total_token_count,
            }
        return held

    def streamed(headers):
        held = Held()
        for piece in client.models.generate_content_stream(**asked(headers)):
            add(held, piece)
        return held

    try_both(
        lambda headers: add(Held(), client.models.generate_content(**asked(headers))), streamed
    )


def ollama():
    import ollama

    asked = {"model": "llama-test", "messages": [{"role": "user", "content": QUESTION}]}

    def add(held, response):
        message = response.message
        held.text += message.content or ""
        held.reasoning += message.thinking or ""
        held.finish_reason = response.done_reason or held.finish_reason
        for call in message.tool_calls or []:
            held.calls.append((None, call.function.name, dict(call.function.arguments)))
        if response.eval_count is not None:
            held.tokens = {
                "prompt_tokens": response.prompt_eval_count,
                "completion_tokens": response.eval_count,
            }
        return held

    def client(headers):
        return ollama.Client(host=BASE, headers=headers | {"Authorization": f"Bearer {KEY}"})

    def streamed(headers):
        held = Held()
        for piece in client(headers).chat(**asked, stream=True):
            add(held, piece)
        return held

    try_both(lambda headers: add(Held(), client(headers).chat(**asked)), streamed)


def cohere():
    import cohere

    client = cohere.ClientV2(api_key=KEY, base_url=BASE)

    def asked(headers):
        messages = [{"role": "user", "content": QUESTION}]
        options = {"additional_headers": headers, "max_retries": 0}
        return {"model": "command-test", "messages": messages, "request_options": options}

    def counted(held, usage):
        held.tokens = {
            "prompt_tokens": usage.tokens.input_tokens,
            "completion_tokens": usage.tokens.output_tokens,
        }

    def whole(headers):
        held, response = Held(), client.chat(**asked(headers))
        held.id, held.finish_reason = response.id, response.finish_reason
        held.text = "".join(part.text for part in response.message.content)
        for call in response.message.tool_calls:
            arguments = json.loads(call.function.arguments)
            held.calls.append((call.id, call.function.name, arguments))
        counted(held, response.usage)
        return held

    def streamed(headers):
        held, call, arguments = Held(), None, ""
        for event in client.chat_stream(**asked(headers)):
            if event.type == "message-start":
                held.id = event.id
            elif event.type == "content-delta":
                held.text += event.delta.message.content.text
            elif event.type == "tool-call-start":
                call = event.delta.message.tool_calls
            elif event.type == "tool-call-delta":
                arguments += event.delta.message.tool_calls.function.arguments
            elif event.type == "message-end":
                held.finish_reason = event.delta.finish_reason
                counted(held, event.delta.usage)
        held.calls = [(call.id, call.function.name, json.loads(arguments))]
        return held

    try_both(whole, streamed)


def mistral():
    from mistralai.client import Mistral

    client = Mistral(api_key=KEY, server_url=BASE)

    def asked(headers):
        messages = [{"role": "user", "content": QUESTION}]
        return {"model": "mistral-test", "messages": messages, "http_headers": headers}

    def add(held, response, message, choice):
        held.id = response.id
        held.finish_reason = choice.finish_reason or held.finish_reason
        if isinstance(message.content, str):
            held.text += message.content
        elif message.content:
            for part in message.content:
                if part.type == "text":
                    held.text += part.text
                elif part.type == "thinking":
                    held.reasoning += "".join(thought.text for thought in part.thinking)
        for call in message.tool_calls or []:
            arguments = json.loads(call.function.arguments)
            held.calls.append((call.id, call.function.name, arguments))
        if response.usage:
            for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
                held.tokens[name] = getattr(response.usage, name)
        return held

    def whole(headers):
        response = client.chat.complete(**asked(headers))
        choice = response.choices[0]
        return add(Held(), response, choice.message, choice)

    def streamed(headers):
        held = Held()
        for event in client.chat.stream(**asked(headers)):
            choice = event.data.choices[0]
            add(held, event.data, choice.delta, choice)
        return held

    try_both(whole, streamed)


def bedrock():
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    asked = {
        "modelId": "us.amazon.nova-test-v1:0",
        "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
    }

    def client(headers):
        # botocore sends a bearer token over HTTPS only.
        client = boto3.client(
            "bedrock-runtime",
            region_name="eu-north-1",
            endpoint_url=BASE,
            config=Config(signature_version=UNSIGNED),
        )

        def add_headers(request, **_):
            for name, value in (headers | {"Authorization": f"Bearer {KEY}"}).items():
                request.headers[name] = value

        client.meta.events.register("before-send.bedrock-runtime.*", add_headers)
        return client

    def counted(held, usage):
        held.tokens = {
            "prompt_tokens": usage["inputTokens"],
            "completion_tokens": usage["outputTokens"],
            "total_tokens": usage["totalTokens"],
            "cached_tokens": usage["cacheReadInputTokens"],
            "cache_write_tokens": usage["cacheWriteInputTokens"],
        }

    def whole(headers):
        held, response = Held(), client(headers).converse(**asked)
        held.finish_reason = response["stopReason"]
        for block in response["output"]["message"]["content"]:
            held.text += block.get("text", "")
            reasoning = block.get("reasoningContent", {})
            held.reasoning += reasoning.get("reasoningText", {}).get("text", "")
            if used := block.get("toolUse"):
                held.calls.append((used["toolUseId"], used["name"], used["input"]))
        counted(held, response["usage"])
        return held

    def streamed(headers):
        held, used, arguments = Held(), None, ""
        for event in client(headers).converse_stream(**asked)["stream"]:
            if start := event.get("contentBlockStart"):
                used = start["start"]["toolUse"]
            if delta := event.get("contentBlockDelta", {}).get("delta"):
                held.text += delta.get("text", "")
                held.reasoning += delta.get("reasoningContent", {}).get("text", "")
                arguments += delta.get("toolUse", {}).get("input", "")
            if stop := event.get("messageStop"):
                held.finish_reason = stop["stopReason"]
            if metadata := event.get("metadata"):
                counted(held, metadata["usage"])
        held.calls = [(used["toolUseId"], used["name"], json.loads(arguments))]
        return held

    try_both(whole, streamed)


if __name__ == "__main__":
    sdks = [anthropic, google, ollama, cohere, mistral, bedrock]
    wanted = sys.argv[1:]
    for sdk in sdks:
        if not wanted or sdk.__name__ in wanted:
            print(sdk.__name__, flush=True)
            sdk()
