//! What is printed: each run as it ends, and one table at the end that can be pasted.

use crate::{
    backend::Backend,
    closing::Closing,
    limit::Limit,
    race::Samples,
    samples::{Median, Sample},
};

const STORE_OF_PIPELINE: f64 = 0.85;

/// The least that the store is to be of the limit.
fn goal(backend: Backend) -> f64 {
    match backend {
        Backend::Postgres => 0.75,
        Backend::Mysql => 1.0,
        Backend::Sqlite => 0.8,
    }
}

/// Lines of the last table.
#[derive(Default)]
pub struct Report {
    lines: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    /// Prints a run, and remembers it.
    pub fn add(
        &mut self,
        backend: Backend,
        run: &str,
        samples: &Samples,
        statements: Option<f64>,
        bytes: Option<f64>,
    ) {
        let Samples {
            limit,
            store,
            pipeline,
        } = samples;
        let name = Limit::name(backend);
        println!(
            "\n{backend}, {run}: {} rounds in turn, medians",
            limit.len()
        );
        println!(
            "  {:<18} {:>9} {:>17} {:>22} {:>10} {:>10}",
            "", "rows/s", "(least, most)", "of the one above", "client µs", "server µs"
        );
        print_arm(name, limit, None);
        print_arm("store", store, Some((limit, goal(backend))));
        print_arm("pipeline", pipeline, Some((store, STORE_OF_PIPELINE)));
        let cores = |samples| {
            format!(
                "{:.1} + {:.1}",
                client_micros(samples),
                server_micros(samples)
            )
        };
        let told =
            |number: Option<f64>| number.map_or("?".to_owned(), |number| format!("{number:.1}"));
        println!(
            "  {} statements a batch of the store; {} bytes a row, with its indexes",
            told(statements),
            told(bytes)
        );
        self.lines.push(format!(
            "| {backend} | {run} | {:.0} | {:.0} | {:.0} | {} | {} | {} | {} | {} | {} |",
            rate(limit).middle,
            rate(store).middle,
            rate(pipeline).middle,
            Median::of_ratios(store, limit),
            Median::of_ratios(pipeline, store),
            cores(limit),
            cores(store),
            cores(pipeline),
            told(statements),
        ));
    }

    pub fn note(&mut self, note: String) {
        println!("  {note}");
        self.notes.push(note);
    }

    pub fn add_closing(&mut self, backend: Backend, closing: &Closing) {
        let Closing {
            rows,
            seconds,
            before,
            meanwhile,
            longest_before,
            longest_meanwhile,
        } = closing;
        println!();
        self.note(format!(
            "{backend}: a day of {rows} rows closed in {seconds:.1} s; a writer had {before:.0} rows/s \
             before and {meanwhile:.0} meanwhile ({:.0} %), its longest batch took {:.0} and {:.0} ms",
            meanwhile / before * 100.0,
            longest_before * 1000.0,
            longest_meanwhile * 1000.0,
        ));
    }

    /// Prints the table.
    pub fn print(&self) {
        println!(
            "\n| database | run | limit, rows/s | store | pipeline | store of limit (least, most) \
             | pipeline of store | core µs a row, client + server: limit | store | pipeline \
             | statements a batch |\n|---|---|---|---|---|---|---|---|---|---|---|"
        );
        for line in &self.lines {
            println!("{line}");
        }
        println!();
        for note in &self.notes {
            println!("- {note}");
        }
    }
}

fn print_arm(name: &str, samples: &[Sample], beside: Option<(&[Sample], f64)>) {
    let Median {
        middle,
        least,
        most,
    } = rate(samples);
    let spread = format!("({least:.0}, {most:.0})");
    let (ratio, verdict) = match beside {
        Some((others, goal)) => {
            let ratio = Median::of_ratios(samples, others);
            let missed = if ratio.middle < goal { "MISSED" } else { "met" };
            (ratio.to_string(), format!("   goal {goal:.2}: {missed}"))
        }
        None => Default::default(),
    };
    let client = client_micros(samples);
    let server = server_micros(samples);
    println!(
        "  {name:<18} {middle:>9.0} {spread:>17} {ratio:>22} {client:>10.2} {server:>10.2}{verdict}"
    );
}

fn rate(samples: &[Sample]) -> Median {
    Median::of(samples.iter().map(Sample::a_second))
}

/// How long this process was on a core for a row.
fn client_micros(samples: &[Sample]) -> f64 {
    micros(samples, |sample| sample.client_seconds)
}

/// How long the server was.
fn server_micros(samples: &[Sample]) -> f64 {
    micros(samples, |sample| sample.server_seconds)
}

fn micros(samples: &[Sample], seconds: impl Fn(&Sample) -> f64) -> f64 {
    let rows: u64 = samples.iter().map(|sample| sample.rows).sum();
    samples.iter().map(seconds).sum::<f64>() / rows as f64 * 1e6
}
