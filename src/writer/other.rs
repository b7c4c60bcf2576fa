//! What a message holds beside role and text, as the JSON of its `other` column.

use std::mem;

use serde_json::{Map, Value};

use crate::{
    conversation::{Choice, Message, ToolCall},
    json::Kept,
};

/// The part of an answer that had arrived when it failed.
pub(super) fn begun(choice: Choice) -> Value {
    let mut begun = whole(choice.message);
    if let Value::Object(begun) = &mut begun {
        begun.insert("index".to_owned(), choice.index.into());
        begun.insert("finish_reason".to_owned(), choice.finish_reason.into());
    }
    begun
}

pub(super) fn whole(mut message: Message) -> Value {
    message.other = message.take_other();
    let mut whole = other(&mut message);
    whole.insert("role".to_owned(), message.role.as_str().into());
    whole.insert("content".to_owned(), message.content.into());
    Value::Object(whole)
}

/// Takes what a message holds beside role and text, as text; none where there is nothing.
pub(super) fn text(message: &mut Message) -> Option<String> {
    let mut all = mem::take(&mut message.kept);
    let other = other(message);
    if all.is_empty() {
        return json_text(other);
    }
    all.extend(other.into_iter().map(|(name, value)| (name, value.into())));
    let mut text = String::new();
    Kept::Members(all).put(&mut text);
    Some(text)
}

/// Takes what a message holds beside role and text, but for what was not parsed, in OpenAI's names.
fn other(message: &mut Message) -> Map<String, Value> {
    let Message {
        role: _,
        content: _,
        tool_calls,
        tool_call_id,
        reasoning,
        refusal,
        other,
        kept: _,
    } = message;
    let mut other = mem::take(other);
    if !tool_calls.is_empty() {
        let mut calls: Vec<Value> = tool_calls.drain(..).map(call).collect();
        add_extras(&mut calls, other.remove("tool_calls"));
        other.insert("tool_calls".to_owned(), calls.into());
    }
    for (name, text) in [
        ("tool_call_id", tool_call_id),
        ("reasoning", reasoning),
        ("refusal", refusal),
    ] {
        if let Some(text) = text.take()
            && let Some(as_sent) = other.insert(name.to_owned(), text.into())
        {
            other.insert(format!("{name}_as_sent"), as_sent);
        }
    }
    other
}

fn call(call: ToolCall) -> Value {
    serde_json::json!({
        "id": call.id,
        "type": call.kind,
        "function": { "name": call.name, "arguments": call.arguments },
    })
}

/// What calls carry beside id, kind, name and arguments comes as a list of objects, each with the
/// index of its call.
fn add_extras(calls: &mut [Value], extras: Option<Value>) {
    let Some(Value::Array(extras)) = extras else {
        return;
    };
    for extra in extras {
        let Value::Object(mut extra) = extra else {
            continue;
        };
        let index = extra.remove("index").and_then(|index| index.as_u64());
        let call = index.and_then(|index| calls.get_mut(usize::try_from(index).ok()?));
        if let Some(Value::Object(call)) = call {
            for (name, value) in extra {
                call.entry(name).or_insert(value);
            }
        }
    }
}

/// An object as text; none where it is empty.
pub(super) fn json_text(map: Map<String, Value>) -> Option<String> {
    (!map.is_empty()).then(|| Value::Object(map).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::Role;

    #[test]
    fn what_is_kept_stands_where_its_value_would() {
        let source = r#"{"z":[1.0,"\u00e9"],"a":{}}"#;
        for names in [&[][..], &["a"], &["z"], &["a", "z"], &["kept"]] {
            let mut message = Message::new(Role::Assistant, "");
            message.reasoning = Some("hm".to_owned());
            let members = [("x".to_owned(), Kept::Source(source.to_owned()))];
            let list = Kept::List(vec![json!(1).into(), Kept::Members(members.into())]);
            message.keep([("kept".to_owned(), list)]);
            for name in names {
                message.other.insert((*name).to_owned(), json!("\n"));
            }
            let mut parsed = message.clone();
            parsed.other = parsed.take_other();
            assert_eq!(text(&mut message), text(&mut parsed), "{names:?}");
        }
    }

    #[test]
    fn what_is_kept_stands_in_place_of_what_had_its_name() {
        let kept = || Kept::Source("[2]".to_owned());
        let mut message = Message::new(Role::Assistant, "");
        message.other.insert("a".to_owned(), json!(1));
        message.keep([("a".to_owned(), kept()), ("content".to_owned(), kept())]);
        assert_eq!(message.other["content"], json!([2]));
        assert_eq!(whole(message.clone())["a"], json!([2]));
        message.other.insert("a".to_owned(), json!(3));
        assert_eq!(whole(message)["a"], 3);
    }
}
