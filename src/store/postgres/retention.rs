//! How long days are kept.

use diesel::prelude::QueryResult;

use super::{
    connections::Connections,
    delete,
    drop::{self, Who},
    error::Doing,
    pool::Lease,
    sqlstate::SqlState,
};
use crate::{
    partition::{Day, ERRORS},
    store::{Partition, StoreError, UnixMillis},
};

impl Connections {
    /// Drops what is no longer kept, unless another process is at it. What is in use goes later.
    pub(super) async fn drop_expired(&self, now: UnixMillis) -> Result<(), StoreError> {
        if let Some(days) = self.retention_days {
            let before = Day::oldest_kept(now, days);
            self.drop_before(before, Who::Retention, &mut Vec::new())
                .await?;
        }
        if let Some(days) = self.usage_retention_days {
            let mut lease = self.writers.lease().await?;
            let deleted = delete::usage(&mut lease.session, Day::oldest_kept(now, days)).await;
            self.settle(lease, deleted, Doing::Dropping)?;
        }
        Ok(())
    }

    /// Drops the days before this one, and says what went: messages first, oldest day first.
    pub(super) async fn drop_days(&self, before: Day) -> Result<Vec<Partition>, StoreError> {
        self.make_ready().await?;
        let mut dropped = Vec::new();
        self.drop_before(before, Who::Operator, &mut dropped)
            .await?;
        dropped.sort_by_key(|table| table.table.starts_with(ERRORS));
        Ok(dropped)
    }

    /// Batches get their turn between two days, also where there is but one connection.
    async fn drop_before(
        &self,
        before: Day,
        who: Who,
        dropped: &mut Vec<Partition>,
    ) -> Result<(), StoreError> {
        let mut lease = self.writers.lease().await?;
        let due = drop::due(&mut lease.session, before).await;
        let due = self.settle(lease, due, Doing::Dropping)?;
        for day in &due {
            let mut lease = self.writers.lease().await?;
            let tables = drop::drop_surely(&mut lease.session, *day, who).await;
            let Some(tables) = self.settle_drop(lease, tables, who)?.flatten() else {
                return Ok(());
            };
            tracing::info!(%day, "a day was dropped");
            add(dropped, tables);
        }
        let mut lease = self.writers.lease().await?;
        let deleted = delete::rest(&mut lease.session, before, who, !due.is_empty()).await;
        self.settle_drop(lease, deleted, who).map(drop)
    }

    /// Ends a loan; `None` where retention met somebody, and tries again within the hour.
    fn settle_drop<T>(
        &self,
        lease: Lease<'_>,
        result: QueryResult<T>,
        who: Who,
    ) -> Result<Option<T>, StoreError> {
        let state = lease.session.state();
        match self.settle(lease, result, Doing::Dropping) {
            Err(error) if who == Who::Retention && state.is_some_and(SqlState::is_in_the_way) => {
                tracing::debug!(%error, "what is in use is dropped later");
                Ok(None)
            }
            result => result.map(Some),
        }
    }
}

/// The rows of a single table are told in one number.
fn add(dropped: &mut Vec<Partition>, tables: Vec<Partition>) {
    for table in tables {
        match dropped.iter_mut().find(|known| known.table == table.table) {
            Some(known) => known.rows += table.rows,
            None => dropped.push(table),
        }
    }
}
