//! Requests under a conversation's name that are none of its turns.

use super::*;

/// An agent with tools, and what else its program asks the model.
struct Agent {
    shelf: Shelf,
    gateway: Gateway,
    talk: Talk,
    tools: Option<&'static str>,
    history: Vec<Message>,
}

impl Agent {
    fn new(tools: Option<&'static str>) -> Self {
        Self {
            shelf: Shelf::default(),
            gateway: Gateway::new(),
            talk: Talk::named("s"),
            tools,
            history: Vec::new(),
        }
    }

    async fn record(&mut self, said: Vec<Message>, tools: Option<&str>, answer: Answer<'_>) {
        let sends_history = |identity: &mut Identity| identity.sends_history = true;
        let mut heard = self.talk.exchange_as(said, answer, sends_history);
        heard.prompt.tools = tools.map(str::to_owned);
        self.gateway.record(&self.shelf, vec![heard]).await;
    }

    /// The next turn, of which the answer ends the history.
    async fn turn(&mut self, question: &str) {
        self.history.push(user(question));
        let said = [vec![system("work well")], self.history.clone()].concat();
        let answer = format!("answer {}", self.history.len());
        self.record(said, self.tools, Answer::Given(&[&answer]))
            .await;
        self.history.push(assistant(&answer));
    }

    async fn aside(&mut self, told: &str, asked: &str, answer: Answer<'_>) {
        let said = [(!told.is_empty()).then(|| system(told)), Some(user(asked))];
        let said = said.into_iter().flatten().collect();
        self.record(said, None, answer).await;
    }

    async fn assert_reads(&self) {
        let expected = told(&[vec![system("work well")], self.history.clone()].concat());
        for limit in [1, 2, 3, 50] {
            let read = branch_of(&self.shelf, self.talk.conversation(), limit).await;
            assert_eq!(read, expected, "{limit}");
        }
    }
}

const TOOLS: Option<&str> = Some(r#"[{"name":"Read"}]"#);

#[tokio::test]
async fn what_an_agents_program_asks_aside_is_not_shown_for_the_conversation() {
    let mut agent = Agent::new(TOOLS);
    agent.aside("", "quota", Answer::Given(&["#"])).await;
    for turn in 0..3 {
        agent.turn(&format!("question {turn}")).await;
        agent.assert_reads().await;
        for asked in ["question 0", "question 2", "the whole talk"] {
            agent
                .aside("make a title", asked, Answer::Given(&["Title"]))
                .await;
            agent.assert_reads().await;
        }
        for _ in 0..2 {
            agent
                .aside("is this a new topic?", "question", Answer::Given(&["{"]))
                .await;
            agent.aside("", "quota", Answer::Unheard).await;
            agent.assert_reads().await;
        }
    }
    let stored = agent.shelf.stored();
    let titles = stored.iter().filter(|row| row.message.content == "Title");
    assert_eq!(titles.count(), 9);
}

#[tokio::test]
async fn without_tools_a_title_is_none_of_the_turns_once_there_are_two() {
    let mut agent = Agent::new(None);
    for turn in 0..70 {
        agent.turn(if turn == 0 { "one" } else { "more" }).await;
    }
    agent
        .aside("make a title", "one", Answer::Given(&["Title"]))
        .await;
    agent.assert_reads().await;
}

#[tokio::test]
async fn a_new_beginning_is_shown_at_once() {
    for tools in [TOOLS, None] {
        let mut agent = Agent::new(tools);
        for beginning in ["first", "edited", "summary of all before", "new talk"] {
            agent.history.clear();
            for question in [beginning, "go on", "and on"] {
                agent.turn(question).await;
                agent.assert_reads().await;
            }
            // Its answer is asked for again.
            agent.history.pop();
            agent.history.pop();
            agent.turn("and on").await;
            agent.assert_reads().await;
        }
    }
}

#[tokio::test]
async fn a_summary_that_was_asked_for_otherwise_is_gone_on_from_at_once() {
    let mut agent = Agent::new(None);
    agent.turn("one").await;
    agent.turn("two").await;
    let mut summing = vec![system("you summarize")];
    summing.extend(agent.history.clone());
    summing.push(user("sum it up"));
    agent.record(summing, None, Answer::Given(&["both"])).await;
    agent.history.clear();
    agent.turn("this is what was said: both").await;
    agent.assert_reads().await;
}

#[tokio::test]
async fn what_is_gone_on_with_is_shown_whatever_it_was_told() {
    let mut agent = Agent::new(TOOLS);
    agent.turn("one").await;
    agent.turn("two").await;
    let mut said = vec![system("be somebody else"), user("hello")];
    agent
        .record(said.clone(), None, Answer::Given(&["hi"]))
        .await;
    agent.assert_reads().await;
    said.extend([assistant("hi"), user("more")]);
    agent
        .record(said.clone(), None, Answer::Given(&["no"]))
        .await;
    said.push(assistant("no"));
    let read = branch_of(&agent.shelf, agent.talk.conversation(), 50).await;
    assert_eq!(read, told(&said));
}

#[tokio::test]
async fn what_is_added_by_hand_follows_the_branch_that_is_shown() {
    let mut agent = Agent::new(TOOLS);
    agent.turn("one").await;
    agent
        .aside("make a title", "one", Answer::Given(&["Title"]))
        .await;
    pages::add(&agent.shelf, &mut agent.talk, "by hand".to_owned()).await;
    agent.history.push(user("by hand"));
    agent.assert_reads().await;
}
