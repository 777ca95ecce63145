//! `GET /metrics`: what the host and its apps did, as OpenMetrics text.
//!
//! Names are OpenTelemetry's where it has one, else they begin with `holm_`. What was never called
//! is not told of, and only so many apps have labels of their own: a database of metrics keeps a
//! series for each label it ever saw.

use crate::app::App;
use crate::apps::Apps;
use crate::jobs::Counts;
use crate::usage::{BOUNDS, Sum};
use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

/// Apps with labels of their own; the others are told of together.
const APPS_MAX: usize = 1000;

/// The label of all others. No app is called so: names begin with a letter.
const OTHERS: &str = "_other";

/// Which apps have labels of their own. One that has them keeps them for as long as it is there.
#[derive(Default)]
pub struct Metrics(Mutex<BTreeSet<Arc<str>>>);

/// What is told of under one set of labels.
struct Row {
    labels: String,
    sum: Sum,
    at_work: usize,
}

impl Metrics {
    /// All of it at this moment.
    pub fn text(&self, apps: &Apps) -> String {
        let list = apps.list();
        let (rows, others) = self.rows(&list);
        let mut out = Text::default();
        host(&mut out, apps, &list, others);
        requests(&mut out, &rows);
        costs(&mut out, &rows);
        servers(&mut out);
        self.messages(&mut out, &list);
        self.jobs(&mut out, &list);
        out.0.push_str("# EOF\n");
        out.0
    }

    /// The components that were called, and how many apps are among the others.
    fn rows(&self, list: &[Arc<App>]) -> (Vec<Row>, usize) {
        let called: Vec<&Arc<App>> = list.iter().filter(|app| is_called(app)).collect();
        let labelled = self.labelled(&called, APPS_MAX);
        let mut rows = Vec::new();
        let mut rest = Row::new(OTHERS, OTHERS);
        let mut others = 0;
        for app in called {
            let own = labelled.contains(&app.name);
            others += usize::from(!own);
            let components = app.components.iter().filter_map(|component| {
                let usage = component.usage_so_far()?;
                Some((&*component.name, usage, component.at_work()))
            });
            let files = app.standing.files_so_far();
            let files = files.map(|usage| ("_files", usage, 0));
            for (name, usage, at_work) in components.chain(files) {
                let sum = usage.sum();
                if own {
                    let mut row = Row::new(&app.name, name);
                    (row.sum, row.at_work) = (sum, at_work);
                    rows.push(row);
                } else {
                    rest.sum.add(&sum);
                    rest.at_work += at_work;
                }
            }
        }
        if others > 0 {
            rows.push(rest);
        }
        (rows, others)
    }

    /// What became of messages, for the apps that have labels of their own.
    fn messages(&self, out: &mut Text, list: &[Arc<App>]) {
        let own = self.own(list);
        let all = own
            .iter()
            .flat_map(|app| app.listeners.iter().map(move |listener| (app, listener)));
        let rows: Vec<(String, &Counts)> = all
            .map(|(app, listener)| {
                let labels = of_trigger(app, &listener.name);
                (labels, &*listener.counts)
            })
            .collect();
        if rows.is_empty() {
            return;
        }
        let name = "holm_messages";
        out.family(
            name,
            "counter",
            None,
            "Messages by what became of them; of `failed`, tries.",
        );
        for (labels, counts) in &rows {
            for (outcome, count) in counts.outcomes() {
                let labels = format!("{labels},outcome=\"{outcome}\"");
                out.sample("holm_messages_total", &labels, count);
            }
        }
        let name = "holm_trigger_connections";
        out.family(
            name,
            "counter",
            None,
            "Connections to brokers that were made, the first and again.",
        );
        for (labels, counts) in &rows {
            let made = counts.connections.load(Relaxed);
            out.sample("holm_trigger_connections_total", labels, made);
        }
        let name = "holm_trigger_connected";
        out.family(name, "gauge", None, "1 while a trigger hears its broker.");
        for (labels, counts) in &rows {
            let is = u8::from(counts.connected.load(Relaxed) > 0);
            out.sample(name, labels, is);
        }
    }

    /// What became of the runs of jobs, for the same apps.
    fn jobs(&self, out: &mut Text, list: &[Arc<App>]) {
        let own = self.own(list);
        if own.iter().all(|app| app.jobs.is_empty()) {
            return;
        }
        out.family(
            "holm_job_runs",
            "counter",
            None,
            "Runs of jobs by what became of them, whatever number of tries each took.",
        );
        for app in own {
            for job in &app.jobs {
                let labels = of_trigger(app, &job.name);
                for (outcome, count) in job.runs.outcomes() {
                    let labels = format!("{labels},outcome=\"{outcome}\"");
                    out.sample("holm_job_runs_total", &labels, count);
                }
            }
        }
    }

