//! What is asked.

use rand::{Rng, rngs::SmallRng};
use tower_recording::{
    Id,
    store::{Conversation, Page, Stats, Store, StoreError, StoredMessage, UnixMillis},
};

use crate::{clock::DAY_MS, past::Past};

/// Entries of a page.
pub const PAGE: usize = 50;
/// The days of the shorter stats.
const MONTH: UnixMillis = 30;

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Whole,
    OneDay,
    ThirtyDays,
    Conversations,
    Month,
    AllDays,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Whole,
        Self::OneDay,
        Self::ThirtyDays,
        Self::Conversations,
        Self::Month,
        Self::AllDays,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "a conversation and its last 50, one day",
            Self::OneDay => "last 50 messages, one day",
            Self::ThirtyDays => "last 50 messages, 30 days",
            Self::Conversations => "a user's newest 50 conversations",
            Self::Month => "a user's stats, 30 days",
            Self::AllDays => "a user's stats, all days",
        }
    }

    /// Whether it has to be at most twice as slow as one table.
    pub fn has_goal(self) -> bool {
        !matches!(self, Self::ThirtyDays)
    }

    /// One of its kind, about whom chance says.
    pub fn draw(self, past: &Past, random: &mut SmallRng) -> Question {
        let last = past.start_of(past.days - 1);
        let mut talk = |is_long| loop {
            let talk = past.talks[random.random_range(0..past.talks.len())];
            if talk.is_long == is_long {
                return talk;
            }
        };
        match self {
            Self::Whole => Question::Conversation(talk(false).id),
            Self::OneDay => Question::Messages(talk(false).id),
            Self::ThirtyDays => Question::Messages(talk(true).id),
            Self::Conversations => Question::Conversations(Past::user(talk(false).user)),
            Self::Month => Question::Stats {
                user: Past::user(talk(false).user),
                from: last - (MONTH - 1) * DAY_MS,
                to: last,
            },
            Self::AllDays => Question::Stats {
                user: Past::user(talk(false).user),
                from: past.start_of(0),
                to: last,
            },
        }
    }
}

/// A question.
pub enum Question {
    /// A conversation with its last messages.
    Conversation(Id),
    /// The last messages of a conversation.
    Messages(Id),
    /// The newest conversations of a user.
    Conversations(String),
    /// What a user said and spent, from the day of one time to that of another.
    Stats {
        user: String,
        from: UnixMillis,
        to: UnixMillis,
    },
}

impl Question {
    /// What the store answers.
    ///
    /// # Errors
    /// Where the store does not.
    pub async fn ask(&self, store: &dyn Store) -> Result<Answer, StoreError> {
        Ok(match self {
            Self::Conversation(id) => {
                Answer::Conversation(store.conversation_with_messages(*id, None, PAGE).await?)
            }
            Self::Messages(id) => Answer::Messages(store.messages(*id, None, PAGE).await?),
            Self::Conversations(user) => {
                Answer::Conversations(store.conversations_of_user("", user, None, 0, PAGE).await?)
            }
            Self::Stats { user, from, to } => {
                Answer::Stats(store.stats("", user, *from, *to).await?)
            }
        })
    }
}

/// What a store answers.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Conversation(Option<(Conversation, Page<StoredMessage>)>),
    Messages(Page<StoredMessage>),
    Conversations(Page<Conversation>),
    Stats(Stats),
}

impl Answer {
    /// How many rows it is made of, where each is in it.
    pub fn rows(&self) -> Option<usize> {
        match self {
            Self::Conversation(found) => {
                Some(found.as_ref().map_or(0, |(_, page)| 1 + page.data.len()))
            }
            Self::Messages(page) => Some(page.data.len()),
            Self::Conversations(page) => Some(page.data.len()),
            Self::Stats(_) => None,
        }
    }
}
