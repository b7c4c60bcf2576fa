// The guide's JavaScript example as it is printed there, key and port apart, and what has to follow from it.
const axios = require('axios');
const { v4: uuidv4 } = require('uuid');

const baseURL = process.env.GATEWAY_URL;
const apiKey = process.env.GATEWAY_KEY;
const sessionId = uuidv4();
const userId = 'user123';

const headers = {
    'Authorization': `Bearer ${apiKey}`,
    'Content-Type': 'application/json'
};

async function chatWithHistory() {
    try {
        // 发起对话并自动记录
        const chatResponse = await axios.post(`${baseURL}/v1/chat/completions`, {
            model: 'officeai',
            messages: [
                { role: 'user', content: '请解释什么是机器学习' }
            ]
        }, {
            headers: {
                ...headers,
                'X-Session-ID': sessionId,
                'X-User-ID': userId
            }
        });

        console.log('AI回复:', chatResponse.data);

        // 获取会话历史
        const historyResponse = await axios.get(
            `${baseURL}/conversations/${sessionId}`,
            { headers }
        );

        console.log('会话历史:', historyResponse.data);

    } catch (error) {
        console.error('错误:', error.response?.data || error.message);
    }
}

chatWithHistory();

// The example ends when nothing is left to wait for; what was said is then what the history shows.
process.once('beforeExit', async () => {
    const assert = require('assert');
    try {
        const { data } = await axios.get(`${baseURL}/conversations/${sessionId}`, { headers });
        assert.strictEqual(data.user_identifier, userId);
        assert.strictEqual(data.messages.length, 2);
        const [asked, answered] = data.messages;
        assert.deepStrictEqual([asked.role, asked.content], ['user', '请解释什么是机器学习']);
        assert.strictEqual(answered.role, 'assistant');
        assert.ok(answered.content.includes('请解释什么是机器学习'));
        assert.strictEqual(answered.model_name, 'officeai');
    } catch (error) {
        console.error(error.response?.data || error);
        process.exit(1);
    }
});
