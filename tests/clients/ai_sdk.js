// The Vercel AI SDK through the gateway: what it holds of an answer is what the history shows.

const assert = require('node:assert/strict');
const { generateText, jsonSchema, streamText, tool } = require('ai');
const { createAnthropic } = require('@ai-sdk/anthropic');
const { createGoogleGenerativeAI } = require('@ai-sdk/google');
const { v4: uuid } = require('uuid');

const { GATEWAY_URL: base, GATEWAY_KEY: apiKey } = process.env;
const QUESTION = 'How warm is it in Oslo?';
const tools = {
  weather: tool({
    description: 'How warm it is',
    inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }),
  }),
};
const models = {
  anthropic: createAnthropic({ baseURL: `${base}/v1`, apiKey })('claude-test'),
  google: createGoogleGenerativeAI({ baseURL: `${base}/v1beta`, apiKey })('gemini-test'),
};

async function check(session, held, isStream) {
  const response = await fetch(`${base}/conversations/${session}`, {
    headers: { Authorization: `Bearer ${apiKey}` },
  });
  assert.equal(response.status, 200);
  const { messages } = await response.json();
  const [asked, answered] = messages.filter((message) => message.role !== 'system');
  assert.deepEqual([asked.role, asked.content], ['user', QUESTION]);
  assert.deepEqual([answered.role, answered.content], ['assistant', held.text]);
  assert.notEqual(held.text, '');
  assert.equal(answered.reasoning, held.reasoningText);
  const calls = answered.tool_calls.map((call) => [
    call.function.name,
    JSON.parse(call.function.arguments),
  ]);
  assert.deepEqual(calls, held.toolCalls.map((call) => [call.toolName, call.input]));
  assert.equal(calls.length, 1);
  assert.equal(answered.finish_reason, held.rawFinishReason);
  assert.equal(answered.is_stream, isStream);
  assert.equal(answered.outcome, 'complete');
}

async function main() {
  for (const [name, model] of Object.entries(models)) {
    for (const isStream of [false, true]) {
      console.log(name, isStream);
      const session = `session-${uuid()}`;
      const headers = { 'X-Session-ID': session, 'X-User-ID': 'sdk-user' };
      const asked = { model, prompt: QUESTION, tools, headers, maxRetries: 0 };
      const result = isStream ? streamText(asked) : await generateText(asked);
      if (isStream) await result.consumeStream();
      const held = {};
      for (const part of ['text', 'reasoningText', 'toolCalls', 'rawFinishReason']) {
        held[part] = await result[part];
      }
      await check(session, held, isStream);
    }
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
