//! The receipt: what one event cost, and which limit stopped it.

use crate::limits::{Allowance, Budget, Limit};
use crate::seam::Seam;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What requests and answers are called among the kinds of traffic.
const HTTP_SERVER: &str = "http-server";

/// Bytes that crossed the seam, by kind; `in` is into the guest.
#[derive(Default)]
pub struct Flows {
    /// Request bodies read by the guest.
    pub request_in: AtomicU64,
    /// Response bodies written by the guest.
    pub response_out: AtomicU64,
    /// Outbound HTTP: request bodies sent.
    pub http_out: AtomicU64,
    /// Outbound HTTP: response bodies received.
    pub http_in: AtomicU64,
    /// Files read.
    pub files_in: AtomicU64,
    /// Files written.
    pub files_out: AtomicU64,
    /// Standard input read.
    pub stdio_in: AtomicU64,
    /// Standard output and error written.
    pub stdio_out: AtomicU64,
    /// Sockets: received.
    pub sockets_in: AtomicU64,
    /// Sockets: sent.
    pub sockets_out: AtomicU64,
    /// Key-value: values read.
    pub keyvalue_in: AtomicU64,
    /// Key-value: values written.
    pub keyvalue_out: AtomicU64,
    /// Blobs: objects read.
    pub blobs_in: AtomicU64,
    /// Blobs: objects written.
    pub blobs_out: AtomicU64,
    /// SQLite: values returned.
    pub sqlite_in: AtomicU64,
    /// SQLite: statements and values handed over.
    pub sqlite_out: AtomicU64,
    /// Redis: values received.
    pub redis_in: AtomicU64,
    /// Redis: keys and values sent.
    pub redis_out: AtomicU64,
    /// MQTT: nothing is received yet.
    pub mqtt_in: AtomicU64,
    /// MQTT: messages published.
    pub mqtt_out: AtomicU64,
    /// PostgreSQL: values received.
    pub postgres_in: AtomicU64,
    /// PostgreSQL: statements and values sent.
    pub postgres_out: AtomicU64,
    /// MySQL: values received.
    pub mysql_in: AtomicU64,
    /// MySQL: statements and values sent.
    pub mysql_out: AtomicU64,
}

impl Flows {
    /// A new event begins on a reused instance: all counters at zero.
    pub(crate) fn reset(&self) {
        for (_, into, out) in self.rows() {
            into.store(0, Relaxed);
            out.store(0, Relaxed);
        }
    }

    /// Bytes that moved in either direction; whoever waits for progress watches this.
    pub fn total(&self) -> u64 {
        self.rows()
            .iter()
            .map(|(_, into, out)| into.load(Relaxed) + out.load(Relaxed))
            .sum()
    }

    /// Bytes over the network, in both directions, other than the event's own request.
    pub fn outbound(&self) -> u64 {
        [
            &self.http_in,
            &self.http_out,
            &self.sockets_in,
            &self.sockets_out,
            &self.redis_in,
            &self.redis_out,
            &self.mqtt_in,
            &self.mqtt_out,
            &self.postgres_in,
            &self.postgres_out,
            &self.mysql_in,
            &self.mysql_out,
        ]
        .iter()
        .map(|counter| counter.load(Relaxed))
        .sum()
    }

    /// Bytes written to files and objects.
    pub fn written(&self) -> u64 {
        self.files_out.load(Relaxed) + self.blobs_out.load(Relaxed)
    }

    /// Adds to one of the counters; a name for the only thing that is ever done to them.
    pub fn add(counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Relaxed);
    }

    /// How many kinds of traffic there are.
    pub const KINDS: usize = 12;

    /// The kinds of traffic in a fixed order, each with its counters in and out.
    pub fn rows(&self) -> [(&'static str, &AtomicU64, &AtomicU64); Self::KINDS] {
        [
            (HTTP_SERVER, &self.request_in, &self.response_out),
            ("http", &self.http_in, &self.http_out),
            ("files", &self.files_in, &self.files_out),
            ("stdio", &self.stdio_in, &self.stdio_out),
            ("sockets", &self.sockets_in, &self.sockets_out),
            ("keyvalue", &self.keyvalue_in, &self.keyvalue_out),
            ("blobs", &self.blobs_in, &self.blobs_out),
            ("sqlite", &self.sqlite_in, &self.sqlite_out),
            ("redis", &self.redis_in, &self.redis_out),
            ("mqtt", &self.mqtt_in, &self.mqtt_out),
            ("postgres", &self.postgres_in, &self.postgres_out),
            ("mysql", &self.mysql_in, &self.mysql_out),
        ]
    }
}

