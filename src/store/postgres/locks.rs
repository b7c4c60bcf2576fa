//! The advisory locks, a set a schema. Whoever takes several takes them in the order in which they
//! stand here.

/// Takes a lock until the transaction ends.
macro_rules! lock {
    // One process at a time closes and drops days.
    (maintenance) => {
        lock!("pg_advisory_xact_lock", 731058904)
    };
    (try maintenance) => {
        concat!(lock!("pg_try_advisory_xact_lock", 731058904), " AS value")
    };
    (migration) => {
        lock!("pg_advisory_xact_lock", 731058902)
    };
    // All processes that make days. Attaching takes milliseconds, and waits for no insert.
    (days) => {
        lock!("pg_advisory_xact_lock", 731058901)
    };
    // Batches share it; what must not run beside them takes it alone. It writes nothing, as a lock
    // on a row would.
    (batch) => {
        lock!("pg_advisory_xact_lock_shared", 731058903)
    };
    (no batch) => {
        lock!("pg_advisory_xact_lock", 731058903)
    };
    ($function:literal, $number:literal) => {
        concat!(
            "SELECT ",
            $function,
            "(",
            $number,
            ", current_schema()::regnamespace::oid::int)"
        )
    };
}
