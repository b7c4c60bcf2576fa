//! Batches of rows that are new each time, made before they are needed.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use tower_recording::{Id, store::ExchangeRows};

use crate::{
    clock::Clock,
    ids::{exchange_id, row_id},
    speakers::Speakers,
};

/// Batches for one writer.
pub struct Batches {
    ready: Vec<Vec<ExchangeRows>>,
    next: usize,
    speakers: Speakers,
    random: SmallRng,
    pub clock: Clock,
}

impl Batches {
    /// Batches of so many exchanges.
    pub fn new(rows: &[ExchangeRows], exchanges: usize, clock: Clock) -> Self {
        Self {
            ready: rows.chunks_exact(exchanges).map(<[_]>::to_vec).collect(),
            next: 0,
            speakers: Speakers::new(),
            random: SmallRng::from_os_rng(),
            clock,
        }
    }

    /// A batch that has not been there: with ids, times and conversations of its own.
    pub fn next(&mut self) -> &[ExchangeRows] {
        self.next = (self.next + 1) % self.ready.len();
        let batch = &mut self.ready[self.next];
        for rows in &mut *batch {
            let at = self.clock.tick();
            let speaker = self.speakers.next();
            let conversation_id = Id::from_bytes(speaker.conversation_id);
            let exchange_id = exchange_id(&mut self.random, at);
            rows.conversation.id = conversation_id;
            rows.conversation.created_at = at;
            copy(&mut rows.conversation.session_id, &speaker.session_id);
            copy(&mut rows.conversation.user_identifier, &speaker.user);
            rows.exchange.conversation_id = conversation_id;
            rows.exchange.created_at = at;
            rows.exchange.exchange_id = exchange_id;
            copy(&mut rows.exchange.user_id, &speaker.user);
            for (number, message) in rows.messages.iter_mut().enumerate() {
                message.id = row_id(exchange_id, number + 1);
                // As many of these have a value as the recorder gives one.
                if let Some(hash) = &mut message.chain_hash {
                    *hash = self.random.random();
                }
                message.updated_at = at;
            }
        }
        batch
    }
}

fn copy(to: &mut String, from: &str) {
    to.clear();
    to.push_str(from);
}
