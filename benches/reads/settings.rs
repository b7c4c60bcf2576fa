//! What is measured, over how much.

use std::{env, process};

use crate::backend::Backend;

const USAGE: &str = "cargo bench --bench reads [-- [--rows <number>] [--days 400] \
     [--samples 1000] [--rounds 10] [postgres] [mysql] [sqlite]]";
const POSTGRES_ROWS: usize = 10_000_000;
const OTHER_ROWS: usize = 1_000_000;

pub struct Settings {
    rows: Option<usize>,
    pub days: usize,
    /// How often each question is asked by the one.
    pub samples: usize,
    /// How often all clients of the API ask theirs.
    pub rounds: usize,
    pub backends: Vec<Backend>,
}

impl Settings {
    /// Reads the command line; what it does not know ends the program.
    pub fn from_args() -> Self {
        let mut settings = Self {
            rows: None,
            days: 400,
            samples: 1000,
            rounds: 10,
            backends: Vec::new(),
        };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let number = arguments.next().and_then(|number| number.parse().ok());
                number.unwrap_or_else(|| usage())
            };
            match argument.as_str() {
                // cargo's own.
                "--bench" => {}
                "--rows" => settings.rows = Some(number()),
                "--days" => settings.days = number(),
                "--samples" => settings.samples = number(),
                "--rounds" => settings.rounds = number(),
                name => match Backend::named(name) {
                    Some(backend) => settings.backends.push(backend),
                    None => usage(),
                },
            }
        }
        if settings.backends.is_empty() {
            settings.backends = Backend::ALL.to_vec();
        }
        settings
    }

    pub fn rows(&self, backend: Backend) -> usize {
        self.rows.unwrap_or(match backend {
            Backend::Postgres => POSTGRES_ROWS,
            Backend::Mysql | Backend::Sqlite => OTHER_ROWS,
        })
    }
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    process::exit(2)
}
