//! The text of a document as it is written once it was parsed, without parsing it.

use std::{borrow::Cow, ops::Range};

use super::{Fault, Source, put_string, source::is_plain_number, value};

/// Adds the text of this source's [`value`]: the members of each object once and in the order of their names, and
/// strings and numbers in the one spelling that they have.
pub(super) fn put_sorted(json: &mut String, source: &str) {
    let start = json.len();
    let mut reader = Source::new(source, false);
    if reader.put(json).and_then(|()| reader.end()).is_err() {
        json.truncate(start);
        json.push_str(&value(source).to_string());
    }
}

impl Source<'_> {
    fn put(&mut self, json: &mut String) -> Result<(), Fault> {
        match self.peek()? {
            b'"' => match self.text()? {
                Cow::Borrowed(plain) => json.extend(["\"", plain, "\""]),
                Cow::Owned(text) => put_string(json, &text),
            },
            b'{' => self.put_object(json)?,
            b'[' => {
                self.enter()?;
                json.push('[');
                let mut is_first = true;
                loop {
                    let is_only = is_first;
                    if !self.element(&mut is_first)? {
                        break;
                    }
                    if !is_only {
                        json.push(',');
                    }
                    self.put(json)?;
                }
                json.push(']');
            }
            _ => self.put_scalar(json)?,
        }
        Ok(())
    }

    fn put_scalar(&mut self, json: &mut String) -> Result<(), Fault> {
        let start = self.at;
        let scalar = self.scalar_within()?;
        match self.source.get(start..self.at) {
            Some(source) if !scalar.is_number() || is_plain_number(source) => json.push_str(source),
            _ => json.push_str(&scalar.to_string()),
        }
        Ok(())
    }

    fn put_object(&mut self, json: &mut String) -> Result<(), Fault> {
        self.enter()?;
        json.push('{');
        let start = json.len();
        let mut members: Vec<(Cow<'_, str>, Range<usize>)> = Vec::new();
        let mut is_first = true;
        while let Some(key) = self.key(&mut is_first)? {
            if !members.is_empty() {
                json.push(',');
            }
            let from = json.len();
            put_string(json, &key);
            json.push(':');
            self.put(json)?;
            members.push((key, from..json.len()));
        }
        if !members.is_sorted_by(|(one, _), (next, _)| one < next) {
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            let sorted = sorted(json, &members);
            json.truncate(start);
            json.push_str(&sorted);
        }
        json.push('}');
        Ok(())
    }
}

/// The members that stand at these places, but of one that is there twice the last.
fn sorted(json: &str, members: &[(Cow<'_, str>, Range<usize>)]) -> String {
    let mut sorted = String::new();
    let mut members = members.iter().peekable();
    while let Some((key, place)) = members.next() {
        if members.peek().is_some_and(|(next, _)| next == key) {
            continue;
        }
        if !sorted.is_empty() {
            sorted.push(',');
        }
        sorted.push_str(json.get(place.clone()).unwrap_or_default());
    }
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::tests::source;

    #[test]
    fn members_are_sorted_and_the_last_of_a_name_stands() {
        let mut json = "=".to_owned();
        put_sorted(
            &mut json,
            r#" {"b" : [1e2, -0, "\u00e9\/", {}], "a":{"d":1,"c":null,"d":2.50}, "a\u0062":[ ]} "#,
        );
        let expected = r#"={"a":{"c":null,"d":2.5},"ab":[],"b":[100.0,-0.0,"é/",{}]}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn what_cannot_be_read_as_it_stands_is_what_its_value_is() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for source in [&deep, "[99999999999999999999]", "[1e400]", "[1", ""] {
            let mut json = String::new();
            put_sorted(&mut json, source);
            assert_eq!(json, value(source).to_string());
        }
    }

    proptest! {
        #[test]
        fn the_text_is_that_of_the_value(source in source()) {
            let mut json = String::new();
            put_sorted(&mut json, &source);
            prop_assert_eq!(json, value(&source).to_string());
        }

        #[test]
        fn objects_are_written_as_their_values_are(
            members in prop::collection::vec(("[a-c\"\\\\é]{0,2}", source()), 0..6),
        ) {
            let member = |(key, source): &(String, String)| {
                let source = serde_json::from_str::<serde_json::Value>(source).map_or("[1, 2]", |_| source);
                format!("{}: {source}", serde_json::Value::from(key.as_str()))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            let source = format!("{{ {} }}", members.join(" ,"));
            let mut json = String::new();
            put_sorted(&mut json, &source);
            prop_assert_eq!(json, value(&source).to_string());
        }
    }
}
