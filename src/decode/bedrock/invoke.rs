//! InvokeModel: the body is in the model's own dialect, which is told from what it says.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{failed, plain::Plain, stored, stream::Stream};
use crate::{
    conversation::{Message, Prompt, Reply, Role},
    decode::{
        Policy, Read, Unread,
        amazon_events::Messages,
        anthropic,
        body::Body,
        claims, cohere, embeddings, estimate,
        json::{self, Echo, Fault, Field, Members, Padding, Raw, Source},
        openai_chat, repaired,
    },
    outcome::Truncated,
};

/// What tells one dialect from another.
#[derive(Default)]
struct Marks<'a> {
    has_messages: bool,
    is_anthropic: bool,
    is_converse: bool,
    text: Field<'a>,
}

impl<'de> Members<'de> for Marks<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "anthropic_version" => self.is_anthropic = true,
            "schemaVersion" | "inferenceConfig" | "toolConfig" => self.is_converse = true,
            "messages" => self.has_messages = true,
            "prompt" | "inputText" => {
                self.text = map.field()?;
                return Ok(());
            }
            _ => {}
        }
        map.skip()
    }
}

/// Reads a request; `None` where it is in no dialect of a conversation.
pub(in crate::decode) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let (marks, claims) = claims::document::<Marks<'_>>(source)?;
    match marks {
        Marks {
            has_messages: true,
            is_anthropic: true,
            ..
        } => anthropic::prompt(source, keep_media),
        Marks {
            has_messages: true,
            is_converse: true,
            ..
        } => super::prompt(source, keep_media),
        Marks {
            has_messages: true, ..
        } => openai_chat::prompt(source, keep_media),
        Marks { text, .. } => match text.text() {
            Some(text) => {
                let message = Message::new(Role::User, text);
                let prompt = Prompt {
                    claims,
                    ..Prompt::new(vec![message])
                };
                Some(Read::new(prompt, Truncated::No))
            }
            None => cohere::prompt(source, keep_media)
                .or_else(|| embeddings::prompt(source, keep_media)),
        },
    }
}

/// Reads a whole response.
pub(in crate::decode) fn reply(
    source: &str,
    cut: bool,
    policy: &Policy,
) -> Result<Read<Reply>, Unread> {
    if !estimate::fits(source, policy.max_parsed_bytes) {
        return Err(Unread::TooLarge);
    }
    let whole = |source: &str| {
        anthropic::whole_reply(source, policy.keep_media)
            .or_else(|| super::whole_reply(source, policy.keep_media))
            .or_else(|| openai_chat::reply(source, false, false, policy).ok())
            .or_else(|| {
                let mut plain = Plain::default();
                plain.add(source);
                let reply = plain.finish(false)?;
                Some(Read::new(reply, Truncated::No))
            })
    };
    match repaired(source, cut, whole) {
        Some(read) => Ok(read),
        // Of vectors nothing is kept, whole or not.
        None if source.contains("\"embedding") => embeddings::reply(source, cut),
        None => Err(Unread::Unknown),
    }
}

/// What a stream of InvokeModel holds in its messages.
enum Inner {
    Anthropic(Box<anthropic::Stream>),
    Converse(Box<Stream>),
    Chat(Box<openai_chat::Stream>),
    /// As lines.
    Cohere(String),
    Plain(Plain),
}

impl Inner {
    fn of(first: &str, room: usize) -> Self {
        let Keys(keys) = json::document(first).unwrap_or_default();
        let has = |key: &str| keys.iter().any(|known| known == key);
        if has("messageStart") || has("contentBlockDelta") {
            Self::Converse(Box::new(Stream::new(room)))
        } else if has("choices") {
            Self::Chat(Box::new(openai_chat::Stream::of_messages(room)))
        } else if has("event_type") {
            Self::Cohere(String::new())
        } else if has("type") || has("completion") {
            Self::Anthropic(Box::new(anthropic::Stream::new(room)))
        } else {
            Self::Plain(Plain::default())
        }
    }

