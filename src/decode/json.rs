//! Lenient JSON: what has not the expected type is kept or passed over, and never fails the document.

mod compact;
mod elements;
mod text_or_list;

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

pub(super) use self::{
    compact::compact,
    elements::elements,
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

/// A value that should be a string.
#[derive(Debug, Default)]
pub(super) enum Field<'a> {
    #[default]
    Null,
    Text(Cow<'a, str>),
    Other(Value),
}

impl<'a> Field<'a> {
    /// The string, if it is one and says anything.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A copy of that string.
    pub(super) fn clone_text(&self) -> Option<String> {
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
        }
        .deserialize(deserializer)
    }
}

/// Reads the value of a key, of a list at most so many elements; true where that left some out.
pub(super) fn field<'de, A: MapAccess<'de>>(
    map: &mut A,
    place: &mut Field<'de>,
    most: usize,
) -> Result<bool, A::Error> {
    let mut is_cut = false;
    *place = map.next_value_seed(IntoField {
        most,
        is_cut: &mut is_cut,
    })?;
    Ok(is_cut)
}

struct IntoField<'c> {
    most: usize,
    is_cut: &'c mut bool,
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
            // As source first: what is too deep, or no number that fits, spoils itself and no more.
            match seq.next_element::<&RawValue>()? {
                Some(source) => values.push(value(source.get())),
                None => return Ok(Field::Other(Value::Array(values))),
            }
        }
        *self.is_cut = pass_over(seq)?;
        Ok(Field::Other(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some((key, source)) = map.next_entry::<String, &RawValue>()? {
            members.insert(key, value(source.get()));
        }
        Ok(Field::Other(Value::Object(members)))
    }
}

/// An object that is read key by key, in one pass and without a map in between.
pub(super) trait Members<'de>: Default {
    /// Takes the value of this key from `map`, always.
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error>;
}

impl<'de, T: Members<'de>> Members<'de> for Box<T> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        T::member(self, key, map)
    }
}

/// Reads a whole document; `None` where it is no object, or no JSON.
pub(super) fn document<'de, T: Members<'de>>(source: &'de str) -> Option<T> {
    let mut object = None;
    let mut deserializer = serde_json::Deserializer::from_str(source);
    IntoObject(&mut object)
        .deserialize(&mut deserializer)
        .ok()?;
    deserializer.end().ok()?;
    object
}

/// Reads the value of a key into this place; what is no object is passed over.
pub(super) fn object<'de, T: Members<'de>, A: MapAccess<'de>>(
    map: &mut A,
    place: &mut Option<T>,
) -> Result<(), A::Error> {
    map.next_value_seed(IntoObject(place))
}

/// The objects of a list, up to this number.
pub(super) struct List<T, const MOST: usize> {
    pub(super) items: Vec<T>,
    /// There were more elements.
    pub(super) is_cut: bool,
}

/// Reads the value of a key into this place; what is no list, and in it what is no object, is passed over.
pub(super) fn list<'de, T: Members<'de>, A: MapAccess<'de>, const MOST: usize>(
    map: &mut A,
    place: &mut Option<List<T, MOST>>,
) -> Result<(), A::Error> {
    map.next_value_seed(IntoList(place))
}

/// Objects are filled where they stand: moving them about cost more than reading them.
struct IntoObject<'p, T>(&'p mut Option<T>);

struct IntoList<'p, T, const MOST: usize>(&'p mut Option<List<T, MOST>>);

struct IntoItem<'p, T>(&'p mut Vec<T>);

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

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let object = self.0.insert(T::default());
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
        let List { items, is_cut } = self.0.insert(List {
            items: Vec::with_capacity(1),
            is_cut: false,
        });
        while items.len() < MOST {
            if seq.next_element_seed(IntoItem(items))?.is_none() {
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

impl<'de, T: Members<'de>> Visitor<'de> for IntoItem<'_, T> {
    type Value = ();

    pass_over_scalars!();

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        pass_over(seq).map(drop)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.push(T::default());
        while let Some(Text(key)) = map.next_key()? {
            match self.0.last_mut() {
                Some(item) => item.member(key, &mut map)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
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

/// Reads a part of a document that was kept as source; what is nested too deeply stays source, as a string.
pub(super) fn value(source: &str) -> Value {
    read(source).unwrap_or_else(|| Value::String(source.to_owned()))
}

/// Reads a part of a document as this type, if it is one.
pub(super) fn read<T: DeserializeOwned>(source: &str) -> Option<T> {
    serde_json::from_str(source).ok()
}
