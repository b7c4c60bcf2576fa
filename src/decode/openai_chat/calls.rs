//! Tool calls that arrive in pieces.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use serde_json::{Map, Value};

use super::{MAX_TOOL_CALLS, wire};
use crate::{
    conversation::ToolCall,
    decode::{
        estimate,
        json::{self, Field},
    },
};

/// The calls of one choice so far.
///
/// A piece belongs to the call of its `index`; without one, a new id or a new name starts a call, and all else
/// continues the last. Ids and names that are sent again are not joined: the first one stands. Some providers
/// give every call the index 0: a new id beside a name is a new call there too, and so is a name where the
/// index stands in the same delta already.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<ToolCall>,
    /// The call of an index, and the delta that named it last.
    by_index: HashMap<i64, (usize, usize)>,
    deltas: usize,
    legacy: Option<usize>,
    extras: BTreeMap<usize, Map<String, Value>>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds the piece that stands at this `position` of its delta, and to `held` what that takes in memory;
    /// false where it is one call too many.
    pub(super) fn add(
        &mut self,
        mut piece: wire::Call<'_>,
        position: usize,
        held: &mut usize,
    ) -> bool {
        let function = piece.called();
        let index = match piece.index {
            Field::Other(Value::Number(index)) => index.as_i64(),
            _ => None,
        };
        let id = piece.id.text();
        let name = function.name.clone_text();
        if position == 0 {
            self.deltas += 1;
        }
        let continued = match index {
            Some(index) => self.by_index.get(&index).and_then(|&(at, delta)| {
                let known = self.calls.get(at).and_then(|call| call.id.as_deref());
                let is_same = known.is_some() && known == id.as_deref();
                let is_unknown = known.is_none() || id.is_none();
                let continues = name.is_none() || is_same || (is_unknown && delta != self.deltas);
                continues.then_some(at)
            }),
            None => self.calls.len().checked_sub(1).filter(|&at| {
                self.calls.get(at).is_some_and(|last| match (&id, &name) {
                    (Some(id), _) if last.id.is_some() => last.id.as_deref() == Some(id.as_ref()),
                    (Some(_), name) => name.is_none(),
                    (None, Some(name)) => {
                        position == 0 && (last.name == *name || last.name.is_empty())
                    }
                    (None, None) => true,
                })
            }),
        };
        let at = match continued {
            Some(at) => at,
            None if self.calls.len() >= MAX_TOOL_CALLS => return false,
            None => {
                *held += estimate::OBJECT_BYTES;
                self.calls.push(ToolCall::default());
                self.calls.len() - 1
            }
        };
        if let Some(index) = index {
            self.by_index.insert(index, (at, self.deltas));
        }
        let Some(call) = self.calls.get_mut(at) else {
            return false;
        };
        if call.id.is_none() {
            call.id = id.map(Cow::into_owned);
        }
        if let (true, Some(name)) = (call.name.is_empty(), name) {
            call.name = name;
        }
        if let (true, Some(kind)) = (call.kind.is_empty(), piece.kind.text()) {
            call.kind = kind.into_owned();
        }
        *held += function.append_arguments(&mut call.arguments);
        for (key, source) in piece.rest {
            *held += estimate::member(&key, source);
            self.extras
                .entry(at)
                .or_default()
                .insert(key.into_owned(), json::parsed(source));
        }
        true
    }

    /// Adds a piece of the deprecated `function_call`; false where it is one call too many.
    pub(super) fn add_legacy(&mut self, function: wire::Function<'_>, held: &mut usize) -> bool {
        let at = match self.legacy {
            Some(at) => at,
            None if self.calls.len() >= MAX_TOOL_CALLS => return false,
            None => {
                self.calls.push(ToolCall {
                    kind: "function_call".to_owned(),
                    ..ToolCall::default()
                });
                self.calls.len() - 1
            }
        };
        self.legacy = Some(at);
        if let Some(call) = self.calls.get_mut(at) {
            *held += function.append_arguments(&mut call.arguments);
            if let (true, Some(name)) = (call.name.is_empty(), function.name.text()) {
                call.name = name.into_owned();
            }
        }
        true
    }

    /// The calls, and what they carry besides, each with the `index` of its call.
    pub(super) fn finish(self) -> (Vec<ToolCall>, Vec<Value>) {
        let Self {
            mut calls,
            by_index: _,
            deltas: _,
            legacy: _,
            extras,
        } = self;
        for call in &mut calls {
            if call.kind.is_empty() {
                call.kind.push_str("function");
            }
        }
        let extras = extras.into_iter().map(|(index, mut members)| {
            members.insert("index".to_owned(), index.into());
            Value::Object(members)
        });
        (calls, extras.collect())
    }
}