    fn add(&mut self, document: &str, is_cut: bool) {
        match self {
            Self::Anthropic(stream) => stream.event("", document, is_cut),
            Self::Converse(stream) => {
                let event: Option<Event<'_>> = json::document(document);
                match event.and_then(|event| event.inner) {
                    Some((kind, payload)) => stream.event(&kind, payload.get(), false),
                    None => stream.unread(document),
                }
            }
            Self::Chat(stream) => stream.document(document.trim_ascii(), is_cut),
            Self::Cohere(lines) => {
                lines.extend(document.split(['\r', '\n']));
                lines.push('\n');
            }
            Self::Plain(plain) => drop(plain.add(document)),
        }
    }
}

/// The names of an object's members.
#[derive(Default)]
struct Keys<'a>(Vec<Cow<'a, str>>);

impl<'de> Members<'de> for Keys<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        self.0.push(key);
        map.skip()
    }
}

/// An event of Converse within a message: its kind and what it says.
#[derive(Default)]
struct Event<'a> {
    inner: Option<(Cow<'a, str>, Raw<'a>)>,
}

impl<'de> Members<'de> for Event<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        let value = json::stated(map)?;
        if self.inner.is_none() {
            self.inner = value.map(|value| (key, value));
        }
        Ok(())
    }
}

/// The payload of a message: a document in base64.
#[derive(Default)]
struct Chunk<'a> {
    bytes: Field<'a>,
}

impl<'de> Members<'de> for Chunk<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "bytes" => self.bytes = map.field()?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

/// What most documents of a stream have room in.
const DOCUMENT_BYTES: usize = 512;

/// Reads a stream of InvokeModelWithResponseStream.
pub(in crate::decode) fn stream(body: &Body<'_>, policy: &Policy) -> Result<Read<Reply>, Unread> {
    let mut inner: Option<Inner> = None;
    let mut chunks = Chunks(Echo::padded(Padding::P));
    let mut decoded = Vec::with_capacity(DOCUMENT_BYTES);
    let mut error = None;
    let mut room = policy.max_parsed_bytes;
    let mut refused = 0;
    for message in Messages::new(&body.bytes) {
        let payload = stored(message.payload);
        if let Some(failure) = failed(&message, &payload) {
            error.get_or_insert(failure);
            continue;
        }
        if chunks.document(&payload, &mut decoded).is_none() {
            continue;
        }
        let document = stored(&decoded);
        let is_cut = body.cut && !message.ended;
        let inner = inner.get_or_insert_with(|| Inner::of(&document, policy.max_parsed_bytes));
        if let Inner::Cohere(_) | Inner::Plain(_) = inner {
            let takes = estimate::document(&document, room);
            if takes > room {
                refused += document.len() as u64;
                continue;
            }
            room -= takes.min(document.len());
        }
        inner.add(&document, is_cut);
    }
    let policy = Policy {
        max_parsed_bytes: room,
        ..*policy
    };
    let read = match inner {
        Some(Inner::Anthropic(stream)) => stream.finish(policy.keep_media),
        Some(Inner::Converse(stream)) => stream.finish(policy.keep_media),
        Some(Inner::Chat(stream)) => stream.finish(policy.keep_media),
        Some(Inner::Cohere(lines)) => cohere::reply(&lines, false, true, false, &policy),
        Some(Inner::Plain(plain)) => plain
            .finish(true)
            .map(|reply| Read::new(reply, Truncated::No))
            .ok_or(Unread::Unknown),
        None => Err(Unread::Unknown),
    };
    let mut read = match (read, &error) {
        (Ok(read), _) => read,
        (Err(_), Some(_)) => Read::new(
            Reply {
                streamed: true,
                ..Reply::default()
            },
            Truncated::No,
        ),
        (Err(unread), None) => return Err(unread),
    };
    if refused > 0 {
        read.truncated = Truncated::Budget;
        read.shed_bytes += refused;
    }
    read.value.error = read.value.error.take().or(error);
    Ok(read)
}

/// The payloads of a stream, most of which are the same around their document.
struct Chunks(Echo);

impl Chunks {
    /// Reads the document of a payload into the room.
    fn document(&mut self, payload: &str, room: &mut Vec<u8>) -> Option<()> {
        let Self(echo) = self;
        let text = match echo.text(payload) {
            Some(text) if !text.is_empty() => text,
            _ => {
                let chunk: Chunk<'_> = json::document(payload)?;
                let text = chunk.bytes.text()?;
                echo.learn(payload, &text, None);
                text
            }
        };
        room.clear();
        STANDARD.decode_vec(text.as_bytes(), room).ok()
    }
}
