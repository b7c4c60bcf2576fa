//! What exchanges hold in memory, near enough for the budget.

use serde_json::Value;

use super::{batch::Weigh, hear::Heard};
use crate::{
    conversation::{Message, ToolCall},
    store::{ExchangeRows, MessageColumns},
};

/// What a row takes beside its texts.
const ROW_BYTES: usize = 512;
/// What a message takes beside its texts.
const MESSAGE_BYTES: usize = 256;

impl Weigh for ExchangeRows {
    fn weight(&self) -> usize {
        let Self {
            conversation,
            exchange: columns,
            messages,
            error,
            response: _,
            retold,
            span,
        } = self;
        let messages = messages.iter().map(message_weight);
        let error = error.iter().map(|error| {
            ROW_BYTES
                + error.role.as_str().len()
                + error.content.len()
                + error.error_message.len()
                + texts([&error.message_id, &error.other, &error.usage.raw])
        });
        let names = [
            &conversation.tenant,
            &conversation.session_id,
            &conversation.user_identifier,
            &conversation.session_source,
            &columns.tenant,
            &columns.user_id,
        ];
        let optional = [
            &conversation.title,
            &retold.title,
            &columns.token_id,
            &columns.channel_id,
            &columns.request_model,
            &columns.model_name,
            &columns.provider,
            &columns.ip,
            &columns.trace_id,
            &columns.tags,
        ];
        ROW_BYTES
            + size_of_val(&*retold.answers)
            + names.iter().map(|name| name.len()).sum::<usize>()
            + texts(optional)
            + messages.chain(error).sum::<usize>()
            + span.weight()
    }

    fn rows(&self) -> usize {
        (self.messages.len() + usize::from(self.error.is_some())).max(1)
    }
}

impl Weigh for Heard {
    fn weight(&self) -> usize {
        let Self {
            prompt,
            reply,
            span,
            ..
        } = self;
        let answered = reply.choices.iter().map(|choice| &choice.message);
        let messages = prompt.instructions.iter().chain(&prompt.messages);
        let said = messages.chain(answered).map(message);
        let tools = prompt.tools.as_ref().map_or(0, String::len);
        ROW_BYTES + tools + said.sum::<usize>() + span.weight()
    }

    fn rows(&self) -> usize {
        // What stands before the last answer is stored already, as a rule.
        let known = self.prompt.answers().last().unwrap_or(0);
        (self.prompt.messages.len() - known + self.reply.choices.len()).max(1)
    }
}

impl Heard {
    /// How many rows with a hash may be made of it: one is the prompt's, and one may stand for an
    /// answer that did not come.
    pub(super) fn most_rows(&self) -> usize {
        self.prompt.messages.len() + self.reply.choices.len() + 2
    }
}

fn message(message: &Message) -> usize {
    let Message {
        role,
        content,
        tool_calls,
        tool_call_id,
        reasoning,
        refusal,
        other,
        kept,
    } = message;
    let call = |call: &ToolCall| MESSAGE_BYTES + call.name.len() + call.arguments.len();
    MESSAGE_BYTES
        + role.as_str().len()
        + content.len()
        + texts([tool_call_id, reasoning, refusal])
        + tool_calls.iter().map(call).sum::<usize>()
        + other.values().map(value).sum::<usize>()
        + kept
            .iter()
            .map(|(name, kept)| name.len() + kept.weight(&value))
            .sum::<usize>()
}

/// What a value takes, with the node of the map or list that it stands in.
fn value(value: &Value) -> usize {
    const NODE: usize = 96;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(self::value).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| name.len() + self::value(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn message_weight(message: &MessageColumns) -> usize {
    let optional = [
        &message.message_id,
        &message.finish_reason,
        &message.other,
        &message.usage.raw,
    ];
    ROW_BYTES + message.role.as_str().len() + message.content.len() + texts(optional)
}

fn texts<const N: usize>(texts: [&Option<String>; N]) -> usize {
    texts.into_iter().flatten().map(String::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conversation::Role, id::Id, json::Kept};

    #[test]
    fn every_text_of_a_row_is_weighed() {
        let row = |text: &str| MessageColumns {
            id: Id::exchange(1),
            message_id: Some(text.to_owned()),
            role: Role::Other(text.to_owned()),
            finish_reason: Some(text.to_owned()),
            content: text.to_owned(),
            other: Some(text.to_owned()),
            ..MessageColumns::default()
        };
        assert_eq!(message_weight(&row("four")), ROW_BYTES + 5 * 4);
    }

    #[test]
    fn what_is_kept_weighs_no_less_than_where_it_stands() {
        let members = 10_000;
        let mut said = Message::new(Role::Assistant, "");
        said.keep((0..members).map(|number| (number.to_string(), Kept::Source("[1]".to_owned()))));
        let place = size_of::<String>() + size_of::<Kept>();
        assert!(message(&said) >= members * place, "{}", message(&said));
    }
}
