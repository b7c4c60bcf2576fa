//! The databases that the facts are tested on.

#[cfg(feature = "mysql")]
pub(in crate::store) mod mysql;
#[cfg(feature = "postgres")]
pub(in crate::store) mod postgres;
#[cfg(feature = "sqlite")]
pub(in crate::store) mod sqlite;
