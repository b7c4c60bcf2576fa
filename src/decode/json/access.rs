//! The members of an object, as they are read, and how carefully.

use serde::de::{DeserializeSeed, MapAccess};

/// The members of an object, as they are read.
pub(in crate::decode) trait Access<'de>: MapAccess<'de> {
    /// Whether values are read by their source, as [`document`](super::document) has it.
    fn is_careful(&self) -> bool;
}

/// An object that is read by serde_json.
pub(super) struct Reading<A> {
    pub(super) map: A,
    pub(super) is_careful: bool,
}

impl<'de, A: MapAccess<'de>> Access<'de> for Reading<A> {
    fn is_careful(&self) -> bool {
        self.is_careful
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Reading<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.map.next_key_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
