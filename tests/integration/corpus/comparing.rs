//! What is stored beside what the SDK made of it.

use serde_json::{Value, json};
use tower_recording::{
    conversation::Role,
    store::{StoredError, StoredMessage},
};

use super::Interaction;

/// The rows without those that hold nothing but the tools of a request.
pub(super) fn said(mut rows: Vec<StoredMessage>) -> Vec<StoredMessage> {
    rows.retain(|row| {
        row.message.prompt_hash.is_none()
            || row.message.role == Role::Assistant
            || !row.message.content.is_empty()
    });
    rows
}

fn words(roles: &Value) -> Vec<&str> {
    let roles = roles.as_array().into_iter().flatten();
    roles
        .map(|role| role.as_str().unwrap_or_default())
        .collect()
}

/// Roles without the instructions, in the words of the oracle, and without those that repeat: the results
/// of tools that one message of the user holds are a message each.
fn speakers(roles: Vec<&str>) -> Value {
    let roles = roles.into_iter().map(|role| match role {
        "model" => "assistant",
        "tool" | "function" | "<string input>" | "str" | "int" => "user",
        role if role.ends_with("_output") => "user",
        role if role == "reasoning" || role.ends_with("_call") => "assistant",
        role => role,
    });
    let mut speakers: Vec<&str> = roles.collect();
    speakers.dedup();
    if speakers.first() == Some(&"system") {
        speakers.remove(0);
    }
    speakers.into()
}

/// What is stored of an interaction.
pub(super) struct Found {
    pub(super) messages: Vec<StoredMessage>,
    pub(super) errors: Vec<StoredError>,
}

fn same(what: &str, found: Value, expected: &Value) -> Result<(), String> {
    let blank = |value: &Value| value.is_null() || value == "";
    let is_same_number = found.is_number() && found.as_f64() == expected.as_f64();
    if found == *expected || is_same_number || (blank(&found) && blank(expected)) {
        Ok(())
    } else {
        Err(format!("{what}: found {found}, expected {expected}"))
    }
}

impl Found {
    pub(super) fn compare(&self, interaction: &Interaction) -> Result<(), String> {
        let whole = &interaction.expected;
        let expected = &whole["expected"];
        let roles = &whole["request"]["roles"];
        if expected["kind"] == "error" {
            return self.compare_error(expected["error"]["status"].clone(), &expected["error"]);
        }
        if !expected["stream_error"].is_null() {
            self.compare_error(whole["status"].clone(), &expected["stream_error"])?;
            let other = other(self.errors[0].error.other.as_deref());
            for choice in expected["choices"].as_array().expect("choices") {
                let found = &other["reply"][choice["index"].as_u64().expect("an index") as usize];
                compare_choice(found, &found["finish_reason"], &found["content"], choice)?;
            }
            return Ok(());
        }
        if !self.errors.is_empty() {
            return Err("stands among the errors".to_owned());
        }
        let mut choices = expected["choices"].as_array().expect("choices").clone();
        if expected["kind"] == "embedding" {
            // What is stated of the vectors needs an answer to stand on.
            choices.push(json!({"index": 0}));
        }
        let last = self.messages.last().expect("a message");
        let is_raw = other(last.message.other.as_deref())["raw"].is_object();
        if choices.is_empty() && is_raw {
            // An SDK that makes nothing of a whole stream loses what stands here as it came.
            return Ok(());
        }
        let turns = self.messages.len().checked_sub(choices.len());
        let Some((asked, answered)) = turns.and_then(|at| self.messages.split_at_checked(at))
        else {
            return Err(format!("{} messages", self.messages.len()));
        };
        let asked: Vec<&str> = asked.iter().map(|row| row.message.role.as_str()).collect();
        match interaction.recorded["provider"].as_str() {
            Some("openai-chat") => same("roles", asked.into(), roles)?,
            // A request that is no JSON says nothing of roles.
            _ if roles.is_null() => {}
            _ => same("speakers", speakers(asked), &speakers(words(roles)))?,
        }
        for (row, choice) in answered.iter().zip(&choices) {
            let message = &row.message;
            same("index", message.choice_index.into(), &choice["index"])?;
            // Google's word for the assistant of all others, which it does not always say.
            let role = match choice["role"].as_str() {
                Some("model") | None => "assistant",
                Some(role) => role,
            };
            same("role", message.role.as_str().into(), &role.into())?;
            let finish = message.finish_reason.clone().into();
            let content = message.content.clone().into();
            compare_choice(&other(message.other.as_deref()), &finish, &content, choice)?;
            // Amazon's answers do not say which model gave them.
            if !expected["model"].is_null() {
                same(
                    "model",
                    row.exchange.model_name.clone().into(),
                    &expected["model"],
                )?;
            }
            same(
                "id",
                message.message_id.clone().into(),
                &expected["response_id"],
            )?;
        }
        let usage = &answered[0].message.usage;
        for (name, found) in [
            ("prompt", usage.prompt_tokens),
            ("completion", usage.completion_tokens),
            ("total", usage.total_tokens),
            ("cached", usage.cached_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ] {
            same(name, found.into(), &expected["usage"][name])?;
        }
        Ok(())
    }

    fn compare_error(&self, status: Value, expected: &Value) -> Result<(), String> {
        let [found] = &self.errors[..] else {
            return Err(format!("{} errors", self.errors.len()));
        };
        let details = other(found.error.other.as_deref());
        let code = match &expected["code"] {
            Value::Number(number) => number.to_string().into(),
            code => code.clone(),
        };
        same("status", found.error.error_code.into(), &status)?;
        same(
            "message",
            found.error.error_message.clone().into(),
            &expected["message"],
        )?;
        same("code", details["code"].clone(), &code)?;
        same("type", details["type"].clone(), &expected["type"])
    }
}

fn other(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| {
        serde_json::from_str(text).expect("JSON")
    })
}

fn compare_choice(
    other: &Value,
    finish: &Value,
    content: &Value,
    expected: &Value,
) -> Result<(), String> {
    same("text", content.clone(), &expected["text"])?;
    same(
        "reasoning",
        other["reasoning"].clone(),
        &expected["reasoning"],
    )?;
    same("refusal", other["refusal"].clone(), &expected["refusal"])?;
    same("finish_reason", finish.clone(), &expected["finish_reason"])?;
    let none = Vec::new();
    let calls = other["tool_calls"].as_array().unwrap_or(&none);
    let expected = expected["tool_calls"].as_array().unwrap_or(&none);
    same("tool calls", calls.len().into(), &expected.len().into())?;
    for (call, expected) in calls.iter().zip(expected) {
        same("call id", call["id"].clone(), &expected["id"])?;
        same("call type", call["type"].clone(), &expected["type"])?;
        same(
            "call name",
            call["function"]["name"].clone(),
            &expected["name"],
        )?;
        let arguments = &call["function"]["arguments"];
        if expected["form"] == "object" {
            let arguments = arguments.as_str().unwrap_or_default();
            let parsed = serde_json::from_str(arguments).unwrap_or(Value::Null);
            let stated = match expected["arguments"].as_str() {
                Some(text) => serde_json::from_str(text).unwrap_or(Value::Null),
                None => expected["arguments"].clone(),
            };
            same("arguments", parsed, &stated)?;
        } else {
            same("arguments", arguments.clone(), &expected["arguments"])?;
        }
    }
    Ok(())
}
