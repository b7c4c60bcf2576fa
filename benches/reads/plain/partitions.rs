//! PostgreSQL's partitions of days, below their parent: with the times that a conversation lies between,
//! so that the others are left out.

use tower_recording::store::UnixMillis;

use super::{
    connection::{Connection, Value},
    dialect::{Dialect, POSTGRES},
};
use crate::{
    clock::DAY_MS,
    question::{PAGE, Question},
};

/// A plan that is made for the times of a few days is there sooner than one for all times, which has all
/// partitions, has locked them.
const FEW_DAYS: UnixMillis = 8;
const PLANS_OF_FEW: &str = "SET plan_cache_mode = force_custom_plan";
const PLAN_OF_MANY: &str = "SET plan_cache_mode = force_generic_plan";

/// When the first of the days begins that are not counted, in milliseconds; behind all, if there is none.
const UNCOUNTED: &str = "coalesce((SELECT (extract(epoch FROM min(day)) * 1000)::bigint \
     FROM recording_days WHERE closed_at IS NULL OR dirty <> 0), 9000000000000000)::text";

/// A statement for each thing that has to be known.
pub struct Partitions {
    /// What was set last.
    plans: &'static str,
    conversation: String,
    messages: String,
    conversations: String,
    /// What no count has yet of these conversations.
    uncounted: String,
    overlapping: String,
    closed: String,
    open: String,
}

impl Partitions {
    pub fn new() -> Self {
        let Dialect {
            id,
            text,
            from,
            to,
            day,
            ..
        } = POSTGRES;
        let columns = POSTGRES.columns();
        let ms = |day: &str| format!("(extract(epoch FROM {day}) * 1000)::bigint::text");
        let (first, end) = (ms("first_day"), ms("(last_day + 1)"));
        let known = "session_id, title, created_at, last_day, message_count, newest_at";
        let counted = "role NOT IN ('system', 'developer', 'tool')";
        let of_day = |at: &str| format!("({at} AT TIME ZONE 'UTC')::date");
        let (from_day, to_day) = (of_day(from), of_day(to));
        let newest = |count: &str, table: &str| {
            format!(
                "SELECT conversation_id, max(created_at), {count} FROM {table} \
                 WHERE conversation_id = ANY($1::text::uuid[]) AND created_at >= {from} \
                 GROUP BY conversation_id"
            )
        };
        let count = format!("count(*) FILTER (WHERE {counted})");
        let open = |sums: &str, table: &str| {
            format!(
                "SELECT model_name, {day}, {sums} FROM {table} WHERE user_id = {text} \
                 AND tenant = '' AND created_at >= {from} AND created_at < {to} \
                 GROUP BY model_name, {day}"
            )
        };
        let sums = format!(
            "{count}, count(DISTINCT exchange_id), 0, \
             sum(prompt_tokens), sum(completion_tokens), sum(total_tokens)"
        );
        Self {
            plans: "",
            conversation: format!(
                "SELECT {first}, {end}, {UNCOUNTED}, {known} FROM conversations WHERE id = {id}"
            ),
            messages: format!(
                "SELECT {columns} FROM conversation_histories WHERE conversation_id = {id} \
                 AND created_at >= {from} AND created_at < {to} \
                 ORDER BY created_at DESC, id DESC LIMIT {PAGE}"
            ),
            conversations: format!(
                "SELECT id::text, {end}, {UNCOUNTED}, {known} FROM conversations \
                 WHERE tenant = '' AND user_identifier = {text} \
                 ORDER BY last_day DESC, newest_at DESC, id LIMIT {PAGE}"
            ),
            uncounted: format!(
                "{} UNION ALL {}",
                newest(&count, "conversation_histories"),
                newest("0", "error_conversation_histories")
            ),
            overlapping: format!(
                "SELECT {UNCOUNTED}, count(*) FROM conversations WHERE tenant = '' \
                 AND user_identifier = {text} AND last_day >= {from_day} AND first_day <= {to_day}"
            ),
            closed: format!(
                "SELECT model_name, day, messages, exchanges, errors, prompt_tokens, \
                 completion_tokens, total_tokens FROM usage_daily WHERE tenant = '' \
                 AND user_id = {text} AND day BETWEEN {from_day} AND {to_day}"
            ),
            open: format!(
                "{} UNION ALL {}",
                open(&sums, "conversation_histories"),
                open("0, 0, count(*), 0, 0, 0", "error_conversation_histories")
            ),
        }
    }

    pub async fn ask(&mut self, connection: &mut Connection, question: &Question) -> usize {
        match question {
            Question::Conversation(id) | Question::Messages(id) => {
                let value = || Value::Id(*id);
                let found = connection.texts::<3>(&self.conversation, &[value()]).await;
                let [first, end, uncounted] = found[0].each_ref().map(|text| ms(text));
                let values = [value(), Value::Time(first), Value::Time(end)];
                self.plan(connection, (end - first) / DAY_MS).await;
                let messages = connection.rows(&self.messages, &values).await;
                if let Question::Messages(_) = question {
                    return messages;
                }
                if uncounted < end {
                    self.look(connection, &[id.to_string()], uncounted).await;
                }
                found.len() + messages
            }
            Question::Conversations(user) => {
                let user = [Value::Text(user)];
                let found = connection.texts::<3>(&self.conversations, &user).await;
                let uncounted = found.first().map_or(0, |[_, _, uncounted]| ms(uncounted));
                let reach = found.iter().filter(|[_, end, _]| ms(end) > uncounted);
                let reach: Vec<String> = reach.map(|[id, ..]| id.clone()).collect();
                if !reach.is_empty() {
                    self.look(connection, &reach, uncounted).await;
                }
                found.len()
            }
            Question::Stats { user, from, to } => {
                let values = [Value::Text(user), Value::Time(*from), Value::Time(*to)];
                let found = connection.texts::<1>(&self.overlapping, &values).await;
                let closed = connection.rows(&self.closed, &values).await;
                let (uncounted, end) = (ms(&found[0][0]), to + DAY_MS);
                if end <= uncounted {
                    return closed;
                }
                let from = uncounted.max(*from);
                self.plan(connection, (end - from) / DAY_MS).await;
                let values = [Value::Text(user), Value::Time(from), Value::Time(end)];
                closed + connection.rows(&self.open, &values).await
            }
        }
    }

    /// Has plans made as it is best for so many days.
    async fn plan(&mut self, connection: &mut Connection, days: UnixMillis) {
        let plans = match days <= FEW_DAYS {
            true => PLANS_OF_FEW,
            false => PLAN_OF_MANY,
        };
        if self.plans != plans {
            connection.set(plans).await;
            self.plans = plans;
        }
    }

    /// Looks at what no count has yet.
    async fn look(&mut self, connection: &mut Connection, ids: &[String], from: UnixMillis) {
        self.plan(connection, 1).await;
        let ids = format!("{{{}}}", ids.join(","));
        let values = [Value::Text(&ids), Value::Time(from)];
        connection.rows(&self.uncounted, &values).await;
    }
}

fn ms(text: &str) -> UnixMillis {
    text.parse().expect("a number")
}
