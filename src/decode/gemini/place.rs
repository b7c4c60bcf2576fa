//! The place in the arguments of a call that a path leads to (`$.stops[0].name`).

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::decode::{
    estimate::{ELEMENT_BYTES, OBJECT_BYTES},
    tally::Tally,
};

/// Deeper paths are not followed: what they lead to could not be read again.
const MAX_DEPTH: usize = 100;

/// Where a path leads; what is missing on the way is made, of a list one element at a time. `None`, and nothing
/// is made, where it leads to no single place or there is no room for what is missing.
pub(super) fn of<'v>(
    path: &str,
    arguments: &'v mut Value,
    tally: &mut Tally,
) -> Option<&'v mut Value> {
    let steps = steps(path)?;
    if !tally.holds(missing(&steps, arguments)?) {
        return None;
    }
    let mut at = arguments;
    for step in steps {
        at = match step {
            Step::Key(name) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()?.entry(name).or_insert(Value::Null)
            }
            Step::Index(index) => {
                if at.is_null() {
                    *at = Value::Array(Vec::new());
                }
                let list = at.as_array_mut()?;
                if index == list.len() {
                    list.push(Value::Null);
                }
                list.get_mut(index)?
            }
        };
    }
    Some(at)
}

/// What that which is missing on the way takes in memory; `None` where these steps lead nowhere.
fn missing(steps: &[Step<'_>], arguments: &Value) -> Option<usize> {
    let mut takes = 0;
    let mut at = Some(arguments);
    for step in steps {
        let known = at.filter(|value| !value.is_null());
        at = match (step, known) {
            (Step::Key(name), None) => {
                takes += OBJECT_BYTES + ELEMENT_BYTES + name.len();
                None
            }
            (Step::Key(name), Some(Value::Object(members))) => {
                let member = members.get(name.as_ref());
                if member.is_none() {
                    takes += ELEMENT_BYTES + name.len();
                }
                member
            }
            (Step::Index(0), None) => {
                takes += ELEMENT_BYTES;
                None
            }
            (Step::Index(index), Some(Value::Array(list))) if *index <= list.len() => {
                let element = list.get(*index);
                if element.is_none() {
                    takes += ELEMENT_BYTES;
                }
                element
            }
            _ => return None,
        };
    }
    Some(takes)
}

enum Step<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

/// The steps of a path; `None` where it leads to no single place.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$')?;
    while !rest.is_empty() {
        if steps.len() >= MAX_DEPTH {
            return None;
        }
        let step;
        (step, rest) = match rest.strip_prefix('.') {
            Some(named) => {
                let end = named.find(['.', '[']).unwrap_or(named.len());
                let (name, rest) = named.split_at(end);
                (Step::Key(name.into()), rest)
            }
            None => bracket(rest.strip_prefix('[')?)?,
        };
        if matches!(&step, Step::Key(name) if name.is_empty() || name == "*") {
            return None;
        }
        steps.push(step);
    }
    Some(steps)
}

/// A step in brackets: an index, or a name in quotes without escapes.
fn bracket(rest: &str) -> Option<(Step<'_>, &str)> {
    if let Some(quote) = rest
        .chars()
        .next()
        .filter(|quote| ['\'', '"'].contains(quote))
    {
        let (name, rest) = rest.get(1..)?.split_once(quote)?;
        let is_plain = !name.contains('\\');
        return is_plain.then_some((Step::Key(name.into()), rest.strip_prefix(']')?));
    }
    let (index, rest) = rest.split_once(']')?;
    Some((Step::Index(index.parse().ok()?), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn tally() -> Tally {
        Tally::new(1 << 20)
    }

    #[test]
    fn what_is_missing_on_the_way_is_made() {
        let mut arguments = Value::Null;
        for path in ["$.a[0].b", "$.a[1]['c.d']", "$['e']", "$.a[1][\"f\"]"] {
            *of(path, &mut arguments, &mut tally()).expect(path) = true.into();
        }
        let expected = json!({"a": [{"b": true}, {"c.d": true, "f": true}], "e": true});
        assert_eq!(arguments, expected);
        let whole = of("$", &mut arguments, &mut tally());
        assert_eq!(whole, Some(&mut expected.clone()));
    }

    #[test]
    fn a_path_to_no_single_place_makes_nothing() {
        let deep = format!("${}", ".b".repeat(101));
        for path in [
            "a",
            "$..a",
            "$.*",
            "$[1000000000]",
            "$['a\\'b']",
            "$[0",
            "$[-1]",
            "$a",
            "$.a[1]",
            "$.a['b'].c[0][1]",
            &deep,
        ] {
            let mut arguments = Value::Null;
            assert_eq!(of(path, &mut arguments, &mut tally()), None, "{path}");
            assert_eq!(arguments, Value::Null, "{path}");
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_not_made() {
        let mut arguments = Value::Null;
        let mut tally = Tally::new(2 * (OBJECT_BYTES + ELEMENT_BYTES + 1));
        assert!(of("$.a.b", &mut arguments, &mut tally).is_some());
        assert_eq!(of("$.a.c", &mut arguments, &mut tally), None);
        assert!(of("$.a.b", &mut arguments, &mut tally).is_some());
        assert_eq!(arguments, json!({"a": {"b": null}}));
    }

    proptest! {
        #[test]
        fn no_path_panics(paths in prop::collection::vec("\\$?([.\\[\\]'\"*0-9a]|\\[[0-9]\\]|\\.a){0,12}", 0..8)) {
            let mut arguments = Value::Null;
            let mut tally = tally();
            for path in &paths {
                let _ = of(path, &mut arguments, &mut tally);
            }
        }
    }
}
