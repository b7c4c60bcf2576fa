//! What the gateway logs: as `RUST_LOG` says, but for crates that print what they carry.

use std::env;

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

const DEFAULT_FILTER: &str = "info";

/// At DEBUG tokio-postgres prints the parameters of statements, which is what people said, and the
/// others print what passes through a connection.
const SPEAKING_OF_CONTENT: [&str; 4] = ["tokio_postgres", "mysql_async", "hyper", "h2"];

/// The filter of `RUST_LOG`, in which these crates stay at INFO unless it names them.
pub(crate) fn filter() -> EnvFilter {
    let wanted = env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let wanted = match wanted.trim() {
        "" => DEFAULT_FILTER,
        wanted => wanted,
    };
    let Ok(filter) = EnvFilter::try_new(wanted) else {
        return EnvFilter::new(DEFAULT_FILTER);
    };
    let everywhere = directives(wanted).filter_map(|directive| directive.parse().ok());
    if everywhere
        .last()
        .is_none_or(|level: LevelFilter| level <= LevelFilter::INFO)
    {
        return filter;
    }
    let unnamed = SPEAKING_OF_CONTENT
        .into_iter()
        .filter(|target| !directives(wanted).any(|directive| names(directive, target)));
    let quiet = unnamed.filter_map(|target| format!("{target}=info").parse().ok());
    quiet.fold(filter, EnvFilter::add_directive)
}

fn directives(filter: &str) -> impl Iterator<Item = &str> {
    let directives = filter.split(',').map(str::trim);
    directives.filter(|directive| !directive.is_empty())
}

fn names(directive: &str, target: &str) -> bool {
    let rest = directive.strip_prefix(target);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', '[']))
}
