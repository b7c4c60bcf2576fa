//! A batch, copied once into cells and one text, so that it can go to a blocking thread.
//!
//! A clone of the rows would cost some twenty allocations each; this costs none a row.

mod cells;

use std::collections::{BTreeMap, HashMap};

use self::cells::{
    bytes, error_cells, exchange_cells, message_cells, optional, push, response_cells,
};
use super::{
    columns::{MESSAGE_WIDTH, NEW_CONVERSATION_WIDTH},
    deletion::{Deletions, Leaving, Mark},
};
use crate::{
    id::Id,
    partition::Day,
    store::{ExchangeRows, NewConversation},
};

/// Where these stand among the cells of a conversation.
const TITLE: usize = 4;
const SENDS_HISTORY: usize = 7;

/// One value of one row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Bytes([u8; 16]),
    /// From here to there in the batch's text.
    Text(usize, usize),
}

/// The rows of one day, cell after cell.
#[derive(Debug, Default)]
pub(super) struct DayCells {
    pub(super) messages: Vec<Cell>,
    pub(super) errors: Vec<Cell>,
}

/// A conversation of the batch, all its exchanges together.
#[derive(Debug)]
pub(super) struct ConversationCells {
    pub(super) id: Id,
    pub(super) first_day: Day,
    pub(super) last_day: Day,
    pub(super) titled: bool,
    pub(super) sends_history: bool,
    pub(super) cells: [Cell; NEW_CONVERSATION_WIDTH],
}

/// A batch on its way to the database.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) text: String,
    pub(super) conversations: Vec<ConversationCells>,
    pub(super) days: BTreeMap<Day, DayCells>,
    /// Responses that may be gone on from, cell after cell.
    pub(super) responses: Vec<Cell>,
    /// What deletions of it are found by.
    pub(super) marks: Vec<Mark>,
    /// Those that it knows of.
    pub(super) deletions: Deletions,
    /// Marks of what was left out of it.
    pub(super) leaving: Leaving,
}

impl Batch {
    /// Copies these exchanges, of which these deletions have left this much.
    pub(super) fn new(
        exchanges: &[ExchangeRows],
        marks: Vec<Mark>,
        deletions: Deletions,
        leaving: Leaving,
    ) -> Self {
        let mut batch = Self {
            marks,
            deletions,
            leaving,
            ..Self::default()
        };
        batch.text.reserve(text_len(exchanges));
        let messages = exchanges.iter().map(|rows| rows.messages.len()).sum();
        let mut seen: HashMap<Id, usize> = HashMap::new();
        for rows in exchanges {
            let day = Day::from_unix_ms(rows.exchange.created_at);
            let index = *seen
                .entry(rows.conversation.id)
                .or_insert(batch.conversations.len());
            batch.conversation(index, &rows.conversation, day);
            batch.rows(day, rows, messages);
        }
        for conversation in &mut batch.conversations {
            let days = [conversation.first_day, conversation.last_day];
            let [first, last] = days.map(|day| push(&mut batch.text, &day.to_string()));
            conversation.cells[NEW_CONVERSATION_WIDTH - 2] = first;
            conversation.cells[NEW_CONVERSATION_WIDTH - 1] = last;
        }
        batch
    }

    fn conversation(&mut self, index: usize, new: &NewConversation, day: Day) {
        let text = &mut self.text;
        if let Some(known) = self.conversations.get_mut(index) {
            known.first_day = known.first_day.min(day);
            known.last_day = known.last_day.max(day);
            if !known.titled && new.title.is_some() {
                known.titled = true;
                known.cells[TITLE] = optional(text, new.title.as_deref());
            }
            if new.sends_history {
                known.sends_history = true;
                known.cells[SENDS_HISTORY] = Cell::Integer(1);
            }
            return;
        }
        let NewConversation {
            id,
            tenant,
            session_id,
            user_identifier,
            title,
            session_source,
            created_at,
            sends_history,
            parent_conversation_id,
        } = new;
        self.conversations.push(ConversationCells {
            id: *id,
            first_day: day,
            last_day: day,
            titled: title.is_some(),
            sends_history: *sends_history,
            cells: [
                bytes(*id),
                push(text, tenant),
                push(text, session_id),
                push(text, user_identifier),
                optional(text, title.as_deref()),
                push(text, session_source),
                Cell::Integer(*created_at),
                Cell::Integer(i64::from(*sends_history)),
                parent_conversation_id.map_or(Cell::Null, bytes),
                Cell::Null,
                Cell::Null,
            ],
        });
    }

    /// Adds the rows of an exchange of this day, on which most of so many messages are.
    fn rows(&mut self, day: Day, rows: &ExchangeRows, messages: usize) {
        let text = &mut self.text;
        let exchange = exchange_cells(text, &rows.exchange);
        let cells = self.days.entry(day).or_insert_with(|| DayCells {
            messages: Vec::with_capacity(messages * MESSAGE_WIDTH),
            ..DayCells::default()
        });
        for message in &rows.messages {
            cells.messages.extend(exchange);
            message_cells(text, &mut cells.messages, message);
        }
        if let Some(error) = &rows.error {
            cells.errors.extend(exchange);
            error_cells(text, &mut cells.errors, error);
        }
        if let Some(response) = &rows.response {
            let seen_at = rows.exchange.created_at;
            self.responses.extend(response_cells(response, seen_at));
        }
    }
}

/// A guess that spares the large copies of a growing text: the contents, and room for names.
fn text_len(exchanges: &[ExchangeRows]) -> usize {
    const NAMES: usize = 256;
    let messages = exchanges.iter().flat_map(|rows| &rows.messages);
    let contents = messages.map(|message| {
        NAMES + message.content.len() + message.other.as_ref().map_or(0, String::len)
    });
    contents.sum::<usize>() + exchanges.len() * NAMES
}
