//! Values that are a string or a list of objects, as the sender likes.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use super::{
    Access, Field, List, Members,
    object::{IntoItem, IntoList},
};

/// Reads the value of a key: a string into one place, the objects of a list into the other. One object
/// alone is a list of one, as Google reads it; what else there is is passed over.
pub(in crate::decode) fn text_or_list<'de, T: Members<'de>, A: Access<'de>, const MOST: usize>(
    map: &mut A,
    text: &mut Field<'de>,
    list: &mut Option<List<T, MOST>>,
) -> Result<(), A::Error> {
    let is_careful = map.is_careful();
    map.next_value_seed(IntoTextOrList {
        text,
        list,
        is_careful,
    })
}

/// The same for a value that was kept as source.
pub(in crate::decode) fn source_text_or_list<'de, T: Members<'de>, const MOST: usize>(
    source: &'de str,
    text: &mut Field<'de>,
    list: &mut Option<List<T, MOST>>,
) {
    let mut deserializer = serde_json::Deserializer::from_str(source);
    // What is nested too deeply is passed over, and what was read before it stands.
    let _ = IntoTextOrList {
        text,
        list,
        is_careful: true,
    }
    .deserialize(&mut deserializer);
}

struct IntoTextOrList<'p, 'a, T, const MOST: usize> {
    text: &'p mut Field<'a>,
    list: &'p mut Option<List<T, MOST>>,
    is_careful: bool,
}

impl<'de, T: Members<'de>, const MOST: usize> DeserializeSeed<'de>
    for IntoTextOrList<'_, 'de, T, MOST>
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Members<'de>, const MOST: usize> Visitor<'de> for IntoTextOrList<'_, 'de, T, MOST> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        *self.text = Field::Text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        *self.text = Field::Text(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        IntoList {
            place: self.list,
            is_careful: self.is_careful,
        }
        .visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let list = self.list.insert(List {
            items: Vec::with_capacity(1),
            is_cut: false,
        });
        IntoItem {
            place: &mut list.items,
            is_careful: self.is_careful,
        }
        .visit_map(map)
    }
}
