//! Members of a stream of which the last value stands.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    estimate,
    json::{Kept, Passed, Raw},
};

/// The last source of each member that says something.
#[derive(Debug, Default)]
pub(super) struct Last(BTreeMap<String, Member>);

#[derive(Debug)]
struct Member {
    source: String,
    passed: Passed,
    takes: usize,
}

impl Last {
    /// Keeps the source of a member. Most chunks say the same again, and then nothing is allocated.
    pub(super) fn keep(&mut self, key: Cow<'_, str>, source: Raw<'_>, held: &mut usize) {
        let Self(members) = self;
        match members.get_mut(key.as_ref()) {
            Some(known) if source.get() == "{}" || known.source == source.get() => {}
            Some(known) => {
                *held = held.saturating_sub(known.takes);
                known.takes = estimate::member(&key, source);
                *held += known.takes;
                known.passed = source.passed;
                known.source.clear();
                known.source.push_str(source.get());
            }
            None if source.get() == "{}" || source.get() == "\"\"" => {}
            None => {
                let member = Member {
                    source: source.get().to_owned(),
                    passed: source.passed,
                    takes: estimate::member(&key, source),
                };
                *held += member.takes;
                members.insert(key.into_owned(), member);
            }
        }
    }

    /// The members by their names.
    pub(super) fn into_members(self) -> impl Iterator<Item = (String, Kept)> {
        let Self(members) = self;
        members.into_iter().map(|(key, member)| {
            let Member { source, passed, .. } = member;
            (key, Kept::owned(source, passed))
        })
    }
}