/// What an event used.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// The component that ran.
    pub component: String,
    /// CPU time of its polls, guest and host functions together, in microseconds.
    pub cpu_us: u64,
    /// Fuel that it burnt; absent unless its component has a limit of fuel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Wall time from taking the instance to giving it back, in microseconds.
    pub wall_us: u64,
    /// The most linear memory it held at once, in bytes.
    pub memory_peak: u64,
    /// Bytes into the guest.
    pub bytes_in: u64,
    /// Bytes out of the guest.
    pub bytes_out: u64,
    /// The same by kind: `[in, out]`; kinds without traffic are absent.
    pub bytes: BTreeMap<&'static str, [u64; 2]>,
    /// Calls to the outside: interface, then function.
    pub calls: BTreeMap<&'static str, BTreeMap<&'static str, Calls>>,
    /// The limit that it reached last, if any: `cpu`, `memory`, `timeout`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<&'static str>,
    /// How much that limit allows, as the manifest writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_value: Option<String>,
}

/// Calls of one host function.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// Wall time inside in microseconds; absent unless times were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_us: Option<u64>,
}

impl Receipt {
    /// Closes the account of an instance.
    pub fn close(
        component: &str,
        budget: &Budget,
        wall: Duration,
        flows: &Flows,
        seam: &Seam,
    ) -> Receipt {
        let mut calls: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for tally in seam.tallies() {
            let function = tally.id.function();
            let time_us = (!tally.time.is_zero()).then(|| tally.time.as_micros() as u64);
            calls.entry(function.interface).or_default().insert(
                function.name,
                Calls {
                    count: tally.calls,
                    time_us,
                },
            );
        }
        let mut receipt = Receipt {
            component: component.to_owned(),
            cpu_us: budget.meter.spent().as_micros() as u64,
            fuel: budget.meter.fuel(),
            wall_us: wall.as_micros() as u64,
            memory_peak: budget.memory_peak(),
            bytes_in: 0,
            bytes_out: 0,
            bytes: BTreeMap::new(),
            calls,
            limit: None,
            limit_value: None,
        };
        if let Some(limit) = budget.meter.limit_hit() {
            receipt.reached(limit, budget.allowance());
        }
        receipt.bytes_from(flows);
        receipt
    }

    /// Notes a limit that was reached, also after the account was closed.
    pub fn reached(&mut self, limit: Limit, allowance: &Allowance) {
        self.limit = Some(limit.name());
        self.limit_value = Some(limit.amount(allowance).to_string());
    }

    /// Takes the bytes of the request and of the answer anew, where the instance's counters are
    /// another event's by now.
    pub fn bodies(&mut self, bytes: [u64; 2]) {
        let before = self.bytes.remove(HTTP_SERVER).unwrap_or_default();
        self.bytes_in = self.bytes_in - before[0] + bytes[0];
        self.bytes_out = self.bytes_out - before[1] + bytes[1];
        if bytes != [0, 0] {
            self.bytes.insert(HTTP_SERVER, bytes);
        }
    }

    /// Takes the bytes anew, for what was still on its way when the account was closed.
    pub fn bytes_from(&mut self, flows: &Flows) {
        self.bytes.clear();
        (self.bytes_in, self.bytes_out) = (0, 0);
        for (kind, into, out) in flows.rows() {
            let pair = [into.load(Relaxed), out.load(Relaxed)];
            self.bytes_in += pair[0];
            self.bytes_out += pair[1];
            if pair != [0, 0] {
                self.bytes.insert(kind, pair);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Allowance;

    fn closed(flows: &Flows) -> Receipt {
        let (budget, seam) = (Budget::new(Allowance::UNLIMITED), Seam::new(false, None));
        Receipt::close("web", &budget, Duration::ZERO, flows, &seam)
    }

    #[test]
    fn an_answer_s_bytes_are_its_own() {
        let flows = Flows::default();
        Flows::add(&flows.request_in, 10);
        Flows::add(&flows.response_out, 3);
        Flows::add(&flows.http_out, 5);
        let mut receipt = closed(&flows);
        // The next event on the instance.
        flows.reset();
        Flows::add(&flows.response_out, 1_000);
        receipt.bodies([11, 7]);
        assert_eq!((receipt.bytes_in, receipt.bytes_out), (11, 12));
        assert_eq!(receipt.bytes["http-server"], [11, 7]);
        assert_eq!(receipt.bytes["http"], [0, 5]);
    }

    #[test]
    fn an_answer_without_a_body_leaves_no_row() {
        let mut receipt = closed(&Flows::default());
        receipt.bodies([0, 4]);
        assert_eq!(receipt.bytes["http-server"], [0, 4]);
        receipt.bodies([0, 0]);
        assert!(receipt.bytes.is_empty() && receipt.bytes_out == 0);
    }
}
