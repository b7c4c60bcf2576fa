//! A list that is read element by element, so that a cut one gives what is there of it.

use serde_json::value::RawValue;

/// Gives each element of a list, of which the source begins behind its bracket, and whether it is whole.
/// What follows an element that is no JSON is given with it.
pub(crate) fn elements(mut source: &str, mut take: impl FnMut(&str, bool)) {
    loop {
        source = source.trim_start_matches([' ', '\t', '\r', '\n', ',']);
        if source.is_empty() || source.starts_with(']') {
            return;
        }
        let mut values = serde_json::Deserializer::from_str(source).into_iter::<&RawValue>();
        let Some(Ok(element)) = values.next() else {
            take(source, false);
            return;
        };
        let read = values.byte_offset();
        take(element.get(), true);
        source = source.get(read..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Vec<(String, bool)> {
        let mut all = Vec::new();
        elements(source, |element, is_whole| {
            all.push((element.to_owned(), is_whole));
        });
        all
    }

    #[test]
    fn a_list_gives_its_elements() {
        assert_eq!(
            read("{\"a\":[1]}\r\n,\r\n 2 ]"),
            [("{\"a\":[1]}".to_owned(), true), ("2".to_owned(), true)]
        );
        assert_eq!(read("]"), []);
    }

    #[test]
    fn a_cut_list_gives_what_is_there() {
        assert_eq!(
            read("{}\n,{\"a\":[1"),
            [("{}".to_owned(), true), ("{\"a\":[1".to_owned(), false)]
        );
    }
}
