//! Load at a given rate: requests go out on time, whether or not the last one was answered.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::runtime;

use super::load::{self, Load, Target};

/// Each a connection with a thread of its own: a timer of tokio's would be a millisecond late.
const CONNECTIONS: u32 = 8;

/// Sends so many requests a second for a time. A request that could not go out on time, because its
/// connection still waited for an answer, is late by that: its latency counts from when it was due.
pub fn drive(target: &Target, per_second: f64, time: Duration) -> Result<Load> {
    let between = Duration::from_secs_f64(f64::from(CONNECTIONS) / per_second);
    let start = Instant::now() + Duration::from_millis(50);
    let latencies = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|index| {
                let first = start + between * index / CONNECTIONS;
                scope.spawn(move || client(target, first, between, start + time))
            })
            .collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        anyhow::Ok(all)
    })?;
    Load::of(latencies, start.elapsed())
}

fn client(target: &Target, first: Instant, between: Duration, end: Instant) -> Result<Vec<u64>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut sender = runtime.block_on(load::connect(target.address))?;
    let mut latencies = Vec::new();
    let mut due = first;
    // A server that cannot keep up would be asked what is overdue for ever.
    while due < end && Instant::now() < end {
        let early = due.saturating_duration_since(Instant::now());
        thread::sleep(early);
        // What the sleep was too long by is the client's fault.
        let began = if early.is_zero() { due } else { Instant::now() };
        runtime.block_on(load::request(&mut sender, target))?;
        latencies.push(u64::try_from(began.elapsed().as_nanos())?);
        due += between;
    }
    Ok(latencies)
}
