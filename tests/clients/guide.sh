#!/usr/bin/env bash
# The guide's cURL example as it is printed there, key and port apart, and what has to follow from it.
set -euo pipefail

# 设置变量
API_KEY="$GATEWAY_KEY"
BASE_URL="$GATEWAY_URL"
SESSION_ID=$(uuidgen)
USER_ID="user123"

# 1. 发起对话并自动记录
curl -X POST "${BASE_URL}/v1/chat/completions" \
  -H "Authorization: Bearer ${API_KEY}" \
  -H "Content-Type: application/json" \
  -H "X-Session-ID: ${SESSION_ID}" \
  -H "X-User-ID: ${USER_ID}" \
  -d '{
    "model": "officeai",
    "messages": [
      {"role": "user", "content": "什么是深度学习？"}
    ]
  }'

# 2. 获取会话历史
curl -X GET "${BASE_URL}/conversations/${SESSION_ID}" \
  -H "Authorization: Bearer ${API_KEY}"

# 3. 手动添加消息到会话
curl -X POST "${BASE_URL}/conversations/${SESSION_ID}/messages" \
  -H "Authorization: Bearer ${API_KEY}" \
  -H "Content-Type: application/json" \
  -d '{
    "role": "user",
    "content": "请给我更多关于深度学习的信息",
    "model_name": "gpt-3.5-turbo"
  }'

# What was said, and what was added, is what the history shows.
history=$(curl -sS --fail "${BASE_URL}/conversations/${SESSION_ID}" -H "Authorization: Bearer ${API_KEY}")
for expected in \
  '"user_identifier":"user123"' \
  '"message_count":3' \
  '"role":"user","content":"什么是深度学习？"' \
  '"role":"assistant","content":"你好！' \
  '"role":"user","content":"请给我更多关于深度学习的信息"' \
  '"model_name":"gpt-3.5-turbo"'
do
  if [[ "$history" != *"$expected"* ]]; then
    echo "the history lacks $expected: $history" >&2
    exit 1
  fi
done
