//! Objects, and lists of them, that are filled where they stand.

use std::borrow::Cow;

use serde_json::Value;

use super::{Fault, Field, Source, parsed};

/// An object that is read key by key, in one pass and without a map in between.
pub(crate) trait Members<'de>: Default {
    /// What stands for an element of a list that is no object; `None` where such a one says nothing.
    fn stray(_: Field<'de>) -> Option<Self> {
        None
    }

    /// Takes the value of this key from `map`, always.
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault>;
}

impl<'de, T: Members<'de>> Members<'de> for Box<T> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        T::member(self, key, map)
    }
}

/// Reads a whole document; `None` where it is no object, or no JSON.
///
/// It is read in one pass. Where that meets with what is nested too deeply, or with a number that might lose its
/// digits, it is read again carefully: then values are read as source first, so that what is odd in one of
/// them spoils no more than itself.
pub(crate) fn document<'de, T: Members<'de>>(source: &'de str) -> Option<T> {
    let mut read = None;
    let mut map = Source::new(source, false);
    if whole(&mut map, &mut read).is_err() {
        read = None;
        // Where the end is missing, it is so however it is read.
        if !map.is_at_end() {
            read_carefully(source, &mut read);
        }
    }
    read
}

#[cold]
fn read_carefully<'de, T: Members<'de>>(source: &'de str, place: &mut Option<T>) {
    if whole(&mut Source::new(source, true), place).is_err() {
        *place = None;
    }
}

fn whole<'de, T: Members<'de>>(map: &mut Source<'de>, place: &mut Option<T>) -> Result<(), Fault> {
    object(map, place)?;
    map.end()
}

/// Reads the value of a key into this place; what is no object is passed over.
///
/// Objects are filled where they stand: moving them about cost more than reading them.
pub(crate) fn object<'de, T: Members<'de>>(
    map: &mut Source<'de>,
    place: &mut Option<T>,
) -> Result<(), Fault> {
    if map.peek()? != b'{' {
        return map.skip();
    }
    fill(map, place.insert(T::default()))
}

fn fill<'de, T: Members<'de>>(map: &mut Source<'de>, object: &mut T) -> Result<(), Fault> {
    map.enter()?;
    let mut is_first = true;
    while let Some(key) = map.key(&mut is_first)? {
        object.member(key, map)?;
    }
    Ok(())
}

impl<'de> Source<'de> {
    /// Gives each key of the object that comes next to one who takes its value.
    pub(crate) fn each_member(
        &mut self,
        mut take: impl FnMut(Cow<'de, str>, &mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.peek()? != b'{' {
            return Err(Fault);
        }
        self.enter()?;
        let mut is_first = true;
        while let Some(key) = self.key(&mut is_first)? {
            take(key, self)?;
        }
        Ok(())
    }
}

/// The objects of a list, up to this number.
pub(crate) struct List<T, const MOST: usize> {
    pub(crate) items: Vec<T>,
    /// There were more elements.
    pub(crate) is_cut: bool,
}

impl<T, const MOST: usize> List<T, MOST> {
    pub(super) fn new() -> Self {
        Self {
            items: Vec::with_capacity(1),
            is_cut: false,
        }
    }
}

/// Reads the value of a key into this place. What is no list is passed over, and in it what is no object and
/// [says nothing](Members::stray).
pub(crate) fn list<'de, T: Members<'de>, const MOST: usize>(
    map: &mut Source<'de>,
    place: &mut Option<List<T, MOST>>,
) -> Result<(), Fault> {
    if map.peek()? != b'[' {
        return map.skip();
    }
    map.enter()?;
    let List { items, is_cut } = place.insert(List::new());
    let mut is_first = true;
    while map.element(&mut is_first)? {
        if items.len() < MOST {
            item(map, items)?;
        } else {
            map.skip()?;
            *is_cut = true;
        }
    }
    Ok(())
}

/// Reads an element of a list.
pub(super) fn item<'de, T: Members<'de>>(
    map: &mut Source<'de>,
    items: &mut Vec<T>,
) -> Result<(), Fault> {
    let stray = match map.peek()? {
        b'{' => {
            let place = items.len();
            items.push(T::default());
            return match items.get_mut(place) {
                Some(object) => fill(map, object),
                None => map.skip(),
            };
        }
        b'n' => return map.word("null"),
        b'"' => Field::Text(map.text()?),
        b'[' => {
            map.enter()?;
            let mut values = Vec::new();
            let mut is_first = true;
            while map.element(&mut is_first)? {
                values.push(parsed(map.raw()?));
            }
            Field::Other(Value::Array(values))
        }
        _ => Field::Other(map.number_or_text()?),
    };
    items.extend(T::stray(stray));
    Ok(())
}
