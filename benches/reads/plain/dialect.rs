//! How a database writes what is not the same in all of them.

use crate::cells::COLUMNS;

/// What is not the same.
pub struct Dialect {
    quote: char,
    /// A value that is an id, a text, the first and the second time in milliseconds since 1970.
    pub id: &'static str,
    pub text: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub day: &'static str,
}

pub const POSTGRES: Dialect = Dialect {
    quote: '"',
    id: "$1::text::uuid",
    text: "$1",
    from: "to_timestamp($2::float8 / 1000)",
    to: "to_timestamp($3::float8 / 1000)",
    day: "(created_at AT TIME ZONE 'UTC')::date",
};
pub const MYSQL: Dialect = Dialect {
    quote: '`',
    id: "?",
    text: "?",
    from: "FROM_UNIXTIME(? / 1000)",
    to: "FROM_UNIXTIME(? / 1000)",
    day: "DATE(created_at)",
};
pub const SQLITE: Dialect = Dialect {
    quote: '"',
    id: "?",
    text: "?",
    from: "?",
    to: "?",
    day: "created_at / 86400000",
};

impl Dialect {
    /// The columns of a message.
    pub fn columns(&self) -> String {
        let quote = self.quote;
        COLUMNS
            .map(|column| format!("{quote}{column}{quote}"))
            .join(", ")
    }
}
