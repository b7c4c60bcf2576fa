use serde_json::{Value, json};

use super::*;
use crate::{
    conversation::{Choice, Usage},
    decode::Spoken,
    exchange::Exchange,
    identity::Consent,
    writer::{
        hear,
        threading::asking::{ask, scope_of},
    },
};

fn identity() -> Identity {
    Identity {
        session: Session::Named(Id::conversation("", None, "s")),
        parent: None,
        sends_history: false,
        consent: Consent::Everything,
        tenant: String::new(),
        named_user: None,
        hint: None,
        session_id: "s".to_owned(),
        session_source: "context".to_owned(),
        user_id: "u".to_owned(),
        token_id: None,
        channel_id: None,
        provider: None,
        ip: None,
        trace_id: None,
        tags: None,
    }
}

fn rows(prompt: Prompt, reply: Reply, status: u16) -> ExchangeRows {
    let mut exchange = Exchange::new();
    exchange.status = Some(status);
    exchange.outcome = Outcome::Complete;
    let spoken = Spoken {
        prompt,
        reply,
        ..Spoken::default()
    };
    let mut heard = hear::tell(&exchange, Id::exchange(1), identity(), spoken, false);
    let threader = Threader::new([0; 32], 0);
    let asked = ask(&threader, &heard, scope_of(&threader, &heard));
    let thread = Thread {
        conversation: Id::conversation("", None, "s"),
        inferred: None,
        began: [9; 16],
        known: 0,
        parent: None,
        parent_hash: asked.scope,
        sends_history: false,
        new_prompt: asked.prompt,
    };
    let hashes = Hashes::of(&mut heard, &asked, &thread, &threader);
    make(heard, &asked, &thread, &hashes, &threader).rows
}

fn answered(reply: Reply) -> Vec<MessageColumns> {
    rows(Prompt::default(), reply, 200).messages
}

fn choice(index: i64) -> Choice {
    Choice {
        index,
        message: Message::new(Role::Assistant, "x"),
        finish_reason: None,
    }
}

fn usage() -> Usage {
    Usage {
        completion_tokens: Some(7),
        raw: Some("{}".to_owned()),
        ..Usage::default()
    }
}

#[test]
fn what_is_stated_of_a_reply_without_choices_has_a_row() {
    let messages = answered(Reply {
        usage: usage(),
        ..Reply::default()
    });
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (&messages[0].role, &*messages[0].content),
        (&Role::Assistant, "")
    );
    assert_eq!(
        (&messages[0].usage, messages[0].token_count),
        (&usage(), Some(7))
    );
    let messages = answered(Reply {
        response_id: Some("r".to_owned()),
        ..Reply::default()
    });
    assert_eq!(messages[0].message_id.as_deref(), Some("r"));
    assert!(answered(Reply::default()).is_empty());
}

#[test]
fn the_tokens_of_several_choices_are_not_those_of_the_first() {
    let messages = answered(Reply {
        choices: vec![choice(0), choice(1)],
        usage: usage(),
        ..Reply::default()
    });
    let tokens: Vec<_> = messages.iter().map(|message| message.token_count).collect();
    assert_eq!(tokens, [None, None]);
    assert_eq!(
        (&messages[0].usage, &messages[1].usage),
        (&usage(), &Usage::default())
    );
}

#[test]
fn the_upstream_that_a_router_chose_stands_with_the_first_choice() {
    let reply = Reply {
        provider: Some("P".to_owned()),
        choices: vec![choice(0), choice(1)],
        ..Reply::default()
    };
    let messages = answered(reply);
    assert_eq!(messages[0].other.as_deref(), Some(r#"{"provider":"P"}"#));
    assert_eq!(messages[1].other, None);
}

#[test]
fn a_role_is_cut_to_its_column() {
    let prompt = || Prompt {
        messages: vec![Message::new(Role::Other("r".repeat(300)), "x")],
        ..Prompt::default()
    };
    let answered = rows(prompt(), Reply::default(), 200);
    let failed = rows(prompt(), Reply::default(), 500);
    let fitted = fit(&"r".repeat(300));
    assert_eq!(answered.messages[0].role.as_str(), fitted);
    assert_eq!(failed.error.expect("an error").role.as_str(), fitted);
}

#[test]
fn an_error_keeps_the_last_message_and_all_of_them() {
    let prompt = Prompt::new(vec![
        Message::new(Role::System, "a"),
        Message::new(Role::User, "b"),
    ]);
    let error = rows(prompt, Reply::default(), 500).error.expect("an error");
    assert_eq!((&error.role, &*error.content), (&Role::User, "b"));
    let other: Value = serde_json::from_str(&error.other.expect("details")).expect("JSON");
    assert_eq!(
        other["messages"],
        json!([{"role": "system", "content": "a"}, {"role": "user", "content": "b"}])
    );
}

#[test]
fn a_title_ends_before_an_escape_that_does_not_fit() {
    let line = format!("{}␛00b", "a".repeat(58));
    assert_eq!(title_of(&line), Some("a".repeat(58)));
    let line = format!("{}␛00b", "a".repeat(57));
    assert_eq!(title_of(&line), Some(format!("{}␛00", "a".repeat(57))));
}

#[test]
fn of_a_history_the_first_and_the_newest_answers_are_known() {
    let turns = |turns: usize| {
        let mut messages = Vec::new();
        for turn in 0..turns {
            messages.push(Message::new(Role::User, format!("u{turn}")));
            messages.push(Message::new(Role::Assistant, format!("a{turn}")));
        }
        messages.push(Message::new(Role::User, "new"));
        Prompt::new(messages)
    };
    let hashes = |rows: &ExchangeRows| -> Vec<ChainHash> {
        let answers = rows
            .messages
            .iter()
            .filter(|row| row.role == Role::Assistant);
        answers.filter_map(|row| row.chain_hash).collect()
    };
    let answered = rows(turns(3), Reply::default(), 200);
    let failed = rows(turns(3), Reply::default(), 500);
    let all = hashes(&answered);
    assert_eq!(all.len(), 3);
    assert_eq!(answered.retold.answers, all);
    assert_eq!(failed.retold.answers, all);
    let long = rows(turns(100), Reply::default(), 200);
    let all = hashes(&long);
    assert_eq!(long.retold.answers, [&all[..16], &all[36..]].concat());
}
