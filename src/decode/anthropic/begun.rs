//! The block that an event of a stream begins.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::wire::Rest;
use crate::{
    decode::{estimate, media::Marks},
    json::{Fault, Kept, Members, Raw, Source, parsed, plain},
};

/// A block whose members are not parsed.
#[derive(Default)]
pub(super) struct Begun<'a> {
    kind: Cow<'a, str>,
    /// Most blocks have but this.
    text: Option<Raw<'a>>,
    rest: Rest<'a>,
    marks: Marks,
}

impl<'de> Members<'de> for Begun<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        // Clients move it from call to call.
        if key == "cache_control" {
            return map.skip();
        }
        self.marks.name(&key);
        let source = map.seen(&mut self.marks)?;
        match key.as_ref() {
            "type" => self.kind = kind(source),
            "text" => self.text = Some(source),
            _ => self.rest.push((key, source)),
        }
        Ok(())
    }
}

impl Begun<'_> {
    /// Whether there may be media in it.
    pub(super) fn may_be_media(&self) -> bool {
        self.marks.may_be_media()
    }

    /// Takes the text of a block that is one.
    pub(super) fn take_text(&mut self) -> String {
        match self.text.take().map(parsed) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }
    }

    /// What its members take in memory, at most.
    pub(super) fn takes(&self) -> usize {
        let members = self.rest.iter().map(|(_, source)| *source);
        let members = members.chain(self.text);
        let kind = estimate::ELEMENT_BYTES + self.kind().len();
        kind + members.map(estimate::source).sum::<usize>()
    }

    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// The members that say something beside the kind.
    pub(super) fn into_members(self) -> BTreeMap<String, Kept> {
        let text = self.text.map(|source| (Cow::Borrowed("text"), source));
        let members = self.rest.into_iter().chain(text);
        let mut members: BTreeMap<_, _> = members
            .map(|(key, source)| (key.into_owned(), Kept::new(source)))
            .collect();
        members.retain(|_, member| !matches!(member, Kept::Value(value) if value.is_null()));
        members
    }
}

/// The kind of a block; what cannot be read is its source, and any other value says nothing.
fn kind(source: Raw<'_>) -> Cow<'_, str> {
    match plain(source) {
        Some(kind) => Cow::Borrowed(kind),
        None => match parsed(source) {
            Value::String(kind) => Cow::Owned(kind),
            _ => Cow::Borrowed(""),
        },
    }
}
