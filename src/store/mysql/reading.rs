//! Reading, so that all that is seen is of one moment.
//!
//! Rows may be moved to other tables meanwhile. Of a moment before that the tables were not there any more, or
//! the others were only being filled: then it is looked whether all is where it was, and read again.

use std::{cell::Cell, ptr};

use diesel_async::SimpleAsyncConnection;
use tokio::time::timeout;

use super::{
    connection::{Connections, Lane, WORK_TIMEOUT, Work, late},
    error::{Answer, Fault, NO_SUCH_TABLE, TABLE_CHANGED, asked},
    layout::{Layout, Mode, Unfinished},
    moment::Moment,
    replica,
    session::Session,
};
use crate::store::{StoreError, replica::Stamp};

/// A moment for reading may be lost to a table that was just made, or to rows that were just moved.
const READ_ATTEMPTS: usize = 3;

/// Opens a moment in which all reads see the same.
const BEGIN_READING: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
     START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

tokio::task_local! {
    /// Whether this read looked into a table that was not there.
    static MISSED: Cell<bool>;
}

/// Reads, and says whether a table was not there.
async fn noting_missed<T>(read: impl Future<Output = T>) -> (T, bool) {
    let read = async { (read.await, MISSED.with(Cell::get)) };
    MISSED.scope(Cell::new(false), read).await
}

/// Notes that a table was not there. Who deletes keeps tables where they are, and need not know.
pub(super) fn note_missed() {
    let _ = MISSED.try_with(|missed| missed.set(true));
}

impl Connections {
    /// Runs this on a connection that reads, so that all it sees is of one moment, with this stamp.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        stamp: Option<Stamp>,
        work: impl for<'s> FnMut(&'s mut Session, Mode) -> Work<'s, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_on(&self.readers, stamp, work).await
    }

    /// The same for whoever is about to write, and is not to wait for readers.
    pub(super) async fn look_up<T: Send + 'static>(
        &self,
        work: impl for<'s> FnMut(&'s mut Session, Mode) -> Work<'s, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_on(&self.writers, None, work).await
    }

    async fn read_on<T: Send + 'static>(
        &self,
        lane: &Lane,
        stamp: Option<Stamp>,
        mut work: impl for<'s> FnMut(&'s mut Session, Mode) -> Work<'s, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let only_reads = !ptr::eq(lane, &*self.writers);
        self.run(lane, move |session| {
            Box::pin(async move {
                if only_reads {
                    session.only_read().await?;
                }
                let mut attempt = 1;
                loop {
                    let read = once(session, stamp.as_ref(), &mut work).await;
                    let is_lost = |fault: &Fault| {
                        fault.is(TABLE_CHANGED)
                            || fault.is(NO_SUCH_TABLE)
                            || matches!(fault, Fault::Moving)
                    };
                    match read {
                        Err(fault) if is_lost(&fault) && attempt < READ_ATTEMPTS => attempt += 1,
                        read => return read,
                    }
                }
            })
        })
        .await
    }
}

async fn once<T>(
    session: &mut Session,
    stamp: Option<&Stamp>,
    work: &mut impl for<'s> FnMut(&'s mut Session, Mode) -> Work<'s, T>,
) -> Answer<T> {
    if !session.only_reads {
        session.connection.batch_execute(BEGIN_READING).await?;
    }
    let read = async {
        replica::check(&mut session.connection, stamp).await?;
        let Moment { layout, uncounted } = Moment::find(&mut session.connection).await?;
        session.uncounted = uncounted;
        let (read, missed) = noting_missed(work(session, layout.mode)).await;
        let may_have_moved = missed || layout.unfinished == Some(Unfinished::Copying);
        Ok((read?, may_have_moved.then_some(layout)))
    };
    let read = timeout(WORK_TIMEOUT, read).await;
    let connection = &mut session.connection;
    let read = asked(connection, read.unwrap_or_else(|_| late())).await;
    if !matches!(read, Err(Fault::Away(_))) {
        connection.batch_execute("COMMIT").await?;
    }
    let (read, moved) = read?;
    if let Some(layout) = moved {
        let now = Layout::read(connection).await?;
        connection.batch_execute("COMMIT").await?;
        if !now.has_tables_of(layout) {
            return Err(Fault::Moving);
        }
    }
    Ok(read)
}
