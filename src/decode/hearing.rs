//! The bodies of an exchange, read one after the other.

use super::{Payload, Policy, Read, Unread, body::Body, failure, own::Speech, raw};
use crate::{
    conversation::{Choice, Message, Prompt, ProviderError, Reply, Role},
    outcome::Truncated,
};

/// An exchange of which the bodies are read one after the other, so that one of them is expanded at a time.
pub(super) struct Hearing<'s> {
    pub(super) speech: Option<Speech<'s>>,
    /// What the bodies that were read take is taken off it.
    pub(super) policy: Policy,
    pub(super) is_read: bool,
    pub(super) is_raw: bool,
    pub(super) truncated: Truncated,
    pub(super) shed_bytes: u64,
}

impl Hearing<'_> {
    pub(super) fn prompt(&mut self, payload: Payload<'_>) -> Prompt {
        let body = self.open(payload);
        if body.bytes.is_empty() {
            return Prompt::default();
        }
        match self.read(&body, |speech, body, policy| speech.prompt(body, policy)) {
            Ok(prompt) => prompt,
            Err(unread) => Prompt {
                messages: vec![self.raw(Role::User, &body, unread)],
                ..Prompt::default()
            },
        }
    }

    pub(super) fn reply(&mut self, status: u16, payload: Payload<'_>) -> Reply {
        let body = self.open(payload);
        let failed = status >= 400;
        let read = self.read(&body, |speech, body, policy| {
            let read = speech.reply(status, body, policy)?;
            match &read.value.error {
                None if failed => Err(Unread::Unknown),
                _ => Ok(read),
            }
        });
        let mut reply = Reply {
            streamed: body.is_event_stream() || body.is_amazon_stream(),
            ..Reply::default()
        };
        match read {
            Ok(mut reply) => {
                if failed && !reply.streamed && !self.is_own() {
                    // What stands around the error belongs to it, too.
                    let error = self.failure(&body).ok().flatten();
                    reply.error = error.or(reply.error);
                }
                return reply;
            }
            Err(_) if failed => {
                let read = self.failure(&body);
                if read == Err(Unread::TooLarge) {
                    self.refuse(&body, 0);
                }
                let error = read.ok().flatten();
                reply.error = Some(error.unwrap_or_else(|| failure::plain(body.whole())));
            }
            Err(_) if body.bytes.is_empty() => {}
            Err(unread) => reply.choices.push(Choice {
                index: 0,
                message: self.raw(Role::Assistant, &body, unread),
                finish_reason: None,
            }),
        }
        reply
    }

    fn is_own(&self) -> bool {
        matches!(self.speech, Some(Speech::Own(..)))
    }

    /// The error that the body of a failed response is, in whatever shape.
    fn failure(&self, body: &Body<'_>) -> Result<Option<ProviderError>, Unread> {
        if body.opaque {
            return Err(Unread::Unknown);
        }
        let (source, _) = body.document(&self.policy)?;
        Ok(failure::body(&source.text))
    }

    fn open<'a>(&mut self, payload: Payload<'a>) -> Body<'a> {
        let body = Body::open(payload, &self.policy);
        self.truncated = self.truncated.max(body.truncated);
        body
    }

    fn read<T>(
        &mut self,
        body: &Body<'_>,
        read: impl FnOnce(Speech<'_>, &Body<'_>, &Policy) -> Result<Read<T>, Unread>,
    ) -> Result<T, Unread> {
        let speech = self
            .speech
            .filter(|_| !body.opaque && !body.bytes.is_empty())
            .ok_or(Unread::Unknown)?;
        let Read {
            value,
            truncated,
            shed_bytes,
            held,
        } = read(speech, body, &self.policy)?;
        self.is_read = true;
        self.truncated = self.truncated.max(truncated);
        self.shed_bytes += shed_bytes;
        self.policy.max_parsed_bytes = self.policy.max_parsed_bytes.saturating_sub(held);
        Ok(value)
    }

    /// The body as it came.
    fn raw(&mut self, role: Role, body: &Body<'_>, why: Unread) -> Message {
        let max_bytes = self.policy.max_raw_bytes;
        let (message, cut) = raw::message(role, body.content_type, body.whole(), max_bytes);
        self.is_raw = true;
        self.truncated = self.truncated.max(cut);
        match why {
            Unread::TooLarge => self.refuse(body, max_bytes),
            Unread::Unknown => {
                self.shed_bytes += body.bytes.len().saturating_sub(max_bytes) as u64;
            }
        }
        message
    }

    /// Counts a body that there is no room to read, but for so many bytes that are kept raw.
    fn refuse(&mut self, body: &Body<'_>, kept: usize) {
        self.truncated = Truncated::Budget;
        self.shed_bytes += body.bytes.len().saturating_sub(kept) as u64;
    }
}
