//! Whether what the application told the model stands among a conversation's rows of the day.

use super::Look;
use crate::{
    id::Id,
    partition::Day,
    store::{ChainHash, Recall},
    thread::{
        canon,
        threader::{Placing, Thread},
    },
};

impl Look<'_> {
    /// The hash under which a prompt stands among the conversation's rows of the day.
    pub(super) fn mark(self, conversation: Id, prompt: &ChainHash) -> ChainHash {
        let day = Day::from_unix_ms(self.asked.at).to_string();
        canon::mark(&self.threader.key, conversation.as_bytes(), &day, prompt)
    }

    /// Asks early whether the prompt stands there, so that one question does.
    pub(super) fn want_prompt(self, conversation: Id, recall: &mut Recall) {
        if let Some(prompt) = &self.asked.prompt {
            let mark = self.mark(conversation, prompt);
            if self.find(conversation, &mark).is_none() {
                self.want([&mark], recall);
            }
        }
    }

    pub(super) fn with_prompt(self, mut thread: Thread, recall: &mut Recall) -> Placing {
        if let Some(prompt) = &self.asked.prompt {
            let mark = self.mark(thread.conversation, prompt);
            let stored = self.find(thread.conversation, &mark).is_some();
            // A branch of its own has the prompt at its root, where reading finds it.
            let is_rooted = thread.parent.is_none();
            if !stored && !is_rooted && self.want([&mark], recall) {
                return Placing::Unknown;
            }
            thread.new_prompt = (!stored || is_rooted).then_some(mark);
        }
        Placing::Placed(thread)
    }
}
