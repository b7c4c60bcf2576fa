"""The official OpenAI SDK through the gateway: what the SDK saw is what the history shows."""

import asyncio
import os
import time
import uuid

import openai
import requests

BASE = os.environ["GATEWAY_URL"]
KEY = os.environ["GATEWAY_KEY"]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Looks a word up",
            "parameters": {
                "type": "object",
                "properties": {"word": {"type": "string"}},
                "required": ["word"],
            },
        },
    }
]

sync = openai.OpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0)


class Session:
    """One conversation, and the arguments that every call of it shares."""

    def __init__(self):
        self.id = f"session-{uuid.uuid4()}"
        self.headers = {"X-Session-ID": self.id, "X-User-ID": "sdk-user"}

    def ask(self, *messages, **options):
        options = {"model": "officeai", "extra_headers": self.headers} | options
        return {"messages": list(messages), **options}

    def history(self):
        response = requests.get(
            f"{BASE}/conversations/{self.id}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=10,
        )
        assert response.status_code == 200, response.text
        return response.json()["messages"]


def user(content):
    return {"role": "user", "content": content}


def said(history):
    return [(message["role"], message["content"]) for message in history]


def check_usage(message, usage):
    seen = usage.model_dump(exclude_none=True)
    assert message["usage"] == seen, (message["usage"], seen)
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert message[name] == seen[name], (name, message)


def calls_of(tool_calls):
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in tool_calls
    ]


def check_plain(session, completion, asked):
    history = session.history()
    choice = completion.choices[0]
    assert said(history) == asked + [("assistant", choice.message.content)], said(history)
    answer = history[-1]
    assert answer["message_id"] == completion.id, answer
    assert answer["model_name"] == completion.model == "officeai", answer
    assert answer["finish_reason"] == choice.finish_reason == "stop", answer
    assert answer["outcome"] == "complete" and answer["truncated"] == "0", answer
    assert answer["is_stream"] is False and answer["status"] == 200, answer
    check_usage(answer, completion.usage)


class Seen:
    """What came out of a stream."""

    def __init__(self):
        self.text, self.id, self.usage, self.finish_reason = "", None, None, None
        self.calls = {}

    def add(self, chunk):
        self.id = chunk.id
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices:
            self.text += choice.delta.content or ""
            self.finish_reason = choice.finish_reason or self.finish_reason
            for call in choice.delta.tool_calls or []:
                whole = self.calls.setdefault(
                    call.index,
                    {"id": call.id, "type": "function", "function": {"name": "", "arguments": ""}},
                )
                whole["function"]["name"] += call.function.name or ""
                whole["function"]["arguments"] += call.function.arguments or ""


def check_stream(session, seen, asked):
    history = session.history()
    assert said(history) == asked + [("assistant", seen.text)], (said(history), seen.text)
    answer = history[-1]
    assert answer["message_id"] == seen.id, answer
    assert answer["finish_reason"] == seen.finish_reason == "stop", answer
    assert answer["outcome"] == "complete" and answer["is_stream"] is True, answer
    assert answer["first_token_ms"] <= answer["latency_ms"], answer
    check_usage(answer, seen.usage)


def check_closed(session, seen):
    """Hanging up takes a moment to be noticed."""
    deadline = time.monotonic() + 10
    while True:
        response = requests.get(
            f"{BASE}/conversations/{session.id}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=10,
        )
        if response.status_code == 200:
            break
        assert response.status_code == 404, response.text
        assert time.monotonic() < deadline, "the closed stream was not recorded"
        time.sleep(0.05)
    answer = response.json()["messages"][-1]
    assert answer["role"] == "assistant", answer
    assert answer["outcome"] == "client_abort", answer
    assert seen.text and answer["content"].startswith(seen.text), (answer, seen.text)
    assert answer["finish_reason"] is None and answer["usage"] is None, answer


def test_sync_plain():
    session = Session()
    system = {"role": "system", "content": "Be brief."}
    completion = sync.chat.completions.create(**session.ask(system, user("Hello, 世界 🌍")))
    check_plain(session, completion, [("system", "Be brief."), ("user", "Hello, 世界 🌍")])


def test_sync_stream():
    session, seen = Session(), Seen()
    options = {"stream": True, "stream_options": {"include_usage": True}}
    for chunk in sync.chat.completions.create(**session.ask(user("你好"), **options)):
        seen.add(chunk)
    check_stream(session, seen, [("user", "你好")])


