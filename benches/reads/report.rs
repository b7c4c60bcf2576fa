//! What is printed: each question as it was answered, and tables at the end that can be pasted.

use std::time::Duration;

use crate::{
    backend::Backend,
    clients::{Answered, CLIENTS},
    question::Kind,
    route::Route,
};

/// The most that days may cost, in times of one table, and the API, in times of plain SQL over the same days.
const MOST: f64 = 2.0;
/// Parts of the samples, whose medians tell how sure the whole is.
const PARTS: usize = 5;

/// How long each of three took, in milliseconds.
#[derive(Default)]
pub struct Times {
    days: Vec<f64>,
    table: Vec<f64>,
    plain: Vec<f64>,
}

impl Times {
    pub fn add(&mut self, days: Duration, table: Duration, plain: Duration) {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        self.days.push(ms(days));
        self.table.push(ms(table));
        self.plain.push(ms(plain));
    }

    /// How many times slower the days were than the one table: the least and the most of the parts.
    fn spread(&self) -> (f64, f64) {
        let size = self.days.len().div_ceil(PARTS);
        let parts = self.days.chunks(size).zip(self.table.chunks(size));
        let ratios = parts.map(|(days, table)| at(days, 0.5) / at(table, 0.5));
        ratios.fold((f64::MAX, 0.0), |(least, most), ratio| {
            (ratio.min(least), ratio.max(most))
        })
    }
}

/// How long the answers to many clients took, in milliseconds.
#[derive(Default)]
pub struct Crowd {
    api: Vec<f64>,
    days: Vec<f64>,
    table: Vec<f64>,
}

impl Crowd {
    pub fn add(&mut self, api: Vec<f64>, days: &[Answered], table: &[Answered]) {
        self.api.extend(api);
        self.days.extend(days.iter().map(|(took, _)| took));
        self.table.extend(table.iter().map(|(took, _)| took));
    }
}

/// The value that this part of all lies at or below.
fn at(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * part) as usize).min(values.len() - 1)]
}

fn both(values: &[f64]) -> (f64, f64) {
    (at(values, 0.5), at(values, 0.99))
}

fn shown((p50, p99): (f64, f64)) -> String {
    format!("{p50:.2}, {p99:.2}")
}

/// Lines of the last two tables.
#[derive(Default)]
pub struct Report {
    lines: Vec<String>,
    crowds: Vec<String>,
}

impl Report {
    pub fn begin(&self, backend: Backend) {
        println!(
            "  {:<40} {:>17} {:>17} {:>17} {:>7} {:>15}",
            format!("{backend}: p50, p99 in ms"),
            "a table a day",
            "one table",
            "one, plain SQL",
            "days/1",
            "(least, most)"
        );
    }

    pub fn add(&mut self, backend: Backend, kind: Kind, times: &Times) {
        let [days, table, plain] = [&times.days, &times.table, &times.plain].map(|all| both(all));
        let ratio = days.0 / table.0;
        let (least, most) = times.spread();
        let verdict = match (kind.has_goal(), ratio <= MOST) {
            (false, _) => "",
            (true, true) => "   goal 2: met",
            (true, false) => "   goal 2: MISSED",
        };
        println!(
            "  {:<40} {:>17} {:>17} {:>17} {ratio:>7.2} {:>15}{verdict}",
            kind.name(),
            shown(days),
            shown(table),
            shown(plain),
            format!("({least:.2}, {most:.2})"),
        );
        self.lines.push(format!(
            "| {backend} | {} | {} | {} | {} | {ratio:.2} ({least:.2}, {most:.2}) | {:.2} | {:.2} |",
            kind.name(),
            shown(days),
            shown(table),
            shown(plain),
            days.1 / table.1,
            days.0 / plain.0,
        ));
    }

    pub fn begin_crowd(&self, backend: Backend) {
        println!(
            "  {:<40} {:>17} {:>17} {:>17} {:>8} {:>9}",
            format!("{backend}, {CLIENTS} clients, in ms"),
            "the API, days",
            "days, plain SQL",
            "one, plain SQL",
            "API/days",
            "API/one"
        );
    }

    pub fn add_crowd(&mut self, backend: Backend, route: Route, crowd: &Crowd) {
        let [api, days, table] = [&crowd.api, &crowd.days, &crowd.table].map(|all| both(all));
        let ratio = api.0 / days.0;
        let verdict = if ratio <= MOST { "met" } else { "MISSED" };
        println!(
            "  {:<40} {:>17} {:>17} {:>17} {ratio:>8.2} {:>9.2}   goal 2 of days: {verdict}",
            route.name(),
            shown(api),
            shown(days),
            shown(table),
            api.0 / table.0,
        );
        self.crowds.push(format!(
            "| {backend} | {} | {} | {} | {} | {ratio:.2} | {:.2} | {:.2} |",
            route.name(),
            shown(api),
            shown(days),
            shown(table),
            api.1 / days.1,
            api.0 / table.0,
        ));
    }

    /// Prints the tables.
    pub fn print(&self) {
        println!(
            "\n| database | p50, p99 in ms | a table a day | one table | one table, plain SQL \
             | days of one table, p50 (least, most) | p99 | days of plain SQL, p50 |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for line in &self.lines {
            println!("{line}");
        }
        println!(
            "\n| database | {CLIENTS} clients at once, p50, p99 in ms | the API over days \
             | the same days, plain SQL | one table, plain SQL | p50, API of days by SQL | p99 \
             | p50, API of one table by SQL |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for line in &self.crowds {
            println!("{line}");
        }
    }
}
