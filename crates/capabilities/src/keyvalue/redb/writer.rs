//! Group commit: what waits to be written goes into one transaction, and is acknowledged after it.
//!
//! There is no thread per store: whoever queues the first write starts a blocking task, and the
//! task ends when the queue is empty. While one group is synced to the disk the next one gathers.

use super::file::{File, TABLE, Trouble};
use crate::keyvalue::limits::BATCH_BYTES_MAX;
use crate::keyvalue::provider::{Error, Swap, sum};
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
            let mut changed = false;
            let mut answers = Vec::with_capacity(group.len());
            {
                let mut table = transaction.open_table(TABLE)?;
                for job in group {
                    answers.push(match job.op.apply(&mut table, &mut changed) {
                        Ok(done) => Ok(done),
                        Err(Trouble::Told(error)) => Err(error),
                        Err(fault) => return Err(fault),
                    });
                }
            }
            if changed {
                transaction.commit()?;
            } else {
                transaction.abort()?;
            }
            Ok(answers)
        })
    }
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

    /// Applies it within the group's transaction; an error that is told has changed nothing.
    fn apply(
        &mut self,
        table: &mut Table<'_, &'static str, &'static [u8]>,
        changed: &mut bool,
    ) -> Result<Done, Trouble> {
        match self {
            Op::Set(entries) => {
                for (key, value) in entries {
                    table.insert(key.as_str(), value.as_slice())?;
                    *changed = true;
                }
                Ok(Done::Written)
            }
            Op::Delete(keys) => {
                for key in keys {
                    *changed |= table.remove(key.as_str())?.is_some();
                }
                Ok(Done::Written)
            }
            Op::Increment { key, delta, range } => {
                let sum = sum(
                    table.get(key.as_str())?.as_ref().map(|v| v.value()),
                    *delta,
                    range,
                )
                .map_err(Trouble::Told)?;
                table.insert(key.as_str(), sum.to_string().as_bytes())?;
                *changed = true;
                Ok(Done::Sum(sum))
            }
            Op::Swap {
                key,
                expected,
                value,
            } => {
                let current = table.get(key.as_str())?.map(|v| v.value().to_vec());
                if current != *expected {
                    return Ok(Done::Swap(Swap::Changed(current)));
                }
                table.insert(key.as_str(), value.as_slice())?;
                *changed = true;
                Ok(Done::Swap(Swap::Done))
            }
        }
    }
}
