//! A value that should be a string, and may be anything.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Fault, Source, parsed};

/// A value that should be a string.
#[derive(Debug, Default)]
pub(crate) enum Field<'a> {
    #[default]
    Null,
    Text(Cow<'a, str>),
    Other(Value),
}

impl<'a> Field<'a> {
    /// The string, if it is one and says anything.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The same, where a value that is no string is its source.
    pub(crate) fn into_text(self) -> Self {
        match self {
            Self::Other(value) => Self::Text(Cow::Owned(value.to_string())),
            field => field,
        }
    }

    /// A copy of that string.
    pub(crate) fn clone_text(&self) -> Option<String> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text.clone().into_owned()),
            _ => None,
        }
    }
}

/// Reads the value of a key, of a list at most so many elements; true where that left some out.
pub(crate) fn field<'de>(
    map: &mut Source<'de>,
    place: &mut Field<'de>,
    most: usize,
) -> Result<bool, Fault> {
    if map.peek()? != b'[' {
        *place = map.field()?;
        return Ok(false);
    }
    let (values, is_cut) = map.values(most)?;
    *place = Field::Other(Value::Array(values));
    Ok(is_cut)
}

impl<'de> Source<'de> {
    /// The next value.
    #[inline]
    pub(crate) fn field(&mut self) -> Result<Field<'de>, Fault> {
        match self.peek()? {
            b'"' => self.text().map(Field::Text),
            b'n' => self.word("null").map(|()| Field::Null),
            b'{' => self.members().map(|members| Field::Other(members.into())),
            b'[' => {
                let (values, _) = self.values(usize::MAX)?;
                Ok(Field::Other(Value::Array(values)))
            }
            _ => self.number_or_text().map(Field::Other),
        }
    }

    /// The next value, which is neither a string nor a container. A number for which there is no room at all is
    /// its source.
    pub(super) fn number_or_text(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        self.scalar().or_else(|Fault| {
            self.at = start;
            Ok(Value::String(self.raw()?.get().to_owned()))
        })
    }

    /// The elements of the list that comes next, at most so many, and whether there were more.
    fn values(&mut self, most: usize) -> Result<(Vec<Value>, bool), Fault> {
        self.enter()?;
        let mut values = Vec::new();
        let mut is_first = true;
        while self.element(&mut is_first)? {
            if values.len() >= most {
                self.skip()?;
                while self.element(&mut is_first)? {
                    self.skip()?;
                }
                return Ok((values, true));
            }
            values.push(match self.is_careful() {
                true => parsed(self.raw()?),
                false => self.value()?,
            });
        }
        Ok((values, false))
    }

    fn members(&mut self) -> Result<Map<String, Value>, Fault> {
        if !self.is_careful() {
            return self.map();
        }
        self.enter()?;
        let mut members = Map::new();
        let mut is_first = true;
        while let Some(key) = self.key(&mut is_first)? {
            let value = parsed(self.raw()?);
            members.insert(key.into_owned(), value);
        }
        Ok(members)
    }
}
