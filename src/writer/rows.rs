//! The rows of an exchange whose place is known: made once, then frozen.

#[cfg(test)]
mod tests;

use std::mem;

use serde_json::{Map, Value};

use super::{
    hear::Heard,
    other::{begun, json_text, other, whole},
};
use crate::{
    conversation::{Choice, Message, Prompt, Reply, Role, Usage},
    escape,
    id::Id,
    identity::{Identity, fit},
    outcome::Outcome,
    store::{
        ChainHash, ErrorColumns, ExchangeColumns, ExchangeRows, KnownMessage, MessageColumns,
        NewConversation,
    },
    thread::{Asked, Thread, Threader, digest},
};

/// The longest title, in characters.
const TITLE_CHARS: usize = 60;

/// Makes the rows of an exchange at its place, and lets the threader learn them.
pub(super) fn make(
    heard: Heard,
    asked: &Asked,
    thread: &Thread,
    threader: &mut Threader,
) -> ExchangeRows {
    let Heard {
        id,
        identity,
        mut columns,
        prompt,
        reply,
        failed,
        is_unread,
        is_second_look: _,
    } = heard;
    let mut prompt = prompt;
    if is_unread && let Some(last) = prompt.messages.last_mut() {
        last.other.entry("request").or_insert("unread".into());
    }
    columns.conversation_id = thread.conversation;
    let conversation = conversation(identity, &prompt, thread, id.unix_ms());
    let mut rows = Rows {
        columns: &columns,
        made: Vec::new(),
        parent: thread.parent,
        hash: thread.parent_hash,
    };
    let error = if failed {
        Some(error_row(&columns, thread, prompt, reply))
    } else {
        rows.add_prompt(&prompt, asked, thread);
        rows.add_messages(prompt, asked, thread, threader);
        rows.add_choices(reply, asked, threader);
        None
    };
    let head = rows.parent.map(|parent| (parent, rows.hash));
    let messages = rows.made;
    for (row, chain_hash) in messages
        .iter()
        .filter_map(|row| Some((row, row.chain_hash?)))
    {
        let known = KnownMessage {
            conversation_id: thread.conversation,
            id: row.id,
            chain_hash,
        };
        threader.learn(known, row.role == Role::Assistant);
    }
    let complete = columns.outcome == Outcome::Complete;
    threader.learn_head(thread, &conversation.session_id, head, complete);
    ExchangeRows {
        conversation,
        exchange: columns,
        messages,
        error,
    }
}

fn conversation(
    identity: Identity,
    prompt: &Prompt,
    thread: &Thread,
    created_at: i64,
) -> NewConversation {
    let (session_id, session_source) = match &thread.inferred {
        Some(session_id) => (session_id.clone(), "inferred".to_owned()),
        None => (identity.session_id, fit(&identity.session_source)),
    };
    NewConversation {
        id: thread.conversation,
        tenant: identity.tenant,
        session_id,
        user_identifier: identity.user_id,
        title: title(prompt),
        session_source,
        created_at,
        sends_history: thread.sends_history,
        parent_conversation_id: identity.parent,
    }
}

/// The first line of what the user said first.
fn title(prompt: &Prompt) -> Option<String> {
    let said =
        |message: &&Message| message.role == Role::User && !message.content.trim().is_empty();
    let first = prompt.messages.iter().find(said)?;
    title_of(&first.content)
}

/// The first line of a text, at most 60 characters.
pub(crate) fn title_of(text: &str) -> Option<String> {
    let line = text.trim().lines().next()?.trim();
    (!line.is_empty()).then(|| escape::first_chars(line, TITLE_CHARS).to_owned())
}

/// The role, whose word fits its column.
fn fit_role(role: &Role) -> Role {
    match role {
        Role::Other(word) => Role::Other(fit(word)),
        known => known.clone(),
    }
}

/// The rows of an exchange, one after the other.
struct Rows<'a> {
    columns: &'a ExchangeColumns,
    made: Vec<MessageColumns>,
    /// What the next message follows.
    parent: Option<Id>,
    hash: ChainHash,
}

