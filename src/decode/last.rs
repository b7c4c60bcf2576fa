//! Members of a stream of which the last value stands.

use std::{borrow::Cow, collections::BTreeMap};

use super::estimate;

/// Keeps the last source of a member that says something. Most chunks say the same again, and then nothing
/// is allocated.
pub(super) fn keep_last(
    last: &mut BTreeMap<String, String>,
    key: Cow<'_, str>,
    source: &str,
    held: &mut usize,
) {
    match last.get_mut(key.as_ref()) {
        Some(known) if source == "{}" || known == source => {}
        Some(known) => {
            *held = held.saturating_sub(estimate::member(&key, known));
            *held += estimate::member(&key, source);
            known.clear();
            known.push_str(source);
        }
        None if source == "{}" || source == "\"\"" => {}
        None => {
            *held += estimate::member(&key, source);
            last.insert(key.into_owned(), source.to_owned());
        }
    }
}
