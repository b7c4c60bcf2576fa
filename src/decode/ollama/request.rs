//! What Ollama is asked.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::{
    conversation::{Message, Prompt, Role},
    decode::{
        Read, claims,
        json::{self, Fault, Field, Members, Raw, Source, stated},
        media, openai_chat,
    },
    outcome::Truncated,
};

/// Reads a request; `None` where the document is none.
pub(in crate::decode) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    if let Some(mut read) = openai_chat::prompt(source, keep_media) {
        let said = read.value.messages.iter_mut();
        said.for_each(|message| show_images(message, keep_media));
        return Some(read);
    }
    let (request, claims) = claims::document::<Request<'_>>(source)?;
    let Field::Text(text) = request.prompt else {
        return None;
    };
    let mut message = Message::new(Role::User, text);
    for (name, field) in [("images", request.images), ("suffix", request.suffix)] {
        if let Some(source) = field {
            let value = json::parsed(source);
            message.other.insert(name.to_owned(), value);
        }
    }
    show_images(&mut message, keep_media);
    let instructions = request.system.text();
    let value = Prompt {
        model: request.model.text().map(Cow::into_owned),
        instructions: instructions
            .map(|text| Message::new(Role::System, text))
            .into_iter()
            .collect(),
        messages: vec![message],
        claims,
        stream: matches!(request.stream, Field::Other(Value::Bool(true))),
        ..Prompt::default()
    };
    Some(Read::new(value, Truncated::No))
}

/// Pictures are bare base64 beside the text; here they are parts of the content, as everywhere.
pub(super) fn show_images(message: &mut Message, keep_media: bool) {
    let Some(Value::Array(images)) = message.other.remove("images") else {
        return;
    };
    if images.is_empty() {
        return;
    }
    let shown = images.into_iter().map(|mut image| {
        if !keep_media {
            media::stub_bare(Some(&mut image), "application/octet-stream");
        }
        json!({"type": "image", "image": image})
    });
    message.other.insert("content".to_owned(), shown.collect());
}

#[derive(Default)]
struct Request<'a> {
    model: Field<'a>,
    stream: Field<'a>,
    prompt: Field<'a>,
    system: Field<'a>,
    suffix: Option<Raw<'a>>,
    images: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "stream" => self.stream = map.field()?,
            "prompt" => self.prompt = map.field()?,
            "system" => self.system = map.field()?,
            "suffix" => self.suffix = stated(map)?.filter(|suffix| suffix.get() != "\"\""),
            "images" => self.images = stated(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}
