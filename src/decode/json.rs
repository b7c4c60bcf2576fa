//! Lenient JSON: what has not the expected type is kept or passed over, and never fails the document.

mod compact;
mod elements;
mod field;
mod number;
mod object;
mod text_or_list;

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

pub(super) use self::{
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
pub(super) fn stated<'de, A: MapAccess<'de>>(
    map: &mut A,
) -> Result<Option<&'de RawValue>, A::Error> {
    let value: &RawValue = map.next_value()?;
    Ok((value.get() != "null").then_some(value))
}

/// A value that should be a whole number.
pub(super) fn count<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<i64>, A::Error> {
    Ok(match map.next_value()? {
        Field::Other(Value::Number(number)) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|count| count.fract() == 0.0)
                .map(|count| count as i64)
        }),
        _ => None,
    })
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

/// Reads a part of a document as this type, if it is one.
pub(super) fn read<T: DeserializeOwned>(source: &str) -> Option<T> {
    serde_json::from_str(source).ok()
}
