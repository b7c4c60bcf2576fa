//! JSON that is kept as it was sent until somebody looks into it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Passed, Raw, Source, Watch, parsed, put_string, sorted::put_sorted, source::is_plain_number,
    value,
};

/// What it takes to stand in a map or list, with its name there.
const PLACE_BYTES: usize = 96;

/// A value, or the source of one.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Value(Value),
    /// Of a container that can be [read](value) as it stands.
    Source(String),
    List(Vec<Kept>),
    Members(BTreeMap<String, Kept>),
}

impl Kept {
    pub(crate) fn new(source: Raw<'_>) -> Self {
        match source.get().as_bytes() {
            [b'{' | b'[', ..] if source.passed.is_regular => Self::Source(source.get().to_owned()),
            _ => Self::Value(parsed(source)),
        }
    }

    /// The same of a source that was copied.
    pub(crate) fn owned(source: String, passed: Passed) -> Self {
        match source.as_bytes() {
            [b'{' | b'[', ..] if passed.is_regular => Self::Source(source),
            _ => Self::Value(value(&source)),
        }
    }

    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Source(source) => value(&source),
            Self::List(elements) => elements.into_iter().map(Self::into_value).collect(),
            Self::Members(members) => values(members).into(),
        }
    }

    /// Adds the text of the value.
    pub(crate) fn put(&self, json: &mut String) {
        match self {
            Self::Value(value) => json.push_str(&value.to_string()),
            Self::Source(source) => put_sorted(json, source),
            Self::List(elements) => {
                json.push('[');
                for (position, element) in elements.iter().enumerate() {
                    if position > 0 {
                        json.push(',');
                    }
                    element.put(json);
                }
                json.push(']');
            }
            Self::Members(members) => {
                json.push('{');
                for (position, (name, member)) in members.iter().enumerate() {
                    if position > 0 {
                        json.push(',');
                    }
                    put_string(json, name);
                    json.push(':');
                    member.put(json);
                }
                json.push('}');
            }
        }
    }

    /// What it takes in memory, but for the values, of which the other tells.
    pub(crate) fn weight(&self, of_value: &impl Fn(&Value) -> usize) -> usize {
        match self {
            Self::Value(value) => of_value(value),
            Self::Source(source) => PLACE_BYTES + source.len(),
            Self::List(elements) => {
                let weights = elements.iter().map(|element| element.weight(of_value));
                PLACE_BYTES + weights.sum::<usize>()
            }
            Self::Members(members) => {
                let weights = members
                    .iter()
                    .map(|(name, member)| name.len() + member.weight(of_value));
                PLACE_BYTES + weights.sum::<usize>()
            }
        }
    }
}

impl From<Value> for Kept {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

/// Those that were read by different ways are the same where they say the same.
impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.clone().into_value() == other.clone().into_value()
    }
}

/// The members as values.
pub(crate) fn values(members: BTreeMap<String, Kept>) -> Map<String, Value> {
    let values = members.into_iter();
    values
        .map(|(name, member)| (name, member.into_value()))
        .collect()
}

/// Whether one of the strings and numbers in a source is found.
pub(crate) fn any_text(source: &str, find: impl FnMut(&str) -> bool) -> bool {
    let mut texts = Texts {
        find,
        is_found: false,
    };
    let is_read = Source::new(source, false).pass(&mut texts).is_ok();
    texts.is_found || !is_read
}

struct Texts<F> {
    find: F,
    is_found: bool,
}

impl<F: FnMut(&str) -> bool> Watch for Texts<F> {
    /// What holds a name that cannot be read is stored as its source, which is a text then.
    fn key(&mut self, source: &str) {
        self.is_found = self.is_found || Source::new(source, false).text().is_err();
    }

    fn text(&mut self, source: &str) {
        self.is_found = self.is_found
            || match Source::new(source, false).text() {
                Ok(text) => (self.find)(&text),
                Err(_) => true,
            };
    }

    fn number(&mut self, source: &str) {
        self.is_found = self.is_found
            || match is_plain_number(source) {
                true => (self.find)(source),
                false => (self.find)(&value(source).to_string()),
            };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_value_it_was_made_of() {
        let source = r#"{"b":[1,{"z":1,"a":"\u00e9"}],"a":2.0}"#;
        let expected = value(source);
        let kept = Kept::new(Raw::new(source));
        assert!(matches!(kept, Kept::Source(_)));
        let members = Kept::Members(BTreeMap::from([("x".to_owned(), kept.clone())]));
        let list = Kept::List(vec![kept.clone(), kept.clone()]);
        for (kept, expected) in [
            (kept, expected.clone()),
            (list, serde_json::json!([expected, expected])),
            (members, serde_json::json!({ "x": expected })),
        ] {
            let mut json = String::new();
            kept.put(&mut json);
            assert_eq!(json, expected.to_string());
            assert_eq!(kept, Kept::Value(expected));
        }
        assert!(matches!(Kept::new(Raw::new(r#""a\n""#)), Kept::Value(_)));
    }

    #[test]
    fn every_string_and_number_is_asked_for_as_it_is_said() {
        let mut texts = Vec::new();
        let source = r#"{"key":["a\u00e9",{"b":"c"}],"n":[12,1.50,true,null]}"#;
        let is_found = any_text(source, |text| {
            texts.push(text.to_owned());
            false
        });
        assert!(!is_found);
        assert_eq!(texts, ["aé", "c", "12", "1.5"]);
        assert!(any_text(source, |text| text == "c"));
    }

    #[test]
    fn what_cannot_be_read_as_it_stands_is_parsed_at_once() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        for (source, expected) in [
            (r#"{"a":[1,-2.5,"1e9"]}"#, true),
            ("[12345678901234567890]", false),
            ("[1e400]", false),
            (&deep, false),
        ] {
            let kept = Kept::new(Raw::new(source));
            assert_eq!(matches!(kept, Kept::Source(_)), expected, "{source}");
            assert_eq!(kept.into_value(), value(source));
        }
    }
}
