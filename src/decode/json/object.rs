//! Objects, and lists of them, that are filled where they stand.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use serde_json::{Value, value::RawValue};

use super::{
    Field, Text,
    access::{Access, Reading},
    parsed, pass_over,
};

/// An object that is read key by key, in one pass and without a map in between.
pub(in crate::decode) trait Members<'de>: Default {
    /// What stands for an element of a list that is no object; `None` where such a one says nothing.
    fn stray(_: Field<'de>) -> Option<Self> {
        None
    }

    /// Takes the value of this key from `map`, always.
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error>;
}

impl<'de, T: Members<'de>> Members<'de> for Box<T> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        T::member(self, key, map)
    }
}

/// Reads a whole document; `None` where it is no object, or no JSON.
///
/// It is read in one pass. Where that meets with what is nested too deeply, or with a number that might lose its
/// digits, it is read again carefully: then values are read as source first, so that what is odd in one of
/// them spoils no more than itself.
pub(in crate::decode) fn document<'de, T: Members<'de>>(source: &'de str) -> Option<T> {
    match read(source, false) {
        Ok(object) => object,
        // The end is missing, however it is read.
        Err(error) if error.is_eof() => None,
        Err(_) => read_carefully(source),
    }
}

#[cold]
fn read_carefully<'de, T: Members<'de>>(source: &'de str) -> Option<T> {
    read(source, true).ok()?
}

#[inline(always)]
fn read<'de, T: Members<'de>>(source: &'de str, is_careful: bool) -> serde_json::Result<Option<T>> {
    let mut object = None;
    let mut deserializer = serde_json::Deserializer::from_str(source);
    let place = &mut object;
    IntoObject { place, is_careful }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(object)
}

/// Reads the value of a key into this place; what is no object is passed over.
pub(in crate::decode) fn object<'de, T: Members<'de>, A: Access<'de>>(
    map: &mut A,
    place: &mut Option<T>,
) -> Result<(), A::Error> {
    let is_careful = map.is_careful();
    map.next_value_seed(IntoObject { place, is_careful })
}

/// The objects of a list, up to this number.
pub(in crate::decode) struct List<T, const MOST: usize> {
    pub(in crate::decode) items: Vec<T>,
    /// There were more elements.
    pub(in crate::decode) is_cut: bool,
}

/// Reads the value of a key into this place. What is no list is passed over, and in it what is no object and
/// [says nothing](Members::stray).
pub(in crate::decode) fn list<'de, T: Members<'de>, A: Access<'de>, const MOST: usize>(
    map: &mut A,
    place: &mut Option<List<T, MOST>>,
) -> Result<(), A::Error> {
    let is_careful = map.is_careful();
    map.next_value_seed(IntoList { place, is_careful })
}

/// Objects are filled where they stand: moving them about cost more than reading them.
struct IntoObject<'p, T> {
    place: &'p mut Option<T>,
    is_careful: bool,
}

pub(super) struct IntoList<'p, T, const MOST: usize> {
    pub(super) place: &'p mut Option<List<T, MOST>>,
    pub(super) is_careful: bool,
}

pub(super) struct IntoItem<'p, T> {
    pub(super) place: &'p mut Vec<T>,
    pub(super) is_careful: bool,
}

impl<'de, T: Members<'de>> DeserializeSeed<'de> for IntoObject<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Members<'de>, const MOST: usize> DeserializeSeed<'de> for IntoList<'_, T, MOST> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Members<'de>> DeserializeSeed<'de> for IntoItem<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// What the visitors do with a value that is no container.
macro_rules! pass_over_scalars {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(())
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(())
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(())
        }
    };
}

impl<'de, T: Members<'de>> Visitor<'de> for IntoObject<'_, T> {
    type Value = ();

    pass_over_scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        pass_over(seq).map(drop)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let is_careful = self.is_careful;
        let mut map = Reading { map, is_careful };
        let object = self.place.insert(T::default());
        while let Some(Text(key)) = map.next_key()? {
            object.member(key, &mut map)?;
        }
        Ok(())
    }
}

impl<'de, T: Members<'de>, const MOST: usize> Visitor<'de> for IntoList<'_, T, MOST> {
    type Value = ();

    pass_over_scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let is_careful = self.is_careful;
        let List { items, is_cut } = self.place.insert(List {
            items: Vec::with_capacity(1),
            is_cut: false,
        });
        while items.len() < MOST {
            let item = IntoItem {
                place: &mut *items,
                is_careful,
            };
            if seq.next_element_seed(item)?.is_none() {
                return Ok(());
            }
        }
        *is_cut = pass_over(seq)?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

impl<'de, T: Members<'de>> IntoItem<'_, T> {
    fn stray(self, value: Field<'de>) {
        self.place.extend(T::stray(value));
    }
}

impl<'de, T: Members<'de>> Visitor<'de> for IntoItem<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.stray(Field::Other(value.into()));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.stray(Field::Other(value.into()));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.stray(Field::Other(value.into()));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.stray(Field::Other(value.into()));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.stray(Field::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.stray(Field::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut values = Vec::new();
        while let Some(source) = seq.next_element::<&RawValue>()? {
            values.push(parsed(source));
        }
        self.stray(Field::Other(Value::Array(values)));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let is_careful = self.is_careful;
        let mut map = Reading { map, is_careful };
        self.place.push(T::default());
        while let Some(Text(key)) = map.next_key()? {
            match self.place.last_mut() {
                Some(item) => item.member(key, &mut map)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
