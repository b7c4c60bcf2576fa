//! How long a database over a network is waited for: a server that is cut off says nothing, and
//! neither do its connections.

use std::time::Duration;

use super::StoreError;

/// For what somebody waits for.
pub(super) const READ: Duration = Duration::from_secs(5);
/// For the first read, which may have to make the schema.
pub(super) const FIRST_READ: Duration = Duration::from_secs(60);

/// Waits no longer than this for what is read, and then gives the connections up: that of the read
/// goes with it, and those that are idle are hardly better.
pub(super) async fn within<T>(
    patience: Duration,
    read: impl Future<Output = Result<T, StoreError>>,
    close_idle: impl FnOnce(),
) -> Result<T, StoreError> {
    tokio::time::timeout(patience, read)
        .await
        .unwrap_or_else(|_| {
            close_idle();
            let late = "the server did not answer in time";
            Err(StoreError::Unavailable(late.to_owned()))
        })
}
