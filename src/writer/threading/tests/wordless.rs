//! Exchanges of which it is not known what was said.

use super::*;

/// Puts an exchange between two of a client that sends its history, and reads what stands there after
/// each of the last two.
async fn between(wordless: impl FnOnce(&mut Talk) -> Heard) -> [Vec<String>; 2] {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut said = vec![user("a"), assistant("1"), user("b")];
    let first = talk.exchange(said.clone(), Answer::Given(&["2"]));
    gateway.record(&shelf, vec![first]).await;
    let wordless = wordless(&mut talk);
    assert!(wordless.is_wordless);
    gateway.record(&shelf, vec![wordless]).await;
    let with_it = branch_of(&shelf, talk.conversation(), 50).await;
    said.extend([assistant("2"), user("c")]);
    let next = talk.exchange(said.clone(), Answer::Given(&["3"]));
    gateway.record(&shelf, vec![next]).await;
    let after_it = branch_of(&shelf, talk.conversation(), 50).await;
    said.push(assistant("3"));
    assert_eq!(after_it, told(&said));
    [with_it, after_it]
}

#[tokio::test]
async fn an_exchange_without_its_words_does_not_hide_the_conversation() {
    let [with_it, after_it] = between(|talk| {
        let identity = |identity: &mut Identity| identity.consent = Consent::Metadata;
        talk.exchange_as(vec![], Answer::Given(&[""]), identity)
    })
    .await;
    assert_eq!(with_it[..4], after_it[..4]);
    assert_eq!(with_it[4..], ["assistant: "]);
}

#[tokio::test]
async fn a_body_that_could_not_be_read_does_not_hide_the_conversation() {
    let [with_it, after_it] = between(|talk| {
        let mut raw = user("{");
        let how = serde_json::json!({"why": "invalid"});
        raw.other.insert("raw".to_owned(), how);
        talk.exchange(vec![raw], Answer::Given(&["?"]))
    })
    .await;
    assert_eq!(with_it[..4], after_it[..4]);
    assert_eq!(with_it[4..], ["user: {", "assistant: ?"]);
}
