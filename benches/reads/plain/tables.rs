//! A table a day, as MySQL and SQLite have them: those that a question is about are named in a statement
//! of its own.

use super::{
    connection::{Connection, Value},
    dialect::Dialect,
};
use crate::{
    question::{PAGE, Question},
    route::day,
};

/// The first of the days that are not counted; behind all, if there is none.
const UNCOUNTED: &str = "coalesce((SELECT CAST(min(day) AS CHAR) FROM recording_days \
     WHERE closed_at IS NULL OR dirty <> 0), '9')";
const COUNTED: &str = "role NOT IN ('system', 'developer', 'tool')";

/// A statement for each thing that has to be known, and what those are made of that name tables.
pub struct Tables {
    columns: String,
    /// A conversation, once for each of its days.
    conversation: String,
    conversations: String,
    overlapping: String,
    closed: String,
    open_days: String,
}

impl Tables {
    pub fn new(dialect: &Dialect) -> Self {
        let Dialect { id, text, .. } = dialect;
        let known = "session_id, title, created_at, last_day, message_count, newest_at";
        Self {
            columns: dialect.columns(),
            conversation: format!(
                "SELECT CAST(day AS CHAR), {UNCOUNTED}, {known} FROM conversations \
                 JOIN recording_days ON day BETWEEN first_day AND last_day \
                 WHERE id = {id} ORDER BY day DESC"
            ),
            conversations: format!(
                "SELECT lower(hex(id)), CAST(last_day AS CHAR), {UNCOUNTED}, {known} \
                 FROM conversations WHERE tenant = '' AND user_identifier = {text} \
                 ORDER BY last_day DESC, newest_at DESC, id LIMIT {PAGE}"
            ),
            overlapping: format!(
                "SELECT count(*) FROM conversations WHERE tenant = '' AND user_identifier = {text} \
                 AND last_day >= {text} AND first_day <= {text}"
            ),
            closed: format!(
                "SELECT model_name, day, messages, exchanges, errors, prompt_tokens, \
                 completion_tokens, total_tokens FROM usage_daily WHERE tenant = '' \
                 AND user_id = {text} AND day BETWEEN {text} AND {text}"
            ),
            open_days: format!(
                "SELECT CAST(day AS CHAR) FROM recording_days WHERE day BETWEEN {text} AND {text} \
                 AND (closed_at IS NULL OR dirty <> 0)"
            ),
        }
    }

    pub async fn ask(&self, connection: &mut Connection, question: &Question) -> usize {
        match question {
            Question::Conversation(id) | Question::Messages(id) => {
                let value = [Value::Id(*id)];
                let found = connection.texts::<2>(&self.conversation, &value).await;
                let hex: String = id.as_bytes().map(|byte| format!("{byte:02x}")).concat();
                let messages = connection.rows_once(&self.messages(&hex, &found)).await;
                if let Question::Messages(_) = question {
                    return messages;
                }
                let [last_day, uncounted] = &found[0];
                let newest = newest(&hex, last_day, uncounted);
                if !newest.is_empty() {
                    connection.rows_once(&newest.join(" UNION ALL ")).await;
                }
                1 + messages
            }
            Question::Conversations(user) => {
                let user = [Value::Text(user)];
                let found = connection.texts::<3>(&self.conversations, &user).await;
                let newest = found
                    .iter()
                    .flat_map(|[hex, last_day, uncounted]| newest(hex, last_day, uncounted));
                let newest: Vec<String> = newest.collect();
                if !newest.is_empty() {
                    connection.rows_once(&newest.join(" UNION ALL ")).await;
                }
                found.len()
            }
            Question::Stats { user, from, to } => {
                let [from, to] = [from, to].map(|at| day(*at).to_string());
                let days = [Value::Text(&from), Value::Text(&to)];
                let of_user = [Value::Text(user), Value::Text(&from), Value::Text(&to)];
                connection.rows(&self.overlapping, &of_user).await;
                let closed = connection.rows(&self.closed, &of_user).await;
                let open = connection.texts::<1>(&self.open_days, &days).await;
                let open = open.iter().flat_map(|[day]| stats(user, day));
                let open: Vec<String> = open.collect();
                match open.is_empty() {
                    true => closed,
                    false => closed + connection.rows_once(&open.join(" UNION ALL ")).await,
                }
            }
        }
    }

    /// The newest messages of a conversation that has these days.
    fn messages(&self, hex: &str, days: &[[String; 2]]) -> String {
        let columns = &self.columns;
        let of_days = days.iter().map(|[day, _]| {
            let [messages, _] = tables(day);
            format!("SELECT {columns} FROM {messages} WHERE conversation_id = x'{hex}'")
        });
        let of_days: Vec<String> = of_days.collect();
        format!(
            "{} ORDER BY created_at DESC, id DESC LIMIT {PAGE}",
            of_days.join(" UNION ALL ")
        )
    }
}

/// What is not stored with a conversation of its last day.
fn newest(hex: &str, last_day: &str, uncounted: &str) -> Vec<String> {
    if last_day < uncounted {
        return Vec::new();
    }
    let count = format!("sum({COUNTED})");
    let [messages, errors] = tables(last_day);
    let newest = |count: &str, table: &str| {
        format!(
            "SELECT '{hex}', max(created_at), {count} FROM {table} \
             WHERE conversation_id = x'{hex}'"
        )
    };
    vec![newest(&count, &messages), newest("0", &errors)]
}

/// What a user said and spent on a day that is not counted.
fn stats(user: &str, day: &str) -> [String; 2] {
    let [messages, errors] = tables(day);
    let of_day = |sums: &str, table: &str| {
        format!(
            "SELECT model_name, '{day}', {sums} FROM {table} \
             WHERE user_id = '{user}' AND tenant = '' GROUP BY model_name"
        )
    };
    let sums = format!(
        "sum({COUNTED}), count(DISTINCT exchange_id), 0, \
         sum(prompt_tokens), sum(completion_tokens), sum(total_tokens)"
    );
    [
        of_day(&sums, &messages),
        of_day("0, 0, count(*), 0, 0, 0", &errors),
    ]
}

/// The tables of a day: that of messages, and that of failed exchanges.
fn tables(day: &str) -> [String; 2] {
    let day = day.replace('-', "_");
    ["conversation_histories", "error_conversation_histories"]
        .map(|prefix| format!("{prefix}_{day}"))
}
