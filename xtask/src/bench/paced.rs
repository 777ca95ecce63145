//! Load at a given rate: requests go out on time, whether or not the last one was answered.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::load::Load;
use super::tenants::raw::Connection;

/// Each a connection with a thread of its own, which does nothing but wait, send and read.
const CONNECTIONS: u32 = 16;

/// How often the range is halved in which the most lies that is answered on time: to a thirtieth.
const HALVINGS: u32 = 5;

/// A rate is kept if so much of it was answered by its end, half of it within so many microseconds.
const KEPT: f64 = 0.98;
const PROMPT_US: f64 = 1_000.0;

/// Who is asked, and what the answer has in it
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Where the server listens
    pub address: SocketAddr,
    /// The app: the name before `.test` in its host name
    pub app: &'a str,
    /// Part of the answer
    pub answer: &'a str,
}

/// Sends so many requests a second for a time. A request that could not go out on time, because its
/// connection still waited for an answer, is late by that: its latency counts from when it was due.
pub fn drive(asked: Asked<'_>, per_second: f64, time: Duration) -> Result<Load> {
    let between = Duration::from_secs_f64(f64::from(CONNECTIONS) / per_second);
    let start = Instant::now() + Duration::from_millis(50);
    let latencies = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|index| {
                let first = start + between * index / CONNECTIONS;
                scope.spawn(move || client(asked, first, between, start + time))
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

/// How many requests a second are answered on time, when they are sent on time: who sleeps between
/// requests and is woken for each costs the machine more than who asks again at once, and half of
/// what the latter gets may be all that the former can get.
pub fn capacity(asked: Asked<'_>, time: Duration) -> Result<f64> {
    let flat_out = drive(asked, f64::INFINITY, time)?;
    let (mut kept, mut missed) = (0.0, flat_out.requests as f64 / flat_out.wall.as_secs_f64());
    for _ in 0..HALVINGS {
        let rate = f64::midpoint(kept, missed);
        let load = drive(asked, rate, time)?;
        let due = rate * time.as_secs_f64();
        match load.requests as f64 >= KEPT * due && load.latency_us(0.5) < PROMPT_US {
            true => kept = rate,
            false => missed = rate,
        }
    }
    Ok(kept)
}

fn client(asked: Asked<'_>, first: Instant, between: Duration, end: Instant) -> Result<Vec<u64>> {
    // Where that is not allowed, the report says so.
    let _ = before_all_others();
    let mut connection = Connection::open(asked.address)?;
    let mut latencies = Vec::new();
    let mut due = first;
    // A server that cannot keep up would be asked what is overdue for ever.
    while due < end && Instant::now() < end {
        let early = due.saturating_duration_since(Instant::now());
        thread::sleep(early);
        // What the sleep was too long by is the client's fault.
        let began = if early.is_zero() { due } else { Instant::now() };
        connection.send(asked.app)?;
        connection.answer(asked.answer)?;
        latencies.push(u64::try_from(began.elapsed().as_nanos())?);
        due += between;
    }
    Ok(latencies)
}

/// The calling thread runs as soon as it has anything to do. A client has a machine of its own in
/// life; here it shares the server's cores, and its waiting for one of them would be taken for the
/// server's.
pub fn before_all_others() -> io::Result<()> {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: 0 is this thread, and the parameter lives until the call returns.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const lowest) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
