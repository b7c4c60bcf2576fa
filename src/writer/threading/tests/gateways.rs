//! Any sequence of what clients do, through one gateway or two.

use proptest::prelude::*;

use super::*;

/// What a client that sends everything does.
#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    FailAndRetry(u8),
    /// Changes what the user said in one of the turns, and goes on from there.
    Edit(usize, u8),
    Regenerate,
    /// Replaces all but the last turn by a summary.
    Compact,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u8..3).prop_map(Step::Send),
        1 => (0u8..3).prop_map(Step::FailAndRetry),
        2 => (any::<usize>(), 0u8..3).prop_map(|(turn, text)| Step::Edit(turn, text)),
        2 => Just(Step::Regenerate),
        1 => Just(Step::Compact),
    ];
    prop::collection::vec(step, 1..25)
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().unwrap().block_on(test);
}

/// No message of a user stands twice at one place.
fn assert_no_doubles(shelf: &Shelf) {
    let mut seen = HashSet::new();
    for row in shelf.stored() {
        if row.message.role == Role::User {
            let place = (row.exchange.conversation_id, row.message.chain_hash);
            assert!(seen.insert(place), "{row:?}");
        }
    }
}

/// `more` is said with everything that the user says.
async fn everything_is_sent(steps: Vec<Step>, gateways: usize, more: &str) {
    let shelf = Shelf::default();
    let mut talk = Talk::named("s");
    let mut gateways: Vec<Gateway> = (0..gateways).map(|_| Gateway::new()).collect();
    let mut history = vec![user("first"), assistant("answer"), user("second")];
    let mut answers = 0;
    for (number, step) in [Step::Send(0)].into_iter().chain(steps).enumerate() {
        let turns = history.len() / 2;
        match step {
            Step::Send(text) | Step::FailAndRetry(text) if number > 0 => {
                history.push(user(&format!("say {text}{more}")));
            }
            Step::Edit(turn, text) => {
                history.truncate(turn % turns * 2);
                history.push(user(&format!("say {text}{more}")));
            }
            Step::Regenerate => drop(history.pop()),
            Step::Compact => {
                let last = history.split_off(history.len() - 2);
                let summary = format!("summary of {} messages", history.len());
                history = [vec![user(&summary), assistant("I see")], last].concat();
                history.push(user("go on"));
            }
            Step::Send(_) | Step::FailAndRetry(_) => {}
        }
        let mut which = number % gateways.len();
        if let Step::FailAndRetry(text) = step {
            let failure = match text % 2 {
                0 => Answer::Failed,
                _ => Answer::Unheard,
            };
            let failing = talk.exchange(history.clone(), failure);
            gateways[which].record(&shelf, vec![failing]).await;
            which = (which + 1) % gateways.len();
        }
        answers += 1;
        // Now and then the model says the same again.
        let answer = format!("answer {}", answers % 7);
        let exchange = talk.exchange(history.clone(), Answer::Given(&[&answer]));
        gateways[which].record(&shelf, vec![exchange]).await;
        history.push(assistant(&answer));
        let read = branch_of(&shelf, talk.conversation(), 1 + number % 5).await;
        assert_eq!(read, told(&history));
    }
    assert_no_doubles(&shelf);
}

/// How a turn fails before it is tried again.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Error,
    /// The client hangs up before there is an answer.
    Unheard,
    BrokenOff,
}

/// What a client that sends only its newest does, each time through one of the gateways.
#[derive(Clone, Debug)]
struct Turn {
    text: u8,
    failures: Vec<(Failure, usize)>,
    gateway: usize,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let failure = prop_oneof![
        Just(Failure::Error),
        Just(Failure::Unheard),
        Just(Failure::BrokenOff),
    ];
    let failures = prop::collection::vec((failure, any::<usize>()), 0..4);
    let turn = (0u8..2, failures, any::<usize>());
    let turn = turn.prop_map(|(text, failures, gateway)| Turn {
        text,
        failures,
        gateway,
    });
    prop::collection::vec(turn, 1..20)
}

