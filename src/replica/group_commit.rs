//! Group commit: appends that must be on the disk before anybody hears of them share their syncs.
//!
//! A sync that is under way may have begun before an append, so an append waits for the next one to begin, and with it all
//! that come meanwhile ([`GroupCommit`]). Syncs run on blocking threads, some for each log directory ([`Syncers`]): a journal
//! that is asked for several files at once commits for all of them together, and a directory whose disk has stopped holds its
//! own threads and no more.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use ottla_base::Uuid;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::partition::Partition;

/// Syncs at once on one directory. More threads wait for the same commits of the journal, and do not get them earlier.
const THREADS_PER_DIR_MAX: usize = 16;

/// The syncs of one partition, counted: one round after the other.
#[derive(Default)]
pub(super) struct GroupCommit {
    rounds: Mutex<Rounds>,
    /// Of even and of odd rounds, so that who waits for the next round sleeps through the end of the one under way.
    ended: [Notify; 2],
}

#[derive(Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    /// Somebody waits for the round that has not begun yet.
    is_wanted: bool,
    /// A round is under way or in a queue.
    is_scheduled: bool,
}

/// A round that has not begun: whatever is in the log now will be on the disk when it has ended well.
#[derive(Clone, Copy)]
pub(super) struct Round {
    number: u64,
    /// Nobody has asked for it before: it is the caller who must submit the partition.
    pub is_first: bool,
}

impl GroupCommit {
    /// Asks for a round.
    pub fn want(&self) -> Round {
        let mut rounds = self.rounds.lock();
        rounds.is_wanted = true;
        Round {
            number: rounds.begun + 1,
            is_first: !std::mem::replace(&mut rounds.is_scheduled, true),
        }
    }

    pub fn begin(&self) {
        let mut rounds = self.rounds.lock();
        rounds.begun += 1;
        rounds.is_wanted = false;
    }

    /// Ends the round that was begun; true if another is wanted already.
    pub fn end(&self) -> bool {
        let mut rounds = self.rounds.lock();
        rounds.ended = rounds.begun;
        rounds.is_scheduled = rounds.is_wanted;
        let (number, is_wanted) = (rounds.ended, rounds.is_wanted);
        drop(rounds);
        self.ended_of(number).notify_waiters();
        is_wanted
    }

    /// Waits until `round` has ended.
    pub async fn wait(&self, round: Round) {
        let notify = self.ended_of(round.number);
        let mut ended = pin!(notify.notified());
        loop {
            // From here on no end is missed.
            ended.as_mut().enable();
            if self.rounds.lock().ended >= round.number {
                return;
            }
            ended.as_mut().await;
            ended.set(notify.notified());
        }
    }

    fn ended_of(&self, round: u64) -> &Notify {
        &self.ended[usize::from(round.is_multiple_of(2))]
    }
}

/// The threads that sync, by log directory.
#[derive(Default)]
pub(super) struct Syncers {
    dirs: Mutex<HashMap<Uuid, Syncer>>,
}

#[derive(Default)]
struct Syncer {
    waiting: VecDeque<Arc<Partition>>,
    threads: usize,
}

impl Syncers {
    /// Has the partition's rounds done, one after the other for as long as they are wanted.
    pub fn submit(self: &Arc<Self>, partition: Arc<Partition>) {
        let dir_id = partition.log().dir_id();
        let mut dirs = self.dirs.lock();
        let syncer = dirs.entry(dir_id).or_default();
        syncer.waiting.push_back(partition);
        if syncer.threads < THREADS_PER_DIR_MAX {
            syncer.threads += 1;
            let syncers = self.clone();
            tokio::task::spawn_blocking(move || syncers.work(dir_id));
        }
    }

    fn work(&self, dir_id: Uuid) {
        let mut again = None;
        while let Some(partition) = self.next(dir_id, again.take()) {
            if partition.sync_round() {
                again = Some(partition);
            }
        }
    }

    /// The partition whose turn it is; one that has had its turn waits behind the others. Without one, a thread less.
    fn next(&self, dir_id: Uuid, again: Option<Arc<Partition>>) -> Option<Arc<Partition>> {
        let mut dirs = self.dirs.lock();
        let syncer = dirs.entry(dir_id).or_default();
        syncer.waiting.extend(again);
        let next = syncer.waiting.pop_front();
        if next.is_none() {
            syncer.threads -= 1;
        }
        next
    }
}
