//! Lenient JSON: what has not the expected type is kept or passed over, and never fails the document.

mod access;
mod compact;
mod direct;
mod elements;
mod field;
mod number;
mod object;
mod text_or_list;

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value, value::RawValue};

pub(super) use self::{
    access::Access,
    compact::compact,
    elements::elements,
    field::{Field, field},
    object::{List, Members, document, list, object},
    text_or_list::{source_text_or_list, text_or_list},
};

/// A key, or any other string, borrowed where the source holds it without escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Reads the rest of a list, unstored; true where there was any.
fn pass_over<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<bool, A::Error> {
    let mut is_any = false;
    while seq.next_element::<IgnoredAny>()?.is_some() {
        is_any = true;
    }
    Ok(is_any)
}

/// The source of a value that says something: not null.
pub(super) fn stated<'de, A: Access<'de>>(map: &mut A) -> Result<Option<&'de RawValue>, A::Error> {
    let value: &RawValue = map.next_value()?;
    Ok((value.get() != "null").then_some(value))
}

/// A value that should be a whole number.
pub(super) fn count<'de, A: Access<'de>>(map: &mut A) -> Result<Option<i64>, A::Error> {
    Ok(match map.next_value()? {
        Field::Other(Value::Number(number)) => whole(&number),
        _ => None,
    })
}

/// The same for a value that was kept as source.
pub(super) fn counted(source: &RawValue) -> Option<i64> {
    let number = || whole(&read::<Number>(source.get())?);
    source.get().parse().ok().or_else(number)
}

fn whole(number: &Number) -> Option<i64> {
    let float = || number.as_f64().filter(|count| count.fract() == 0.0);
    number
        .as_i64()
        .or_else(|| float().map(|count| count as i64))
}

/// Reads a part of a document that was kept as source; what is nested too deeply stays source, as a string,
/// and so does a whole number that has no room in 64 bits.
pub(crate) fn value(source: &str) -> Value {
    let read = match number::quoted(source) {
        Some(quoted) => read(&quoted),
        None => read(source),
    };
    read.unwrap_or_else(|| Value::String(source.to_owned()))
}

/// Reads a value that was kept as source, as [`value`] does.
pub(super) fn parsed(source: &RawValue) -> Value {
    match plain(source) {
        Some(text) => Value::String(text.to_owned()),
        None => value(source.get()),
    }
}

/// The text of a string without escapes.
pub(super) fn plain(source: &RawValue) -> Option<&str> {
    let text = source.get().strip_prefix('"')?.strip_suffix('"')?;
    memchr::memchr(b'\\', text.as_bytes())
        .is_none()
        .then_some(text)
}

/// Members by their names on the wire.
pub(super) fn members(rest: Vec<(Cow<'_, str>, &RawValue)>) -> Map<String, Value> {
    // Almost always there are none.
    if rest.is_empty() {
        return Map::new();
    }
    rest.into_iter()
        .map(|(key, source)| (key.into_owned(), parsed(source)))
        .collect()
}

/// Reads a part of a document as this type, if it is one.
pub(super) fn read<T: DeserializeOwned>(source: &str) -> Option<T> {
    serde_json::from_str(source).ok()
}
