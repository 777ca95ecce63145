//! Group commit: what waits to be written goes into one transaction, and is acknowledged after it.
//!
//! There is no thread per store: whoever queues the first write starts a blocking task, and the
//! task ends when the queue is empty. While one group is synced to the disk the next one gathers.

use super::file::{File, TABLE, Trouble, USED};
use crate::keyvalue::limits::BATCH_BYTES_MAX;
use crate::keyvalue::provider::{Error, Swap, full, sum};
use redb::{Durability, ReadableTable, Table};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// One write.
#[derive(Debug)]
pub(super) enum Op {
    Set(Vec<(String, Vec<u8>)>),
    Delete(Vec<String>),
    Increment {
        key: String,
        delta: i128,
        range: RangeInclusive<i128>,
    },
    Swap {
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    },
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Done {
    Written,
    Sum(i128),
    Swap(Swap),
}

impl Done {
    /// The answer to another question; cannot be.
    pub(super) fn unexpected(self) -> Error {
        Error::with_detail(
            "the store failed",
            format!("a write was answered by {self:?}"),
        )
    }
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    running: bool,
}

#[derive(Debug)]
struct Job {
    op: Op,
    done: oneshot::Sender<Result<Done, Error>>,
}

/// Queues a write and waits until it is on disk.
pub(super) async fn submit(file: &Arc<File>, op: Op) -> Result<Done, Error> {
    let (done, answer) = oneshot::channel();
    let start = {
        let mut queue = lock(file);
        queue.jobs.push_back(Job { op, done });
        !std::mem::replace(&mut queue.running, true)
    };
    if start {
        let mut writing = Writing {
            file: file.clone(),
            ended: false,
        };
        tokio::task::spawn_blocking(move || writing.run());
    }
    answer
        .await
        .unwrap_or_else(|_| Err(Error::new("the store was closed")))
}

fn lock(file: &File) -> MutexGuard<'_, Queue> {
    file.queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to write. Dropped before its time, because the runtime goes down, it gives up what
/// waits, so that the next write can start anew.
struct Writing {
    file: Arc<File>,
    /// The queue was empty and the right given up: somebody else may have it by now.
    ended: bool,
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.ended {
            *lock(&self.file) = Queue::default();
        }
    }
}

impl Writing {
    fn run(&mut self) {
        loop {
            let mut group = self.take();
            if group.is_empty() {
                return;
            }
            let committed = self.file.reopen().and_then(|()| self.commit(&mut group));
            match committed {
                Ok(answers) => {
                    for (job, answer) in group.into_iter().zip(answers) {
                        let _ = job.done.send(answer);
                    }
                }
                Err(error) => {
                    for job in group {
                        let _ = job.done.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// The next group; an empty one ends the writing.
    fn take(&mut self) -> Vec<Job> {
        let mut queue = lock(&self.file);
        let mut bytes = 0;
        let fits = |job: &&Job| {
            bytes += job.op.bytes();
            bytes <= BATCH_BYTES_MAX
        };
        let count = queue
            .jobs
            .iter()
            .take_while(fits)
            .count()
            .max(1)
            .min(queue.jobs.len());
        queue.running = count > 0;
        self.ended = !queue.running;
        queue.jobs.drain(..count).collect()
    }

    /// Writes a group and syncs it: on return it is on disk, or none of it is.
    fn commit(&self, group: &mut [Job]) -> Result<Vec<Result<Done, Error>>, Error> {
        self.file.with(|db| {
            let mut transaction = db.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let mut answers = Vec::with_capacity(group.len());
            let changed = {
                let mut totals = transaction.open_table(USED)?;
                let used = totals.get(())?.map_or(0, |used| used.value());
                let table = transaction.open_table(TABLE)?;
                let mut data = Data {
                    table,
                    used,
                    changed: false,
                    file: &self.file,
                };
                for job in group {
                    answers.push(match data.apply(&mut job.op) {
                        Ok(done) => Ok(done),
                        Err(Trouble::Told(error)) => Err(error),
                        Err(fault) => return Err(fault),
                    });
                }
                if data.used != used {
                    totals.insert((), data.used)?;
                }
                data.changed
            };
            if changed {
                transaction.commit()?;
            } else {
                transaction.abort()?;
            }
            Ok(answers)
        })
    }
}

/// The data within a group's transaction.
struct Data<'t, 'f> {
    table: Table<'t, &'static str, &'static [u8]>,
    used: u64,
    changed: bool,
    file: &'f File,
}

impl Data<'_, '_> {
    /// Applies one write; an error that is told has changed nothing.
    fn apply(&mut self, op: &mut Op) -> Result<Done, Trouble> {
        match op {
            Op::Set(entries) => {
                self.make_sure_of_room(entries)?;
                for (key, value) in entries {
                    self.put(key, value)?;
                }
                Ok(Done::Written)
            }
            Op::Delete(keys) => {
                for key in keys {
                    if let Some(old) = self.table.remove(key.as_str())? {
                        self.used = self.used.saturating_sub(size(key, old.value()));
                        self.changed = true;
                    }
                }
                Ok(Done::Written)
            }
            Op::Increment { key, delta, range } => {
                let old = self.table.get(key.as_str())?;
                let sum = sum(old.as_ref().map(|old| old.value()), *delta, range)
                    .map_err(Trouble::Told)?;
                drop(old);
                self.put_if_room(key, sum.to_string().into_bytes())?;
                Ok(Done::Sum(sum))
            }
            Op::Swap {
                key,
                expected,
                value,
            } => {
                let current = self.table.get(key.as_str())?.map(|v| v.value().to_vec());
                if current != *expected {
                    return Ok(Done::Swap(Swap::Changed(current)));
                }
                self.put_if_room(key, std::mem::take(value))?;
                Ok(Done::Swap(Swap::Done))
            }
        }
    }

    fn put_if_room(&mut self, key: &str, value: Vec<u8>) -> Result<(), Trouble> {
        let entry = [(key.to_owned(), value)];
        self.make_sure_of_room(&entry)?;
        self.put(key, &entry[0].1)
    }

    fn put(&mut self, key: &str, value: &[u8]) -> Result<(), Trouble> {
        let old = self.table.insert(key, value)?;
        let replaced = old.map_or(0, |old| size(key, old.value()));
        self.used = (self.used + size(key, value)).saturating_sub(replaced);
        self.changed = true;
        Ok(())
    }

    /// Refuses what would leave more than the limit; what makes it less is always welcome.
    fn make_sure_of_room(&self, entries: &[(String, Vec<u8>)]) -> Result<(), Trouble> {
        let added: u64 = entries.iter().map(|(key, value)| size(key, value)).sum();
        if self.used + added <= self.file.limit {
            return Ok(());
        }
        let mut replaced = 0;
        for (key, _) in entries {
            replaced += self
                .table
                .get(key.as_str())?
                .map_or(0, |old| size(key, old.value()));
        }
        if added <= replaced || self.used + added - replaced <= self.file.limit {
            return Ok(());
        }
        Err(Trouble::Told(full(&self.file.name, self.file.limit)))
    }
}

fn size(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

impl Op {
    fn bytes(&self) -> usize {
        match self {
            Op::Set(entries) => entries
                .iter()
                .map(|(key, value)| key.len() + value.len())
                .sum(),
            Op::Delete(keys) => keys.iter().map(String::len).sum(),
            Op::Increment { key, .. } => key.len(),
            Op::Swap { key, value, .. } => key.len() + value.len(),
        }
    }
}
