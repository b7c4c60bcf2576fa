//! How the service is read: gRPC's frames, each of them a prost message.

use prost::Message as _;
use tower_recording::{
    CapturedBody, Decode,
    conversation::{Message, Prompt, Reply, Role},
};

use super::{
    messages::{ChatReply, ChatRequest, Speaker, Turn},
    service::{NAME, SAY, SAY_STREAMED},
};

#[derive(Clone, Copy, Debug)]
pub struct ChatDialect;

impl Decode for ChatDialect {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn speaks(&self, path: &str) -> bool {
        [SAY, SAY_STREAMED].contains(&path)
    }

    fn prompt(&self, body: &CapturedBody<'_>) -> Option<Prompt> {
        let mut frames = frames(body)?.into_iter();
        let ChatRequest {
            model,
            turns,
            conversation_id,
        } = ChatRequest::decode(frames.next()?).ok()?;
        let mut prompt = Prompt::new(turns.into_iter().map(message).collect());
        prompt.model = Some(model);
        prompt.stream = body.path == SAY_STREAMED;
        // As if it were the body of a JSON request: this name is looked for by default.
        prompt.claim("conversation_id", conversation_id);
        Some(prompt)
    }

    fn reply(&self, _status: u16, body: &CapturedBody<'_>) -> Option<Reply> {
        let mut answer = Message::new(Role::Assistant, "");
        let mut reply = Reply::default();
        let mut finish_reason = None;
        for frame in frames(body)? {
            let piece = ChatReply::decode(frame).ok()?;
            answer.content.push_str(&piece.text);
            reply.response_id = Some(piece.id);
            reply.model = Some(piece.model);
            if !piece.finish_reason.is_empty() {
                finish_reason = Some(piece.finish_reason);
            }
            if let Some(usage) = piece.usage {
                reply.usage.prompt_tokens = Some(usage.prompt_tokens);
                reply.usage.completion_tokens = Some(usage.completion_tokens);
            }
        }
        let mut whole = Reply::new(answer);
        whole.choices[0].finish_reason = finish_reason;
        reply.choices = whole.choices;
        reply.streamed = body.path == SAY_STREAMED;
        Some(reply)
    }
}

fn message(Turn { speaker, text }: Turn) -> Message {
    let role = match Speaker::try_from(speaker) {
        Ok(Speaker::User) => Role::User,
        Ok(Speaker::Assistant) => Role::Assistant,
        Ok(Speaker::System) => Role::System,
        Err(_) => Role::Other(format!("speaker {speaker}")),
    };
    Message::new(role, text)
}

/// The messages of a body: each behind a byte that says whether it is compressed, and its length. `None`
/// where one is compressed, or is not whole in a body that is.
fn frames<'a>(body: &CapturedBody<'a>) -> Option<Vec<&'a [u8]>> {
    let mut frames = Vec::new();
    let mut rest = body.bytes;
    while let Some((head, after)) = rest.split_first_chunk::<5>() {
        let [0, length @ ..] = *head else {
            return None;
        };
        let Some((frame, after)) = after.split_at_checked(u32::from_be_bytes(length) as usize)
        else {
            break;
        };
        frames.push(frame);
        rest = after;
    }
    (rest.is_empty() || body.is_cut).then_some(frames)
}
