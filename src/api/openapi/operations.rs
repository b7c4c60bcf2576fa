//! Every route, with what it takes and answers.

/// A method of a path.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: &'static [&'static str],
    /// The schema of the body.
    pub(super) body: Option<&'static str>,
    /// Status, content type and schema; no schema: text.
    pub(super) answers: (&'static str, &'static str, &'static str),
    pub(super) needs_key: bool,
}

const JSON: &str = "application/json";

const NOTHING: Operation = Operation {
    method: "get",
    path: "",
    id: "",
    summary: "",
    query: &[],
    body: None,
    answers: ("200", JSON, ""),
    needs_key: true,
};

const CONVERSATIONS: &str = "/conversations";
const CONVERSATION: &str = "/conversations/{session_id}";
const MESSAGES: &str = "/conversations/{session_id}/messages";
const USER: &str = "/conversations/user/{user_identifier}";

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "post",
        path: CONVERSATIONS,
        id: "createConversation",
        summary: "Makes a conversation",
        body: Some("NewConversation"),
        answers: ("201", JSON, "Conversation"),
        ..NOTHING
    },
    Operation {
        method: "post",
        path: "/conversations/",
        id: "createConversationWithSlash",
        summary: "Makes a conversation",
        body: Some("NewConversation"),
        answers: ("201", JSON, "Conversation"),
        ..NOTHING
    },
    Operation {
        path: CONVERSATION,
        id: "readConversation",
        summary: "A conversation with its latest messages, oldest first",
        query: &["limit", "tree"],
        answers: ("200", JSON, "Transcript"),
        ..NOTHING
    },
    Operation {
        method: "put",
        path: CONVERSATION,
        id: "renameConversation",
        summary: "Gives a conversation a title",
        body: Some("Title"),
        answers: ("200", JSON, "Conversation"),
        ..NOTHING
    },
    Operation {
        method: "delete",
        path: CONVERSATION,
        id: "deleteConversation",
        summary: "Deletes a conversation with all its rows",
        answers: ("200", JSON, "Deleted"),
        ..NOTHING
    },
    Operation {
        path: MESSAGES,
        id: "listMessages",
        summary: "Messages of the current branch, oldest first within the page",
        query: &["limit", "before", "message_format"],
        answers: ("200", JSON, "MessageList"),
        ..NOTHING
    },
    Operation {
        method: "post",
        path: MESSAGES,
        id: "appendMessage",
        summary: "Adds a message behind the last one",
        body: Some("NewMessage"),
        answers: ("201", JSON, "Message"),
        ..NOTHING
    },
    Operation {
        path: "/conversations/{session_id}/errors",
        id: "listErrors",
        summary: "The exchanges that failed",
        query: &["limit"],
        answers: ("200", JSON, "FailureList"),
        ..NOTHING
    },
    Operation {
        path: "/conversations/{session_id}/export",
        id: "exportConversation",
        summary: "A conversation, streamed",
        query: &["export_format"],
        answers: ("200", "*/*", ""),
        ..NOTHING
    },
    Operation {
        path: USER,
        id: "listConversations",
        summary: "A user's conversations, last active first",
        query: &["limit", "offset", "after"],
        answers: ("200", JSON, "ConversationList"),
        ..NOTHING
    },
    Operation {
        method: "delete",
        path: USER,
        id: "eraseUser",
        summary: "Erases a user",
        answers: ("200", JSON, "Erased"),
        ..NOTHING
    },
    Operation {
        path: "/conversations/user/{user_identifier}/stats",
        id: "readStats",
        summary: "What a user said and spent",
        query: &["from", "to"],
        answers: ("200", JSON, "Stats"),
        ..NOTHING
    },
    Operation {
        path: "/conversations/user/{user_identifier}/export",
        id: "exportUser",
        summary: "Every conversation of a user, streamed",
        query: &["export_format"],
        answers: ("200", "*/*", ""),
        ..NOTHING
    },
    Operation {
        path: "/search",
        id: "search",
        summary: "Messages that hold a text, newest first, and the days that were searched",
        query: &[
            "q",
            "user_identifier",
            "model",
            "from",
            "to",
            "limit",
            "after",
        ],
        answers: ("200", JSON, "HitList"),
        ..NOTHING
    },
    Operation {
        path: "/partitions",
        id: "listPartitions",
        summary: "Tables with rows and bytes; needs an application's key",
        answers: ("200", JSON, "PartitionList"),
        ..NOTHING
    },
    Operation {
        method: "delete",
        path: "/partitions",
        id: "dropPartitions",
        summary: "Drops the days before a date; needs an application's key",
        query: &["before_day"],
        answers: ("200", JSON, "Dropped"),
        ..NOTHING
    },
    Operation {
        path: "/metrics",
        id: "readMetrics",
        summary: "The recorder's counters as Prometheus text; needs an application's key",
        answers: ("200", "text/plain", ""),
        ..NOTHING
    },
    Operation {
        path: "/healthz",
        id: "isAlive",
        summary: "The process lives",
        answers: ("200", "text/plain", ""),
        needs_key: false,
        ..NOTHING
    },
    Operation {
        path: "/readyz",
        id: "isReady",
        summary: "The store answers and the queue is not full",
        answers: ("200", "text/plain", ""),
        needs_key: false,
        ..NOTHING
    },
    Operation {
        path: "/openapi.json",
        id: "readDescription",
        summary: "This document",
        answers: ("200", JSON, "Description"),
        needs_key: false,
        ..NOTHING
    },
    Operation {
        path: "/docs",
        id: "readDocs",
        summary: "A page that shows this document",
        answers: ("200", "text/html", ""),
        needs_key: false,
        ..NOTHING
    },
];

impl Operation {
    /// What it is refused with, and when.
    pub(super) fn refusals(&self) -> Vec<(&'static str, &'static str)> {
        if !self.needs_key {
            return match self.path {
                "/readyz" => vec![("503", "It does not record")],
                _ => Vec::new(),
            };
        }
        let is_one = self.path.starts_with(CONVERSATION);
        let has_body = self.body.is_some();
        let mut refusals = vec![
            ("400", "The request is malformed"),
            ("401", "No valid key"),
            ("422", "A value is out of bounds"),
            ("429", "Too many requests of one principal at once"),
            ("500", "Internal error"),
            (
                "503",
                "The store cannot be reached, or too many requests at once",
            ),
        ];
        if !is_one {
            refusals.push((
                "403",
                "The key belongs to another user, or to no application",
            ));
        }
        if is_one {
            refusals.push(("404", "There is no such conversation"));
            refusals.push(("409", "Several conversations have this session id"));
        } else if has_body {
            refusals.push(("409", "The user has a conversation of this name"));
        }
        if has_body {
            refusals.push(("408", "The body did not come in time"));
            refusals.push(("413", "The body is too large"));
        }
        refusals
    }
}
