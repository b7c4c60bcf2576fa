//! What applications do with their history beside recording it.

use http::StatusCode;
use serde_json::json;
use tower_recording::{
    Recorder, RecordingContext, RecordingLayer,
    conversation::Role,
    store::{StoredError, StoredMessage, Whose},
};

use crate::support::sqlite_dsn;

fn context(user: &str) -> RecordingContext {
    let context = RecordingContext::new().user_id(user).token_id("key-7");
    context.channel_id("up-1").conversation_id("conv_123")
}

/// Two turns, of which the second tells the first again.
async fn talk(recorder: &Recorder, user: &str) {
    let mut said = vec![json!({ "role": "user", "content": "one" })];
    for number in 1..3 {
        let answer = json!({ "role": "assistant", "content": format!("answer {number}") });
        let response = json!({
            "id": format!("r{number}"),
            "model": "gpt-4-0613",
            "choices": [{ "index": 0, "message": answer, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 },
        });
        recorder
            .save_chat_completion(context(user), &said, &response, "gpt-4")
            .await;
        said.push(answer);
        said.push(json!({ "role": "user", "content": "two" }));
    }
}

#[tokio::test]
async fn completions_are_saved_and_read_as_mes_does() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = RecordingLayer::new(sqlite_dsn(folder.path())).recorder();
    talk(&recorder, "ada").await;
    talk(&recorder, "bob").await;
    let failed = [json!({ "role": "user", "content": "three" })];
    recorder
        .save_error_conversation(context("ada"), &failed, 429, "slow down", "gpt-4")
        .await;
    let listed = recorder.user_conversations("ada", 50, 0).await.unwrap();
    let [conversation] = &listed.data[..] else {
        panic!("one conversation")
    };
    assert_eq!(conversation.session_id, "conv_123");
    let messages = recorder.conversation_messages(conversation.id, 100).await;
    let expected = [
        json!({ "role": "user", "content": "one" }),
        json!({ "role": "assistant", "content": "answer 1" }),
        json!({ "role": "user", "content": "two" }),
        json!({ "role": "assistant", "content": "answer 2" }),
    ];
    assert_eq!(messages.unwrap(), expected);
    let history = recorder
        .conversation_history(conversation.id, 2, 1)
        .await
        .unwrap();
    let said: Vec<&str> = history
        .iter()
        .map(|row| row.message.content.as_str())
        .collect();
    assert_eq!(said, ["answer 1", "two"]);
    let exchange = &history[0].exchange;
    assert_eq!(exchange.token_id.as_deref(), Some("key-7"));
    assert_eq!(exchange.channel_id.as_deref(), Some("up-1"));
    assert_eq!(exchange.model_name.as_deref(), Some("gpt-4-0613"));
    let errors = recorder
        .store()
        .errors(conversation.id, None, 9)
        .await
        .unwrap();
    assert_eq!(
        errors.data[0].error.error_code,
        i64::from(StatusCode::TOO_MANY_REQUESTS.as_u16())
    );
    assert_eq!(errors.data[0].error.error_message, "slow down");
    let stats = recorder
        .conversation_stats("ada", 0, i64::MAX)
        .await
        .unwrap();
    assert_eq!((stats.total_messages, stats.total_tokens), (4, 6));

    let id = conversation.id;
    assert_eq!(
        recorder.delete_user_conversation("bob", id).await.unwrap(),
        None
    );
    let deleted = recorder
        .delete_user_conversation("ada", id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((deleted.messages, deleted.errors), (4, 1));
    assert!(
        recorder
            .user_conversations("ada", 50, 0)
            .await
            .unwrap()
            .data
            .is_empty()
    );
    let erased = recorder.delete_user("bob", Whose::Named).await.unwrap();
    assert_eq!((erased.conversations, erased.messages), (1, 4));
}

#[tokio::test]
async fn single_rows_are_added_to_a_conversation_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = RecordingLayer::new(sqlite_dsn(folder.path())).recorder();
    let made = recorder
        .create_conversation("ada", "s", Some("a title"))
        .await
        .unwrap();
    let made = made.unwrap();
    assert_eq!(
        recorder
            .create_conversation("ada", "s", None)
            .await
            .unwrap(),
        None
    );
    let mut history = StoredMessage::default();
    history.exchange.conversation_id = made.id;
    history.exchange.model_name = Some("gpt-4".to_owned());
    history.message.role = Role::Assistant;
    history.message.content = "added".to_owned();
    history.message.finish_reason = Some("stop".to_owned());
    history.message.usage.total_tokens = Some(7);
    let first = recorder
        .save_conversation_history(&history)
        .await
        .unwrap()
        .unwrap();
    let second = recorder
        .save_conversation_history(&history)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second.message.parent_id, Some(first.message.id));
    let mut failure = StoredError::default();
    failure.exchange.conversation_id = made.id;
    failure.error.error_code = 500;
    failure.error.error_message = "gone".to_owned();
    let failure = recorder
        .save_error_conversation_history(&failure)
        .await
        .unwrap();
    let store = recorder.store();
    let errors = store.errors(made.id, None, 9).await.unwrap().data;
    assert_eq!(errors, [failure.unwrap()]);
    let rows = recorder.conversation_history(made.id, 10, 0).await.unwrap();
    assert_eq!(rows, [first, second]);
    assert!(
        recorder
            .rename_conversation(made.id, "another")
            .await
            .unwrap()
    );
    let title = async |id| store.conversation(id).await.unwrap().unwrap().title;
    assert_eq!(title(made.id).await.as_deref(), Some("another"));
    let untitled = recorder.create_conversation("ada", "t", None).await;
    let untitled = untitled.unwrap().unwrap();
    for (role, said, shown) in [
        (Role::System, "be brief", None),
        (Role::User, "  hello\nthere", Some("hello")),
        (Role::User, "later", Some("hello")),
    ] {
        let mut message = StoredMessage::default();
        message.exchange.conversation_id = untitled.id;
        message.message.role = role;
        message.message.content = said.to_owned();
        let added = recorder.save_conversation_history(&message).await.unwrap();
        assert!(added.is_some());
        assert_eq!(title(untitled.id).await.as_deref(), shown);
    }
    let deleted = recorder.delete_conversation_history(made.id).await.unwrap();
    assert_eq!(deleted.unwrap().messages, 2);
    assert_eq!(
        recorder.save_conversation_history(&history).await.unwrap(),
        None
    );
}
