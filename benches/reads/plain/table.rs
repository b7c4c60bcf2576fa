//! One table with all messages.

use super::{
    connection::{Connection, Value},
    dialect::Dialect,
};
use crate::{
    clock::DAY_MS,
    question::{PAGE, Question},
};

/// A statement for each kind of question.
pub struct Table {
    /// All that is known of a conversation but its messages.
    conversation: String,
    messages: String,
    conversations: String,
    stats: String,
}

impl Table {
    pub fn new(dialect: &Dialect) -> Self {
        let Dialect {
            id,
            text,
            from,
            to,
            day,
            ..
        } = dialect;
        let columns = dialect.columns();
        // Active as late as its newest row of either kind.
        let newest = |table: &str| {
            format!("(SELECT max(h.created_at) FROM {table} AS h WHERE h.conversation_id = c.id)")
        };
        let conversation = format!(
            "SELECT c.id, c.session_id, c.title, c.created_at, c.last_day, c.message_count, {}, {} \
             FROM conversations AS c",
            newest("conversation_histories"),
            newest("error_conversation_histories")
        );
        Self {
            conversation: format!("{conversation} WHERE c.id = {id}"),
            messages: format!(
                "SELECT {columns} FROM conversation_histories WHERE conversation_id = {id} \
                 ORDER BY created_at DESC, id DESC LIMIT {PAGE}"
            ),
            conversations: format!(
                "{conversation} WHERE c.tenant = '' AND c.user_identifier = {text} \
                 ORDER BY c.last_day DESC, c.id LIMIT {PAGE}"
            ),
            stats: format!(
                "SELECT model_name, {day}, count(*), count(DISTINCT exchange_id), \
                 sum(prompt_tokens), sum(completion_tokens), sum(total_tokens) \
                 FROM conversation_histories \
                 WHERE user_id = {text} AND created_at >= {from} AND created_at < {to} \
                 GROUP BY model_name, {day}"
            ),
        }
    }

    pub async fn ask(&self, connection: &mut Connection, question: &Question) -> usize {
        match question {
            Question::Conversation(id) => {
                let id = [Value::Id(*id)];
                let found = connection.rows(&self.conversation, &id).await;
                found + connection.rows(&self.messages, &id).await
            }
            Question::Messages(id) => connection.rows(&self.messages, &[Value::Id(*id)]).await,
            Question::Conversations(user) => {
                let user = [Value::Text(user)];
                connection.rows(&self.conversations, &user).await
            }
            Question::Stats { user, from, to } => {
                let values = [
                    Value::Text(user),
                    Value::Time(*from),
                    Value::Time(to + DAY_MS),
                ];
                connection.rows(&self.stats, &values).await
            }
        }
    }
}