    /// The apps of a list that have labels of their own by now.
    fn own<'a>(&self, list: &'a [Arc<App>]) -> Vec<&'a Arc<App>> {
        let named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = list.iter().filter(|app| named.contains(&app.name));
        own.collect()
    }

    /// Those that have labels of their own: who has them keeps them, then by name.
    fn labelled(&self, called: &[&Arc<App>], most: usize) -> BTreeSet<Arc<str>> {
        let mut labelled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here: BTreeSet<&Arc<str>> = called.iter().map(|app| &app.name).collect();
        labelled.retain(|name| here.contains(name));
        for name in here {
            if labelled.len() >= most {
                break;
            }
            labelled.insert(name.clone());
        }
        labelled.clone()
    }
}

fn is_called(app: &App) -> bool {
    app.standing.files_so_far().is_some()
        || !app.listeners.is_empty()
        || !app.jobs.is_empty()
        || app.components.iter().any(|c| c.usage_so_far().is_some())
}

/// The labels of something that an app does by itself.
fn of_trigger(app: &App, name: &str) -> String {
    let (app, trigger) = (escaped(&app.name), escaped(name));
    format!("app=\"{app}\",trigger=\"{trigger}\"")
}

impl Row {
    fn new(app: &str, component: &str) -> Row {
        Row {
            labels: format!(
                "app=\"{}\",component=\"{}\"",
                escaped(app),
                escaped(component)
            ),
            sum: Sum::default(),
            at_work: 0,
        }
    }
}

fn host(out: &mut Text, apps: &Apps, list: &[Arc<App>], others: usize) {
    let (loaded, bytes) = apps.setting().shelf.holds();
    let in_flight: usize = list.iter().map(|app| app.standing.in_flight()).sum();
    let drained = list.iter().filter(|app| app.standing.is_drained()).count();
    let gauges: [(&str, &str, Option<&str>, u64); 7] = [
        (
            "holm_apps",
            "Apps that are served.",
            None,
            list.len() as u64,
        ),
        (
            "holm_apps_drained",
            "Apps that take no requests.",
            None,
            drained as u64,
        ),
        (
            "holm_apps_without_labels",
            "Called apps that are told of together as _other.",
            None,
            others as u64,
        ),
        (
            "holm_requests_in_flight",
            "Requests that are being answered.",
            None,
            in_flight as u64,
        ),
        (
            "holm_components_loaded",
            "Components in memory.",
            None,
            loaded as u64,
        ),
        (
            "holm_code_bytes",
            "Memory of the code of loaded components.",
            Some("bytes"),
            bytes,
        ),
        (
            "holm_memory_bytes",
            "Linear memory of all instances.",
            Some("bytes"),
            apps.setting().memory.used(),
        ),
    ];
    for (name, help, unit, value) in gauges {
        out.family(name, "gauge", unit, help);
        out.sample(name, "", value);
    }
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = clock.tv_sec as f64 + clock.tv_nsec as f64 / 1e9;
    out.family(
        "process_cpu_seconds",
        "counter",
        Some("seconds"),
        "CPU time of the whole server, by the kernel's count.",
    );
    out.sample("process_cpu_seconds_total", "", cpu);
}

fn requests(out: &mut Text, rows: &[Row]) {
    let name = "http_server_request_duration_seconds";
    out.family(
        name,
        "histogram",
        Some("seconds"),
        "From a request's head to the last byte of its answer.",
    );
    for Row { labels, sum, .. } in rows {
        let mut count = 0;
        let bounds = BOUNDS.iter().map(|bound| format!("{bound:?}"));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (bound, here) in bounds.zip(sum.latency.buckets) {
            count += here;
            out.sample(
                "http_server_request_duration_seconds_bucket",
                &format!("{labels},le=\"{bound}\""),
                count,
            );
        }
        out.sample("http_server_request_duration_seconds_count", labels, count);
        let seconds = sum.latency.sum_us as f64 / 1e6;
        out.sample("http_server_request_duration_seconds_sum", labels, seconds);
    }
    out.family(
        "holm_responses",
        "counter",
        None,
        "Answers by class of status.",
    );
    for Row { labels, sum, .. } in rows {
        for (class, count) in &sum.responses {
            let labels = format!("{labels},class=\"{class}\"");
            out.sample("holm_responses_total", &labels, count);
        }
    }
    out.family(
        "holm_failures",
        "counter",
        None,
        "Requests without a good answer of the component's, by cause.",
    );
    for Row { labels, sum, .. } in rows {
        for (cause, count) in &sum.failures {
            let labels = format!("{labels},cause=\"{cause}\"");
            out.sample("holm_failures_total", &labels, count);
        }
    }
    out.family(
        "holm_limit_hits",
        "counter",
        None,
        "Events that met a limit.",
    );
    for Row { labels, sum, .. } in rows {
        for (limit, count) in &sum.limits {
            let labels = format!("{labels},limit=\"{limit}\"");
            out.sample("holm_limit_hits_total", &labels, count);
        }
    }
}

