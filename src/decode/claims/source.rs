//! The value of a member that has been read as source, to be read again.

use serde::de::{DeserializeSeed, Error, MapAccess};
use serde_json::value::RawValue;

use crate::decode::json::Access;

/// A map that has come to the value of this member.
pub(super) struct Source<'de>(Option<&'de RawValue>);

impl<'de> Source<'de> {
    pub(super) fn of(value: &'de RawValue) -> Self {
        Self(Some(value))
    }
}

impl<'de> Access<'de> for Source<'de> {
    fn is_careful(&self) -> bool {
        true
    }
}

impl<'de> MapAccess<'de> for Source<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        _: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        let source = self.0.take();
        let source = source.ok_or_else(|| Self::Error::custom("a value that was taken"))?;
        seed.deserialize(&mut serde_json::Deserializer::from_str(source.get()))
    }
}
