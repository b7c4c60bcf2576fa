//! Conversations by hand: what an application does with its history beside recording it.
//!
//! All of it are methods of [`Recorder`](crate::Recorder); what needs a tenant or more than a page is
//! asked of its [`store`](crate::Recorder::store).
//!
//! # Coming from MES
//! | MES | here |
//! |---|---|
//! | `SaveChatCompletion` | [`Recorder::save_chat_completion`](crate::Recorder::save_chat_completion) |
//! | `SaveErrorConversation` | [`Recorder::save_error_conversation`](crate::Recorder::save_error_conversation) |
//! | `GetConversationMessages` | [`Recorder::conversation_messages`](crate::Recorder::conversation_messages), in OpenAI's shape |
//! | `GetUserConversations` | [`Recorder::user_conversations`](crate::Recorder::user_conversations) |
//! | `DeleteUserConversation` | [`Recorder::delete_user_conversation`](crate::Recorder::delete_user_conversation), of its owner only |
//! | `GetConversationStats` | [`Recorder::conversation_stats`](crate::Recorder::conversation_stats) |
//! | `SaveConversationHistory` | [`Recorder::save_conversation_history`](crate::Recorder::save_conversation_history) |
//! | `SaveErrorConversationHistory` | [`Recorder::save_error_conversation_history`](crate::Recorder::save_error_conversation_history) |
//! | `GetConversationHistory` | [`Recorder::conversation_history`](crate::Recorder::conversation_history) |
//! | `DeleteConversationHistory` | [`Recorder::delete_conversation_history`](crate::Recorder::delete_conversation_history) |
//! | `getConversationHistoryTableName` | [`Store::conversation_history_table_name`](crate::store::Store::conversation_history_table_name) |
//! | `createTableIfNotExists` | [`Store::create_table_if_not_exists`](crate::store::Store::create_table_if_not_exists) |
//! | `getExistingPartitionTables` | [`Store::existing_partition_tables`](crate::store::Store::existing_partition_tables) |
//! | `DROP TABLE …` of old days | [`Store::drop_partitions`](crate::store::Store::drop_partitions) |
//!
//! | field of `ConversationHistory`, `ErrorConversationHistory` | here |
//! |---|---|
//! | `Id` | [`MessageColumns::id`](crate::store::MessageColumns::id), [`ErrorColumns::id`](crate::store::ErrorColumns::id) |
//! | `UserId`, `TokenId`, `ChannelId`, `Ip` | [`ExchangeColumns`](crate::store::ExchangeColumns): `user_id`, `token_id`, `channel_id`, `ip` |
//! | `CreatedAt` | [`ExchangeColumns::created_at`](crate::store::ExchangeColumns::created_at), in milliseconds |
//! | `UpdatedAt` | [`MessageColumns::updated_at`](crate::store::MessageColumns::updated_at), in milliseconds |
//! | `ConversationId` | [`Conversation::session_id`](crate::store::Conversation::session_id); rows bear our own id of it |
//! | `MessageId`, `Role`, `Content`, `FinishReason`, `Other` | [`MessageColumns`](crate::store::MessageColumns): `message_id`, `role`, `content`, `finish_reason`, `other` |
//! | `ModelName`, `IsStream` | [`ExchangeColumns`](crate::store::ExchangeColumns): `model_name`, `is_stream` |
//! | `PromptTokens`, `CompletionTokens`, `TotalTokens`, `Usage` | [`Usage`](crate::conversation::Usage): `prompt_tokens`, `completion_tokens`, `total_tokens`, `raw` |
//! | `ErrorCode`, `ErrorMessage` | [`ErrorColumns`](crate::store::ErrorColumns): `error_code`, `error_message` |
//!
//! # Examples
//! ```
//! use serde_json::json;
//! use tower_recording::{RecordingContext, RecordingLayer};
//!
//! # #[tokio::main(flavor = "multi_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recorder = RecordingLayer::new("sqlite::memory:").recorder();
//! let context = RecordingContext::new().user_id("ada").conversation_id("conv_123");
//! let asked = [json!({ "role": "user", "content": "What is a trait?" })];
//! let response = json!({ "choices": [{ "message": { "role": "assistant", "content": "…" } }] });
//! recorder.save_chat_completion(context, &asked, &response, "gpt-4").await;
//!
//! let listed = recorder.user_conversations("ada", 50, 0).await?;
//! let messages = recorder.conversation_messages(listed.data[0].id, 100).await?;
//! assert_eq!(messages[0], asked[0]);
//! # Ok(())
//! # }
//! ```

mod chat;
mod edit;
pub(crate) mod openai;
mod read;
pub(crate) mod readable;
mod rows;

pub(crate) use self::edit::exchange_now;