impl Rows<'_> {
    fn row(&mut self, mut message: Message) -> MessageColumns {
        MessageColumns {
            id: self.columns.exchange_id.row(self.made.len() + 1),
            role: fit_role(&message.role),
            updated_at: self.columns.created_at,
            other: json_text(other(&mut message)),
            content: message.content,
            ..MessageColumns::default()
        }
    }

    /// What the application told the model, where it does not stand there already. It is on no
    /// branch: the replies say which one they had.
    fn add_prompt(&mut self, prompt: &Prompt, asked: &Asked, thread: &Thread) {
        let Some(mark) = thread.new_prompt else {
            return;
        };
        let mut instructions = prompt.instructions.clone();
        if let Some(tools) = &prompt.tools {
            if instructions.is_empty() {
                instructions.push(Message::new(Role::System, ""));
            }
            if let Some(last) = instructions.last_mut() {
                let tools = serde_json::from_str(tools).unwrap_or_else(|_| tools.clone().into());
                last.other.insert("tools".to_owned(), tools);
            }
        }
        for message in instructions {
            let row = MessageColumns {
                prompt_hash: asked.prompt,
                ..self.row(message)
            };
            self.made.push(row);
        }
        if let Some(last) = self.made.last_mut() {
            last.chain_hash = Some(mark);
        }
    }

    /// What was said and is not stored yet, each under what stood before it.
    fn add_messages(
        &mut self,
        prompt: Prompt,
        asked: &Asked,
        thread: &Thread,
        threader: &Threader,
    ) {
        let new = prompt.messages.into_iter().zip(&asked.digests);
        for (message, digest) in new.skip(thread.known) {
            let hash = threader.chained(&self.hash, digest);
            let row = MessageColumns {
                parent_id: self.parent,
                chain_hash: Some(hash),
                ..self.row(message)
            };
            (self.parent, self.hash) = (Some(row.id), hash);
            self.made.push(row);
        }
    }

    /// The answers, all under what was said last. The first of them is the head from now on.
    fn add_choices(&mut self, reply: Reply, asked: &Asked, threader: &Threader) {
        let Reply {
            response_id,
            mut choices,
            mut usage,
            ..
        } = reply;
        let response_id = response_id.as_deref().map(fit);
        // What was stated of a reply without choices needs a row to stand on, and so does an
        // exchange that says again what is known.
        let has_more = response_id.is_some() || usage != Usage::default();
        let says_new = self.made.iter().any(|row| row.prompt_hash.is_none());
        let says_known = !asked.digests.is_empty() && !says_new;
        if choices.is_empty() && (has_more || says_known) {
            choices.push(Choice {
                index: 0,
                message: Message::new(Role::Assistant, ""),
                finish_reason: None,
            });
        }
        // Usage is of all choices together.
        let is_only = choices.len() == 1;
        let (parent, parent_hash) = (self.parent, self.hash);
        for (number, choice) in choices.into_iter().enumerate() {
            // Usage stands on one answer only, so that a sum over the rows is right.
            let usage = mem::take(&mut usage);
            let digest = digest(threader.key(), &choice.message);
            let hash = threader.chained(&parent_hash, &digest);
            let row = MessageColumns {
                parent_id: parent,
                chain_hash: Some(hash),
                message_id: response_id.clone(),
                choice_index: choice.index,
                token_count: usage.completion_tokens.filter(|_| is_only),
                usage,
                finish_reason: choice.finish_reason.as_deref().map(fit),
                prompt_hash: asked.prompt,
                ..self.row(choice.message)
            };
            if number == 0 {
                (self.parent, self.hash) = (Some(row.id), hash);
            }
            self.made.push(row);
        }
    }
}

fn error_row(
    columns: &ExchangeColumns,
    thread: &Thread,
    prompt: Prompt,
    reply: Reply,
) -> ErrorColumns {
    let Reply {
        response_id,
        choices,
        usage,
        error,
        ..
    } = reply;
    let error = error.unwrap_or_default();
    let mut details = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            details.insert(name.to_owned(), value);
        }
    };
    put("code", error.code.map(Value::from));
    put("type", error.kind.map(Value::from));
    let last = prompt.messages.last().or(prompt.instructions.last());
    let (role, content) = last.map_or((Role::User, String::new()), |last| {
        (fit_role(&last.role), last.content.clone())
    });
    // What stands among the messages already is found through the parent.
    let instructions = prompt.instructions.into_iter();
    let unstored = instructions.filter(|_| thread.new_prompt.is_some());
    let new = prompt.messages.into_iter().skip(thread.known);
    let messages: Vec<Value> = unstored.chain(new).map(whole).collect();
    put("messages", Some(messages.into()));
    let begun: Vec<Value> = choices.into_iter().map(begun).collect();
    put("reply", (!begun.is_empty()).then(|| begun.into()));
    let error_message = match (error.message, columns.outcome) {
        (message, _) if !message.is_empty() => message,
        (_, Outcome::Panicked) => "the gateway's handler panicked".to_owned(),
        (_, Outcome::UpstreamError) => "the upstream failed".to_owned(),
        _ => String::new(),
    };
    ErrorColumns {
        id: columns.exchange_id.row(1),
        parent_id: thread.parent,
        message_id: response_id.as_deref().map(fit),
        role,
        error_code: columns.status.unwrap_or_default(),
        error_message,
        usage,
        content,
        other: json_text(details),
    }
}
