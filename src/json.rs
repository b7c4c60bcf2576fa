//! Lenient JSON: what has not the expected type is kept or passed over, and never fails the document.

mod compact;
mod echo;
mod elements;
mod field;
mod kept;
mod number;
mod object;
mod skip;
mod sorted;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod text_or_list;
mod value;

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

pub(crate) use self::{
    compact::compact,
    echo::{Echo, Padding},
    elements::elements,
    field::{Field, field},
    kept::{Kept, any_text, values},
    object::{List, Members, document, list, object},
    skip::{Passed, Watch},
    source::{Fault, Raw, Source},
    text_or_list::{source_text_or_list, text_or_list},
};

/// The source of a value that says something: not null.
pub(crate) fn stated<'de>(map: &mut Source<'de>) -> Result<Option<Raw<'de>>, Fault> {
    let value = map.raw()?;
    Ok((value.get() != "null").then_some(value))
}

/// A value that should be a whole number.
pub(crate) fn count(map: &mut Source<'_>) -> Result<Option<i64>, Fault> {
    Ok(match map.field()? {
        Field::Other(Value::Number(number)) => whole(&number),
        _ => None,
    })
}

/// The same for a value that was kept as source.
pub(crate) fn counted(source: Raw<'_>) -> Option<i64> {
    let source = source.get();
    // Most of what is no number is an object.
    if !source.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let number = || whole(&read::<Number>(source)?);
    source.parse().ok().or_else(number)
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
    let mut reader = Source::new(source, false);
    if let (Ok(value), Ok(())) = (reader.value(), reader.end()) {
        return value;
    }
    let read = match number::quoted(source) {
        Some(quoted) => read(&quoted),
        None => read(source),
    };
    read.unwrap_or_else(|| Value::String(source.to_owned()))
}

/// Reads a value that was kept as source, as [`value`] does.
pub(crate) fn parsed(source: Raw<'_>) -> Value {
    match plain(source) {
        Some(text) => Value::String(text.to_owned()),
        None => value(source.get()),
    }
}

/// The text of a string without escapes.
pub(crate) fn plain(source: Raw<'_>) -> Option<&str> {
    let text = source.get().strip_prefix('"')?.strip_suffix('"')?;
    memchr::memchr(b'\\', text.as_bytes())
        .is_none()
        .then_some(text)
}

/// Adds a string as JSON.
pub(crate) fn put_string(json: &mut String, text: &str) {
    if text::special(text.as_bytes(), 0) < text.len() {
        json.push_str(&Value::from(text).to_string());
    } else {
        json.extend(["\"", text, "\""]);
    }
}

/// Members by their names on the wire.
pub(crate) fn members(rest: Vec<(Cow<'_, str>, Raw<'_>)>) -> Map<String, Value> {
    // Almost always there are none.
    if rest.is_empty() {
        return Map::new();
    }
    rest.into_iter()
        .map(|(key, source)| (key.into_owned(), parsed(source)))
        .collect()
}

/// Reads a part of a document as this type, if it is one.
pub(crate) fn read<T: DeserializeOwned>(source: &str) -> Option<T> {
    serde_json::from_str(source).ok()
}
