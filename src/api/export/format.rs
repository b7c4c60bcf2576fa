//! How an export is written.

use std::fmt::Write as _;

use crate::{
    api::{json::rfc3339, request::ExportFormat},
    history::{openai, readable::readable},
    store::{Conversation, StoredMessage},
};

const CSV_HEADER: &str = "conversation_id,session_id,title,user_identifier,id,parent_id,role,\
     content,model_name,token_count,timestamp,prompt_tokens,completion_tokens,total_tokens,\
     finish_reason\r\n";

/// Writes conversations, one after the other.
pub(super) struct Writer {
    format: ExportFormat,
    conversation: Conversation,
    /// Whether a message of it was written.
    has_begun: bool,
}

impl Writer {
    pub(super) fn new(format: ExportFormat) -> Self {
        Self {
            format,
            conversation: Conversation::default(),
            has_begun: false,
        }
    }

    /// Whether what was tried and left is shown too.
    pub(super) fn shows_every_branch(&self) -> bool {
        self.format == ExportFormat::Csv
    }

    pub(super) fn begin(&self) -> String {
        match self.format {
            ExportFormat::Csv => CSV_HEADER.to_owned(),
            _ => String::new(),
        }
    }

    pub(super) fn open(&mut self, conversation: Conversation) -> String {
        self.conversation = conversation;
        self.has_begun = false;
        let Conversation {
            session_id,
            user_identifier,
            title,
            created_at,
            ..
        } = &self.conversation;
        match self.format {
            ExportFormat::Markdown => {
                let title = title.clone().unwrap_or_else(|| session_id.clone());
                format!(
                    "# {}\n\n- session: {}\n- user: {}\n- begun: {}\n\n",
                    one_line(title),
                    one_line(session_id.clone()),
                    one_line(user_identifier.clone()),
                    rfc3339(*created_at)
                )
            }
            _ => String::new(),
        }
    }

    pub(super) fn message(&mut self, row: StoredMessage) -> String {
        match self.format {
            ExportFormat::OpenAiJsonl => {
                let Some(message) = openai::message(row.message) else {
                    return String::new();
                };
                let before = if self.has_begun {
                    ","
                } else {
                    "{\"messages\":["
                };
                self.has_begun = true;
                format!("{before}{message}")
            }
            ExportFormat::Markdown => markdown(row),
            ExportFormat::Csv => self.csv(row),
        }
    }

    pub(super) fn close(&self) -> String {
        match self.format {
            ExportFormat::OpenAiJsonl if self.has_begun => "]}\n".to_owned(),
            _ => String::new(),
        }
    }

    fn csv(&self, row: StoredMessage) -> String {
        let StoredMessage { exchange, message } = row;
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let fields = [
            Some(exchange.conversation_id.to_string()),
            Some(readable(self.conversation.session_id.clone())),
            self.conversation.title.clone().map(readable),
            Some(readable(self.conversation.user_identifier.clone())),
            Some(message.id.to_string()),
            message.parent_id.map(|id| id.to_string()),
            Some(readable(message.role.as_str().to_owned())),
            Some(readable(message.content)),
            exchange.model_name.map(readable),
            number(message.token_count),
            Some(rfc3339(exchange.created_at)),
            number(message.usage.prompt_tokens),
            number(message.usage.completion_tokens),
            number(message.usage.total_tokens),
            message.finish_reason.map(readable),
        ];
        let fields = fields.map(|field| quoted(field.unwrap_or_default()));
        fields.join(",") + "\r\n"
    }
}

fn markdown(row: StoredMessage) -> String {
    let StoredMessage { exchange, message } = row;
    let mut text = format!(
        "## {} · {}",
        one_line(message.role.as_str().to_owned()),
        rfc3339(exchange.created_at)
    );
    if let Some(model) = exchange.model_name {
        // Writing to a String cannot fail.
        let _ = write!(text, " · {}", one_line(model));
    }
    let _ = write!(text, "\n\n{}\n\n", fenced(&readable(message.content)));
    text
}

/// A text that nothing in it ends, so that it looks like no other message.
fn fenced(text: &str) -> String {
    let runs = text.split(|character| character != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or_default().saturating_add(1).max(3));
    format!("{fence}\n{}\n{fence}", text.trim_end())
}

fn one_line(column: String) -> String {
    plain(&readable(column).replace(['\r', '\n'], " "))
}

/// The text with nothing in it that Markdown takes for more.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\`*_[]<>#&~|!".contains(character) {
            plain.push('\\');
        }
        plain.push(character);
    }
    plain
}

/// A field as RFC 4180 has it. A spreadsheet would compute what begins like a formula, so an
/// apostrophe goes before that.
fn quoted(mut field: String) -> String {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        field.insert(0, '\'');
    }
    if field.contains(['"', ',', '\r', '\n']) {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_has_to_be() {
        for (field, written) in [
            ("plain ü", "plain ü"),
            ("a,b", "\"a,b\""),
            ("say \"x\"\n", "\"say \"\"x\"\"\n\""),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("-1", "'-1"),
            ("@a,b", "\"'@a,b\""),
            ("\r=1", "\"'\r=1\""),
            ("1=1", "1=1"),
        ] {
            assert_eq!(quoted(field.to_owned()), written);
        }
    }

    #[test]
    fn a_text_does_not_leave_its_fence() {
        for (text, fence) in [
            ("## assistant", "```"),
            ("```\n## assistant\n```", "````"),
            ("a ` b ````` c", "``````"),
        ] {
            assert_eq!(fenced(text), format!("{fence}\n{text}\n{fence}"));
        }
        assert_eq!(plain("[x](y) *`<b>`* #1"), r"\[x\](y) \*\`\<b\>\`\* \#1");
    }
}
