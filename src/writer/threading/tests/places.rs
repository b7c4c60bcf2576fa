//! One conversation from two places at once, through one gateway or two.

use proptest::prelude::*;

use super::*;

/// What is asked at one of the places.
#[derive(Clone, Debug)]
struct Step {
    place: usize,
    gateway: usize,
    text: u8,
    /// It asks for the last answer again, where everything is sent.
    regenerates: bool,
    /// It is recorded only after the next exchange.
    is_slow: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0usize..2, 0usize..2, 0u8..3, any::<bool>(), any::<bool>());
    let step = step.prop_map(|(place, gateway, text, regenerates, is_slow)| Step {
        place,
        gateway,
        text,
        regenerates,
        is_slow,
    });
    prop::collection::vec(step, 1..20)
}

/// An exchange, and what it and its answer said.
struct Pending {
    place: usize,
    gateway: usize,
    began: u64,
    exchange: Heard,
    said: Vec<Message>,
}

struct World {
    shelf: Shelf,
    talk: Talk,
    gateways: Vec<Gateway>,
    slow: Option<Pending>,
    /// What was recorded, by when it began.
    recorded: Vec<(u64, Vec<Message>)>,
}

impl World {
    fn new(gateways: usize) -> Self {
        Self {
            shelf: Shelf::default(),
            talk: Talk::named("s"),
            gateways: (0..gateways).map(|_| Gateway::new()).collect(),
            slow: None,
            recorded: Vec::new(),
        }
    }

    /// Nobody asks again before there is an answer.
    async fn wait_for(&mut self, place: usize) {
        if self.slow.as_ref().is_some_and(|slow| slow.place == place) {
            self.record_slow().await;
        }
    }

    async fn ask(&mut self, step: &Step, said: Vec<Message>, answer: &str) {
        let exchange = self.talk.exchange(said.clone(), Answer::Given(&[answer]));
        let pending = Pending {
            place: step.place,
            gateway: step.gateway,
            began: self.talk.now_ms,
            exchange,
            said: [said, vec![assistant(answer)]].concat(),
        };
        if step.is_slow && self.slow.is_none() {
            self.slow = Some(pending);
        } else {
            self.record(pending).await;
            self.record_slow().await;
        }
    }

    async fn record_slow(&mut self) {
        if let Some(slow) = self.slow.take() {
            self.record(slow).await;
        }
    }

    async fn record(&mut self, pending: Pending) {
        let count = self.gateways.len();
        let gateway = &mut self.gateways[pending.gateway % count];
        gateway.record(&self.shelf, vec![pending.exchange]).await;
        self.recorded.push((pending.began, pending.said));
        self.recorded.sort_by_key(|(began, _)| *began);
    }

    async fn assert_reads(&self, said: &[Message]) {
        for limit in [1, 3, 50] {
            let read = branch_of(&self.shelf, self.talk.conversation(), limit).await;
            assert_eq!(read, told(said), "{limit}");
        }
    }

    fn assert_nothing_lost(&self) {
        let stored = self.shelf.stored();
        let stored: HashSet<&str> = stored
            .iter()
            .map(|row| row.message.content.as_str())
            .collect();
        let said = self.recorded.iter().flat_map(|(_, said)| said);
        for message in said {
            assert!(stored.contains(message.content.as_str()), "{message:?}");
        }
    }
}

async fn everything_is_sent(steps: Vec<Step>, gateways: usize) {
    let mut world = World::new(gateways);
    let begin = |place: usize| vec![user(&format!("place {place}")), assistant("so?")];
    let mut histories = [begin(0), begin(1)];
    for (number, step) in steps.iter().enumerate() {
        world.wait_for(step.place).await;
        let history = &mut histories[step.place];
        if step.regenerates && history.len() > 2 {
            history.pop();
        } else {
            history.push(user(&format!("say {}", step.text)));
        }
        let answer = format!("answer {number}");
        world.ask(step, history.clone(), &answer).await;
        histories[step.place].push(assistant(&answer));
        if let Some((_, said)) = world.recorded.last() {
            world.assert_reads(said).await;
        }
        world.assert_nothing_lost();
    }
}

async fn only_the_newest_is_sent(steps: Vec<Step>, gateways: usize) {
    let mut world = World::new(gateways);
    for (number, step) in steps.iter().enumerate() {
        world.wait_for(step.place).await;
        let said = vec![user(&format!("say {}", step.text))];
        world.ask(step, said, &format!("answer {number}")).await;
        if !world.recorded.is_empty() {
            let said = world.recorded.iter().flat_map(|(_, said)| said.clone());
            world.assert_reads(&said.collect::<Vec<_>>()).await;
        }
    }
    world.record_slow().await;
    assert_eq!(world.shelf.stored().len(), steps.len() * 2);
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_branch_is_what_was_said_last_at_either_place(steps in steps(), gateways in 1usize..3) {
        run(everything_is_sent(steps, gateways));
    }

    #[test]
    fn the_branch_is_all_that_was_said_at_both_places(steps in steps(), gateways in 1usize..3) {
        run(only_the_newest_is_sent(steps, gateways));
    }
}