/// What the servers did that guests called.
fn servers(out: &mut Text) {
    out.family(
        "holm_connection_failures",
        "counter",
        None,
        "Calls of servers that failed: no connection, or none any more, or no answer in time.",
    );
    for (name, count) in holm_capabilities::outbound::failures() {
        let labels = format!("capability=\"{name}\"");
        out.sample("holm_connection_failures_total", &labels, count);
    }
}

fn costs(out: &mut Text, rows: &[Row]) {
    let seconds: [(&str, &str, fn(&Sum) -> u64); 2] = [
        (
            "holm_cpu_seconds",
            "CPU time of guests, as receipts tell it.",
            |sum| sum.cpu_us,
        ),
        ("holm_wall_seconds", "Wall time of events.", |sum| {
            sum.wall_us
        }),
    ];
    for (name, help, us) in seconds {
        out.family(name, "counter", Some("seconds"), help);
        for Row { labels, sum, .. } in rows {
            out.sample(&format!("{name}_total"), labels, us(sum) as f64 / 1e6);
        }
    }
    out.family(
        "holm_traffic_bytes",
        "counter",
        Some("bytes"),
        "Bytes into guests and out of them, by kind.",
    );
    for Row { labels, sum, .. } in rows {
        for (kind, [into, out_of]) in &sum.bytes {
            for (direction, bytes) in [("in", into), ("out", out_of)] {
                let labels = format!("{labels},kind=\"{kind}\",direction=\"{direction}\"");
                out.sample("holm_traffic_bytes_total", &labels, bytes);
            }
        }
    }
    out.family(
        "holm_memory_peak_bytes",
        "gauge",
        Some("bytes"),
        "The most linear memory that one instance held.",
    );
    for Row { labels, sum, .. } in rows {
        out.sample("holm_memory_peak_bytes", labels, sum.memory_peak);
    }
    out.family(
        "holm_instances_at_work",
        "gauge",
        None,
        "Instances that are answering.",
    );
    for Row {
        labels, at_work, ..
    } in rows
    {
        out.sample("holm_instances_at_work", labels, at_work);
    }
}

/// OpenMetrics 1.0, as much of it as is needed.
#[derive(Default)]
struct Text(String);

impl Text {
    /// What follows is of this family.
    fn family(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        if let Some(unit) = unit {
            let _ = writeln!(self.0, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP {name} {}", escaped(help));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_and_its_samples() {
        let mut out = Text::default();
        out.family("a_seconds", "counter", Some("seconds"), "What\nis \"it\".");
        out.sample("a_seconds_total", "b=\"c\"", 0.25);
        out.sample("a_seconds_total", "", 3);
        assert_eq!(
            out.0,
            "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
             # HELP a_seconds What\\nis \\\"it\\\".\n\
             a_seconds_total{b=\"c\"} 0.25\na_seconds_total 3\n"
        );
    }

    #[test]
    fn buckets_are_cumulative_and_bounds_are_numbers() {
        let mut row = Row::new("a", "b");
        row.sum.latency.buckets[0] = 2;
        row.sum.latency.buckets[14] = 1;
        let mut out = Text::default();
        requests(&mut out, &[row]);
        for line in [
            "_bucket{app=\"a\",component=\"b\",le=\"0.005\"} 2",
            "_bucket{app=\"a\",component=\"b\",le=\"1.0\"} 2",
            "_bucket{app=\"a\",component=\"b\",le=\"10.0\"} 2",
            "_bucket{app=\"a\",component=\"b\",le=\"+Inf\"} 3",
            "_count{app=\"a\",component=\"b\"} 3",
        ] {
            assert!(out.0.contains(line), "{line}\n{}", out.0);
        }
    }
}