async fn only_the_newest_is_sent(turns: Vec<Turn>, gateways: usize) {
    let shelf = Shelf::default();
    let mut talk = Talk::named("s");
    let mut gateways: Vec<Gateway> = (0..gateways).map(|_| Gateway::new()).collect();
    let count = gateways.len();
    let mut said = Vec::new();
    for turn in turns {
        let text = format!("say {}", turn.text);
        for (failure, which) in turn.failures {
            let answer = match failure {
                Failure::Error => Answer::Failed,
                Failure::Unheard => Answer::Unheard,
                Failure::BrokenOff => Answer::BrokenOff("o"),
            };
            let failing = talk.exchange(vec![user(&text)], answer);
            gateways[which % count].record(&shelf, vec![failing]).await;
        }
        let exchange = talk.exchange(vec![user(&text)], Answer::Given(&["ok"]));
        let gateway = &mut gateways[turn.gateway % count];
        gateway.record(&shelf, vec![exchange]).await;
        said.extend([user(&text), assistant("ok")]);
        assert_eq!(branch_of(&shelf, talk.conversation(), 4).await, told(&said));
    }
    assert_no_doubles(&shelf);
    let stored = shelf.stored().into_iter();
    let asked = stored.filter(|row| row.message.role == Role::User);
    assert_eq!(asked.count() * 2, said.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_branch_is_what_a_client_that_sends_everything_said_last(steps in steps()) {
        run(everything_is_sent(steps, 1, ""));
    }

    #[test]
    fn the_same_through_two_gateways(steps in steps()) {
        run(everything_is_sent(steps, 2, ""));
    }

    #[test]
    fn the_same_where_the_history_is_long(steps in steps(), gateways in 1usize..3) {
        run(everything_is_sent(steps, gateways, &" and so on".repeat(200)));
    }

    #[test]
    fn the_branch_is_all_that_a_client_that_sends_its_newest_said(
        turns in turns(),
        gateways in 1usize..4,
    ) {
        run(only_the_newest_is_sent(turns, gateways));
    }
}

#[tokio::test]
async fn an_answer_that_is_still_on_its_way_is_waited_for() {
    let shelf = Shelf::default();
    let mut talk = Talk::unnamed();
    let (mut one, mut other) = (Gateway::new(), Gateway::new());
    let first = talk.exchange(vec![user("a")], Answer::Given(&["1"]));
    let late = one.thread(&shelf, vec![first]).await;
    let said = vec![user("a"), assistant("1"), user("b")];
    let second = talk.exchange(said.clone(), Answer::Given(&["2"]));
    let third = talk.exchange(vec![user("else")], Answer::Given(&["3"]));
    let mut batch = Batch::default();
    batch.push(1, Box::new(second));
    batch.push(2, Box::new(third));
    let Gateway {
        workshop, threader, ..
    } = &mut other;
    let threaded = thread(workshop, &shelf, threader, batch, HashSet::new()).await;
    // The second is held, and the third keeps its order with it.
    assert_eq!(threaded.held.values().len(), 2);
    assert!(threaded.rows.is_empty());
    shelf.write(&late).await.unwrap();
    let again = thread(workshop, &shelf, threader, threaded.held, HashSet::new()).await;
    let rows: Vec<ExchangeRows> = again.rows.into_numbered().map(|(_, rows)| rows).collect();
    assert_eq!(rows[0].conversation.id, late[0].conversation.id);
    assert_eq!(rows[0].messages.len(), 2);
    assert_ne!(rows[1].conversation.id, late[0].conversation.id);
}

#[tokio::test]
async fn a_prefix_that_two_gateways_imported_reads_once() {
    let shelf = Shelf::default();
    let mut talk = Talk::named("s");
    let said = vec![user("a"), assistant("1"), user("b")];
    let mut rows = Vec::new();
    for answer in ["2", "3"] {
        let exchange = talk.exchange(said.clone(), Answer::Given(&[answer]));
        rows.extend(Gateway::new().thread(&shelf, vec![exchange]).await);
    }
    shelf.write(&rows).await.unwrap();
    assert_eq!(shelf.stored().len(), 8);
    let read = branch_of(&shelf, talk.conversation(), 10).await;
    assert_eq!(read, told(&[said.clone(), vec![assistant("3")]].concat()));
    let tree = branch::once(shelf.stored());
    let answers = vec![assistant("2"), assistant("3")];
    let texts: Vec<Message> = tree
        .iter()
        .map(|row| Message::new(row.message.role.clone(), row.message.content.as_str()))
        .collect();
    assert_eq!(told(&texts), told(&[said, answers].concat()));
    let parents = tree.iter().map(|row| row.message.parent_id);
    let ids: Vec<Id> = tree.iter().map(|row| row.message.id).collect();
    let expected = [None, Some(ids[0]), Some(ids[1]), Some(ids[2]), Some(ids[2])];
    assert_eq!(parents.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_question_that_is_tried_again_at_another_gateway_stands_once() {
    let shelf = Shelf::default();
    let mut talk = Talk::named("s");
    let (mut one, mut other) = (Gateway::new(), Gateway::new());
    let mut said = vec![user("a")];
    for gateway in [&mut one, &mut other] {
        let exchange = talk.exchange(said.clone(), Answer::Given(&["1"]));
        gateway.record(&shelf, vec![exchange]).await;
        said.extend([assistant("1"), user("b")]);
    }
    let begun = shelf.stored().len();
    for answer in ["3", "4", "5"] {
        let first = talk.exchange(said.clone(), Answer::Unheard);
        one.record(&shelf, vec![first]).await;
        for gateway in [&mut other, &mut one] {
            let again = talk.exchange(said.clone(), Answer::Given(&[answer]));
            gateway.record(&shelf, vec![again]).await;
        }
        said.extend([assistant(answer), user("and then?")]);
    }
    // Each question once, and each of its two answers.
    assert_eq!(shelf.stored().len(), begun + 9);
    let read = branch_of(&shelf, talk.conversation(), 10).await;
    said.pop();
    assert_eq!(read, told(&said));
}

#[tokio::test]
async fn a_question_that_two_gateways_stored_is_read_once_and_all_its_answers() {
    let shelf = Shelf::default();
    let mut talk = Talk::named("s");
    let (mut one, mut other) = (Gateway::new(), Gateway::new());
    let mut said = vec![user("a")];
    let first = talk.exchange(said.clone(), Answer::Given(&["1"]));
    one.record(&shelf, vec![first]).await;
    said.extend([assistant("1"), user("b")]);
    // What the other stores is not there yet when the first looks.
    let second = talk.exchange(said.clone(), Answer::Given(&["2"]));
    let late = other.thread(&shelf, vec![second]).await;
    let third = talk.exchange(said.clone(), Answer::Given(&["2"]));
    one.record(&shelf, vec![third]).await;
    shelf.write(&late).await.unwrap();
    for gateway in [&mut one, &mut other] {
        let again = talk.exchange(said.clone(), Answer::Given(&["2"]));
        gateway.record(&shelf, vec![again]).await;
        let now = [said.clone(), vec![assistant("2")]].concat();
        let read = branch_of(&shelf, talk.conversation(), 10).await;
        assert_eq!(read, told(&now));
    }
    let tree = branch::once(shelf.stored());
    let questions = tree.iter().filter(|row| row.message.role == Role::User);
    let ids: Vec<Id> = questions.map(|row| row.message.id).collect();
    assert_eq!(ids.len(), 2);
    let answers = tree
        .iter()
        .filter(|row| row.message.parent_id == Some(ids[1]));
    assert_eq!(answers.count(), 4);
}

#[tokio::test]
async fn a_reminder_is_not_taken_for_what_it_stands_behind() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let reminder = Message::new(Role::Developer, "be short");
    let said = vec![user("a"), reminder.clone(), reminder];
    let exchange = talk.exchange(said.clone(), Answer::Given(&["1"]));
    gateway.record(&shelf, vec![exchange]).await;
    assert_eq!(branch::once(shelf.stored()).len(), 4);
}