def test_the_second_turn_stands_behind_the_first():
    session = Session()
    first = sync.chat.completions.create(**session.ask(user("one")))
    answer = first.choices[0].message.content
    turns = [user("one"), {"role": "assistant", "content": answer}, user("two")]
    second = sync.chat.completions.create(**session.ask(*turns))
    history = said(session.history())
    assert history[:2] == [("user", "one"), ("assistant", answer)], history
    assert history[-2:] == [("user", "two"), ("assistant", second.choices[0].message.content)], history


def test_tools_plain():
    session = Session()
    question = user("use the tool, please")
    first = sync.chat.completions.create(**session.ask(question, tools=TOOLS))
    calls = calls_of(first.choices[0].message.tool_calls)
    answer = session.history()[-1]
    assert answer["tool_calls"] == calls, (answer, calls)
    assert answer["content"] == "" and answer["finish_reason"] == "tool_calls", answer

    asked = first.choices[0].message.model_dump(exclude_none=True)
    result = {"role": "tool", "tool_call_id": calls[0]["id"], "content": "a word"}
    second = sync.chat.completions.create(**session.ask(question, asked, result, tools=TOOLS))
    found, answered = session.history()[-2:]
    assert (found["role"], found["content"]) == ("tool", "a word"), found
    assert found["tool_call_id"] == calls[0]["id"], found
    assert (answered["role"], answered["content"]) == ("assistant", second.choices[0].message.content), answered


def test_tools_stream():
    session, seen = Session(), Seen()
    request = session.ask(user("a tool, 请"), tools=TOOLS, stream=True)
    for chunk in sync.chat.completions.create(**request):
        seen.add(chunk)
    answer = session.history()[-1]
    assert answer["tool_calls"] == [seen.calls[0]], (answer, seen.calls)
    assert answer["finish_reason"] == seen.finish_reason == "tool_calls", answer


def test_two_choices():
    session = Session()
    completion = sync.chat.completions.create(**session.ask(user("twice"), n=2))
    history = session.history()
    answers = [(choice.index, choice.message.content) for choice in completion.choices]
    recorded = [(message["choice_index"], message["content"]) for message in history[1:]]
    assert len(answers) == 2 and recorded == answers, (recorded, answers)
    check_usage(history[1], completion.usage)
    assert history[2]["usage"] is None and history[2]["total_tokens"] is None, history[2]


def test_early_close():
    session, seen = Session(), Seen()
    stream = sync.chat.completions.create(**session.ask(user("long " * 400), stream=True))
    for chunk in stream:
        seen.add(chunk)
        if len(seen.text) > 20:
            break
    stream.close()
    check_closed(session, seen)


def test_a_wrong_key_is_an_authentication_error():
    stranger = openai.OpenAI(base_url=f"{BASE}/v1", api_key="sk-wrong", max_retries=0)
    try:
        stranger.chat.completions.create(**Session().ask(user("hello")))
    except openai.AuthenticationError as error:
        assert error.code == "invalid_api_key", error
    else:
        raise AssertionError("a wrong key passed")


async def test_async():
    async with openai.AsyncOpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0) as client:
        session = Session()
        completion = await client.chat.completions.create(**session.ask(user("async")))
        check_plain(session, completion, [("user", "async")])

        session, seen = Session(), Seen()
        options = {"stream": True, "stream_options": {"include_usage": True}}
        async for chunk in await client.chat.completions.create(**session.ask(user("流"), **options)):
            seen.add(chunk)
        check_stream(session, seen, [("user", "流")])

        session, seen = Session(), Seen()
        request = session.ask(user("a tool"), tools=TOOLS, stream=True)
        async for chunk in await client.chat.completions.create(**request):
            seen.add(chunk)
        assert session.history()[-1]["tool_calls"] == [seen.calls[0]], seen.calls

        session = Session()
        completion = await client.chat.completions.create(**session.ask(user("two"), n=2))
        answers = [choice.message.content for choice in completion.choices]
        assert [message["content"] for message in session.history()[1:]] == answers, answers

        session, seen = Session(), Seen()
        stream = await client.chat.completions.create(**session.ask(user("长" * 900), stream=True))
        async for chunk in stream:
            seen.add(chunk)
            if len(seen.text) > 20:
                break
        await stream.close()
        check_closed(session, seen)


for name, test in list(globals().items()):
    if name.startswith("test_"):
        outcome = test()
        if asyncio.iscoroutine(outcome):
            asyncio.run(outcome)
        print("ok", name, flush=True)
