//! Values that are a string or a list of objects, as the sender likes.

use super::{
    Fault, Field, List, Members, Raw, Source,
    object::{item, list as read_list},
};

/// Reads the value of a key: a string into one place, the objects of a list into the other. One object
/// alone is a list of one, as Google reads it; what else there is is passed over.
pub(in crate::decode) fn text_or_list<'de, T: Members<'de>, const MOST: usize>(
    map: &mut Source<'de>,
    text: &mut Field<'de>,
    list: &mut Option<List<T, MOST>>,
) -> Result<(), Fault> {
    match map.peek()? {
        b'"' => {
            *text = Field::Text(map.text()?);
            Ok(())
        }
        b'{' => item(map, &mut list.insert(List::new()).items),
        _ => read_list(map, list),
    }
}

/// The same for a value that was kept as source.
pub(in crate::decode) fn source_text_or_list<'de, T: Members<'de>, const MOST: usize>(
    source: Raw<'de>,
    text: &mut Field<'de>,
    list: &mut Option<List<T, MOST>>,
) {
    let mut reader = Source::new(source.get(), true);
    // What is nested too deeply is passed over, and what was read before it stands.
    let _ = text_or_list(&mut reader, text, list);
}
