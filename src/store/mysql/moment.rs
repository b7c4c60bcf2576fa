//! What a read has to know of the moment that it sees, before it knows what to ask.

use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    counts::Uncounted,
    error::Answer,
    layout::{Entry, Layout},
    statement::Statement,
};
use crate::partition::Day;

/// Written so that the index on the days leads to these.
const MOMENT: &str = "SELECT CAST(`key` AS CHAR) AS name, CAST(value AS CHAR) AS value \
     FROM recording_meta \
     WHERE `key` IN ('partition', 'partition_move', 'partition_moves', 'removals') \
     UNION ALL SELECT CAST(day AS CHAR), IF(closed_at IS NULL, 'open', 'dirty') \
     FROM recording_days WHERE dirty <> 0 OR (dirty = 0 AND closed_at IS NULL)";

/// What is so for as long as a read sees the same.
pub(super) struct Moment {
    pub(super) layout: Layout,
    pub(super) uncounted: Uncounted,
}

impl Moment {
    pub(super) async fn find(connection: &mut AsyncMysqlConnection) -> Answer<Self> {
        let find = Statement {
            sql: MOMENT,
            values: &[],
        };
        let entries: Vec<Entry> = find.load(connection).await?;
        let mut uncounted = Uncounted::default();
        for Entry { name, value } in &entries {
            if let Some(day) = Day::parse(name) {
                uncounted.add(day, value == "dirty");
            }
        }
        Ok(Self {
            layout: Layout::of(&entries)?,
            uncounted,
        })
    }
}
