//! The rows of an exchange whose place is known: made once, then frozen.

mod failure;
mod hashes;
mod retold;
#[cfg(test)]
mod tests;

use std::mem;

pub(super) use self::hashes::Hashes;
use self::{failure::error_row, retold::Told};
use super::{hear::Heard, other};
use crate::{
    conversation::{Message, Prompt, Reply, Role},
    escape,
    id::Id,
    identity::{Identity, fit},
    json,
    outcome::Outcome,
    store::{
        ChainHash, ExchangeColumns, ExchangeRows, KnownMessage, KnownResponse, MessageColumns,
        NewConversation,
    },
    thread::{Asked, Session, Thread, Threader, response_hash, spoken},
};

/// The longest title, in characters.
const TITLE_CHARS: usize = 60;

/// The rows of an exchange, and where its conversation stands with them.
pub(super) struct Made {
    pub(super) rows: ExchangeRows,
    /// The message that the next one follows, with its hash.
    pub(super) head: Option<(Id, ChainHash)>,
    pub(super) is_answered: bool,
}

/// Makes the rows of an exchange at its place, with these hashes.
pub(super) fn make(
    heard: Heard,
    asked: &Asked,
    thread: &Thread,
    hashes: &Hashes,
    threader: &Threader,
) -> Made {
    let Heard {
        id,
        identity,
        mut columns,
        prompt,
        reply,
        failed,
        is_unread,
        is_wordless: _,
        is_second_look: _,
        span,
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
    let is_kept = prompt.is_kept && !matches!(asked.session, Session::New(_));
    let response_id = reply.response_id.clone().filter(|_| is_kept && !failed);
    let told = Told::new(&prompt);
    let (error, retold) = if failed {
        let instructions = match thread.new_prompt {
            Some(_) => prompt.instructions.len(),
            None => 0,
        };
        let retold = retold::of_failure(&told, instructions, asked, thread, threader);
        (Some(error_row(&columns, thread, prompt, reply)), retold)
    } else {
        let (new, answers) = (hashes.messages.len(), hashes.answers.len());
        rows.made.reserve(prompt.instructions.len() + new + answers);
        rows.add_prompt(&prompt, asked, thread);
        rows.add_messages(prompt, thread, hashes);
        let retold = retold::of_rows(&told, &rows.made);
        rows.add_choices(reply, asked, hashes);
        (None, retold)
    };
    let head = rows.parent.map(|parent| (parent, rows.hash));
    let messages = rows.made;
    let response = response_id
        .zip(head)
        .map(|(response_id, (id, chain_hash))| KnownResponse {
            hash: response_hash(threader.key(), &asked.scope, &response_id),
            message: KnownMessage {
                conversation_id: thread.conversation,
                id,
                chain_hash,
            },
        });
    Made {
        head,
        is_answered: !failed && columns.outcome == Outcome::Complete,
        rows: ExchangeRows {
            conversation,
            exchange: columns,
            messages,
            error,
            response,
            retold,
            span,
        },
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
    title_of_messages(&prompt.messages)
}

fn title_of_messages(messages: &[Message]) -> Option<String> {
    let mut said = messages.iter().filter(|message| message.role == Role::User);
    said.find_map(|message| title_of(&spoken(&message.content)))
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
            other: other::text(&mut message),
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
                last.other.insert("tools".to_owned(), json::value(tools));
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
    fn add_messages(&mut self, prompt: Prompt, thread: &Thread, hashes: &Hashes) {
        let new = prompt.messages.into_iter().skip(thread.known);
        for (message, hash) in new.zip(hashes.messages.iter().copied()) {
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
    fn add_choices(&mut self, reply: Reply, asked: &Asked, hashes: &Hashes) {
        let Reply {
            response_id,
            choices,
            mut usage,
            ..
        } = reply;
        let response_id = response_id.as_deref().map(fit);
        // Usage is of all choices together.
        let is_only = choices.len() == 1;
        let parent = self.parent;
        let hashed = choices.into_iter().zip(hashes.answers.iter().copied());
        for (number, (choice, hash)) in hashed.enumerate() {
            // Usage stands on one answer only, so that a sum over the rows is right.
            let usage = mem::take(&mut usage);
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
