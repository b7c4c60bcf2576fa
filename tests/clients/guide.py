"""The guide's Python example as it is printed there, key and port apart, and what has to follow from it."""

import os

import requests
import uuid

# API配置
base_url = os.environ["GATEWAY_URL"]
api_key = os.environ["GATEWAY_KEY"]
session_id = str(uuid.uuid4())
user_id = "user123"

headers = {
    "Authorization": f"Bearer {api_key}",
    "Content-Type": "application/json"
}

# 1. 发起对话并自动记录
chat_response = requests.post(
    f"{base_url}/v1/chat/completions",
    headers={
        **headers,
        "X-Session-ID": session_id,
        "X-User-ID": user_id
    },
    json={
        "model": "officeai",
        "messages": [
            {"role": "user", "content": "你好，请介绍一下Python编程语言"}
        ]
    }
)

print("AI回复:", chat_response.json())

# 2. 获取会话历史
history_response = requests.get(
    f"{base_url}/conversations/{session_id}",
    headers=headers
)

print("会话历史:", history_response.json())

# 3. 获取用户的所有会话
user_conversations = requests.get(
    f"{base_url}/conversations/user/{user_id}",
    headers=headers
)

print("用户所有会话:", user_conversations.json())

# What was said is what the history shows.
answer = chat_response.json()["choices"][0]["message"]["content"]
history = history_response.json()
assert history["session_id"] == session_id, history
assert history["user_identifier"] == user_id, history
assert history["title"] == "你好，请介绍一下Python编程语言", history
assert history["message_count"] == 2, history
said = [(message["role"], message["content"]) for message in history["messages"]]
assert said == [("user", "你好，请介绍一下Python编程语言"), ("assistant", answer)], said
assert [message["model_name"] for message in history["messages"]] == ["officeai"] * 2, history
listed = [one["session_id"] for one in user_conversations.json()["data"]]
assert listed[0] == session_id, listed
