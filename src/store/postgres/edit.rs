//! Making and renaming conversations by hand.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Bool, Nullable, Text, Timestamptz, Uuid},
};
use diesel_async::RunQueryDsl;

use super::{
    connections::Connections,
    decode::{PgId, time},
    error::Doing,
    marks,
    session::Session,
};
use crate::{
    id::Id,
    partition::Day,
    store::{NewConversation, StoreError},
};

impl Connections {
    /// Makes a conversation that has no messages, and says whether it was new.
    pub(super) async fn create(&self, new: &NewConversation) -> Result<bool, StoreError> {
        self.make_ready().await?;
        let mut lease = self.writers.lease().await?;
        let made = create(&mut lease.session, new).await;
        self.settle(lease, made, Doing::Writing)
    }

    /// Changes the title, and says whether there was one to change.
    pub(super) async fn rename(&self, id: Id, title: &str) -> Result<bool, StoreError> {
        self.make_ready().await?;
        let mut lease = self.writers.lease().await?;
        let renamed = rename(&mut lease.session, id, title).await;
        self.settle(lease, renamed, Doing::Writing)
    }
}

async fn create(session: &mut Session, new: &NewConversation) -> QueryResult<bool> {
    session.begin(concat!("BEGIN; ", lock!(batch))).await?;
    let made = create_one(session, new).await;
    session.end(made).await
}

async fn create_one(session: &mut Session, new: &NewConversation) -> QueryResult<bool> {
    let NewConversation {
        id,
        tenant,
        session_id,
        user_identifier,
        title,
        session_source,
        created_at: _,
        sends_history,
        parent_conversation_id,
    } = new;
    let deleted = marks::find(&session.connection, new.marks()).await?;
    let created_at = new.begins(&deleted);
    let day = Day::from_unix_ms(created_at);
    let made = sql_query(format!(
        "INSERT INTO conversations (id, tenant, session_id, user_identifier, title, session_source, \
         created_at, newest_at, sends_history, parent_conversation_id, first_day, last_day) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, '{day}', '{day}') ON CONFLICT DO NOTHING"
    ))
    .bind::<Uuid, _>(PgId(*id))
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(session_id)
    .bind::<Text, _>(user_identifier)
    .bind::<Nullable<Text>, _>(title.as_deref())
    .bind::<Text, _>(session_source)
    .bind::<Timestamptz, _>(time(created_at))
    .bind::<Bool, _>(sends_history)
    .bind::<Nullable<Uuid>, _>(parent_conversation_id.map(PgId))
    .execute(&mut session.connection)
    .await?;
    Ok(made > 0)
}

async fn rename(session: &mut Session, id: Id, title: &str) -> QueryResult<bool> {
    session.begin("BEGIN").await?;
    let renamed = sql_query("UPDATE conversations SET title = $1 WHERE id = $2")
        .bind::<Text, _>(title)
        .bind::<Uuid, _>(PgId(id))
        .execute(&mut session.connection)
        .await;
    session.end(renamed).await.map(|rows| rows > 0)
}
