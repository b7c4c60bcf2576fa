//! Who speaks, and in which conversation.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use uuid::Uuid;

/// Conversations that go on at a time: each exchange of a batch is of another one.
const SPEAKERS: usize = 1000;
/// Exchanges of a conversation, so a fourth of them begins one.
pub const EXCHANGES: usize = 4;

/// One who speaks.
pub struct Speaker {
    pub user: String,
    /// The client's name for the conversation.
    pub session_id: String,
    /// Ours.
    pub conversation_id: [u8; 16],
    /// Which conversation it is, and the number of its exchange.
    pub talk: usize,
    pub turn: usize,
    turns: usize,
}

/// They take turns.
pub struct Speakers {
    all: Vec<Speaker>,
    next: usize,
    talks: usize,
    random: SmallRng,
}

impl Speakers {
    pub fn new() -> Self {
        let mut random = SmallRng::from_os_rng();
        let speaker = |number: usize| Speaker {
            user: format!("user-{number:04}"),
            session_id: Uuid::from_u128(random.random()).to_string(),
            conversation_id: random.random(),
            talk: number,
            // Before the first.
            turn: usize::MAX,
            // The first ones end early, so that they do not end all at once.
            turns: number % EXCHANGES,
        };
        Self {
            all: (0..SPEAKERS).map(speaker).collect(),
            next: 0,
            talks: SPEAKERS,
            random,
        }
    }

    /// Whose turn it is.
    pub fn next(&mut self) -> &Speaker {
        let speaker = &mut self.all[self.next];
        self.next = (self.next + 1) % SPEAKERS;
        speaker.turn = speaker.turn.wrapping_add(1);
        if speaker.turn > speaker.turns {
            speaker.turn = 0;
            speaker.turns = EXCHANGES - 1;
            speaker.talk = self.talks;
            self.talks += 1;
            speaker.conversation_id = self.random.random();
            let session_id = Uuid::from_u128(self.random.random());
            let mut text = [0; 36];
            let text = session_id.as_hyphenated().encode_lower(&mut text);
            speaker.session_id.clear();
            speaker.session_id.push_str(text);
        }
        speaker
    }
}
