//! Statements that a connection keeps prepared. diesel caches them by their text, which `sql_query`
//! with binds never is, so there may only be few.

use diesel::{
    pg::{Pg, data_types::PgTimestamp},
    prelude::QueryResult,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bytea, Text, Timestamptz, Untyped, Uuid},
};

use super::decode::PgId;

/// A parameter.
#[derive(Clone)]
pub(super) enum Bind {
    Id(PgId),
    Ids(Vec<PgId>),
    Hashes(Vec<[u8; 16]>),
    Text(String),
    Texts(Vec<String>),
    Time(PgTimestamp),
    Number(i64),
}

/// A statement in which each `?` stands for a parameter.
pub(super) struct Prepared<'a> {
    pub(super) sql: &'a str,
    pub(super) binds: Vec<Bind>,
}

impl QueryId for Prepared<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Prepared<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for Prepared<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut binds = self.binds.iter();
        for (index, part) in self.sql.split('?').enumerate() {
            if index > 0 {
                match binds.next() {
                    Some(Bind::Id(id)) => out.push_bind_param::<Uuid, _>(id)?,
                    Some(Bind::Ids(ids)) => out.push_bind_param::<Array<Uuid>, _>(ids)?,
                    Some(Bind::Hashes(hashes)) => {
                        out.push_bind_param::<Array<Bytea>, _>(hashes)?;
                    }
                    Some(Bind::Text(text)) => out.push_bind_param::<Text, _>(text)?,
                    Some(Bind::Texts(texts)) => out.push_bind_param::<Array<Text>, _>(texts)?,
                    Some(Bind::Time(time)) => out.push_bind_param::<Timestamptz, _>(time)?,
                    Some(Bind::Number(number)) => out.push_bind_param::<BigInt, _>(number)?,
                    None => {}
                }
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

/// A statement whose text is hardly ever asked again: no connection keeps it.
pub(super) struct Once<'a>(pub(super) Prepared<'a>);

impl QueryId for Once<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Once<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for Once<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        self.0.walk_ast(out)
    }
}
