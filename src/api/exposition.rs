//! Metrics as Prometheus reads them: its text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::sizes::DaySize;
use crate::metrics::{Histogram, Measured, Metrics};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is told of the tables that hold rows.
const PARTITION_ROWS: &str = "tower_recording_partition_rows";
const PARTITION_BYTES: &str = "tower_recording_partition_bytes";

/// The text, family by family.
pub(super) fn text(metrics: &Metrics, sizes: &[DaySize]) -> String {
    let mut text = Text::default();
    for counter in metrics.counters() {
        text.family(counter.name, counter.help, "counter");
        match counter.reason {
            Some(reason) => text.sample(counter.name, &[("reason", reason)], counter.count),
            None => text.sample(counter.name, &[], counter.count),
        }
    }
    for Measured { name, help, value } in metrics.gauges() {
        text.family(name, help, "gauge");
        text.sample(name, &[], value);
    }
    for Measured { name, help, value } in metrics.histograms() {
        text.family(name, help, "histogram");
        text.histogram(name, &value);
    }
    let rows = sizes.iter().map(|size| (size, Some(size.rows)));
    let bytes = sizes.iter().map(|size| (size, size.bytes));
    text.partitions(
        PARTITION_ROWS,
        "Rows by table and day, as the database estimates them.",
        rows,
    );
    text.partitions(
        PARTITION_BYTES,
        "Bytes with indexes by table and day, where the database tells them quickly.",
        bytes,
    );
    text.written
}

#[derive(Default)]
struct Text {
    written: String,
    family: &'static str,
}

impl Text {
    /// Begins a family, unless it is the one that was begun.
    fn family(&mut self, name: &'static str, help: &str, kind: &str) {
        if self.family != name {
            self.family = name;
            self.line(format_args!("# HELP {name} {help}"));
            self.line(format_args!("# TYPE {name} {kind}"));
        }
    }

    /// A sample with labels, whose values need no escaping.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        match &labels[..] {
            [] => self.line(format_args!("{name} {value}")),
            labels => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        for (bound, count) in histogram.buckets() {
            let bound = match bound.is_finite() {
                true => bound.to_string(),
                false => "+Inf".to_owned(),
            };
            self.sample(&format!("{name}_bucket"), &[("le", &bound)], count);
        }
        self.sample(&format!("{name}_sum"), &[], histogram.sum());
        self.sample(&format!("{name}_count"), &[], histogram.count());
    }

    fn partitions<'a>(
        &mut self,
        name: &'static str,
        help: &str,
        sizes: impl Iterator<Item = (&'a DaySize, Option<i64>)>,
    ) {
        for (DaySize { table, day, .. }, value) in sizes {
            if let Some(value) = value {
                self.family(name, help, "gauge");
                self.sample(name, &[("table", table), ("day", day)], value);
            }
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.written, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const DASHBOARD: &str = include_str!("../../dashboards/grafana.json");

    /// The names of metrics in every query of a dashboard.
    fn asked<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (&**name, value) {
                        ("expr" | "query", Value::String(query)) => {
                            let words = query.split(|letter: char| {
                                !letter.is_ascii_alphanumeric() && letter != '_'
                            });
                            let ours = words.filter(|word| word.starts_with("tower_recording_"));
                            found.extend(ours);
                        }
                        (_, value) => asked(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| asked(value, found)),
            _ => {}
        }
    }

    fn served() -> String {
        let size = DaySize {
            table: "conversation_histories",
            day: "2025-01-15".to_owned(),
            rows: 3,
            bytes: Some(8192),
        };
        text(&Metrics::default(), &[size])
    }

    #[test]
    fn every_metric_that_the_dashboard_asks_for_is_served_and_the_other_way_round() {
        let served = served();
        let samples = served.lines().filter(|line| !line.starts_with('#'));
        let samples: BTreeSet<&str> = samples
            .filter_map(|line| line.split(['{', ' ']).next())
            .collect();
        let dashboard = serde_json::from_str(DASHBOARD).expect("JSON");
        let mut asked_for = BTreeSet::new();
        asked(&dashboard, &mut asked_for);
        assert!(asked_for.len() > 20, "{asked_for:?}");
        for name in &asked_for {
            assert!(samples.contains(name), "{name} is not served");
        }
        let families = served
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        for family in families.filter_map(|line| line.split(' ').next()) {
            let is_shown = asked_for.iter().any(|name| name.starts_with(family));
            assert!(is_shown, "{family} is not shown");
        }
    }

    #[test]
    fn a_family_is_described_once_with_its_samples_behind_it() {
        let served = served();
        let described = served.lines().filter(|line| line.starts_with("# HELP"));
        let names: Vec<&str> = described
            .filter_map(|line| line.split(' ').nth(2))
            .collect();
        let different: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        assert!(served.contains(
            "# TYPE tower_recording_dropped_total counter\n\
             tower_recording_dropped_total{reason=\"queue_full\"} 0\n\
             tower_recording_dropped_total{reason=\"shutdown\"} 0\n\
             tower_recording_dropped_total{reason=\"expired\"} 0\n\
             tower_recording_dropped_total{reason=\"budget\"} 0\n"
        ));
        assert!(served.contains(
            "tower_recording_partition_bytes{table=\"conversation_histories\",day=\"2025-01-15\"} 8192\n"
        ));
    }
}
