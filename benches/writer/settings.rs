//! What is measured, and for how long.

use std::{env, process, time::Duration};

use crate::backend::Backend;

const USAGE: &str = "cargo bench --bench writer [-- [--seconds 60] [--burst 5] [--days 400] \
     [--close-rows 1000000] [postgres] [mysql] [sqlite]]";

pub struct Settings {
    /// How long each arm writes in a sustained run.
    pub seconds: Duration,
    /// And in a burst into an empty database.
    pub burst: Duration,
    /// Days that are there beside today; 0: none are made.
    pub days: u32,
    /// Rows of the day that is closed; 0: none is.
    pub close_rows: usize,
    pub backends: Vec<Backend>,
}

impl Settings {
    /// Reads the command line; what it does not know ends the program.
    pub fn from_args() -> Self {
        let mut settings = Self {
            seconds: Duration::from_secs(60),
            burst: Duration::from_secs(5),
            days: 400,
            close_rows: 1_000_000,
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
                "--seconds" => settings.seconds = Duration::from_secs(number()),
                "--burst" => settings.burst = Duration::from_secs(number()),
                "--days" => settings.days = number() as u32,
                "--close-rows" => settings.close_rows = number() as usize,
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
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    process::exit(2)
}
