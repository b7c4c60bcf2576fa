//! A value that should be a string, and may be anything.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::{Access, direct::Direct, parsed, pass_over};

/// A value that should be a string.
#[derive(Debug, Default)]
pub(in crate::decode) enum Field<'a> {
    #[default]
    Null,
    Text(Cow<'a, str>),
    Other(Value),
}

impl<'a> Field<'a> {
    /// The string, if it is one and says anything.
    pub(in crate::decode) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The same, where a value that is no string is its source.
    pub(in crate::decode) fn into_text(self) -> Self {
        match self {
            Self::Other(value) => Self::Text(Cow::Owned(value.to_string())),
            field => field,
        }
    }

    /// A copy of that string.
    pub(in crate::decode) fn clone_text(&self) -> Option<String> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text.clone().into_owned()),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut is_cut = false;
        IntoField {
            most: usize::MAX,
            is_cut: &mut is_cut,
            is_careful: true,
        }
        .deserialize(deserializer)
    }
}

/// Reads the value of a key, of a list at most so many elements; true where that left some out.
pub(in crate::decode) fn field<'de, A: Access<'de>>(
    map: &mut A,
    place: &mut Field<'de>,
    most: usize,
) -> Result<bool, A::Error> {
    let mut is_cut = false;
    let is_careful = map.is_careful();
    *place = map.next_value_seed(IntoField {
        most,
        is_cut: &mut is_cut,
        is_careful,
    })?;
    Ok(is_cut)
}

struct IntoField<'c> {
    most: usize,
    is_cut: &'c mut bool,
    is_careful: bool,
}

impl<'de> DeserializeSeed<'de> for IntoField<'_> {
    type Value = Field<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for IntoField<'_> {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Field::Other(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Field::Other(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Field::Other(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Field::Other(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while values.len() < self.most {
            let value = match self.is_careful {
                true => seq.next_element()?.map(parsed),
                false => seq.next_element_seed(Direct)?,
            };
            match value {
                Some(value) => values.push(value),
                None => return Ok(Field::Other(Value::Array(values))),
            }
        }
        *self.is_cut = pass_over(seq)?;
        Ok(Field::Other(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if !self.is_careful {
            return Direct.visit_map(map).map(Field::Other);
        }
        let mut members = Map::new();
        while let Some((key, source)) = map.next_entry::<String, &RawValue>()? {
            members.insert(key, parsed(source));
        }
        Ok(Field::Other(Value::Object(members)))
    }
}
