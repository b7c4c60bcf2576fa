//! Conversations without a name, of one user and several at a time.

use proptest::prelude::*;

use super::*;

/// What is done in one of two talks that no id tells apart.
#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    FailAndRetry(u8),
    /// Changes what was said in a turn that is not the first.
    Edit(usize, u8),
    Regenerate,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        3 => (0u8..3).prop_map(Step::Send),
        1 => (0u8..3).prop_map(Step::FailAndRetry),
        2 => (any::<usize>(), 0u8..3).prop_map(|(turn, text)| Step::Edit(turn, text)),
        2 => Just(Step::Regenerate),
    ];
    prop::collection::vec((0usize..2, step), 1..25)
}

async fn two_talks(steps: Vec<(usize, Step)>, gateways: usize) {
    let shelf = Shelf::default();
    let mut talk = Talk::unnamed();
    let mut gateways: Vec<Gateway> = (0..gateways).map(|_| Gateway::new()).collect();
    let reminder = user("<system-reminder>\nthe same for all\n</system-reminder>");
    let mut talks = ["one", "two"].map(|text| vec![reminder.clone(), user(text)]);
    let mut conversations = [Id::default(); 2];
    let begin = [0, 1].map(|which| (which, Step::Regenerate));
    for (number, (which, step)) in begin.into_iter().chain(steps).enumerate() {
        let history = &mut talks[which];
        // The reminder is a message of its own.
        let turns = history.len().saturating_sub(2) / 2;
        match step {
            _ if number < 2 => {}
            Step::Send(text) | Step::FailAndRetry(text) => {
                history.push(user(&format!("say {text}")));
            }
            Step::Edit(turn, text) => {
                history.truncate(3 + turn % (turns + 1) * 2);
                history.push(user(&format!("say {text}")));
            }
            Step::Regenerate if turns > 0 && history.len() > 3 => drop(history.pop()),
            Step::Regenerate => history.push(user("go on")),
        }
        let count = gateways.len();
        let gateway = &mut gateways[number % count];
        if let Step::FailAndRetry(_) = step {
            let failing = talk.exchange(history.clone(), Answer::Failed);
            gateway.record(&shelf, vec![failing]).await;
        }
        let answer = format!("answer {number}");
        let exchange = talk.exchange(history.clone(), Answer::Given(&[&answer]));
        gateway.record(&shelf, vec![exchange]).await;
        history.push(assistant(&answer));
        let newest = shelf.rows.lock().unwrap().last().unwrap().conversation.id;
        if number < 2 {
            conversations[which] = newest;
        }
        assert_eq!(newest, conversations[which]);
        assert_eq!(branch_of(&shelf, newest, 3).await, told(history));
    }
    assert_ne!(conversations[0], conversations[1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn each_talk_is_a_conversation_whatever_is_done_in_it(
        steps in steps(),
        gateways in 1usize..3,
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().unwrap().block_on(two_talks(steps, gateways));
    }
}
